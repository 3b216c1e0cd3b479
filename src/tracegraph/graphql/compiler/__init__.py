"""Compiled query plans, with graphql-core's executor as the fallback."""
