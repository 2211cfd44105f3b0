"""The framework kit and the frameworks that ship with Fairlead."""
