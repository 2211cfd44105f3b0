"""The master: the books, the allocator, leadership and the sessions of agents and frameworks."""
