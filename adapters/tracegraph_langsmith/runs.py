"""Reading root runs: several asks in one query where that saves calls, and resuming exactly.

LangSmith takes many tracer sessions in one run query but allows 15 queries in 10 s
(docs/vendors/langsmith.md#runs, #rate-limits). So the first pages of twenty experiments are read as one merged
list: every round asks for the next hundred runs of all the experiments that have too few yet, until none is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import SessionFilter, SessionOrder
from tracegraph.domain.models import Session, SessionRef
from tracegraph.domain.sort_values import from_microseconds, microseconds
from tracegraph.errors import (
    SourceBadRequest,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
    SourceResponseTooLarge,
)
from tracegraph.upstream.lenient_decoder import unreadable_places
from tracegraph.upstream.messages import UpstreamResponse
from tracegraph.upstream.raw import RawDocument, RawRow, bad_response
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import (
    PAGE_MAX,
    RUN_FIELDS,
    LangSmithClient,
    RunsQuestion,
    can_match,
    canonical_uuid,
    chunks,
)
from tracegraph_langsmith.failing_projects import FailingExperiments, may_be_of_one, no_run_query
from tracegraph_langsmith.mapping import to_session
from tracegraph_langsmith.page_sizes import PageSizes
from tracegraph_langsmith.progress import MOST_IDLE, Answer, Asked, Resume, Rounds, stuck, too_large

_log = structlog.get_logger("tracegraph.adapter")


@dataclass(frozen=True, slots=True)
class RunsReader:
    """Answers for root runs. Raises nothing: what fails is a SourceError in its place."""

    source: str
    client: LangSmithClient
    sizes: PageSizes = field(default_factory=PageSizes)

    async def answer(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """One answer for each ask, in their order; asks that can share a query do."""
        answers: list[Page[Session] | SourceError | Asked] = [self._prepared(ask) for ask in asks]
        pools: dict[object, list[Asked]] = {}
        for asked in answers:
            if isinstance(asked, Asked):
                pools.setdefault(asked.pool, []).append(asked)
        await asyncio.gather(
            *(self._alone(*pool) if len(pool) == 1 else self._together(pool) for pool in pools.values())
        )
        return [asked.answer() if isinstance(asked, Asked) else asked for asked in answers]

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

    def _prepared(self, ask: SessionPageRequest) -> Asked | Page[Session] | SourceError:
        """The ask ready to be read, or its answer when that needs no call.

        Of several experiments those of an impossible id have no sessions, and the others stand.
        """
        experiments = [canonical_uuid(ref) for ref in ask.experiment_refs]
        known = tuple(dict.fromkeys(ref for ref in experiments if ref is not None))
        if not known:
            message = f"Source {self.source!r} has no experiment of such an id."
            return SourceObjectNotFound(self.source, message)
        after = ask.page.after
        if not can_match(ask.filter) or (after is not None and after.value is None):
            return Page((), None, None)  # every run has a start: none comes behind a key without one
        try:
            resume = Resume.of(ask.page)
            if resume.anchor is not None:
                from_microseconds(resume.anchor)
        except (ValueError, TypeError, OverflowError):
            return SourceBadRequest(self.source, f"Source {self.source!r} has no such place in its list.")
        readable = tuple(ref for ref in known if ref not in resume.without)
        return Asked(ask, readable, resume)

    async def check(self, experiments: Sequence[str]) -> None:
        """Ask for one run of one of these experiments. Raises SourceError when no run query can be answered.

        What is wrong with one experiment is not wrong with the source: it may be deleted by now.
        """
        if not experiments:
            return
        question = RunsQuestion(tuple(experiments[:1]), SessionFilter(), SessionOrder(), fields=frozenset())
        try:
            await self.client.runs(question.body(1, None))
        except SourceNotFound as error:
            there, _ = await self.client.known(question.experiments)
            if there:
                raise no_run_query(error) from None
        except SourceError as error:
            if not may_be_of_one(error):
                raise

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        """Roots by id. The vendor heeds no other filter beside ids, so roots are picked here.

        See docs/vendors/langsmith.md#runs.
        """
        body = {"id": list(ids), "limit": PAGE_MAX, "select": list(RUN_FIELDS)}
        try:
            reply = await self.client.runs(body)
        except SourceResponseTooLarge as error:
            if len(ids) == 1:
                return {ids[0]: too_large(error, error.upstream_requests)}
            middle = len(ids) // 2
            halves = await asyncio.gather(self._by_id(ids[:middle]), self._by_id(ids[middle:]))
            return {**halves[0], **halves[1]}
        except SourceError as error:
            return dict.fromkeys(ids, error)
        runs: list[wire.Run | None] = reply.value.runs
        found = self._sessions(reply, [run if run is not None and run.is_root else None for run in runs])
        known: dict[str, Session | SourceError] = {row.vendor_id: row for row in found}
        if None in runs:  # which they are cannot be read
            told = {run.id for run in runs if run is not None}
            unreadable = bad_response(reply, "of which a row cannot be read")
            return dict.fromkeys((one for one in ids if one not in told), unreadable) | known
        return known

    async def _page(self, question: RunsQuestion, limit: int, cursor: str | None) -> Answer:
        """One query, of fewer runs when the answer would be too large.

        Rows of experiments that were not asked for are none of the answer.
        """
        spent = FetchInfo()
        limit = self.sizes.of(question, limit)
        while True:
            try:
                reply = await self.client.runs(question.body(limit, cursor))
                break
            except SourceResponseTooLarge as error:
                spent += FetchInfo(error.upstream_requests)
                if limit == 1:  # a smaller page is not to be had
                    raise too_large(error, spent.upstream_requests) from None
                limit //= 2
                self.sizes.shrink(question, limit)
            except SourceError as error:
                raise error.with_cost(spent.upstream_requests + error.upstream_requests) from error.__cause__
        self.sizes.learn(question, len(reply.body))
        return self._answer(question, cursor, reply, spent)

    def _answer(
        self, question: RunsQuestion, cursor: str | None, reply: UpstreamResponse, spent: FetchInfo
    ) -> Answer:
        sent: list[wire.Run | None] = reply.value.runs
        runs = [run if run is not None and run.session_id in question.experiments else None for run in sent]
        skipped = unreadable_places(sent)
        foreign = runs.count(None) - len(skipped)
        if foreign:
            _log.warning("rows.foreign", source=reply.source, kind=reply.kind, count=foreign)
        # An answer without a row is the end, whatever its cursor says.
        cursors = reply.value.cursors
        following = cursors.next if sent and cursors else None
        if following and following == cursor:
            raise bad_response(reply, "whose cursor leads back to itself")
        last = next((run.id for run in reversed(sent) if run is not None), None)
        rows = self._sessions(reply, runs, question.left_out)
        return Answer(rows, following or None, spent + reply.provenance, last, skipped, reply)

    def _sessions(
        self, reply: UpstreamResponse, runs: Iterable[wire.Run | None], left_out: frozenset[str] = frozenset()
    ) -> list[Session]:
        """The runs that were kept, each with its place in the reply."""
        document = RawDocument(reply.body)
        return [
            to_session(self.source, run, RawRow(document, ("runs", index)), left_out)
            for index, run in enumerate(runs)
            if run is not None
        ]

    # -- one ask ---------------------------------------------------------------------------------------

    async def _alone(self, asked: Asked) -> None:
        """One ask by its own query, which goes on by the vendor's cursor; a page that goes on is never empty."""
        try:
            await self._read_alone(asked)
        except SourceError as error:
            if asked.resume.cursor is None and may_be_of_one(error):
                await self._without_failing(asked, error)
            else:
                _fail([asked], error)

    async def _read_alone(self, asked: Asked) -> None:
        resume = asked.resume
        cursor, limit = resume.cursor, asked.limit
        for _ in range(MOST_IDLE):
            page = await self._page(asked.question(), limit, cursor)
            asked.provenance += page.provenance
            asked.skipped += len(page.skipped)
            asked.take(page.rows)
            cursor = page.cursor
            if asked.rows or cursor is None:
                break
            limit = min(2 * limit, PAGE_MAX)  # there may be many that were seen
        else:
            raise stuck(page.reply)
        if cursor is not None:
            without = frozenset(_known(asked.ask)) - set(asked.experiments)
            asked.next = Resume(resume.anchor, cursor, resume.seen, without).hint()

    async def _without_failing(self, asked: Asked, error: SourceError) -> None:
        """Read the ask without the experiments that it fails for."""
        asked.provenance += FetchInfo(error.upstream_requests)
        errors = await self._errors(asked, asked.experiments, error)
        asked.experiments = tuple(one for one in asked.experiments if one not in errors)
        failures = [one for one in errors.values() if not isinstance(one, SourceObjectNotFound)]
        if not asked.experiments:
            asked.error = failures[0] if failures else next(iter(errors.values()))
            return
        asked.partial = failures[0] if failures else None
        try:
            await self._read_alone(asked)
        except SourceError as failure:
            _fail([asked], failure)

    async def _errors(
        self, asked: Asked, experiments: Sequence[str], error: SourceError
    ) -> Mapping[str, SourceError]:
        """The experiments that the ask's query fails for; the ask carries the cost of finding out."""

        async def probe(some: Sequence[str]) -> int:
            question = RunsQuestion(tuple(some), asked.ask.filter, asked.ask.order, None, frozenset())
            return (await self.client.runs(question.body(1, None))).provenance.upstream_requests

        search = FailingExperiments.of(self.client, probe, experiments)
        errors = await search.errors(experiments, error)
        asked.provenance += FetchInfo(search.calls)
        return errors

    # -- several asks ----------------------------------------------------------------------------------

    async def _together(
        self, pool: Sequence[Asked], anchor: int | None = None, *, few: bool = False, separated: bool = False
    ) -> None:
        """Asks of one pool by queries over all their experiments, newest (or oldest) runs of any first.

        Asks that have enough leave, and the next round is over the others from the last start on, that start
        included. While none leaves, the vendor's cursor goes on instead.
        Experiments that ran one after another fill a page each: when a second round in a row serves no more
        than one ask (`few`), the rest are read in two halves side by side, in no more calls but in less time.
        `separated`: the experiments that fail were left out already.
        """
        question = _common_question(pool, anchor)
        cursor: str | None = None
        rounds = Rounds()
        while True:
            try:
                page = await self._page(question, PAGE_MAX, cursor)
                rounds.count(page, _hand_out(pool, page))
            except SourceError as error:
                await self._recover(pool, question.anchor, error, separated=separated)
                return
            waiting = [asked for asked in pool if not asked.has_enough]
            if page.cursor is None or not waiting:
                break
            served = len(pool) - len(waiting)
            frontier = microseconds(page.rows[-1].started_at) if page.rows else question.anchor
            few_before, few = few, served <= 1 and len(waiting) > 1
            if frontier != question.anchor and few and few_before:
                await self._halves(waiting, frontier, separated=separated)
                break
            if served == 0:
                cursor = page.cursor
                continue
            pool, anchor, cursor = waiting, frontier, None
            question = _common_question(pool, anchor)

    async def _halves(self, pool: Sequence[Asked], anchor: int | None, *, separated: bool) -> None:
        middle = len(pool) // 2
        await asyncio.gather(
            self._together(pool[:middle], anchor, few=True, separated=separated),
            self._together(pool[middle:], anchor, few=True, separated=separated),
        )

    async def _recover(
        self, pool: Sequence[Asked], anchor: int | None, error: SourceError, *, separated: bool
    ) -> None:
        """Find out which experiments the query fails for, so that the asks of the others stand."""
        if separated or not may_be_of_one(error):
            _fail(pool, error)
            return
        pool[0].provenance += FetchInfo(error.upstream_requests)
        experiments = list(dict.fromkeys(ref for asked in pool for ref in asked.experiments))
        errors = await self._errors(pool[0], experiments, error)
        rest: list[Asked] = []
        for asked in pool:
            asked.error = errors.get(asked.experiments[0])
            if asked.error is None:
                rest.append(asked)
        if rest:
            await self._together(rest, anchor, separated=True)


def _known(ask: SessionPageRequest) -> set[str]:
    return {known for ref in ask.experiment_refs if (known := canonical_uuid(ref)) is not None}


def _common_question(pool: Sequence[Asked], anchor: int | None) -> RunsQuestion:
    """The pool's question from `anchor` on; None is where all of its asks begin. It has the fields of all asks."""
    experiments = tuple(dict.fromkeys(ref for asked in pool for ref in asked.experiments))
    first = pool[0]
    fields: frozenset[str] | None = frozenset()
    for asked in pool:
        fields = None if fields is None or asked.ask.fields is None else fields | asked.ask.fields
    begin = first.resume.anchor if anchor is None else anchor
    return RunsQuestion(experiments, first.ask.filter, first.ask.order, begin, fields)


def _hand_out(pool: Sequence[Asked], page: Answer) -> int:
    """Give every ask its own rows, and say how many are new; the first one carries the cost of the call."""
    pool[0].provenance += page.provenance
    pool[0].skipped += len(page.skipped)
    for asked in pool[1:]:
        asked.provenance += FetchInfo(stale=page.provenance.stale)
    fresh = 0
    for asked in pool:
        fresh += asked.take(page.rows)
        asked.next = None
        if page.cursor is not None and asked.has_enough:
            asked.leave_off()
    return fresh


def _fail(pool: Sequence[Asked], error: SourceError) -> None:
    """Let every ask of the pool fail; the first one carries the cost of the call."""
    pool[0].provenance += FetchInfo(error.upstream_requests)
    for asked in pool:
        asked.error = error
