"""LangSmith behind the port: which call answers which question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import StringConstraints

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.options import SourceSettings, StrictOptions
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
from tracegraph.domain.calls import FetchInfo, RateLimit
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
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
    PAGE_MAX,
    RUNS,
    SESSIONS,
    LangSmithClient,
    Query,
    canonical_uuid,
    chunks,
    experiments_query,
    with_ids,
)
from tracegraph_langsmith.mapping import STATUS_WORDS, to_experiment
from tracegraph_langsmith.runs import RunsReader

CAPABILITIES = Capabilities(
    experiment_orders=frozenset({ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT}),
    experiment_filters=frozenset({"name", "refs"}),
    session_filters=frozenset({"statuses", "test_case_id", "started_at"}),
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
    experiment_page_max=PAGE_MAX,
    session_page_max=PAGE_MAX,
    unsupported_experiment_fields=frozenset({"dataset_name", "group_id"}),
    lists_many_experiments=True,
    call_kinds=frozenset({SESSIONS, RUNS}),
    rate_limits={RUNS: RateLimit(15, 10.0), "*": RateLimit(1000, 10.0)},
)
"""`name` is pushed when it is exact: how parts of a name compare is not documented.

See docs/vendors/langsmith.md#tracer-sessions, #runs, #rate-limits, #push-down.
"""


class Options(StrictOptions):
    """`api_key` is sent as X-API-Key; `tenant_id`, a workspace's id, as X-Tenant-Id.

    See docs/vendors/langsmith.md#access.
    """

    api_key: SecretRef
    tenant_id: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")] | None = None


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[LangSmithAdapter]:
    """A LangSmith workspace for the time of the context; makes no call."""
    options = settings.read(Options)
    client = LangSmithClient.with_key(upstream, options.api_key, options.tenant_id)
    yield LangSmithAdapter(settings.name, settings.vendor, client)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The experiments of one answer, and what it held beside them: see `Page.skipped`."""

    items: Sequence[Experiment]
    sent: int
    length: int
    skipped: tuple[int, ...]
    reply: UpstreamResponse

    @property
    def provenance(self) -> FetchInfo:
        return self.reply.provenance


class LangSmithAdapter:
    """One LangSmith workspace: tracer sessions as experiments, root runs as sessions."""

    capabilities = CAPABILITIES

    def __init__(self, name: str, vendor: str, client: LangSmithClient) -> None:
        self.name = name
        self.vendor = vendor
        self._client = client
        self._runs = RunsReader(name, client)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """A stretch of the tracer sessions in one call; all of them at once when they are asked for by ref."""
        if query.filter.refs is not None:
            return await self._list_by_refs(query.filter.refs, query.order)
        pushed = _pushed(query.filter)
        if pushed is None:
            return Page((), 0, None)
        offset = max(0, page.hint) if isinstance(page.hint, int) else 0
        limit = max(1, min(page.limit, PAGE_MAX))
        found = await self._experiments([*experiments_query(query.order, limit, offset), *pushed])
        # No total in the body: a page that is not full is the last (docs/vendors/langsmith.md#tracer-sessions).
        goes_on = found.sent >= limit
        following = offset + found.length if goes_on else None
        return Page(found.items, offset, following, None, found.provenance, found.skipped)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """The tracer sessions with their stats, a hundred a call; what is no UUID is unknown without one."""
        wanted = {ref: uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None}
        ids = list(dict.fromkeys(wanted.values()))
        parts = await asyncio.gather(*(self._by_id(part) for part in chunks(ids)))
        known = {ref: found for part in parts for ref, found in part.items()}
        return {ref: known[uuid] for ref, uuid in wanted.items() if uuid in known}

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Root runs by range of their start; asks that can share a query do (see runs.py)."""
        return await self._runs.answer(asks)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Root runs by id, a hundred a call; what is no UUID is unknown without one."""
        return await self._runs.get(refs)

    async def get_scores(
        self,
        refs: Sequence[SessionRef],  # noqa: ARG002 - the port's form
    ) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Nothing: the lists of sessions hold their scores."""
        return {}

    async def check(self) -> SourceHealth:
        """One tracer session, without stats, and one of its runs. LangSmith does not tell how many there are."""
        try:
            found = await self._client.tracer_sessions([("limit", "1")])
            await self._runs.check([row.id for row in found.value if row is not None])
        except SourceError as error:
            return SourceHealth(SourceHealthStatus.DOWN, last_error=error, checked_at=datetime.now(UTC))
        return SourceHealth(SourceHealthStatus.UP, checked_at=datetime.now(UTC))

    async def _experiments(self, query: Query) -> _Rows:
        """The rows of one call."""
        reply = await self._client.tracer_sessions(query)
        document = RawDocument(reply.body)
        rows: list[wire.TracerSession | None] = reply.value
        items = [to_experiment(self.name, row, RawRow(document, (index,))) for index, row in readable_rows(rows)]
        return _Rows(items, len(rows), length(rows), unreadable_places(rows), reply)

    async def _list_by_refs(self, refs: frozenset[str], order: ExperimentOrder) -> Page[Experiment]:
        """All of them from the start: limit and offset may not hold beside ids.

        See docs/vendors/langsmith.md#tracer-sessions.
        """
        ids = sorted({uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None})
        query = experiments_query(order, PAGE_MAX, 0)
        answers = await asyncio.gather(*(self._tried([*query, *with_ids(part)]) for part in chunks(ids)))
        pages = [answer for answer in answers if isinstance(answer, _Rows)]
        provenance = sum((page.provenance for page in pages), FetchInfo())
        errors = [answer for answer in answers if isinstance(answer, SourceError)]
        if errors:
            calls = sum(error.upstream_requests for error in errors)
            errors[0].upstream_requests = calls + provenance.upstream_requests
            raise errors[0]
        items = [experiment for page in pages for experiment in page.items]
        return Page(_ordered(items, order) if len(pages) > 1 else items, 0, None, provenance=provenance)

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        found = await self._tried([("include_stats", "true"), ("limit", str(PAGE_MAX)), *with_ids(ids)])
        if isinstance(found, SourceError):
            return dict.fromkeys(ids, found)
        known: dict[str, Experiment | SourceError] = {one.ref: one for one in found.items}
        if found.skipped:  # which they are cannot be read
            unreadable = bad_response(found.reply, "of which a row cannot be read")
            return dict.fromkeys(ids, unreadable) | known
        return known

    async def _tried(self, query: Query) -> _Rows | SourceError:
        try:
            return await self._experiments(query)
        except SourceError as error:
            return error


def _pushed(wanted: ExperimentFilter) -> Query | None:
    """What the vendor certainly honours as it is meant; None when nothing can have such a name.

    `reference_free=false` and parts of names are not documented well enough, and names that are empty would read
    as none: the gateway sees to these (docs/vendors/langsmith.md#push-down).
    """
    query: Query = []
    name = _exact(wanted.name)
    if name:
        if not _is_text(name):
            return None
        query.append(("name", name))
    if wanted.kinds == frozenset({ExperimentKind.PROJECT}):
        query.append(("reference_free", "true"))
    return query


def _exact(name: StringFilter | None) -> str | None:
    """The only name that the filter admits, when it is known."""
    if name is None:
        return None
    if name.eq is None and name.any_of is not None and len(name.any_of) == 1:
        return next(iter(name.any_of))
    return name.eq


def _is_text(text: str) -> bool:
    """False for text with half a surrogate pair, which neither a URL nor the vendor's JSON can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ordered(items: Sequence[Experiment], order: ExperimentOrder) -> list[Experiment]:
    """The rows of several answers, each in the vendor's order, as one list; missing values last."""
    by_update = order.field is ExperimentOrderField.UPDATED_AT
    times = [(item.updated_at if by_update else item.created_at, item) for item in items]
    readable_rows = [(time, item) for time, item in times if time is not None]
    readable_rows.sort(key=lambda pair: pair[0], reverse=order.direction is OrderDirection.DESC)
    return [item for _, item in readable_rows] + [item for time, item in times if time is None]
