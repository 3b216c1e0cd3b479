"""The read-through cache of vendor responses: memory, Redis, keys, dependencies."""
