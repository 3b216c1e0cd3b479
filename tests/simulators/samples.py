"""Compares a simulator's answer with a sample of the vendor's: keys, JSON types and nulls at every level."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).parent.parent / "contracts"

Json = Any


@dataclass(frozen=True)
class Sample:
    """One request to the vendor and its answer."""

    name: str
    method: str
    path: str
    body: Json
    status: int
    answer: Json

    @classmethod
    def read(cls, path: Path) -> Sample:
        """Read a sample: {request, requestBody?, status, body}."""
        content = json.loads(path.read_text("utf-8"))
        method, _, request = content["request"].partition(" ")
        return cls(path.stem, method, request, content.get("requestBody"), content["status"], content["body"])


def samples(folder: str) -> dict[str, Sample]:
    """Return the samples of a folder of tests/contracts by name."""
    return {path.stem: Sample.read(path) for path in sorted((CONTRACTS / folder).glob("*.json"))}


def differences(sample: Json, answer: Json, more_keys: frozenset[str] = frozenset()) -> list[str]:
    """Return where an answer differs from the sample in keys, JSON types or nulls.

    The items of an array are one level: a key that one item lacks may be null in others. A value that is null
    or empty in the sample allows any value. The answer may also have the paths of `more_keys`.
    """
    wanted, found = _levels(sample), _levels(answer)
    missing = [f"{path}: missing" for path in wanted.keys() - found.keys() if not _below_empty(path, found)]
    surplus = [
        f"{path}: surplus"
        for path in found.keys() - wanted.keys()
        if not _below_empty(path, wanted) and not any(path.startswith(one) for one in more_keys)
    ]
    types = [
        f"{path}: {', '.join(sorted(found[path]))} instead of {', '.join(sorted(wanted[path]))}"
        for path in wanted.keys() & found.keys()
        if wanted[path] != {"null"} and not found[path] <= wanted[path]
    ]
    return sorted(missing + surplus + types)


def _levels(value: Json) -> dict[str, set[str]]:
    """Return the JSON types at every path."""
    levels: dict[str, set[str]] = {}
    for path, kind in _typed("", [value]):
        levels.setdefault(path, set()).add(kind)
    return levels


def _typed(path: str, values: list[Json]) -> Iterator[tuple[str, str]]:
    """Yield the types at a path and below it. The values are those of one level."""
    for value in values:
        yield path, _kind(value)
    objects = [value for value in values if isinstance(value, dict)]
    for key in {key: None for one in objects for key in one}:
        below = [one[key] for one in objects if key in one]
        yield from _typed(f"{path}.{key}", below)
        if len(below) < sum(one != {} for one in objects):
            yield f"{path}.{key}", "null"
    items = [item for value in values if isinstance(value, list) for item in value]
    if items:
        yield from _typed(f"{path}[]", items)


def _kind(value: Json) -> str:
    kinds: Mapping[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean"}
    return "null" if value is None else kinds.get(type(value), "number")


def _below_empty(path: str, levels: Mapping[str, set[str]]) -> bool:
    """Return whether an array or object above a path has nothing in it, or is null."""
    parents = [path[:end] for end in range(len(path)) if path[end] in ".[" and path[:end] in levels]
    nearest = parents[-1] if parents else ""
    return not any(other.startswith((f"{nearest}.", f"{nearest}[")) for other in levels)
