"""JSON beyond the limits of JSON parsers: numbers beyond a float, and values that nest very deeply.

A vendor may send either. Such a value becomes null; the values beside it are unaffected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from math import isfinite
from typing import Any

import orjson
from pydantic_core import to_json

MAX_DEPTH = 200
"""The nesting limit of objects and lists: pydantic's parser reads no more levels; orjson writes 254."""


_MAX_INTEGER_DIGITS = 300
"""The largest float has 309 digits, and Python reads and writes integers of at most 4300 digits."""


_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def finite(digits: str) -> float | int | None:
    """Return the number, None for one beyond a float: JSON clients need not be able to read it."""
    if not isfinite(float(digits)):
        return None
    return int(digits) if digits.lstrip("-").isdecimal() else float(digits)


def whole_number(digits: str) -> float | int:
    """Return the integer, or infinity for an integer with more digits than Python reads."""
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


def without_deep_values(text: str) -> tuple[str, int]:
    """Return the JSON with null for each member of a row that nests too deeply, and the number of nulls.

    A row is an object in a list. A deep value outside any row is a member of the outermost object.
    """
    open_brackets: list[tuple[int, str]] = []
    parts: list[str] = []
    done, cuts, cut = 0, 0, -1
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket in {"[", "{"}:
            open_brackets.append((token.start(), bracket))
            if len(open_brackets) > MAX_DEPTH and cut < 0:
                cut = _row_member([bracket for _, bracket in open_brackets])
        elif bracket in {"]", "}"} and open_brackets:
            start, _ = open_brackets.pop()
            if len(open_brackets) == cut:
                parts += text[done:start], "null"
                done, cuts, cut = token.end(), cuts + 1, -1
    return "".join([*parts, text[done:]]), cuts


def _row_member(brackets: list[str]) -> int:
    """Return the level of the row's member, given the open brackets."""
    for level, pair in enumerate(pairwise(brackets), 2):
        if pair == ("[", "{"):
            return min(level, MAX_DEPTH)
    return 1


def encode_json(value: object) -> bytes:
    """Return the JSON of any value that a vendor's reply may hold, with times in UTC as RFC 3339.

    A value that is too deep, too large or not JSON becomes null.
    """
    text = json.dumps(_encodable(value, MAX_DEPTH), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _encodable(value: object, levels: int) -> object:
    if isinstance(value, dict | list | tuple) and levels == 0:
        return None
    if isinstance(value, Mapping):
        members = {}
        for name, member in value.items():
            members[str(name)] = _encodable(member, levels - 1)
        return members
    if isinstance(value, list | tuple):
        elements = []
        for element in value:
            elements.append(_encodable(element, levels - 1))  # noqa: PERF401 - a comprehension is one frame more
        return elements
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float):
        return number(value)
    return value if isinstance(value, str) else None


def number(value: float) -> float | None:
    """Return the number when a float can hold it, else None."""
    try:
        return value if isfinite(value) else None
    except OverflowError:
        return None


def text_of(value: Any) -> str | None:
    """Return a string as it is, a lone string member of an object, or any other value as compact JSON.

    A value that nests too deeply is None: a part of its text would be misleading.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        (only,) = value.values()
        if isinstance(only, str):
            return only
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits, or too many levels
        pass
    try:
        return to_json(value, inf_nan_mode="null").decode()
    except ValueError:
        return None


def scalar_text(value: Any) -> str | None:
    """Return a value of free metadata as text when it is a string or a number, else None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None if number(value) is None else str(value)
    return None
