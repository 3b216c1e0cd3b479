"""Compiled query plans. The library's executor is the fallback."""
