"""The LangSmith adapter: maps each gateway operation to calls of the vendor, in the dialect of the deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, TypeVar

from msgspec.structs import replace as with_fields
from pydantic import StringConstraints

from tracegraph.adapter import (
    BaseAdapter,
    ExperimentQuery,
    FetchInfo,
    Page,
    PageRequest,
    Probe,
    SessionPageRequest,
    SourceSettings,
    StrictOptions,
    add_cost_on_error,
    cost_of,
)
from tracegraph.domain.models import Experiment, Session, SessionRef, Span, SpanRef
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph_langsmith import experiments
from tracegraph_langsmith.capabilities import capabilities_of
from tracegraph_langsmith.client import LangSmithClient
from tracegraph_langsmith.datasets import Datasets
from tracegraph_langsmith.dialect import Api, Dialect, Dialects, Part, is_missing_path
from tracegraph_langsmith.experiments import ExperimentsApi
from tracegraph_langsmith.filters import canonical_uuid
from tracegraph_langsmith.links import Links, web_url_of
from tracegraph_langsmith.reversed_runs import list_in_order
from tracegraph_langsmith.runs import RunsReader
from tracegraph_langsmith.traces import Traces, TracesV1, TracesV2, is_readable, uuid_of
from tracegraph_langsmith.v1_runs import RunsV1
from tracegraph_langsmith.v1_sessions import SessionsV1
from tracegraph_langsmith.v2_runs import RunsV2
from tracegraph_langsmith.v2_sessions import SessionsV2

T = TypeVar("T")

K = TypeVar("K", SessionRef, SpanRef)


class Options(StrictOptions):
    """Settings of a LangSmith source.

    The adapter sends `api_key` as X-API-Key, and `tenant_id`, the id of a workspace, as X-Tenant-Id. See
    docs/vendors/langsmith.md#access. `api` is the interface to use; by default the deployment decides. `web_url`
    is the address of the web application, where it is not that of the API or of LangSmith's cloud.
    """

    api_key: SecretRef
    tenant_id: Annotated[str, StringConstraints(pattern=r"^[!-~]+$")] | None = None
    api: Api = "auto"
    web_url: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$")] | None = None


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[LangSmithAdapter]:
    """Open the adapter of one LangSmith workspace without a call."""
    options = settings.read(Options)
    client = LangSmithClient(upstream, options.api_key, options.tenant_id)
    links = Links(options.web_url or web_url_of(settings.base_url), options.tenant_id)
    yield LangSmithAdapter(settings.name, settings.vendor, client, links, options.api)


class LangSmithAdapter(BaseAdapter):
    """Adapter of one LangSmith workspace: tracer sessions are experiments, and root runs are sessions."""

    def __init__(self, name: str, vendor: str, client: LangSmithClient, links: Links, api: Api) -> None:
        super().__init__(name)
        self.vendor = vendor
        self._client = client
        self._links = links
        self._may_tell_tenant = True
        self._dialects = Dialects(client, api, self._follow)
        self._datasets = Datasets(client, self._dialects)
        self._sessions: Mapping[Dialect, ExperimentsApi] = {
            Dialect.V1: SessionsV1(name, client, links),
            Dialect.V2: SessionsV2(name, client, links),
        }
        self._runs = {
            Dialect.V1: RunsReader(name, RunsV1(name, client, links), self._existing_ids),
            Dialect.V2: RunsReader(name, RunsV2(name, client, links), self._existing_ids),
        }
        self._traces = {
            Dialect.V1: Traces(name, TracesV1(client)),
            Dialect.V2: Traces(name, TracesV2(client)),
        }
        self._follow()

    # -- experiments -----------------------------------------------------------------------------------

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of tracer sessions in one call, with the names of their datasets in another.

        A filter by refs returns all its tracer sessions in one page, with one call for each hundred.
        """

        async def read(api: ExperimentsApi) -> Page[Experiment]:
            if query.filter.refs is None:
                return await api.page(query, page)
            ids = sorted({uuid for ref in query.filter.refs if (uuid := canonical_uuid(ref)) is not None})
            return await experiments.list_by_ids(api, ids, query.order, page)

        found, before = await self._read_sessions(read)
        found = replace(found, provenance=before + found.provenance)
        needs_names = query.fields is None or "dataset_name" in query.fields
        return await self._datasets.complete_page(found) if needs_names else found

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return tracer sessions with figures, in one call for each hundred, and with the names of datasets.

        A ref that is not a UUID is omitted without a call.
        """
        uuid_by_ref = {ref: uuid for ref in refs if (uuid := canonical_uuid(ref)) is not None}
        if not uuid_by_ref:
            return {}
        ids = list(dict.fromkeys(uuid_by_ref.values()))
        try:
            found, _ = await self._read_sessions(partial(experiments.look_up, ids=ids))
        except SourceError as error:
            return dict.fromkeys(uuid_by_ref, error)
        by_id = await self._datasets.complete(found)
        return {ref: by_id[uuid] for ref, uuid in uuid_by_ref.items() if uuid in by_id}

    async def _existing_ids(self, ids: Sequence[str]) -> tuple[set[str], int]:
        (existing, calls), before = await self._read_sessions(partial(experiments.existing_ids, ids=ids))
        return existing, calls + before.upstream_requests

    async def _read_sessions(self, read: Callable[[ExperimentsApi], Awaitable[T]]) -> tuple[T, FetchInfo]:
        """Run a read of tracer sessions in the dialect of the deployment; return its result and earlier calls."""
        reads = {dialect: partial(read, api) for dialect, api in self._sessions.items()}
        return await self._dialects.read(Part.SESSIONS, reads)

    # -- sessions --------------------------------------------------------------------------------------

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of root runs. `list_sessions` is preferred."""
        (outcome,) = await self.list_sessions([request])
        if isinstance(outcome, SourceError):
            raise outcome
        return outcome

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return a page of root runs for each request.

        Requests with the same filter, order and start share queries: see runs.py.
        """
        if not requests:
            return []
        try:
            dialect, cost = await self._dialects.choose(Part.RUNS)
        except SourceError as error:
            return [error.with_cost(0 if index else error.upstream_requests) for index in range(len(requests))]
        outcomes = await self._list_runs(dialect, requests)
        calls = cost.upstream_requests
        for index, (request, page) in enumerate(zip(requests, outcomes, strict=True)):
            if isinstance(page, Page) and (request.fields is None or "url" in request.fields):
                items, calls_for_tenant = await self._with_addresses(page.items)
                outcomes[index] = replace(page, items=items)
                calls += calls_for_tenant
        outcomes[0] = _with_calls(outcomes[0], calls)
        return outcomes

    async def _list_runs(
        self, dialect: Dialect, requests: Sequence[SessionPageRequest]
    ) -> list[Page[Session] | SourceError]:
        """Return a page or an error for each request, from the other dialect where the path is missing."""
        outcomes = list(await list_in_order(self._runs[dialect], requests))
        missing = [index for index, outcome in enumerate(outcomes) if is_missing_path(outcome)]
        if not missing or not self._dialects.may_follow:
            return outcomes
        others = await list_in_order(self._runs[dialect.other], [requests[index] for index in missing])
        if not all(map(is_missing_path, others)):
            self._dialects.remember(Part.RUNS, dialect.other)
        for index, other in zip(missing, others, strict=True):
            first = outcomes[index]
            if is_missing_path(other):
                outcomes[index] = _with_calls(first, cost_of(other).upstream_requests)
            else:
                outcomes[index] = _with_calls(other, cost_of(first).upstream_requests)
        return outcomes

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return root runs by id within their tracer sessions, in one call for each hundred.

        An id that is not a UUID is omitted without a call.
        """
        found = await self._get_runs(refs)
        sessions = {ref: outcome for ref, outcome in found.items() if isinstance(outcome, Session)}
        addressed, _ = await self._with_addresses(list(sessions.values()))
        return {**found, **dict(zip(sessions, addressed, strict=True))}

    async def _get_runs(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        if not refs:
            return {}
        try:
            dialect, _ = await self._dialects.choose(Part.RUNS)
        except SourceError as error:
            return dict.fromkeys(refs, error)
        found = dict(await self._runs[dialect].get(refs))
        missing = [ref for ref, outcome in found.items() if is_missing_path(outcome)]
        if not missing or not self._dialects.may_follow:
            return found
        others = await self._runs[dialect.other].get(missing)
        if all(is_missing_path(others.get(ref)) for ref in missing):
            return found
        self._dialects.remember(Part.RUNS, dialect.other)
        return {ref: outcome for ref, outcome in found.items() if ref not in missing} | dict(others)

    async def _with_addresses(self, sessions: Sequence[Session]) -> tuple[Sequence[Session], int]:
        """Return the sessions with addresses, and the number of calls, which is 0 once the tenant is known.

        If the call fails, the addresses are unknown.
        """
        if all(session.url is not None for session in sessions):
            return sessions, 0
        calls = 0
        if self._links.needs_tenant and self._may_tell_tenant:
            try:
                newest, before = await self._read_sessions(lambda api: api.newest())
            except SourceError as error:
                self._may_tell_tenant = error.retryable
                calls = error.upstream_requests
            else:
                self._may_tell_tenant = self._links.needs_tenant and not newest.items
                calls = (before + newest.provenance).upstream_requests
        run_url = self._links.run
        return [
            with_fields(row, url=run_url(row.experiment_ref, row.vendor_id)) if row.url is None else row
            for row in sessions
        ], calls

    # -- spans -----------------------------------------------------------------------------------------

    async def list_spans(
        self,
        refs: Sequence[SessionRef],
        fields: frozenset[str] | None = None,  # noqa: ARG002 - texts are always left to get_spans
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the runs of traces: see traces.py. A session whose ids are no UUIDs is omitted without a call."""
        readable = [ref for ref in refs if is_readable(ref)]
        return await self._read_traces(readable, lambda traces, some: traces.read(some))

    async def get_spans(self, refs: Sequence[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        """Return complete runs by id, in one call for each hundred."""
        readable = [ref for ref in refs if is_readable(ref.session) and uuid_of(ref.span_id)]
        return await self._read_traces(readable, lambda traces, some: traces.get(some))

    async def _read_traces(
        self, refs: Sequence[K], read: Callable[[Traces, Sequence[K]], Awaitable[Mapping[K, T | SourceError]]]
    ) -> Mapping[K, T | SourceError]:
        """Return what is read for each ref, from the other dialect where the path is missing."""
        if not refs:
            return {}
        try:
            dialect, _ = await self._dialects.choose(Part.RUNS)
        except SourceError as error:
            return dict.fromkeys(refs, error)
        found = await read(self._traces[dialect], refs)
        missing = [ref for ref, outcome in found.items() if is_missing_path(outcome)]
        if not missing or not self._dialects.may_follow:
            return found
        others = await read(self._traces[dialect.other], missing)
        there = {ref: outcome for ref, outcome in others.items() if not is_missing_path(outcome)}
        if any(outcome and not isinstance(outcome, SourceError) for outcome in there.values()):
            self._dialects.remember(Part.RUNS, dialect.other)  # an empty trace may be that of a deleted project
        return {**found, **there}

    # -- the source ------------------------------------------------------------------------------------

    async def probe(self) -> Probe:
        """Request one tracer session without figures, one of its runs, and the version of the deployment.

        LangSmith does not report the number of tracer sessions.
        """
        try:
            newest, before = await self._read_sessions(lambda api: api.newest())
            refs = [row.ref for row in newest.items]
            checks = {dialect: partial(reader.check, refs) for dialect, reader in self._runs.items()}
            with add_cost_on_error(before + newest.provenance):
                await self._dialects.read(Part.RUNS, checks)
                await self._dialects.ask()
        finally:
            self.notices = self._client.deprecations.notices
        return Probe()

    def _follow(self) -> None:
        """Declare what the deployment can do in the dialects that are known by now."""
        sessions, runs = self._dialects.known(Part.SESSIONS), self._dialects.known(Part.RUNS)
        self.capabilities = capabilities_of(sessions, runs)
        self.version = self._dialects.version
        if self._dialects.is_known:
            is_one = sessions is runs
            self.interface = runs.value if is_one else f"runs {runs.value}, sessions {sessions.value}"


def _with_calls(outcome: Page[Session] | SourceError, calls: int) -> Page[Session] | SourceError:
    """Return the outcome with the number of calls before it added to its cost."""
    if isinstance(outcome, SourceError):
        return outcome.with_cost(outcome.upstream_requests + calls)
    return replace(outcome, provenance=outcome.provenance + FetchInfo(calls))
