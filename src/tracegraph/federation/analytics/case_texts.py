"""Inputs as keys of test cases: two vendors' renderings of one input have one key.

Objects and lists are compared as JSON: the order of names, spaces, escapes and number notation do not matter.
Everything else is text with folded white space. That includes text that looks like a JSON number, word or string:
`1.0` may be a version and `null` an answer. JSON that parsers read differently is text as well: a repeated name, a
number too large or too small for a float.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tracegraph.domain.texts import folded

_STARTS = ("{", "[")


def canonical(text: str) -> str:
    """Return the key: canonical JSON (sorted names, no spaces, unescaped non-ASCII, 1 for 1.0), or folded text."""
    stripped = text.strip()
    if stripped.startswith(_STARTS):
        try:
            value = json.loads(stripped, parse_float=_number, parse_constant=_number, object_pairs_hook=_members)
            written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        except (ValueError, RecursionError):  # not JSON, or JSON that parsers need not accept
            pass
        else:
            return written
    return folded(text)


def _number(digits: str) -> float | int:
    """Parse a number, as an int where it is whole. Raise ValueError for a number that a float cannot hold."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("JSON parsers cannot hold this number")
    if not value.is_integer():
        return value
    exact = Decimal(digits)
    if exact != Decimal(repr(value)):
        raise ValueError("JSON parsers round this number")
    return int(exact)


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Raise ValueError when a name is repeated."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is repeated")
    return members
