"""Sorts by the comma-separated lists of fields that NeMo takes from 0.3.0 on."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.nemo.requests import refusal

SortKey: TypeAlias = tuple[str, bool]
"""A field, and whether its largest value comes first."""


def parse_sort(text: str, is_known: Callable[[str], bool]) -> list[SortKey]:
    """Return the fields of `-a,b`. Raise a 400 for an unknown field, and without any field."""
    stated = [part.strip() for part in text.split(",") if part.strip()]
    if not stated:
        raise refusal(400, "The 'sort' parameter must contain at least one field.")
    keys = [(part.removeprefix("-"), part.startswith("-")) for part in stated]
    for name, _ in keys:
        if not is_known(name):
            raise refusal(400, f"Unsupported sort field: {name}")
    return keys


def sort_rows(
    rows: Iterable[Row], keys: Sequence[SortKey], value: Callable[[Row, str], Any], tie: Callable[[Row], Any]
) -> list[Row]:
    """Sort by several fields: missing values last in both directions, ties ascending."""
    result = sorted(rows, key=tie)
    for name, descending in reversed(keys):  # every sort is stable, so the first field decides
        pairs = [(value(row, name), row) for row in result]
        present = sorted((pair for pair in pairs if pair[0] is not None), key=itemgetter(0), reverse=descending)
        result = [row for _, row in present] + [row for found, row in pairs if found is None]
    return result
