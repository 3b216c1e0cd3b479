"""Sorting as the vendors do it: nulls at one end, and an order among equals that may be promised or not."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from tracegraph.simulators.core.rows import Row

TieKey: TypeAlias = Callable[[str], tuple[int, str]]
"""Gives the place of an id among rows of one sort value."""


def tie_key(seed: int | None) -> TieKey:
    """Order equals by id, or, with a seed, in an order that is another one for every seed."""
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
    """Sort by `value` in the asked direction; equals by `tie`, ascending in both directions."""
    keyed = sorted(((value(row), row) for row in rows), key=lambda pair: tie(pair[1]))
    missing = [row for key, row in keyed if key is None]
    present = [pair for pair in keyed if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=descending)  # stable: the ties keep their order
    found = [row for _, row in present]
    return missing + found if nulls_first else found + missing
