"""Reads root runs in either dialect, with one query for several requests where that saves calls.

LangSmith accepts many tracer sessions in one run query, but allows only 15 queries in 10 s
(docs/vendors/langsmith.md#runs, #rate-limits). So the first pages of twenty experiments are read as one merged
list: each round requests the next runs of all experiments that still lack rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

import structlog

from tracegraph.adapter import (
    CallCost,
    FetchInfo,
    Page,
    RangeRequest,
    SessionPageRequest,
)
from tracegraph.domain.filters import OrderDirection, SessionFilter, SessionOrder
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
from tracegraph_langsmith.client import (
    RunsQuery,
    chunks,
)
from tracegraph_langsmith.failing_projects import (
    ExistingIds,
    FailingExperiments,
    may_concern_one_experiment,
    no_run_query_error,
)
from tracegraph_langsmith.filters import can_match, canonical_uuid
from tracegraph_langsmith.page_ends import PageEnds
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


_MIN_POOL_ROWS, _ROWS_EACH, _LARGE_ROWS_EACH = 100, 10, 2
"""The size of the first page of a pool: so many rows at least, and so many for each row that it needs.

A larger page completes more experiments in one call. Rows with large fields cost more than they save.
"""


_MAX_GROWTH = 2
"""A request for more than this multiple of the page size of its cursor goes on by range instead."""


class RunsApi(Protocol):
    """The queries for root runs in one dialect.

    `path` is the path of the query, `page_max` the most rows of one page. `binds_cursors`: a cursor is valid only
    with the page size and the fields of its query. `directions` are those of the order by start.
    """

    path: ClassVar[str]
    page_max: ClassVar[int]
    binds_cursors: ClassVar[bool]
    directions: ClassVar[frozenset[OrderDirection]]

    async def page(self, query: RunsQuery, limit: int, cursor: str | None) -> RunsPage:
        """Return one page. Raise SourceError."""
        ...

    async def by_id(self, runs: Sequence[tuple[str, str]]) -> Mapping[str, Session | SourceError]:
        """Return root runs by id, for at most 100 pairs of a project and a run. Raise SourceError."""
        ...


class RunsReader:
    """Reads pages of root runs, and root runs by ref.

    A failure is a SourceError in the result, never an exception.
    """

    def __init__(self, source: str, api: RunsApi, existing_ids: ExistingIds) -> None:
        """Take the queries of one dialect, and a function that finds the tracer sessions that exist."""
        self.source = source
        self.api = api
        self.existing_ids = existing_ids
        self.sizes = PageSizes(api.page_max)
        self.ends = PageEnds()

    async def list_pages(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page or an error for each request, in the order of the requests.

        The requests have an order of the dialect.
        """
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
        runs = list(dict.fromkeys(uuids_by_ref.values()))
        parts = await asyncio.gather(*map(self._by_id, chunks(runs)))
        session_of_run = {run: session for part in parts for run, session in part.items()}
        gone = await self._missing(
            {experiment for experiment, run in runs if _is_missing(session_of_run.get(run))}
        )
        return {
            ref: session
            for ref, (experiment, run) in uuids_by_ref.items()
            if (session := session_of_run.get(run)) is not None
            and not (_is_missing(session) and experiment in gone)
            and (isinstance(session, SourceError) or session.experiment_ref == experiment)
        }

    async def _missing(self, experiments: set[str]) -> set[str]:
        """Return those of the experiments that do not exist, as far as that can be found."""
        if not experiments:
            return set()
        try:
            existing, _ = await self.existing_ids(sorted(experiments))
        except SourceError:
            return set()
        return experiments - existing

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
            return SourceBadRequest(self.source, _cannot_resume(self.source))
        pending = PendingRequest(request, readable, resume, self.api.page_max, excluded=resume.excluded)
        if not self._takes(pending) and not pending.leave_cursor():
            return SourceBadRequest(self.source, _cannot_resume(self.source))
        if self._outgrows_cursor(pending):
            pending.leave_cursor()
        return pending

    def _outgrows_cursor(self, pending: PendingRequest) -> bool:
        """Return whether the request is for far more runs than its cursor gives.

        A cursor of v2 is valid only with the page size of its list. A few more rows do not need a larger page: the
        gateway requests those that it is done with again.
        """
        size = pending.resume.page_size
        return bool(size) and self.sizes.limit_for(pending.query(), pending.limit) > _MAX_GROWTH * size

    def _takes(self, pending: PendingRequest) -> bool:
        """Return whether the cursor of the request is one of this dialect, and valid for its fields."""
        resume = pending.resume
        if resume.cursor is None or not self.api.binds_cursors:
            return resume.page_size == 0
        return 0 < resume.page_size <= self.api.page_max and resume.large_fields == pending.query().large_fields

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
            await self.api.page(query, 1, None)
        except SourceNotFound as error:
            existing, _ = await self.existing_ids(query.experiments)
            if existing:
                raise no_run_query_error(error, self.api.path) from None
        except SourceError as error:
            if not may_concern_one_experiment(error):
                raise

    async def _by_id(self, runs: Sequence[tuple[str, str]]) -> Mapping[str, Session | SourceError]:
        """Return root runs by id, for pairs of a project and a run, without those that do not exist."""
        try:
            return await self.api.by_id(runs)
        except SourceResponseTooLarge as error:
            if len(runs) == 1:
                return {runs[0][1]: too_large_error(error)}
            middle = len(runs) // 2
            halves = await asyncio.gather(self._by_id(runs[:middle]), self._by_id(runs[middle:]))
            return {**halves[0], **halves[1]}
        except SourceError as error:
            return dict.fromkeys((run for _, run in runs), error)

    async def _fetch_page(self, query: RunsQuery, limit: int, cursor: str | None) -> RunsPage:
        """Run one query, repeated with a smaller limit while the response is too large."""
        cost = CallCost()
        if cursor is None or not self.api.binds_cursors:
            limit = self.sizes.limit_for(query, limit)
        seen: frozenset[str] = frozenset()
        while True:
            try:
                with cost:
                    page = cost.add(await self.api.page(query, limit, cursor))
                break
            except SourceResponseTooLarge as error:
                if limit == 1:  # no smaller page exists
                    raise too_large_error(error) from None
                cost = CallCost(FetchInfo(error.upstream_requests))
                limit //= 2
                self.sizes.shrink(query, limit)
                if cursor is not None and self.api.binds_cursors:
                    query, seen = self.ends.range_after(query, cursor, error)
                    cursor = None
        self.sizes.record_size(query, len(page.reply.body))
        return self._checked(page, cursor, seen, cost.total)

    def _checked(self, page: RunsPage, cursor: str | None, seen: frozenset[str], cost: FetchInfo) -> RunsPage:
        """Return the page without the rows of the page before, and remember where it ends."""
        if page.foreign:
            _log.warning("rows.foreign", source=self.source, kind=page.reply.kind, count=page.foreign)
        if page.cursor is not None and page.cursor == cursor:
            raise bad_response(page.reply, "whose cursor leads back to itself")
        rows = [row for row in page.rows if row.vendor_id not in seen] if seen else page.rows
        page = replace(page, rows=rows, provenance=cost)
        if self.api.binds_cursors:
            self.ends.record(page, cursor, seen)
        return page

    # -- one request -----------------------------------------------------------------------------------

    async def _read_single(self, pending: PendingRequest) -> None:
        """Read one request by its own query, which continues with the vendor's cursor.

        A page with a next page is never empty.
        """
        try:
            await self._read_pages(pending)
        except SourceError as error:
            await self._recover(pending, error)

    async def _recover(self, pending: PendingRequest, error: SourceError) -> None:
        """Read the request without the experiments for which its query fails.

        Behind a cursor, that error is a refusal: the request is then read by range, here or by the gateway.
        """
        if isinstance(error, SourceBadRequest | SourceNotFound) and pending.leave_cursor():
            pending.provenance += FetchInfo(error.upstream_requests)
            await self._read_single(pending)
        elif pending.resume.cursor is not None:
            if len(pending.experiments) > 1 and may_concern_one_experiment(error):
                error = error.restated(SourceBadRequest, _cannot_resume(self.source))
            _fail([pending], error)
        elif await self._without_failing([pending], error):
            try:
                await self._read_pages(pending)
            except SourceError as failure:
                _fail([pending], failure)

    async def _read_pages(self, pending: PendingRequest) -> None:
        """Read until a row is found, and again as a full page if the page would end within its first start.

        Each call has the limit of its cursor, which a vendor may require.
        """
        query, cursor, limit = pending.query(), pending.resume.cursor, pending.query_limit
        is_full = limit == self.api.page_max
        for _ in range(MAX_IDLE_PAGES):
            page = await self._fetch_page(query, limit, cursor)
            pending.add_page(page)
            query, cursor, limit = page.query, page.cursor, page.page_size or limit
            if cursor is None:
                break
            if pending.is_within_group and not is_full:
                pending.discard_rows()
                query, cursor, limit, is_full = pending.query(), None, self.api.page_max, True
            elif pending.rows:
                break
        if cursor is not None and not pending.rows:
            raise no_progress_error(page.reply)
        pending.goes_on = cursor is not None or page.is_followed
        pending.last_page = None if cursor is None else page

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
            return (await self.api.page(query, 1, None)).provenance.upstream_requests

        experiments = list(dict.fromkeys(ref for pending in pool for ref in pending.experiments))
        search = FailingExperiments.for_experiments(self.existing_ids, probe, self.api.path, experiments)
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

        Experiments that ran one after another fill a page each. So after two rounds in a row that complete one
        request each (`low_yield`), two halves of the pool are read concurrently. This takes less time and no more
        calls. Rounds that complete none belong to lists that fill no page: halves of them would take more calls.
        `failing_excluded`: the pool no longer contains experiments for which the query fails.
        """
        query, limit = _pooled_query(pool, range_start), self.api.page_max
        if range_start is None:
            limit = min(limit, _pool_rows(pool, query))
        cursor: str | None = None
        guard = ProgressGuard()
        while True:
            try:
                page = await self._fetch_page(query, limit, cursor)
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
            previous_low_yield, low_yield = low_yield, complete_count == 1 and len(incomplete) > 1
            if last_start != query.range_start and low_yield and previous_low_yield:
                await self._split(incomplete, last_start, failing_excluded=failing_excluded)
                break
            if complete_count == 0:
                query, cursor, limit = page.query, page.cursor, page.page_size or limit
                continue
            pool, range_start, cursor = incomplete, last_start, None
            query, limit = _pooled_query(pool, range_start), self.api.page_max

    async def _split(
        self, pool: Sequence[PendingRequest], range_start: int | None, *, failing_excluded: bool
    ) -> None:
        middle = len(pool) // 2
        await asyncio.gather(
            self._read_pooled(pool[:middle], range_start, low_yield=True, failing_excluded=failing_excluded),
            self._read_pooled(pool[middle:], range_start, low_yield=True, failing_excluded=failing_excluded),
        )


def _cannot_resume(source: str) -> str:
    return f"Source {source!r} cannot resume its list at this position: start from the first page."


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
    return RunsQuery(experiments, first.request.filter, first.request.order, start, fields, end, is_pooled=True)


def _is_missing(outcome: Session | SourceError | None) -> bool:
    """Return whether the vendor answered 404: it lacks the project or the path."""
    return isinstance(outcome, SourceNotFound)


def _pool_rows(pool: Sequence[PendingRequest], query: RunsQuery) -> int:
    """Return the size of the first page of a pool."""
    needed = sum(pending.limit for pending in pool)
    return max(_MIN_POOL_ROWS, needed * (_LARGE_ROWS_EACH if query.large_fields else _ROWS_EACH))


def _distribute(pool: Sequence[PendingRequest], page: RunsPage) -> int:
    """Add the rows of the page to their requests, and return the number of new rows.

    The first request carries the cost of the call.
    """
    new_rows = pool[0].add_page(page)
    for pending in pool[1:]:
        pending.provenance += FetchInfo(stale=page.provenance.stale)
        new_rows += pending.add_rows(page.rows)
    for pending in pool:
        pending.goes_on = page.cursor is not None and pending.is_complete
    return new_rows


def _fail(pool: Sequence[PendingRequest], error: SourceError) -> None:
    """Set the error of every request of the pool. The first request carries the cost of the call."""
    pool[0].provenance += FetchInfo(error.upstream_requests)
    for pending in pool:
        pending.error = error
