"""State of a read of runs: its resume position, its rows, and its progress from page to page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from operator import attrgetter
from uuid import UUID

import msgspec

from tracegraph.adapter.paging import CursorRequest, Page, PageRequest, RangeRequest, SessionPageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Session
from tracegraph.domain.sort_values import SortValue, from_microseconds, microseconds
from tracegraph.errors import SourceBadResponse, SourceError, SourceObjectNotFound
from tracegraph.upstream.messages import UpstreamResponse
from tracegraph.upstream.raw import bad_response
from tracegraph_langsmith.client import RunsQuery

MAX_IDLE_PAGES, _MAX_REPEATED_ENDS = 10, 3
"""Limits on consecutive pages without a new row, and on consecutive pages with the same last run.

Beyond them the vendor's pages do not advance.
"""


class Resume(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The position at which a list continues.

    The list continues with runs from `range_start` (microseconds, inclusive) on, or after `cursor` in that range.
    `seen` contains the ids of earlier rows that started exactly at `range_start`. The range is inclusive because
    the vendor promises no order among runs with equal starts, so without `seen` these rows would repeat.
    `excluded` contains the experiments that cannot be read. `range_end` bounds the range on its other side.
    `page_size` and `large_fields` are those of the query that a cursor of v2 is valid for. In v1 they are 0. A
    token is this object as text, as short as it can be: a long token leaves the client's cursor.

    `last` is the run right before the cursor, where it is the only run of its start on its page: start and id.
    Further runs of that start may follow in any order, so the client's key alone does not resume among them.
    """

    cursor: str | None = None
    page_size: int = 0
    large_fields: int = 0
    last: bytes = b""
    range_start: int | None = None
    seen: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    range_end: int | None = None

    @classmethod
    def from_page(cls, page: PageRequest) -> Resume:
        """Return the position of a request: its token, or else its range.

        Raises:
            ValueError: The token is damaged.
            OverflowError: A time is beyond the calendar.
        """
        if isinstance(page, CursorRequest | RangeRequest) and page.token is not None:
            resume = _decoder.decode(page.token.encode())
        elif isinstance(page, RangeRequest):
            after = None if page.after is None else page.after.value
            resume = cls(range_start=_time_of(after), range_end=_time_of(page.until))
        else:
            resume = cls()
        for time in (resume.range_start, resume.range_end):
            if time is not None:
                from_microseconds(time)
        return resume

    def by_range(self) -> Resume | None:
        """Return the same position without the cursor, or None if only the cursor knows it."""
        if self.cursor is None or len(self.last) != _START_BYTES + _ID_BYTES:
            return None
        start = int.from_bytes(self.last[:_START_BYTES], signed=True)
        seen = frozenset({str(UUID(bytes=self.last[_START_BYTES:]))})
        return Resume(range_start=start, seen=seen, excluded=self.excluded, range_end=self.range_end)

    def readable(self, experiments: Sequence[str]) -> tuple[str, ...]:
        """Return the experiments that can be read, each once."""
        return tuple(dict.fromkeys(ref for ref in experiments if ref not in self.excluded))

    def to_token(self) -> str:
        """Return the text for `Page.next_hint`.

        A token that excludes experiments is too long for a client's cursor: the client's next request asks again
        for all experiments.
        """
        parts = [getattr(self, name) for name in self.__struct_fields__]
        while parts and not parts[-1]:
            parts.pop()
        token = _encoder.encode(parts).decode()
        return token.ljust(_TOO_LONG) if self.excluded else token


_encoder, _decoder = msgspec.json.Encoder(order="deterministic"), msgspec.json.Decoder(Resume)


def _time_of(value: SortValue) -> int | None:
    return value if isinstance(value, int) else None


_START_BYTES, _ID_BYTES = 8, 16
"""The sizes of the parts of `Resume.last`."""


_TOO_LONG = 129
"""The length from which on a token leaves the client's cursor."""


@dataclass(frozen=True, slots=True)
class RunsPage:
    """The rows of one query and the vendor's cursor, which is None at the end of the list.

    `last` is the id of the last run in the response. `foreign` counts the rows of experiments that were not
    queried. `query` and `page_size` are those of the request: a cursor of v2 is valid only with them. In v1
    `page_size` is 0.
    """

    rows: Sequence[Session]
    cursor: str | None
    provenance: FetchInfo
    last: str | None
    skipped: int
    reply: UpstreamResponse
    query: RunsQuery
    page_size: int = 0
    foreign: int = 0
    is_followed: bool = False
    """Whether runs follow although there is no cursor: the list goes on by range."""


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request with its rows and its cost so far."""

    request: SessionPageRequest
    experiments: tuple[str, ...]
    resume: Resume
    page_max: int
    rows: dict[str, Session] = field(default_factory=dict)
    goes_on: bool = False
    last_page: RunsPage | None = None
    """The page whose cursor continues the list, for a request with its own query."""
    reached: int | None = None
    """The start of the last run that the vendor sent."""
    provenance: FetchInfo = field(default_factory=FetchInfo)
    error: SourceError | None = None
    excluded: frozenset[str] = frozenset()
    """The experiments that cannot be read."""
    partial_error: SourceError | None = None
    """The error of the experiments that cannot be read, while others can."""
    skipped: int = 0

    @property
    def limit(self) -> int:
        """Return the number of requested runs."""
        return max(1, min(self.request.page.limit, self.page_max))

    @property
    def query_limit(self) -> int:
        """Return the number of runs to read: the requested ones, those that were read before, and the next one.

        The next run shows whether a group of equal starts is complete. Single experiments rarely have such groups.
        A cursor of v2 fixes the number.
        """
        return self.resume.page_size or min(self.limit + len(self.resume.seen) + self.is_shared, self.page_max)

    @property
    def is_shared(self) -> bool:
        """Return whether the request is for several experiments."""
        return len(self.experiments) > 1

    @property
    def is_complete(self) -> bool:
        """Return whether the request has all requested rows."""
        return len(self.rows) >= self.limit

    @property
    def pool_key(self) -> object:
        """Return the key that the requests of one pooled query share.

        A request that needs its own query is its own key.
        """
        if len(self.experiments) != 1 or self.resume.cursor is not None:
            return self
        return self.request.filter, self.request.order, self.resume.range_start, self.resume.range_end

    def query(self) -> RunsQuery:
        """Return the query for this request alone."""
        request, resume = self.request, self.resume
        return RunsQuery(
            self.experiments, request.filter, request.order, resume.range_start, request.fields, resume.range_end
        )

    def add_rows(self, rows: Sequence[Session]) -> int:
        """Add the rows of this request, each once, and return the number of new rows."""
        before = len(self.rows)
        if rows:
            self.reached = microseconds(rows[-1].started_at)
        for row in rows:
            if row.experiment_ref in self.experiments and row.vendor_id not in self.resume.seen:
                self.rows.setdefault(row.vendor_id, row)
        return len(self.rows) - before

    def exclude(self, errors: Mapping[str, SourceError]) -> None:
        """Leave out the experiments with an error. The request fails if no other is left."""
        own = [errors[ref] for ref in self.experiments if ref in errors]
        failures = [error for error in own if not isinstance(error, SourceObjectNotFound)]
        self.excluded |= errors.keys()
        self.experiments = tuple(ref for ref in self.experiments if ref not in errors)
        if not self.experiments:
            self.error = [*failures, *own][0]
        elif failures:
            self.partial_error = failures[0]

    def add_page(self, page: RunsPage) -> int:
        """Add the rows and the cost of a page, and return the number of new rows."""
        self.provenance += page.provenance
        self.skipped += page.skipped
        return self.add_rows(page.rows)

    @property
    def is_within_group(self) -> bool:
        """Return whether all rows have one start, so that a longer page may add more runs of it.

        A single run counts only where a list continues with all runs of a start. A group that an earlier page has
        begun is continued by the vendor's cursor.
        """
        if not self.rows or self.resume.cursor is not None:
            return False
        rows = list(self.rows.values())
        return rows[0].started_at == rows[-1].started_at and (len(rows) > 1 or self.resume.range_start is not None)

    def leave_cursor(self) -> bool:
        """Go on without the cursor, and return whether that is possible."""
        by_range = self.resume.by_range()
        if by_range is not None:
            self.resume = by_range
            self.discard_rows()
        return by_range is not None

    def discard_rows(self) -> None:
        """Remove the rows, to read them again."""
        self.rows.clear()
        self.skipped = 0

    def outcome(self) -> Page[Session] | SourceError:
        """Return the page or the error of the request.

        The vendor promises no order among runs with equal starts. So a page orders them by id, and a key alone
        resumes among them. If a page ends within such a group, its next page begins with the whole group.
        """
        if self.error is not None:
            return self.error.with_cost(self.provenance.upstream_requests)
        rows = list(self.rows.values())
        token = self._cut(rows).to_token() if self.goes_on or self._is_long(rows) else None
        resume = self.resume
        items = _by_id(rows, is_begun=resume.cursor is not None and not resume.last)
        return Page(items, None, token, None, self.provenance, (0,) * self.skipped, self.partial_error)

    def _is_long(self, rows: Sequence[Session]) -> bool:
        return self.is_shared and len(rows) > self.limit and len(_last_group(rows)) < len(rows)

    def _cut(self, rows: list[Session]) -> Resume:
        """Return the position after the rows, and remove a last group that is incomplete."""
        group = _last_group(rows)
        start, end = microseconds(group[0].started_at), self.resume.range_end
        is_incomplete = self.reached == start and (len(group) > 1 or bool(self.excluded))
        if len(group) < len(rows) and (is_incomplete or self._is_long(rows)):
            del rows[-len(group) :]
            return Resume(range_start=start, excluded=self.excluded, range_end=end)
        if self.last_page is not None:
            return self._after(self.last_page, group[0] if len(group) == 1 < len(rows) else None)
        seen = frozenset(row.vendor_id for row in group)
        if start == self.resume.range_start:
            seen |= self.resume.seen
        return Resume(range_start=start, seen=seen, excluded=self.excluded, range_end=end)

    def _after(self, page: RunsPage, last: Session | None) -> Resume:
        """Return the position at the cursor of a page, or that behind its only run of the last start.

        Where the cursor is too long for a client's cursor, only the key of that run would be left. Then the range
        replaces the cursor.
        """
        resume = msgspec.structs.replace(
            self.resume,
            cursor=page.cursor,
            last=b"" if last is None else _packed(last),
            page_size=page.page_size,
            large_fields=page.query.large_fields if page.page_size else 0,
            range_start=page.query.range_start,
            excluded=self.excluded,
        )
        by_range = resume.by_range()
        if by_range is None or len(resume.to_token()) < _TOO_LONG:
            return resume
        # A page of the vendor's largest size has no place for the repeated run, and would cost a second call.
        return by_range if self.limit < self.page_max else msgspec.structs.replace(resume, last=b"")


def _packed(run: Session) -> bytes:
    """Return start and id of a run; nothing for an id that is no UUID."""
    try:
        run_id = UUID(run.vendor_id).bytes
    except ValueError:
        return b""
    return microseconds(run.started_at).to_bytes(_START_BYTES, signed=True) + run_id


def _last_group(rows: Sequence[Session]) -> Sequence[Session]:
    """Return the last rows that have one start."""
    last = rows[-1].started_at
    return list(takewhile(lambda row: row.started_at == last, reversed(rows)))


def _by_id(rows: Sequence[Session], *, is_begun: bool) -> Sequence[Session]:
    """Return the rows with those of one start in the order of their ids.

    If an earlier page has begun the first group, its rows stay in the vendor's order.
    """
    ordered: list[Session] = []
    for _, group in groupby(rows, key=lambda row: row.started_at):
        if is_begun and not ordered:
            ordered += group
        else:
            ordered += sorted(group, key=attrgetter("vendor_id", "experiment_ref"))
    return tuple(ordered)


@dataclass(slots=True)
class ProgressGuard:
    """Detects a series of pages that does not advance."""

    idle: int = 0
    repeated: int = 0
    last: str | None = None

    def check(self, page: RunsPage, new_rows: int) -> None:
        """Record a page and its number of new rows.

        Pages without a new row are legitimate while runs of one start fill pages that were read before. Fewer such
        pages are allowed if all end with the same run.

        Raises:
            SourceBadResponse: Too many consecutive pages had no new row.
        """
        self.idle = 0 if new_rows else self.idle + 1
        self.repeated = self.repeated + 1 if page.last == self.last and not new_rows else 0
        self.last = page.last
        if page.cursor is not None and (self.repeated >= _MAX_REPEATED_ENDS or self.idle >= MAX_IDLE_PAGES):
            raise no_progress_error(page.reply)


def too_large_error(error: SourceError) -> SourceError:
    """Return the error for a response with one run that is too large: no smaller page exists."""
    return error.restated(SourceBadResponse, error.message)


def no_progress_error(reply: UpstreamResponse) -> SourceError:
    """Return the error for pages that do not advance."""
    return bad_response(reply, "that repeats earlier rows: its pages do not advance")
