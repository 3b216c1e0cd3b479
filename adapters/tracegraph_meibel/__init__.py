"""The Meibel adapter: agents are experiments, and their chats are sessions."""

from tracegraph_meibel.adapter import Options, open_adapter
from tracegraph_meibel.address import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
