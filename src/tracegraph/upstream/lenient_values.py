"""JSON beyond what readers of JSON must be able to read: numbers beyond a float, values that nest very deeply.

A vendor may send either. Such a value is null, and whatever stands beside it is not affected.
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

MOST_LEVELS = 200
"""How deep objects and lists may nest: pydantic's parser reads no more; orjson writes 254 levels."""


_LONGEST_INTEGER = 300
"""Digits; a float holds 308, and Python writes and reads no integer of more than 4300."""


_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


def finite(digits: str) -> float | int | None:
    """The number; None for one beyond a float, which no client of JSON need be able to read."""
    if not isfinite(float(digits)):
        return None
    return int(digits) if digits.lstrip("-").isdecimal() else float(digits)


def whole_number(digits: str) -> float | int:
    """The integer; infinity for one of more digits than Python reads."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def without_deep_values(text: str) -> tuple[str, int]:
    """The JSON with null in the place of each member of a row that nests too deeply, and how many these are.

    A row is an object in a list. Where the deep value is in none, it is a member of the outermost object.
    """
    opened: list[tuple[int, str]] = []
    parts: list[str] = []
    done, cuts, cut = 0, 0, -1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in {"[", "{"}:
            opened.append((token.start(), mark))
            if len(opened) > MOST_LEVELS and cut < 0:
                cut = _row_member([one for _, one in opened])
        elif mark in {"]", "}"} and opened:
            start, _ = opened.pop()
            if len(opened) == cut:
                parts += text[done:start], "null"
                done, cuts, cut = token.end(), cuts + 1, -1
    return "".join([*parts, text[done:]]), cuts


def _row_member(marks: list[str]) -> int:
    """The level of the member, given the brackets that are open."""
    for level, pair in enumerate(pairwise(marks), 2):
        if pair == ("[", "{"):
            return min(level, MOST_LEVELS)
    return 1


def written(value: object) -> bytes:
    """JSON of any value that a vendor's answer may hold: see the module. Times come in UTC, as RFC 3339.

    What is no JSON is null.
    """
    text = json.dumps(_writable(value, MOST_LEVELS), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _writable(value: object, levels: int) -> object:
    if isinstance(value, dict | list | tuple) and levels == 0:
        return None
    if isinstance(value, Mapping):
        members = {}
        for name, member in value.items():
            members[str(name)] = _writable(member, levels - 1)
        return members
    if isinstance(value, list | tuple):
        elements = []
        for element in value:
            elements.append(_writable(element, levels - 1))  # noqa: PERF401 - a comprehension is one frame more
        return elements
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float):
        return number(value)
    return value if isinstance(value, str) else None


def number(value: float) -> float | None:
    """The number when a float can hold it."""
    try:
        return value if isfinite(value) else None
    except OverflowError:
        return None


def text_of(value: Any) -> str | None:
    """A text itself, that of an object which holds one text and nothing else, or any other value as compact JSON.

    None for a value that nests too deeply: a part of a text is no text.
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


def word_of(value: Any) -> str | None:
    """A value of free metadata as text, when it is text or a number."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None if number(value) is None else str(value)
    return None
