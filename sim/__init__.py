"""The deterministic cluster: the real cores, virtual time, injected faults and an auditor."""
