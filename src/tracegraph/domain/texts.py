"""Helpers for text: white space, percent-encoding, times."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

is_unreserved = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
"""Match a text that is the same in a URL. Most are, and `quote` takes longer to find that out."""


def folded(text: str) -> str:
    """Return the text on one line, with single spaces and none at its ends."""
    return " ".join(text.split())


def percent_encoded(text: str, errors: str = "strict") -> str:
    """Return the text as a part of a URL, with every reserved character escaped.

    Args:
        text: The text.
        errors: What happens to a lone surrogate, as in `str.encode`.

    Raises:
        UnicodeEncodeError: For a lone surrogate, unless `errors` says otherwise.
    """
    return text if is_unreserved(text) else quote(text, safe="", errors=errors)


def rfc3339(moment: datetime) -> str:
    """Return an aware time in UTC, with microseconds and `Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
