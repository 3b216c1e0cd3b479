"""Inputs as the keys of test cases: two vendors' renderings of one input have one key.

Objects and lists are compared as JSON: the order of names, spaces, escapes and how a number is written do not
matter. Everything else is text, with its white space folded. That goes for what looks like a JSON number, word or
quoted text, too: `1.0` may be a version and `null` an answer, and nothing tells that they are not.
"""

from __future__ import annotations

import json
from typing import Any

_STARTS = ("{", "[")
_EXACT = 2**53
"""Below this, every whole number is a float and the other way round."""


def canonical(text: str) -> str:
    """The key: canonical JSON (names sorted, no spaces, non-ASCII as itself, 1 for 1.0), or folded text."""
    stripped = text.strip()
    if stripped.startswith(_STARTS):
        try:
            value = json.loads(stripped, parse_float=_number)
            written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        except (ValueError, RecursionError):  # text after all, or what no reader of JSON need take
            pass
        else:
            return written
    return " ".join(text.split())


def _number(digits: str) -> Any:
    """A whole number where it is one; beyond a float the number is text, as it was written."""
    value = float(digits)
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value
