"""Tests against the vendors' real services, run by `make live` alone."""
