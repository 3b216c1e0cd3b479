"""The port: what a vendor implements so that the gateway can ask it.

One port call is one question of the gateway, and an adapter answers it in the fewest calls its vendor allows.
Adapters translate; they do not merge, order, filter again or retry: federation and the upstream client do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    SessionFilter,
    SessionOrder,
)
from tracegraph.domain.sort_values import SortValue
from tracegraph.domain.value_objects import record
from tracegraph.errors import SourceError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a list: the value it is ordered by, and the vendor's id among equal values."""

    value: SortValue
    id: str


@record(frozen=True, slots=True)
class PageRequest:
    """Which stretch of a list is wanted, about `limit` rows long.

    An adapter that pages by offset reads from `hint` (an int: the offset, 0 when None). One that takes
    a range on the sorted value begins at `after.value`, that value included. One that pages by the vendor's
    cursor goes on from `hint` when it is the string that an earlier page gave as `next`. `fresh` asks for the
    vendor's present answer, past any cache: the reader saw that rows moved. `on_grid`: a cache holds answers, so
    better ask what other requests ask, too.
    """

    limit: int
    after: Key | None = None
    hint: int | str | None = None
    fresh: bool = False
    on_grid: bool = False


@record(frozen=True, slots=True)
class Page(Generic[T]):
    """An unbroken stretch of a vendor's list, in the vendor's order.

    `start` is the offset of the first item, None for a list that is asked by range. `next` is the hint that
    continues right after the last item, None when the list ends here. `total` is the vendor's own count for
    the question as asked, None when it tells none or when a part of the filter was left to the gateway.

    `skipped` are the places, from `start` on, of rows that the vendor sent and that cannot be read: `items` lacks
    them, and offsets count them. Where the list goes on by offset, `next` comes right after a row of `items`.

    `error` is why some of the experiments that were asked could not be read: `items` are those of the others, and
    the source has failed.
    """

    items: Sequence[T]
    start: int | None
    next: int | str | None
    total: int | None = None
    provenance: FetchInfo = FetchInfo()
    skipped: tuple[int, ...] = ()
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """A list of experiments: its filter and order."""

    filter: ExperimentFilter = ExperimentFilter()
    order: ExperimentOrder = ExperimentOrder()


@record(frozen=True, slots=True)
class SessionPageRequest:
    """A stretch of the sessions of some experiments, merged in one order.

    More than one experiment only where `Capabilities.pools_sessions`. `expected_total` is the number of
    sessions that the experiment was said to hold, a help for vendors that list in one direction only. `fields` are
    those of LARGE_SESSION_FIELDS that are needed, None for all: an adapter may leave out the others, which it then
    names in `Session.deferred`.
    """

    experiment_refs: tuple[str, ...]
    page: PageRequest
    filter: SessionFilter = SessionFilter()
    order: SessionOrder = SessionOrder()
    expected_total: int | None = None
    fields: frozenset[str] | None = None
