"""The shared built-in framework that runs single commands for `fairlead run`."""
