"""LangSmith: tracer sessions as experiments, root runs as sessions."""

from tracegraph_langsmith.adapter import Options, open_adapter
from tracegraph_langsmith.address import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
