"""A source that breaks the port's promises in ways that vendors and adapters were seen to break them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from msgspec.structs import replace

from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.paging import (
    ExperimentQuery,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    RangeRequest,
    SessionPageRequest,
)
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import ExperimentOrderField, OrderDirection, SessionOrderField
from tracegraph.domain.models import Experiment, ExperimentKind, Score, Session, SessionRef
from tracegraph.domain.sort_values import EPOCH, from_microseconds
from tracegraph.errors import SourceError


def capabilities_of(paging: Paging, page_max: int) -> Capabilities:
    """Return the capabilities of a vendor with lists of that paging, in every order but for WHOLE."""
    orders = frozenset[Any]() if paging is Paging.WHOLE else both_directions(*ExperimentOrderField)
    return Capabilities(
        experiments=ListCapabilities(paging, page_max, orders),
        sessions=ListCapabilities(Paging.OFFSET, 5, both_directions(SessionOrderField.STARTED_AT)),
        reported_metrics=(),
        kinds=frozenset({ExperimentKind.AGENT}),
        statuses=frozenset(),
    )


def experiment(ref: str, value: int, source: str = "v") -> Experiment:
    """Return an experiment with that value in the order."""
    return Experiment(source, ref, ref, ExperimentKind.AGENT, ref, created_at=EPOCH + timedelta(days=value))


def _raise(error: BaseException) -> Any:
    raise error


Break = Callable[[Page[Experiment]], Any]

BROKEN_ANSWERS: Mapping[str, Break] = {
    "raises KeyError": lambda _: _raise(KeyError("the inside")),
    "raises TypeError": lambda _: _raise(TypeError("the inside")),
    "raises AssertionError": lambda _: _raise(AssertionError("the inside")),
    "raises RecursionError": lambda _: _raise(RecursionError("the inside")),
    "raises what is no Exception": lambda _: _raise(BaseException("the inside")),
    "raises a group": lambda _: _raise(BaseExceptionGroup("the inside", [KeyError("one"), ValueError("two")])),
    "None": lambda _: None,
    "a list in place of a page": lambda page: list(page.items),
    "items that are None": lambda page: Page(None, page.offset, page.next_hint),  # type: ignore[arg-type]
    "items that are a dict": lambda page: Page(dict.fromkeys(range(3)), page.offset, page.next_hint),  # type: ignore[arg-type]
    "items of another type": lambda page: Page([*page.items, {"ref": "x"}], page.offset, page.next_hint),
    "a naive time": lambda page: _with_row(page, created_at=datetime(2026, 1, 1)),  # noqa: DTZ001
    "a naive time of change": lambda page: _with_row(page, updated_at=datetime(2026, 1, 1)),  # noqa: DTZ001
    "a naive time of the end": lambda page: _with_row(page, ended_at=datetime(2026, 1, 1)),  # noqa: DTZ001
    "a text as a time": lambda page: _with_row(page, created_at="2026-01-01T00:00:00Z"),
    "a row without an id": lambda page: _with_row(page, vendor_id=None),
    "a ref that is a number": lambda page: _with_row(page, ref=7),
    "a row without a name": lambda page: _with_row(page, name=None),
    "a kind as text": lambda page: _with_row(page, kind="AGENT"),
    "models that are None": lambda page: _with_row(page, models=None),
    "models that are a text": lambda page: _with_row(page, models="m"),
    "a model that is a number": lambda page: _with_row(page, models=(1,)),
    "evaluators that are None": lambda page: _with_row(page, evaluators=None),
    "aggregates that are None": lambda page: _with_row(page, aggregates=None),
    "an aggregate that is a number": lambda page: _with_row(page, aggregates=(7,)),
    "deferred fields that are None": lambda page: _with_row(page, deferred=None),
    "an error of figures that is none": lambda page: _with_row(page, figures_error="no"),
    "a vendor's object as a dict": lambda page: _with_row(page, raw={"a": 1}),
    "an id that is no Unicode": lambda page: _with_row(page, vendor_id="\ud800"),
    "a ref that is no Unicode": lambda page: _with_row(page, ref="\ud800"),
    "rows of another source": lambda page: _with_row(page, source="w"),
    "an empty page that goes on": lambda page: Page((), page.offset, 7),
    "an empty page with a cursor": lambda _: Page((), None, "further"),
    "a negative start": lambda page: Page(page.items, -1, page.next_hint),
    "a start that is a text": lambda page: Page(page.items, "0", page.next_hint),  # type: ignore[arg-type]
    "a next that is a float": lambda page: Page(page.items, page.offset, 1.5),  # type: ignore[arg-type]
    "a negative next": lambda page: Page(page.items, page.offset, -4),
    "a total that is a text": lambda page: Page(page.items, page.offset, page.next_hint, "5"),  # type: ignore[arg-type]
    "no provenance": lambda page: Page(page.items, page.offset, page.next_hint, None, None),  # type: ignore[arg-type]
    "calls as text": lambda page: Page(page.items, page.offset, page.next_hint, None, FetchInfo("7")),  # type: ignore[arg-type]
    "less than no call": lambda page: Page(page.items, page.offset, page.next_hint, None, FetchInfo(-1)),
    "calls beyond an Int": lambda page: Page(page.items, page.offset, page.next_hint, None, FetchInfo(2**31)),
    "skipped places as texts": lambda page: Page(page.items, page.offset, page.next_hint, skipped=("a",)),  # type: ignore[arg-type]
    "an error that is no SourceError": lambda page: Page(page.items, page.offset, page.next_hint, error="no"),  # type: ignore[arg-type]
}


def _with_row(page: Page[Experiment], **values: Any) -> Page[Experiment]:
    row = replace(page.items[0], **values) if page.items else replace(experiment("x", 1), **values)
    return Page([row, *page.items[1:]], page.offset, page.next_hint)


@dataclass
class MisbehavingSource:
    """Lists `rows` by their day, with the configured paging and faults.

    `swaps` exchange rows of the ordered list; with `sorts_pages` each page is sorted by itself.
    `repeated_positions` are rows that occur twice, `total_off` is added to the total. From call `repeats_from` on,
    the first page is returned without end, with new hints. Every `empty_every`th call returns an empty page that
    is not the last. After `restarts_after` rows the cursors lead to the start again. `breaks` changes the pages
    from call `breaks_at` on.
    """

    api_version: ClassVar[str | None] = None

    rows: list[Experiment]
    paging: Paging = Paging.OFFSET
    page_max: int = 5
    swaps: Sequence[tuple[int, int]] = ()
    sorts_pages: bool = False
    repeated_positions: Sequence[int] = ()
    total_off: int = 0
    repeats_from: int | None = None
    empty_every: int | None = None
    restarts_after: int | None = None
    breaks: Break | None = None
    breaks_at: int = 0
    name: str = "v"
    vendor: str = "misbehaving"
    calls: list[PageRequest] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_of(self.paging, self.page_max)

    @property
    def gives_tokens(self) -> bool:
        return self.paging in {Paging.RANGE, Paging.CURSOR}

    def listed(self, direction: OrderDirection) -> list[Experiment]:
        rows = sorted(self.rows, key=_day, reverse=direction is OrderDirection.DESC)
        for first, second in self.swaps:
            if rows:
                first, second = first % len(rows), second % len(rows)  # noqa: PLW2901
                rows[first], rows[second] = rows[second], rows[first]
        for position in sorted(self.repeated_positions, reverse=True):
            if rows:
                rows.insert(position % len(rows), rows[position % len(rows)])
        return rows

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        self.calls.append(page)
        number = len(self.calls)
        answer = self._page(query.order.direction, page, number)
        if self.empty_every and number % self.empty_every == 0:
            return Page((), answer.offset, f"e{number}" if self.gives_tokens else number * 5)
        if self.breaks is not None and number > self.breaks_at:
            broken: Page[Experiment] = self.breaks(answer)
            return broken
        return answer

    def _page(self, direction: OrderDirection, page: PageRequest, number: int) -> Page[Experiment]:
        rows = self.listed(direction)
        limit = min(page.limit, self.page_max)
        start = self._start(rows, direction, page)
        if self.repeats_from is not None and number > self.repeats_from:
            got = rows[:limit]
            return (
                Page(got, None, f"0/{number}") if self.gives_tokens else Page(got, start, start + max(1, len(got)))
            )
        got = rows[start : start + limit]
        end = start + len(got)
        goes_on = bool(got) and end < len(rows)
        if self.sorts_pages:
            got = sorted(got, key=_day, reverse=direction is OrderDirection.DESC)
        if self.gives_tokens:
            if self.restarts_after and end >= self.restarts_after:
                return Page(got, None, "0/again" if got else None, provenance=FetchInfo(1))
            return Page(got, None, f"{end}/" if goes_on else None, provenance=FetchInfo(1))
        total = max(0, len(rows) + self.total_off)
        following = (0 if self.restarts_after and end >= self.restarts_after else end) if goes_on else None
        return Page(got, start, following, total, FetchInfo(1))

    def _start(self, rows: list[Experiment], direction: OrderDirection, page: PageRequest) -> int:
        if isinstance(page, OffsetRequest):
            return page.offset
        if isinstance(page.token, str):
            return int(page.token.partition("/")[0]) if page.token[0] != "e" else 0
        if not isinstance(page, RangeRequest):
            return page.token or 0
        if page.after is None or not isinstance(page.after.value, int):
            return 0
        bound, descending = from_microseconds(page.after.value), direction is OrderDirection.DESC
        positions_past_bound = (
            index for index, row in enumerate(rows) if (_day(row) <= bound if descending else _day(row) >= bound)
        )
        return next(positions_past_bound, len(rows))

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        return {row.ref: row for row in self.rows if row.ref in refs}

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        return [Page((), 0, None) for _ in asks]

    async def get_sessions(self, _: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        return {}

    async def get_scores(self, _: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        return {}

    def experiment_kind(self, ref: str) -> ExperimentKind | None:  # noqa: ARG002 - one list for all kinds
        return None

    async def check(self) -> SourceHealth:
        return SourceHealth(SourceHealthStatus.UP)


def _day(row: Experiment) -> datetime:
    assert row.created_at is not None
    return row.created_at
