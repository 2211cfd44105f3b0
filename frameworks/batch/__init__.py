"""The batch framework: an Executor whose calls run in workers obtained through offers."""
