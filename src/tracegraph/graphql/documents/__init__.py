"""Documents before execution: parsing, limits, cost, validation, cache."""
