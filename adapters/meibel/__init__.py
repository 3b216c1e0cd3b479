"""Meibel as a source: its agents are experiments, their chats are sessions."""

from adapters.meibel.adapter import Options, open_adapter
from adapters.meibel.address import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
