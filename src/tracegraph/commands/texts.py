"""Texts of vendors, made fit for a terminal."""

from __future__ import annotations

from tracegraph.domain.texts import folded


def printable_line(text: str) -> str:
    """Return a text on one line, without characters that control a terminal."""
    return "".join(character if character.isprintable() else "?" for character in folded(text))


def excerpt(text: str, length: int) -> str:
    """Return a text on one line of at most `length` characters. A cut text ends with an ellipsis."""
    line = printable_line(text[: 10 * length])
    return line if len(line) <= length and len(text) <= 10 * length else f"{line[: length - 1]}…"
