"""Phoenix's global ids: the Base64 of a type and a number (docs/vendors/phoenix.md#ids).

A client chooses the parts of an ID, so only the one notation of an id is taken. No other text causes a call.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence

PROJECT, EXPERIMENT, RUN = "Project", "Experiment", "ExperimentRun"

_ID = re.compile(r"([A-Za-z]+):([1-9][0-9]{0,17})")
_CURSOR = re.compile(r"[0-9]+(:[A-Z]+:.*)?|connection:[0-9]+")
_MAX_LENGTH = 128
_MAX_SPAN_ID = 512


def type_of(text: str) -> str | None:
    """Return the type of a global id, None for any other text."""
    decoded = _decoded(text)
    match = None if decoded is None else _ID.fullmatch(decoded)
    return match[1] if match else None


def is_span_id(text: str) -> bool:
    """Return whether the text can be the id of a span, and a condition can hold it.

    An OpenTelemetry id is hexadecimal, but Phoenix stores any text as one.
    """
    return 0 < len(text) <= _MAX_SPAN_ID and text.isprintable()


def readable(experiment: str, session_ids: Sequence[str]) -> list[str]:
    """Return the texts that can be sessions of the experiment: root spans by span id, runs by global id."""
    match type_of(experiment):
        case "Project":
            return [session_id for session_id in session_ids if is_span_id(session_id)]
        case "Experiment":
            return [session_id for session_id in session_ids if type_of(session_id) == RUN]
    return []


def is_cursor(text: str) -> bool:
    """Return whether the text is a cursor: to any other, Phoenix answers as to a failure of its own."""
    decoded = _decoded(text)
    return decoded is not None and _CURSOR.fullmatch(decoded) is not None


def _decoded(text: str) -> str | None:
    if len(text) > _MAX_LENGTH or not text.isascii():
        return None
    try:
        decoded = b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded if b64encode(decoded.encode()).decode() == text else None
