"""The LangSmith adapter: maps each gateway operation to calls of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import StringConstraints

from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.options import SourceSettings, StrictOptions
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, PageRequest, Paging, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
from tracegraph.domain.calls import FetchInfo, RateLimit
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionOrderField,
    StringFilter,
)
from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    MetricKind,
    Score,
    Session,
    SessionRef,
    SessionStatus,
)
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import length, readable_rows, unreadable_places
from tracegraph.upstream.messages import UpstreamResponse
from tracegraph.upstream.raw import RawDocument, RawRow, bad_response
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import (
    MAX_PAGE_SIZE,
    RUNS,
    SESSIONS,
    LangSmithClient,
    Query,
    canonical_uuid,
    chunks,
    experiments_query,
    id_parameters,
)
from tracegraph_langsmith.mapping import STATUS_WORDS, to_experiment
from tracegraph_langsmith.runs import RunsReader

CAPABILITIES = Capabilities(
    experiments=ListCapabilities(
        Paging.OFFSET,
        MAX_PAGE_SIZE,
        both_directions(ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT),
        frozenset({"name", "refs"}),
    ),
    sessions=ListCapabilities(
        Paging.CURSOR,
        MAX_PAGE_SIZE,
        both_directions(SessionOrderField.STARTED_AT),
        frozenset({"statuses", "test_case_id", "started_at"}),
        ranges=True,
        pooled=True,
    ),
    reported_metrics=(
        MetricKind.LATENCY,
        MetricKind.FIRST_TOKEN_LATENCY,
        MetricKind.COST,
        MetricKind.INPUT_TOKENS,
        MetricKind.OUTPUT_TOKENS,
        MetricKind.TOTAL_TOKENS,
        MetricKind.ERROR_RATE,
        MetricKind.SCORE,
    ),
    kinds=frozenset({ExperimentKind.EVALUATION, ExperimentKind.PROJECT}),
    statuses=frozenset({*STATUS_WORDS, SessionStatus.UNKNOWN}),
    unsupported_experiment_fields=frozenset({"dataset_name", "group_id"}),
    call_kinds=frozenset({SESSIONS, RUNS}),
    rate_limits={RUNS: RateLimit(15, 10.0), "*": RateLimit(1000, 10.0)},
)
"""The filter `name` is pushed only when it is exact, because the vendor does not document partial matches.

See docs/vendors/langsmith.md#tracer-sessions, #runs, #rate-limits, #push-down.
"""


class Options(StrictOptions):
    """Settings of a LangSmith source.

    The adapter sends `api_key` as X-API-Key, and `tenant_id`, the id of a workspace, as X-Tenant-Id. See
    docs/vendors/langsmith.md#access.
    """

    api_key: SecretRef
    tenant_id: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")] | None = None


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[LangSmithAdapter]:
    """Open the adapter of one LangSmith workspace without a call."""
    options = settings.read(Options)
    client = LangSmithClient.with_key(upstream, options.api_key, options.tenant_id)
    yield LangSmithAdapter(settings.name, settings.vendor, client)


@dataclass(frozen=True, slots=True)
class _ExperimentRows:
    """The experiments of one response, and the number and positions of all its rows: see `Page.skipped`."""

    items: Sequence[Experiment]
    sent: int
    length: int
    skipped: tuple[int, ...]
    reply: UpstreamResponse

    @property
    def provenance(self) -> FetchInfo:
        return self.reply.provenance


class LangSmithAdapter:
    """Adapter of one LangSmith workspace: tracer sessions are experiments, and root runs are sessions."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, vendor: str, client: LangSmithClient) -> None:
        self.name = name
        self.vendor = vendor
        self._client = client
        self._runs = RunsReader(name, client)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of tracer sessions in one call.

        A filter by refs returns all its tracer sessions in one page, with one call for each hundred.
        """
        if query.filter.refs is not None:
            return await self._list_by_refs(query.filter.refs, query.order)
        pushed = _pushed_parameters(query.filter)
        if pushed is None:
            return Page((), 0, None)
        offset = page.offset if isinstance(page, OffsetRequest) else 0
        limit = max(1, min(page.limit, MAX_PAGE_SIZE))
        rows = await self._experiments([*experiments_query(query.order, limit, offset), *pushed])
        # The body has no total: a page that is not full is the last (docs/vendors/langsmith.md#tracer-sessions).
        is_full = rows.sent >= limit
        next_offset = offset + rows.length if is_full else None
        return Page(rows.items, offset, next_offset, None, rows.provenance, rows.skipped)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return tracer sessions with their statistics, in one call for each hundred.

        A ref that is not a UUID is omitted without a call.
        """
        uuid_by_ref = {ref: uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None}
        ids = list(dict.fromkeys(uuid_by_ref.values()))
        parts = await asyncio.gather(*(self._by_id(part) for part in chunks(ids)))
        by_id = {ref: experiment for part in parts for ref, experiment in part.items()}
        return {ref: by_id[uuid] for ref, uuid in uuid_by_ref.items() if uuid in by_id}

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page of root runs for each request.

        Requests with the same filter, order and start share queries: see runs.py.
        """
        return await self._runs.list_pages(requests)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return root runs by id, in one call for each hundred.

        An id that is not a UUID is omitted without a call.
        """
        return await self._runs.get(refs)

    async def get_scores(
        self,
        refs: Sequence[SessionRef],  # noqa: ARG002 - the port's form
    ) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Return no scores: the lists of sessions contain them."""
        return {}

    def experiment_kind(self, ref: str) -> ExperimentKind | None:  # noqa: ARG002 - the port's form
        """Return None: one list holds the sessions of any experiment."""
        return None

    async def check(self) -> SourceHealth:
        """Request one tracer session without statistics, and one of its runs.

        LangSmith does not report the number of tracer sessions.
        """
        try:
            reply = await self._client.tracer_sessions([("limit", "1")])
            await self._runs.check([row.id for row in reply.value if row is not None])
        except SourceError as error:
            return SourceHealth(SourceHealthStatus.DOWN, last_error=error, checked_at=datetime.now(UTC))
        return SourceHealth(SourceHealthStatus.UP, checked_at=datetime.now(UTC))

    async def _experiments(self, query: Query) -> _ExperimentRows:
        reply = await self._client.tracer_sessions(query)
        document = RawDocument(reply.body)
        rows: list[wire.TracerSession | None] = reply.value
        items = [to_experiment(self.name, row, RawRow(document, (index,))) for index, row in readable_rows(rows)]
        return _ExperimentRows(items, len(rows), length(rows), unreadable_places(rows), reply)

    async def _list_by_refs(self, refs: frozenset[str], order: ExperimentOrder) -> Page[Experiment]:
        """Return all experiments with these refs in one page.

        The vendor may not apply limit and offset to a query by id: see docs/vendors/langsmith.md#tracer-sessions.
        """
        ids = sorted({uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None})
        query = experiments_query(order, MAX_PAGE_SIZE, 0)
        outcomes = await asyncio.gather(
            *(self._experiments_or_error([*query, *id_parameters(part)]) for part in chunks(ids))
        )
        pages = [outcome for outcome in outcomes if isinstance(outcome, _ExperimentRows)]
        provenance = sum((page.provenance for page in pages), FetchInfo())
        errors = [outcome for outcome in outcomes if isinstance(outcome, SourceError)]
        if errors:
            calls = sum(error.upstream_requests for error in errors)
            errors[0].upstream_requests = calls + provenance.upstream_requests
            raise errors[0]
        items = [experiment for page in pages for experiment in page.items]
        return Page(_merge_sorted(items, order) if len(pages) > 1 else items, 0, None, provenance=provenance)

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        rows = await self._experiments_or_error(
            [("include_stats", "true"), ("limit", str(MAX_PAGE_SIZE)), *id_parameters(ids)]
        )
        if isinstance(rows, SourceError):
            return dict.fromkeys(ids, rows)
        by_id: dict[str, Experiment | SourceError] = {experiment.ref: experiment for experiment in rows.items}
        if rows.skipped:  # the ids of unreadable rows are unknown
            unreadable = bad_response(rows.reply, "of which a row cannot be read")
            return dict.fromkeys(ids, unreadable) | by_id
        return by_id

    async def _experiments_or_error(self, query: Query) -> _ExperimentRows | SourceError:
        try:
            return await self._experiments(query)
        except SourceError as error:
            return error


def _pushed_parameters(experiment_filter: ExperimentFilter) -> Query | None:
    """Return the conditions that the vendor certainly applies as intended, or None if no name can match.

    The gateway applies the others: `reference_free=false` and partial names are not documented well enough, and
    the vendor would ignore an empty name (docs/vendors/langsmith.md#push-down).
    """
    query: Query = []
    name = _exact_name(experiment_filter.name)
    if name:
        if not _is_text(name):
            return None
        query.append(("name", name))
    if experiment_filter.kinds == frozenset({ExperimentKind.PROJECT}):
        query.append(("reference_free", "true"))
    return query


def _exact_name(name: StringFilter | None) -> str | None:
    """Return the only name that can match the filter, or None if there are several."""
    if name is None:
        return None
    if name.eq is None and name.any_of is not None and len(name.any_of) == 1:
        return next(iter(name.any_of))
    return name.eq


def _is_text(text: str) -> bool:
    """Return False for text with an unpaired surrogate, which neither a URL nor the vendor's JSON can contain."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _merge_sorted(items: Sequence[Experiment], order: ExperimentOrder) -> list[Experiment]:
    """Return the rows of several sorted responses as one sorted list. Missing values come last."""
    by_update = order.field is ExperimentOrderField.UPDATED_AT
    times = [(item.updated_at if by_update else item.created_at, item) for item in items]
    dated = [(time, item) for time, item in times if time is not None]
    dated.sort(key=lambda pair: pair[0], reverse=order.direction is OrderDirection.DESC)
    return [item for _, item in dated] + [item for time, item in times if time is None]
