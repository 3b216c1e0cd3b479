"""Reads root runs, with one query for several requests where that saves calls.

LangSmith accepts many tracer sessions in one run query, but allows only 15 queries in 10 s
(docs/vendors/langsmith.md#runs, #rate-limits). So the first pages of twenty experiments are read as one merged
list: each round requests the next hundred runs of all experiments that still lack rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from tracegraph.adapter import (
    CallCost,
    FetchInfo,
    Page,
    RangeRequest,
    Reply,
    SessionPageRequest,
    readable_rows,
    unreadable_places,
)
from tracegraph.domain.filters import SessionFilter, SessionOrder
from tracegraph.domain.models import Session, SessionRef
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import (
    SourceBadRequest,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
    SourceResponseTooLarge,
)
from tracegraph.upstream.raw import bad_response
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import (
    MAX_PAGE_SIZE,
    RUN_FIELDS,
    LangSmithClient,
    RunsQuery,
    can_match,
    canonical_uuid,
    chunks,
)
from tracegraph_langsmith.failing_projects import (
    FailingExperiments,
    may_concern_one_experiment,
    no_run_query_error,
)
from tracegraph_langsmith.mapping import to_session
from tracegraph_langsmith.page_sizes import PageSizes
from tracegraph_langsmith.progress import (
    MAX_IDLE_PAGES,
    PendingRequest,
    ProgressGuard,
    Resume,
    RunsPage,
    no_progress_error,
    too_large_error,
)

_log = structlog.get_logger("tracegraph.adapter")


@dataclass(frozen=True, slots=True)
class RunsReader:
    """Reads pages of root runs, and root runs by ref.

    A failure is a SourceError in the result, never an exception.
    """

    source: str
    client: LangSmithClient
    sizes: PageSizes = field(default_factory=PageSizes)

    async def list_pages(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page or an error for each request, in the order of the requests."""
        outcomes: list[Page[Session] | SourceError | PendingRequest] = [
            self._prepare(request) for request in requests
        ]
        pools: dict[object, list[PendingRequest]] = {}
        for pending in outcomes:
            if isinstance(pending, PendingRequest):
                pools.setdefault(pending.pool_key, []).append(pending)
        await asyncio.gather(
            *(self._read_single(*pool) if len(pool) == 1 else self._read_pooled(pool) for pool in pools.values())
        )
        return [pending.outcome() if isinstance(pending, PendingRequest) else pending for pending in outcomes]

    async def get(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return root runs by ref, in one call for each hundred.

        Runs that the vendor does not have are omitted.
        """
        uuids_by_ref: dict[SessionRef, tuple[str, str]] = {}
        for ref in refs:
            experiment, run = canonical_uuid(ref.experiment_ref), canonical_uuid(ref.session_id)
            if experiment is not None and run is not None:
                uuids_by_ref[ref] = experiment, run
        ids = list(dict.fromkeys(run for _, run in uuids_by_ref.values()))
        parts = await asyncio.gather(*(self._by_id(part) for part in chunks(ids)))
        session_of_run = {run: session for part in parts for run, session in part.items()}
        return {
            ref: session
            for ref, (experiment, run) in uuids_by_ref.items()
            if (session := session_of_run.get(run)) is not None
            and (isinstance(session, SourceError) or session.experiment_ref == experiment)
        }

    def _prepare(self, request: SessionPageRequest) -> PendingRequest | Page[Session] | SourceError:
        """Return the pending request, or its result if the result needs no call.

        An experiment with an impossible id has no sessions and does not affect the others.
        """
        experiments = [uuid for ref in request.experiment_refs if (uuid := canonical_uuid(ref)) is not None]
        if not experiments:
            message = f"Source {self.source!r} has no experiment with that id."
            return SourceObjectNotFound(self.source, message)
        after = request.page.after if isinstance(request.page, RangeRequest) else None
        if not can_match(request.filter) or (after is not None and after.value is None):
            return Page((), None, None)  # no run follows a key without a start
        try:
            resume = Resume.from_page(request.page)
        except (ValueError, OverflowError):
            resume = None
        readable = tuple(dict.fromkeys(experiments)) if resume is None else resume.readable(experiments)
        if resume is None or not readable:
            message = f"Source {self.source!r} cannot resume its list at this position: start from the first page."
            return SourceBadRequest(self.source, message)
        return PendingRequest(request, readable, resume, excluded=resume.excluded)

    async def check(self, experiments: Sequence[str]) -> None:
        """Request one run of the first experiment.

        An error of this one experiment is no error of the source: the experiment may have been deleted.

        Raises:
            SourceError: The vendor cannot answer run queries.
        """
        if not experiments:
            return
        query = RunsQuery(tuple(experiments[:1]), SessionFilter(), SessionOrder(), fields=frozenset())
        try:
            await self.client.runs(query.body(1, None))
        except SourceNotFound as error:
            existing, _ = await self.client.existing_ids(query.experiments)
            if existing:
                raise no_run_query_error(error) from None
        except SourceError as error:
            if not may_concern_one_experiment(error):
                raise

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        """Return root runs by id. The vendor ignores other filters beside ids, so the adapter selects the roots.

        See docs/vendors/langsmith.md#runs.
        """
        body = {"id": list(ids), "limit": MAX_PAGE_SIZE, "select": list(RUN_FIELDS)}
        try:
            reply = await self.client.runs(body)
        except SourceResponseTooLarge as error:
            if len(ids) == 1:
                return {ids[0]: too_large_error(error)}
            middle = len(ids) // 2
            halves = await asyncio.gather(self._by_id(ids[:middle]), self._by_id(ids[middle:]))
            return {**halves[0], **halves[1]}
        except SourceError as error:
            return dict.fromkeys(ids, error)
        runs = reply.value.runs
        roots = self._sessions(reply, lambda run: run.is_root)
        by_id: dict[str, Session | SourceError] = {row.vendor_id: row for row in roots}
        if None in runs:  # the ids of unreadable rows are unknown
            read_ids = {run.id for run in runs if run is not None}
            unreadable = bad_response(reply.response, "of which a row cannot be read")
            return dict.fromkeys((run_id for run_id in ids if run_id not in read_ids), unreadable) | by_id
        return by_id

    async def _fetch_page(self, query: RunsQuery, limit: int, cursor: str | None) -> RunsPage:
        """Run one query, repeated with a smaller limit while the response is too large.

        The page omits rows of experiments that are not part of the query.
        """
        cost = CallCost()
        limit = self.sizes.limit_for(query, limit)
        while True:
            try:
                with cost:
                    reply = cost.add(await self.client.runs(query.body(limit, cursor)))
                break
            except SourceResponseTooLarge as error:
                if limit == 1:  # no smaller page exists
                    raise too_large_error(error) from None
                cost = CallCost(FetchInfo(error.upstream_requests))
                limit //= 2
                self.sizes.shrink(query, limit)
        self.sizes.record_size(query, len(reply.response.body))
        return self._to_page(query, cursor, reply, cost.total)

    def _to_page(
        self, query: RunsQuery, cursor: str | None, reply: Reply[wire.RunsResponse], cost: FetchInfo
    ) -> RunsPage:
        runs, cursors = reply.value.runs, reply.value.cursors
        rows = self._sessions(reply, lambda run: run.session_id in query.experiments, query.deferred_fields)
        skipped = unreadable_places(runs)
        foreign_count = len(runs) - len(skipped) - len(rows)
        if foreign_count:
            _log.warning("rows.foreign", source=self.source, kind=reply.response.kind, count=foreign_count)
        # A response without rows is the end of the list, even with a cursor.
        next_cursor = cursors.next if runs and cursors else None
        if next_cursor and next_cursor == cursor:
            raise bad_response(reply.response, "whose cursor leads back to itself")
        last = next((run.id for run in reversed(runs) if run is not None), None)
        return RunsPage(rows, next_cursor or None, cost, last, len(skipped), reply.response)

    def _sessions(
        self,
        reply: Reply[wire.RunsResponse],
        is_wanted: Callable[[wire.Run], bool],
        deferred_fields: frozenset[str] = frozenset(),
    ) -> list[Session]:
        """Return the wanted runs as sessions, each with its position in the reply."""
        return [
            to_session(self.source, run, reply.raw("runs", index), deferred_fields)
            for index, run in readable_rows(reply.value.runs)
            if is_wanted(run)
        ]

    # -- one request -----------------------------------------------------------------------------------

    async def _read_single(self, pending: PendingRequest) -> None:
        """Read one request by its own query, which continues with the vendor's cursor.

        A page with a next page is never empty.
        """
        try:
            try:
                await self._read_pages(pending)
            except SourceError as error:
                if pending.resume.cursor is not None:
                    raise
                if await self._without_failing([pending], error):
                    await self._read_pages(pending)
        except SourceError as error:
            _fail([pending], error)

    async def _read_pages(self, pending: PendingRequest) -> None:
        cursor, limit = pending.resume.cursor, pending.limit
        for _ in range(MAX_IDLE_PAGES):
            page = await self._fetch_page(pending.query(), limit, cursor)
            pending.add_page(page)
            cursor = page.cursor
            if pending.rows or cursor is None:
                break
            limit = min(2 * limit, MAX_PAGE_SIZE)  # many of the next runs may be repetitions
        else:
            raise no_progress_error(page.reply)
        if cursor is not None:
            pending.continue_at(cursor)

    async def _without_failing(self, pool: Sequence[PendingRequest], error: SourceError) -> list[PendingRequest]:
        """Return the requests that are left without the experiments for which the query of the pool fails.

        The first request carries the cost of the search.
        """
        if not may_concern_one_experiment(error):
            _fail(pool, error)
            return []
        request = pool[0].request

        async def probe(probed: Sequence[str]) -> int:
            query = RunsQuery(tuple(probed), request.filter, request.order, fields=frozenset())
            return (await self.client.runs(query.body(1, None))).provenance.upstream_requests

        experiments = list(dict.fromkeys(ref for pending in pool for ref in pending.experiments))
        search = FailingExperiments.for_experiments(self.client, probe, experiments)
        errors = await search.find(experiments, error)
        pool[0].provenance += FetchInfo(error.upstream_requests + search.calls)
        for pending in pool:
            pending.exclude(errors)
        return [pending for pending in pool if pending.experiments]

    # -- several requests ------------------------------------------------------------------------------

    async def _read_pooled(
        self,
        pool: Sequence[PendingRequest],
        range_start: int | None = None,
        *,
        low_yield: bool = False,
        failing_excluded: bool = False,
    ) -> None:
        """Read the requests of one pool with queries over all their experiments, in list order.

        A request with enough rows leaves the pool. The next round reads the rest, from the last start on
        (inclusive). While no request leaves, the vendor's cursor continues the query instead.

        Experiments that ran one after another fill a page each. So after two rounds in a row that complete at most
        one request each (`low_yield`), two halves of the pool are read concurrently. This takes less time and no
        more calls. `failing_excluded`: the pool no longer contains experiments for which the query fails.
        """
        query = _pooled_query(pool, range_start)
        cursor: str | None = None
        guard = ProgressGuard()
        while True:
            try:
                page = await self._fetch_page(query, MAX_PAGE_SIZE, cursor)
                guard.check(page, _distribute(pool, page))
            except SourceError as error:
                if failing_excluded:
                    _fail(pool, error)
                elif readable := await self._without_failing(pool, error):
                    await self._read_pooled(readable, query.range_start, failing_excluded=True)
                return
            incomplete = [pending for pending in pool if not pending.is_complete]
            if page.cursor is None or not incomplete:
                break
            complete_count = len(pool) - len(incomplete)
            last_start = microseconds(page.rows[-1].started_at) if page.rows else query.range_start
            previous_low_yield, low_yield = low_yield, complete_count <= 1 and len(incomplete) > 1
            if last_start != query.range_start and low_yield and previous_low_yield:
                await self._split(incomplete, last_start, failing_excluded=failing_excluded)
                break
            if complete_count == 0:
                cursor = page.cursor
                continue
            pool, range_start, cursor = incomplete, last_start, None
            query = _pooled_query(pool, range_start)

    async def _split(
        self, pool: Sequence[PendingRequest], range_start: int | None, *, failing_excluded: bool
    ) -> None:
        middle = len(pool) // 2
        await asyncio.gather(
            self._read_pooled(pool[:middle], range_start, low_yield=True, failing_excluded=failing_excluded),
            self._read_pooled(pool[middle:], range_start, low_yield=True, failing_excluded=failing_excluded),
        )


def _pooled_query(pool: Sequence[PendingRequest], range_start: int | None) -> RunsQuery:
    """Return the query of a pool from `range_start` on, with the fields of all requests.

    None is the start of the requests of the pool.
    """
    experiments = tuple(dict.fromkeys(ref for pending in pool for ref in pending.experiments))
    first = pool[0]
    fields: frozenset[str] | None = frozenset()
    for pending in pool:
        fields = None if fields is None or pending.request.fields is None else fields | pending.request.fields
    start = first.resume.range_start if range_start is None else range_start
    end = first.resume.range_end
    return RunsQuery(experiments, first.request.filter, first.request.order, start, fields, end)


def _distribute(pool: Sequence[PendingRequest], page: RunsPage) -> int:
    """Add the rows of the page to their requests, and return the number of new rows.

    The first request carries the cost of the call.
    """
    new_rows = pool[0].add_page(page)
    for pending in pool[1:]:
        pending.provenance += FetchInfo(stale=page.provenance.stale)
        new_rows += pending.add_rows(page.rows)
    for pending in pool:
        pending.next = None
        if page.cursor is not None and pending.is_complete:
            pending.suspend()
    return new_rows


def _fail(pool: Sequence[PendingRequest], error: SourceError) -> None:
    """Set the error of every request of the pool. The first request carries the cost of the call."""
    pool[0].provenance += FetchInfo(error.upstream_requests)
    for pending in pool:
        pending.error = error
