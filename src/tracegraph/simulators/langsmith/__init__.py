"""LangSmith, simulated."""
