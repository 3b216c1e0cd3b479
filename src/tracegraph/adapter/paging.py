"""Pages and page requests of the port."""

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
from tracegraph.domain.value_objects import value_object
from tracegraph.errors import SourceError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """The sort key of a row: the value by which the list is ordered, and the vendor's id among equal values."""

    value: SortValue
    id: str


@value_object(frozen=True, slots=True)
class PageRequest:
    """A request for one page of about `limit` rows.

    An adapter that pages by offset reads from `hint` (an int: the offset, 0 when None). An adapter that filters by
    a range of the sort value begins at `after.value`, that value included. An adapter that pages by the vendor's
    cursor continues from `hint` when it is a string, the `next_hint` of an earlier page.

    With `bypass_cache`, the vendor must be called, because the reader saw that rows moved. With
    `align_to_cache_pages`, replies are cached, so an adapter should request the pages that other requests need,
    too.
    """

    limit: int
    after: Key | None = None
    hint: int | str | None = None
    bypass_cache: bool = False
    align_to_cache_pages: bool = False


@value_object(frozen=True, slots=True)
class Page(Generic[T]):
    """A contiguous part of a vendor's list, in the vendor's order.

    `offset` is the offset of the first item, None for a list that is read by range. `next_hint` is the hint for
    the page right after the last item, None at the end of the list. `total` is the vendor's own count for the
    request. It is None when the vendor reports no count, or when the gateway applies a part of the filter.

    `skipped` are the indices, counted from `offset`, of rows that cannot be read: `items` lacks them, and offsets
    count them. In a list that is read by offset, `next_hint` comes right after a row of `items`.

    `error` is the reason why some of the requested experiments could not be read. Then `items` belong to the
    others, and the source has failed.
    """

    items: Sequence[T]
    offset: int | None
    next_hint: int | str | None
    total: int | None = None
    provenance: FetchInfo = FetchInfo()
    skipped: tuple[int, ...] = ()
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """The filter and the order of a list of experiments."""

    filter: ExperimentFilter = ExperimentFilter()
    order: ExperimentOrder = ExperimentOrder()


@value_object(frozen=True, slots=True)
class SessionPageRequest:
    """A request for one page of the sessions of some experiments, merged in one order.

    It names more than one experiment only where `Capabilities.lists_many_experiments`. `total_hint` is the
    reported number of sessions of the experiment, which helps with vendors that list in one direction only.
    `fields` are the required fields of LARGE_SESSION_FIELDS, None for all. An adapter may leave out the others,
    and then names them in `Session.deferred`.
    """

    experiment_refs: tuple[str, ...]
    page: PageRequest
    filter: SessionFilter = SessionFilter()
    order: SessionOrder = SessionOrder()
    total_hint: int | None = None
    fields: frozenset[str] | None = None
