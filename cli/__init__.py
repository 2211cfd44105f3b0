"""The `fairlead` command: every verb a person types, and the errors they read."""
