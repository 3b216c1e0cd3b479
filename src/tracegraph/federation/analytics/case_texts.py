"""Inputs as the keys of test cases: two vendors' renderings of one input have one key.

Objects and lists are compared as JSON: the order of names, spaces, escapes and how a number is written do not
matter. Everything else is text, with its white space folded. That goes for what looks like a JSON number, word or
quoted text, too: `1.0` may be a version and `null` an answer, and nothing tells that they are not. JSON that two
readers may read differently is text as well: a name that comes twice, a number too large or too small for a float.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

_STARTS = ("{", "[")


def canonical(text: str) -> str:
    """The key: canonical JSON (names sorted, no spaces, non-ASCII as itself, 1 for 1.0), or folded text."""
    stripped = text.strip()
    if stripped.startswith(_STARTS):
        try:
            value = json.loads(stripped, parse_float=_number, parse_constant=_number, object_pairs_hook=_members)
            written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        except (ValueError, RecursionError):  # text after all, or what no reader of JSON need take
            pass
        else:
            return written
    return " ".join(text.split())


def _number(digits: str) -> float | int:
    """A whole number where it is one. Raises ValueError for one that a float cannot hold."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("no number that readers of JSON hold")
    if not value.is_integer():
        return value
    exact = Decimal(digits)
    if exact != Decimal(repr(value)):
        raise ValueError("a number that readers of JSON round")
    return int(exact)


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object. Raises ValueError when a name comes twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name that comes twice")
    return members
