"""Sorts rows as the vendors do: nulls at one end, with a stable or an arbitrary order of equal values."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from tracegraph.simulators.core.rows import Row

TieKey: TypeAlias = Callable[[str], tuple[int, str]]
"""Returns the position of an id among rows of one sort value."""


def tie_key(seed: int | None) -> TieKey:
    """Order equal values by id or, with a seed, in a different order for every seed."""
    if seed is None:
        return lambda row_id: (0, row_id)
    return lambda row_id: (zlib.crc32(f"{seed}:{row_id}".encode()), row_id)


def ordered(
    rows: Iterable[Row],
    value: Callable[[Row], Any],
    tie: Callable[[Row], Any],
    *,
    descending: bool,
    nulls_first: bool = False,
) -> list[Row]:
    """Sort rows by a value.

    Args:
        rows: The rows.
        value: Returns the sort value of a row.
        tie: Orders equal values, ascending in both directions.
        descending: Whether the largest value comes first.
        nulls_first: Whether rows without a value come first.
    """
    keyed = sorted(((value(row), row) for row in rows), key=lambda pair: tie(pair[1]))
    missing = [row for key, row in keyed if key is None]
    present = [pair for pair in keyed if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=descending)  # a stable sort: ties stay in order
    sorted_rows = [row for _, row in present]
    return missing + sorted_rows if nulls_first else sorted_rows + missing
