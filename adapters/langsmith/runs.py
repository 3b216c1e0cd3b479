"""Reading root runs: several asks in one query where that saves calls, and resuming exactly.

LangSmith takes many tracer sessions in one run query but allows 15 queries in 10 s (VENDORS.md B4, B5). So the
first pages of twenty experiments are read as one merged list: every round asks for the next hundred runs of all
the experiments that have too few yet, until none is left.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from adapters.langsmith import wire
from adapters.langsmith.client import (
    PAGE_MAX,
    RUN_FIELDS,
    LangSmithClient,
    RunsQuestion,
    can_match,
    canonical_uuid,
    chunks,
)
from adapters.langsmith.mapping import to_session
from tracegraph.adapter import Page, PageRequest, Provenance, SessionAsk
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound
from tracegraph.model import Session, SessionRef
from tracegraph.query import from_microseconds, microseconds
from tracegraph.upstream.call import Reply
from tracegraph.upstream.decode import RawDocument, RawRow, bad_response

_log = structlog.get_logger("tracegraph.adapter")


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an ask goes on: runs from `anchor` (microseconds, inclusive) on, or after `cursor` in that range.

    `seen` are the ids that earlier pages gave with the anchor's own start. A range takes the anchor in, since
    vendors promise no order among runs of one start, so that without it they would come twice. Hints are this
    as text; they live no longer than the gateway's work on one request.
    """

    anchor: int | None = None
    cursor: str | None = None
    seen: frozenset[str] = frozenset()

    @classmethod
    def of(cls, page: PageRequest) -> Resume:
        """What a page's hint says, else what its key says."""
        if isinstance(page.hint, str):
            anchor, cursor, seen = json.loads(page.hint)
            return cls(anchor, cursor, frozenset(seen))
        value = None if page.after is None else page.after.value
        return cls(value if isinstance(value, int) else None)

    def hint(self) -> str:
        """The text for `Page.next`."""
        return json.dumps([self.anchor, self.cursor, sorted(self.seen)])


@dataclass(frozen=True, slots=True)
class _Answer:
    """The rows of one query, and the vendor's cursor; without one the list has ended."""

    rows: Sequence[Session]
    cursor: str | None
    provenance: Provenance


@dataclass(slots=True, eq=False)
class _Asked:
    """One ask, what it got so far, and the calls that were made for it."""

    ask: SessionAsk
    experiments: tuple[str, ...]
    resume: Resume
    rows: dict[str, Session] = field(default_factory=dict)
    next: str | None = None
    provenance: Provenance = field(default_factory=Provenance)
    error: SourceError | None = None

    @property
    def limit(self) -> int:
        return max(1, min(self.ask.page.limit, PAGE_MAX))

    @property
    def has_enough(self) -> bool:
        return len(self.rows) >= self.limit

    @property
    def pool(self) -> object:
        """What asks must have in common to be answered by one query; the ask itself when it shares with none."""
        if len(self.experiments) != 1 or self.resume.cursor is not None:
            return self
        return self.ask.filter, self.ask.order, self.resume.anchor

    def question(self) -> RunsQuestion:
        return RunsQuestion(self.experiments, self.ask.filter, self.ask.order, self.resume.anchor)

    def take(self, rows: Iterable[Session]) -> None:
        """Add the rows that are this ask's, each once."""
        for row in rows:
            if row.experiment_ref in self.experiments and row.vendor_id not in self.resume.seen:
                self.rows.setdefault(row.vendor_id, row)

    def leave_off(self) -> None:
        """Let the list go on by range, right after the last row."""
        starts = {vendor_id: microseconds(row.started_at) for vendor_id, row in self.rows.items()}
        last = next(reversed(starts.values()))
        seen = {vendor_id for vendor_id, start in starts.items() if start == last}
        if last == self.resume.anchor:
            seen |= self.resume.seen
        self.next = Resume(last, seen=frozenset(seen)).hint()

    def answer(self) -> Page[Session] | SourceError:
        if self.error is not None:
            return self.error.charged(self.provenance.upstream_requests)
        return Page(tuple(self.rows.values()), None, self.next, provenance=self.provenance)


@dataclass(frozen=True, slots=True)
class RunsReader:
    """Answers for root runs. Raises nothing: what fails is a SourceError in its place."""

    source: str
    client: LangSmithClient

    async def answer(self, asks: Sequence[SessionAsk]) -> Sequence[Page[Session] | SourceError]:
        """One answer for each ask, in their order; asks that can share a query do."""
        answers: list[Page[Session] | SourceError | _Asked] = [self._prepared(ask) for ask in asks]
        pools: dict[object, list[_Asked]] = {}
        for asked in answers:
            if isinstance(asked, _Asked):
                pools.setdefault(asked.pool, []).append(asked)
        await asyncio.gather(
            *(self._alone(*pool) if len(pool) == 1 else self._together(pool) for pool in pools.values())
        )
        return [asked.answer() if isinstance(asked, _Asked) else asked for asked in answers]

    async def get(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """The root runs by ref, a hundred a call; those that the vendor does not have there are left out."""
        wanted: dict[SessionRef, tuple[str, str]] = {}
        for ref in refs:
            experiment, run = canonical_uuid(ref.experiment_ref), canonical_uuid(ref.session_id)
            if experiment is not None and run is not None:
                wanted[ref] = experiment, run
        ids = list(dict.fromkeys(run for _, run in wanted.values()))
        parts = await asyncio.gather(*(self._by_id(part) for part in chunks(ids)))
        known = {run: found for part in parts for run, found in part.items()}
        return {
            ref: found
            for ref, (experiment, run) in wanted.items()
            if (found := known.get(run)) is not None
            and (isinstance(found, SourceError) or found.experiment_ref == experiment)
        }

    def _prepared(self, ask: SessionAsk) -> _Asked | Page[Session] | SourceError:
        """The ask ready to be read, or its answer when that needs no call.

        Of several experiments those of an impossible id have no sessions, and the others stand.
        """
        experiments = [canonical_uuid(ref) for ref in ask.experiment_refs]
        known = tuple(dict.fromkeys(ref for ref in experiments if ref is not None))
        if not known:
            return SourceNotFound(self.source, f"Source {self.source!r} has no experiment of such an id.")
        after = ask.page.after
        if not can_match(ask.filter) or (after is not None and after.value is None):
            return Page((), None, None)  # every run has a start: none comes behind a key without one
        try:
            resume = Resume.of(ask.page)
            if resume.anchor is not None:
                from_microseconds(resume.anchor)
        except (ValueError, TypeError, OverflowError):
            return SourceBadRequest(self.source, f"Source {self.source!r} has no such place in its list.")
        return _Asked(ask, known, resume)

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        """Roots by id. The vendor heeds no other filter beside ids (VENDORS.md B4), so roots are picked here."""
        body = {"id": list(ids), "limit": PAGE_MAX, "select": list(RUN_FIELDS)}
        try:
            reply = await self.client.runs(body)
            runs: list[wire.Run] = reply.value.runs
        except SourceError as error:
            return dict.fromkeys(ids, error)
        found = self._sessions(reply, [run if run.is_root else None for run in runs])
        return {row.vendor_id: row for row in found}

    async def _page(self, question: RunsQuestion, limit: int, cursor: str | None) -> _Answer:
        """One query. Rows of experiments that were not asked for are none of the answer."""
        reply = await self.client.runs(question.body(limit, cursor))
        answer: wire.RunsAnswer = reply.value
        runs = [run if run.session_id in question.experiments else None for run in answer.runs]
        if None in runs:
            _log.warning("rows.foreign", source=reply.source, kind=reply.kind, count=runs.count(None))
        # An answer without a row is the end, whatever its cursor says.
        following = answer.cursors.next if answer.runs and answer.cursors else None
        if following and following == cursor:
            raise bad_response(reply, "whose cursor leads back to itself")
        return _Answer(self._sessions(reply, runs), following or None, reply.provenance)

    def _sessions(self, reply: Reply, runs: Iterable[wire.Run | None]) -> list[Session]:
        """The runs that were kept, each with its place in the reply."""
        document = RawDocument(reply.body)
        return [
            to_session(self.source, run, RawRow(document, ("runs", index)))
            for index, run in enumerate(runs)
            if run is not None
        ]

    async def _alone(self, asked: _Asked) -> None:
        """One ask by its own query, which goes on by the vendor's cursor; a page that goes on is never empty."""
        cursor = asked.resume.cursor
        try:
            while True:
                page = await self._page(asked.question(), asked.limit, cursor)
                asked.provenance += page.provenance
                asked.take(page.rows)
                cursor = page.cursor
                if asked.rows or cursor is None:
                    break
        except SourceError as error:
            _fail([asked], error)
            return
        if cursor is not None:
            asked.next = Resume(asked.resume.anchor, cursor, asked.resume.seen).hint()

    async def _together(self, pool: Sequence[_Asked], anchor: int | None = None, *, few: bool = False) -> None:
        """Asks of one pool by queries over all their experiments, newest (or oldest) runs of any first.

        Asks that have enough leave, and the next round is over the others from the last start on, that start
        included. While none leaves, the vendor's cursor goes on instead.
        Experiments that ran one after another fill a page each: when a second round in a row serves no more
        than one ask (`few`), the rest are read in two halves side by side, in no more calls but in less time.
        """
        question = _common_question(pool, anchor)
        cursor: str | None = None
        while True:
            try:
                page = await self._page(question, PAGE_MAX, cursor)
            except SourceError as error:
                await self._recover(pool, anchor, error)
                return
            _hand_out(pool, page)
            waiting = [asked for asked in pool if not asked.has_enough]
            if page.cursor is None or not waiting:
                break
            served = len(pool) - len(waiting)
            frontier = microseconds(page.rows[-1].started_at) if page.rows else question.anchor
            few_before, few = few, served <= 1 and len(waiting) > 1
            if frontier != question.anchor and few and few_before:
                await self._halves(waiting, frontier)
                break
            if served == 0:
                cursor = page.cursor
                continue
            pool, anchor, cursor = waiting, frontier, None
            question = _common_question(pool, anchor)

    async def _halves(self, pool: Sequence[_Asked], anchor: int | None) -> None:
        middle = len(pool) // 2
        await asyncio.gather(
            self._together(pool[:middle], anchor, few=True), self._together(pool[middle:], anchor, few=True)
        )

    async def _recover(self, pool: Sequence[_Asked], anchor: int | None, error: SourceError) -> None:
        """Find out which ask it was that the vendor does not know, so that the others stand; else all fail."""
        if isinstance(error, SourceNotFound) and len(pool) > 1:
            pool[0].provenance += Provenance(error.upstream_requests)
            await self._halves(pool, anchor)
        else:
            _fail(pool, error)


def _common_question(pool: Sequence[_Asked], anchor: int | None) -> RunsQuestion:
    """The pool's question from `anchor` on; None is where all of its asks begin."""
    experiments = tuple(dict.fromkeys(ref for asked in pool for ref in asked.experiments))
    first = pool[0]
    return RunsQuestion(
        experiments, first.ask.filter, first.ask.order, first.resume.anchor if anchor is None else anchor
    )


def _hand_out(pool: Sequence[_Asked], page: _Answer) -> None:
    """Give every ask its own rows; the first one carries the cost of the call."""
    pool[0].provenance += page.provenance
    for asked in pool[1:]:
        asked.provenance += Provenance(stale=page.provenance.stale)
    for asked in pool:
        asked.take(page.rows)
        asked.next = None
        if page.cursor is not None and asked.has_enough:
            asked.leave_off()


def _fail(pool: Sequence[_Asked], error: SourceError) -> None:
    """Let every ask of the pool fail; the first one carries the cost of the call."""
    pool[0].provenance += Provenance(error.upstream_requests)
    for asked in pool:
        asked.error = error
