"""Meibel as a source: its agents are experiments, their chats are sessions."""

from adapters.meibel.adapter import open_adapter

__all__ = ["open_adapter"]
