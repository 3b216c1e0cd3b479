"""Compiled query plans over the library's executor."""
