"""The vendors: one folder each, found by entry points, unknown to the core."""
