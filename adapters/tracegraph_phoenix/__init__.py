"""The Phoenix adapter: projects and evaluations are experiments, root spans and runs are sessions."""

from tracegraph_phoenix.adapter import Options, open_adapter
from tracegraph_phoenix.address import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
