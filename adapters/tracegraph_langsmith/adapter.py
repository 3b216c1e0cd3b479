"""The LangSmith adapter: maps each gateway operation to calls of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Annotated

from pydantic import StringConstraints

from tracegraph.adapter import (
    BaseAdapter,
    Capabilities,
    ExperimentQuery,
    ListCapabilities,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    Probe,
    RateLimit,
    Reply,
    SessionPageRequest,
    SourceSettings,
    StrictOptions,
    both_directions,
    gather_outcomes,
    readable_rows,
    total_cost,
    unreadable_places,
)
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionOrderField,
    StringFilter,
)
from tracegraph.domain.models import Experiment, ExperimentKind, MetricKind, Session, SessionRef, SessionStatus
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import length
from tracegraph.upstream.raw import bad_response
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
        *(MetricKind.LATENCY, MetricKind.FIRST_TOKEN_LATENCY, MetricKind.COST),
        *(MetricKind.INPUT_TOKENS, MetricKind.OUTPUT_TOKENS, MetricKind.TOTAL_TOKENS),
        *(MetricKind.ERROR_RATE, MetricKind.SCORE),
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
    client = LangSmithClient(upstream, options.api_key, options.tenant_id)
    yield LangSmithAdapter(settings.name, settings.vendor, client)


class LangSmithAdapter(BaseAdapter):
    """Adapter of one LangSmith workspace: tracer sessions are experiments, and root runs are sessions."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, vendor: str, client: LangSmithClient) -> None:
        super().__init__(name)
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
        reply = await self._client.tracer_sessions([*experiments_query(query.order, limit, offset), *pushed])
        rows = reply.value
        # The body has no total: a page that is not full is the last (docs/vendors/langsmith.md#tracer-sessions).
        next_offset = offset + length(rows) if len(rows) >= limit else None
        return Page(self._experiments(reply), offset, next_offset, None, reply.provenance, unreadable_places(rows))

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return tracer sessions with their statistics, in one call for each hundred.

        A ref that is not a UUID is omitted without a call.
        """
        uuid_by_ref = {ref: uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None}
        ids = list(dict.fromkeys(uuid_by_ref.values()))
        parts = await asyncio.gather(*map(self._by_id, chunks(ids)))
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

    async def probe(self) -> Probe:
        """Request one tracer session without statistics, and one of its runs.

        LangSmith does not report the number of tracer sessions.
        """
        reply = await self._client.tracer_sessions([("limit", "1")])
        await self._runs.check([row.id for row in reply.value if row is not None])
        return Probe()

    def _experiments(self, reply: Reply[list[wire.TracerSession | None]]) -> list[Experiment]:
        return [to_experiment(self.name, row, reply.raw(index)) for index, row in readable_rows(reply.value)]

    async def _list_by_refs(self, refs: frozenset[str], order: ExperimentOrder) -> Page[Experiment]:
        """Return all experiments with these refs in one page.

        The vendor may not apply limit and offset to a query by id: see docs/vendors/langsmith.md#tracer-sessions.
        """
        ids = sorted({uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None})
        query = experiments_query(order, MAX_PAGE_SIZE, 0)
        replies = await gather_outcomes(
            self._client.tracer_sessions([*query, *id_parameters(part)]) for part in chunks(ids)
        )
        cost = total_cost(replies)
        items: list[Experiment] = []
        for reply in replies:
            if isinstance(reply, SourceError):
                raise reply.with_cost(cost.upstream_requests)
            items += self._experiments(reply)
        return Page(_sorted(items, order) if len(replies) > 1 else items, 0, None, provenance=cost)

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        query = [("include_stats", "true"), ("limit", str(MAX_PAGE_SIZE)), *id_parameters(ids)]
        try:
            reply = await self._client.tracer_sessions(query)
        except SourceError as error:
            return dict.fromkeys(ids, error)
        by_id = {experiment.ref: experiment for experiment in self._experiments(reply)}
        if None not in reply.value:
            return by_id
        # The ids of unreadable rows are unknown.
        return dict.fromkeys(ids, bad_response(reply.response, "of which a row cannot be read")) | by_id


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


def _sorted(items: Sequence[Experiment], order: ExperimentOrder) -> list[Experiment]:
    """Return the rows of several sorted responses as one sorted list. Missing values come last."""
    column = "updated_at" if order.field is ExperimentOrderField.UPDATED_AT else "created_at"
    dated = [item for item in items if getattr(item, column) is not None]
    dated.sort(key=attrgetter(column), reverse=order.direction is OrderDirection.DESC)
    return dated + [item for item in items if getattr(item, column) is None]
