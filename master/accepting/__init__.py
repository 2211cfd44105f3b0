"""Accepts, from the call to the last of its operations, and gangs of them."""
