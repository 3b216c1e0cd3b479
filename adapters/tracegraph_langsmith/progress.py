"""The state of reading runs: where an ask goes on, what it got so far, and whether the rounds advance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tracegraph.adapter.paging import Page, PageRequest, SessionPageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Session
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import SourceBadResponse, SourceError
from tracegraph.upstream.messages import UpstreamResponse
from tracegraph.upstream.raw import bad_response
from tracegraph_langsmith.client import PAGE_MAX, RunsQuestion

MOST_IDLE, _MOST_SAME = 10, 3
"""After so many calls in a row that brought no new row, or that ended alike, the vendor's pages do not advance."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an ask goes on: runs from `anchor` (microseconds, inclusive) on, or after `cursor` in that range.

    `seen` are the ids that earlier pages gave with the anchor's own start. A range takes the anchor in, since
    vendors promise no order among runs of one start, so that without it they would come twice. `without` are the
    experiments that cannot be read. Hints are this as text; they live no longer than the gateway's work on one
    request.
    """

    anchor: int | None = None
    cursor: str | None = None
    seen: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    @classmethod
    def of(cls, page: PageRequest) -> Resume:
        """What a page's hint says, else what its key says."""
        if isinstance(page.hint, str):
            anchor, cursor, seen, without = json.loads(page.hint)
            return cls(anchor, cursor, frozenset(seen), frozenset(without))
        value = None if page.after is None else page.after.value
        return cls(value if isinstance(value, int) else None)

    def hint(self) -> str:
        """The text for `Page.next`."""
        return json.dumps([self.anchor, self.cursor, sorted(self.seen), sorted(self.without)])


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one query, and the vendor's cursor; without one the list has ended.

    `last` is the id of the last run that the vendor sent.
    """

    rows: Sequence[Session]
    cursor: str | None
    provenance: FetchInfo
    last: str | None
    skipped: tuple[int, ...]
    reply: UpstreamResponse


@dataclass(slots=True, eq=False)
class Asked:
    """One ask, what it got so far, and the calls that were made for it."""

    ask: SessionPageRequest
    experiments: tuple[str, ...]
    resume: Resume
    rows: dict[str, Session] = field(default_factory=dict)
    next: str | None = None
    provenance: FetchInfo = field(default_factory=FetchInfo)
    error: SourceError | None = None
    partial: SourceError | None = None
    """Why some of the experiments cannot be read; the others can."""
    skipped: int = 0

    @property
    def limit(self) -> int:
        """How many runs are wanted."""
        return max(1, min(self.ask.page.limit, PAGE_MAX))

    @property
    def has_enough(self) -> bool:
        """Whether that many came."""
        return len(self.rows) >= self.limit

    @property
    def pool(self) -> object:
        """What asks must have in common to be answered by one query; the ask itself when it shares with none."""
        if len(self.experiments) != 1 or self.resume.cursor is not None:
            return self
        return self.ask.filter, self.ask.order, self.resume.anchor

    def question(self) -> RunsQuestion:
        """The query for this ask alone."""
        return RunsQuestion(self.experiments, self.ask.filter, self.ask.order, self.resume.anchor, self.ask.fields)

    def take(self, rows: Iterable[Session]) -> int:
        """Add the rows that are this ask's, each once; how many are new."""
        before = len(self.rows)
        for row in rows:
            if row.experiment_ref in self.experiments and row.vendor_id not in self.resume.seen:
                self.rows.setdefault(row.vendor_id, row)
        return len(self.rows) - before

    def leave_off(self) -> None:
        """Let the list go on by range, right after the last row."""
        starts = {vendor_id: microseconds(row.started_at) for vendor_id, row in self.rows.items()}
        last = next(reversed(starts.values()))
        seen = {vendor_id for vendor_id, start in starts.items() if start == last}
        if last == self.resume.anchor:
            seen |= self.resume.seen
        self.next = Resume(last, seen=frozenset(seen)).hint()

    def answer(self) -> Page[Session] | SourceError:
        """What came of it."""
        if self.error is not None:
            return self.error.with_cost(self.provenance.upstream_requests)
        rows = tuple(self.rows.values())
        return Page(rows, None, self.next, None, self.provenance, (0,) * self.skipped, self.partial)


@dataclass(slots=True)
class Rounds:
    """Sees to it that the rounds over a pool advance."""

    idle: int = 0
    same: int = 0
    last: str | None = None

    def count(self, page: Answer, fresh: int) -> None:
        """Count a round that brought so many new rows. Raises SourceBadResponse when too many bring none.

        Runs of one start may fill pages that were read before: a few such rounds are in order, fewer when they all
        end with the same run.
        """
        self.idle = 0 if fresh else self.idle + 1
        self.same = self.same + 1 if page.last == self.last and not fresh else 0
        self.last = page.last
        if page.cursor is not None and (self.same >= _MOST_SAME or self.idle >= MOST_IDLE):
            raise stuck(page.reply)


def too_large(error: SourceError, calls: int) -> SourceError:
    """The error for an answer of one run that is too large: a smaller page is not to be had."""
    final = SourceBadResponse(error.source, error.message, http_status=error.http_status, upstream_requests=calls)
    final.reference = error.reference  # the log has the call under it
    return final


def stuck(reply: UpstreamResponse) -> SourceError:
    """The error for pages that do not advance."""
    return bad_response(reply, "that repeats what came before: its pages do not advance")
