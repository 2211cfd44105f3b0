"""Taking back what exceeds a fair share: who may lose, what, by when."""
