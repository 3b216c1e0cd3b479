"""The LangSmith simulator."""
