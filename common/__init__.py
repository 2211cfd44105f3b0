"""Values and small services that every other component may use."""
