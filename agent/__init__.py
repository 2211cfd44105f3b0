"""The agent: task life, containerizers, devices, recovery and the launcher of one machine."""
