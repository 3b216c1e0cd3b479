"""The response modes of NeMo: how much of long texts a row has."""

from typing import Any

MODES = ("detailed", "preview", "summary")


_PREVIEW_LENGTH = 300


def text_in_mode(text: Any, mode: str) -> Any:
    """Return a text as the mode has it: whole, its first 300 characters, or None."""
    if mode == "summary":
        return None
    return text[:_PREVIEW_LENGTH] if mode == "preview" and isinstance(text, str) else text
