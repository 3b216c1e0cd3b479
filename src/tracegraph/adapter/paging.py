"""How vendors page their lists: the four kinds of paging, a request for each, and the page that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    SessionFilter,
    SessionOrder,
)
from tracegraph.domain.models import ExperimentKind
from tracegraph.domain.sort_values import SortValue
from tracegraph.errors import SourceError

T = TypeVar("T")


class Paging(Enum):
    """How a vendor's list goes on.

    OFFSET: by the number of rows before the page; rows may move between calls. RANGE: by a bound on the sorted
    value. CURSOR: by a token that continues right after the page it came with, whatever moves. WHOLE: in no order;
    the gateway reads every page and orders the rows.
    """

    OFFSET = "OFFSET"
    RANGE = "RANGE"
    CURSOR = "CURSOR"
    WHOLE = "WHOLE"


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a list: the value it is ordered by, and the vendor's id among equal values."""

    value: SortValue
    id: str


@dataclass(frozen=True, slots=True)
class OffsetRequest:
    """About `limit` rows from `offset` on.

    `after` is the row that the list goes on behind. Where a vendor's list is too long for offsets, an adapter may
    answer by that key, with a token as `Page.next_hint`, which then comes back as `token`.
    """

    limit: int
    offset: int = 0
    after: Key | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """About `limit` rows from the value of `after` on, that value included, None for the list's start.

    `until` is the last value in the request's direction, itself included, None for the list's end. The gateway
    sets it to read a list backwards. `token` is the `Page.next_hint` of an earlier page of the same range.
    """

    limit: int
    after: Key | None = None
    until: SortValue = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class CursorRequest:
    """About `limit` rows right after the page that gave `token` as its `next_hint`; None for the list's start."""

    limit: int
    token: str | None = None


@dataclass(frozen=True, slots=True)
class WholeRequest:
    """About `limit` rows of a list in any order; `token` is the `next_hint` of the page before."""

    limit: int
    token: int | str | None = None


PageRequest = OffsetRequest | RangeRequest | CursorRequest | WholeRequest
"""Each list gets requests of the kind of paging that its capabilities declare.

A CURSOR list that declares `ranges` gets range requests, too.
"""


@dataclass(frozen=True)  # Python 3.11 cannot create `Page[T](...)` of a frozen dataclass with slots
class Page(Generic[T]):
    """A contiguous part of a vendor's list, in the vendor's order.

    `offset` is the offset of the first item, None for a list without offsets. `next_hint` continues right after
    the last item, None when the list ends here: an offset in an OFFSET list, a token elsewhere. `total` is the
    vendor's own count for the request. It is None when the vendor reports none, or when the gateway applies a part
    of the filter.

    `skipped` are the indices, counted from `offset`, of rows that cannot be read: `items` lacks them, and offsets
    count them. Where the list goes on by offset, `next_hint` comes right after a row of `items`. `repeated` are
    those of them that the gateway removed because another row of the page has the same id.

    `error` is why some of the requested experiments could not be read: `items` are those of the others, and the
    source has failed.
    """

    items: Sequence[T]
    offset: int | None
    next_hint: int | str | None
    total: int | None = None
    provenance: FetchInfo = FetchInfo()
    skipped: tuple[int, ...] = ()
    error: SourceError | None = None
    repeated: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """A list of experiments: its filter and order.

    `kind` is set where the vendor has a list for each kind: the one to read. `fields` are those of
    COSTLY_EXPERIMENT_FIELDS that are needed, None for all: an adapter may leave out the others.
    """

    filter: ExperimentFilter = ExperimentFilter()
    order: ExperimentOrder = ExperimentOrder()
    kind: ExperimentKind | None = None
    fields: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class SessionPageRequest:
    """A part of the sessions of some experiments, merged in one order.

    More than one experiment only where the list declares `pooled`. `fields` are those of COSTLY_SESSION_FIELDS
    that are needed, None for all: an adapter may leave out the others. It names those that a look-up has in
    `Session.deferred`.
    """

    experiment_refs: tuple[str, ...]
    page: PageRequest
    filter: SessionFilter = SessionFilter()
    order: SessionOrder = SessionOrder()
    fields: frozenset[str] | None = None
