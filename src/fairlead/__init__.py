"""Fairlead: a two-level cluster manager that offers resources to framework schedulers."""
