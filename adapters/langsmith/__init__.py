"""LangSmith: tracer sessions as experiments, root runs as sessions."""

from adapters.langsmith.adapter import open_adapter

__all__ = ["open_adapter"]
