"""The MLflow adapter: maps each operation of the gateway to calls of the tracking server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from pydantic import model_validator

from tracegraph.adapter import (
    BaseAdapter,
    CallCost,
    Capabilities,
    ExperimentQuery,
    ListCapabilities,
    Page,
    PageRequest,
    Paging,
    RangeRequest,
    SessionPageRequest,
    SourceSettings,
    StrictOptions,
    WebAddress,
    WholeRequest,
    both_directions,
    chunks,
    first_page_with_rows,
    gather_by_key,
    gather_outcomes,
    readable_rows,
    unreadable_places,
)
from tracegraph.domain.filters import (
    ExperimentOrderField,
    SessionOrderField,
)
from tracegraph.domain.models import (
    Aggregate,
    Experiment,
    ExperimentKind,
    MetricKind,
    Session,
    SessionRef,
    SessionStatus,
    Span,
)
from tracegraph.domain.secrets import SecretRef
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.raw import RawRow
from tracegraph_mlflow import figures, filters, mapping, spans, wire
from tracegraph_mlflow.client import (
    CALL_KINDS,
    COMPLETE_TRACES_MAX,
    EXPERIMENTS_MAX,
    RUNS_MAX,
    TRACES_MAX,
    MlflowClient,
    authorization,
)
from tracegraph_mlflow.links import Links
from tracegraph_mlflow.mapping import Ref

_EVALUATION, _PROJECT = ExperimentKind.EVALUATION, ExperimentKind.PROJECT
_SESSION_ORDERS = {SessionOrderField.STARTED_AT: "timestamp_ms", SessionOrderField.LATENCY: "execution_time_ms"}
_OLDEST_FIRST = ["creation_time ASC", "experiment_id ASC"]
_MAX_EXPERIMENT_PAGES = 50
"""The pages of MLflow experiments that one list of evaluation runs reads."""


def _sessions(*, pooled: bool) -> ListCapabilities:
    return ListCapabilities(
        Paging.RANGE, TRACES_MAX, both_directions(*_SESSION_ORDERS), filters.SESSION_FILTERS, pooled=pooled
    )


CAPABILITIES = Capabilities(
    experiments={
        _PROJECT: ListCapabilities(Paging.WHOLE, EXPERIMENTS_MAX, filters=filters.PROJECT_FILTERS),
        _EVALUATION: ListCapabilities(
            Paging.RANGE,
            RUNS_MAX,
            both_directions(ExperimentOrderField.CREATED_AT),
            filters.EVALUATION_FILTERS,
        ),
    },
    sessions={_PROJECT: _sessions(pooled=True), _EVALUATION: _sessions(pooled=False)},
    reported_metrics=tuple(kind for kind in MetricKind if kind in figures.METRICS),
    deferred_metrics=figures.METRICS,
    kinds=frozenset({_PROJECT, _EVALUATION}),
    statuses=frozenset({*mapping.STATES.values(), SessionStatus.UNKNOWN}),
    unsupported_experiment_fields=frozenset({"agent_name", "agent_version"}),
    unsupported_session_fields=frozenset({"agent_name", "agent_version", "model", "test_case_id"}),
    call_kinds=CALL_KINDS,
    spans=True,
)


class Options(StrictOptions):
    """Settings of an MLflow source.

    `token` is sent as a bearer token. `username` and `password` are those of MLflow's own authentication.
    `web_url` is the address of the user interface, if that is not the base URL.
    """

    token: SecretRef | None = None
    username: str | None = None
    password: SecretRef | None = None
    web_url: WebAddress | None = None

    @model_validator(mode="after")
    def _is_one_credential(self) -> Options:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: set both, or neither")
        if self.token is not None and self.password is not None:
            raise ValueError("set either token, or username and password")
        return self


@asynccontextmanager
async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[MlflowAdapter]:
    """Open the adapter of one tracking server without a call."""
    options = settings.read(Options)
    client = MlflowClient(upstream, authorization(options.token, options.username, options.password))
    yield MlflowAdapter(settings.name, client, Links(options.web_url or client.upstream.base_url))


class MlflowAdapter(BaseAdapter):
    """Adapter of one tracking server: experiments and evaluation runs are experiments, traces are sessions."""

    vendor = "mlflow"
    capabilities = CAPABILITIES

    def __init__(self, name: str, client: MlflowClient, links: Links) -> None:
        super().__init__(name)
        self._client = client
        self._links = links

    # -- experiments -----------------------------------------------------------------------------------

    def experiment_kind(self, ref: str) -> ExperimentKind | None:
        """Return EVALUATION for the ref of a run, else PROJECT."""
        return _EVALUATION if "/" in ref else _PROJECT

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of MLflow experiments in one call, or of evaluation runs in one or two."""
        if query.kind is _PROJECT:
            return await self._list_projects(query, page)
        return await self._list_evaluations(query, page)

    async def _list_projects(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page, the oldest first, so that new ones move no row to another page."""
        body = _body(
            page.limit, EXPERIMENTS_MAX, _OLDEST_FIRST, list(filters.project_conditions(query.filter)), page
        )
        reply = await self._client.experiments(body)
        rows = [
            row if row is not None and Ref.parse(row.experiment_id) else None for row in reply.value.experiments
        ]
        items = [
            mapping.to_project(self.name, row, reply.raw("experiments", place), self._links)
            for place, row in readable_rows(rows)
        ]
        return Page(items, None, reply.value.next_page_token, None, reply.provenance, unreadable_places(rows))

    async def _list_evaluations(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of runs. MLflow requires their experiments, so one call may read these ids."""
        cost = CallCost()
        named = query.filter.refs
        refs = None if named is None else {ref for text in named if (ref := Ref.parse(text)) and ref.run_id}
        with cost:
            ids = await self._experiment_ids(query, refs, cost)
            if not ids:
                return Page((), None, None, provenance=cost.total)
            field, direction = "attributes.start_time", query.order.direction
            conditions = [
                *filters.evaluation_conditions(query.filter, refs),
                *filters.range_conditions(field, direction, page),
            ]
            body = _body(page.limit, RUNS_MAX, [f"{field} {direction.value}"], conditions, page)
            reply = cost.add(await self._client.runs({"experiment_ids": ids, **body}))
        rows = [row if row is not None and Ref.parse(row.ref) else None for row in reply.value.runs]
        items = [
            mapping.to_evaluation(self.name, row, reply.raw("runs", place), self._links)
            for place, row in readable_rows(rows)
        ]
        return Page(items, None, reply.value.next_page_token, None, cost.total, unreadable_places(rows))

    async def _experiment_ids(
        self, query: ExperimentQuery, refs: set[Ref] | None, cost: CallCost
    ) -> Sequence[str]:
        """Return the MLflow experiments whose runs may match: those that the filter names, else all."""
        groups = None if query.filter.group_id is None else query.filter.group_id.exact_values
        named = None if refs is None else {ref.experiment_id for ref in refs}
        if groups is not None:
            ids = {ref.experiment_id for group in groups if (ref := Ref.parse(group)) and ref.run_id is None}
            named = ids if named is None else ids & named
        if named is not None:
            return sorted(named)
        found: dict[str, None] = {}
        seen: set[str | None] = {None}
        token: str | None = None
        for _ in range(_MAX_EXPERIMENT_PAGES):
            body = _body(EXPERIMENTS_MAX, EXPERIMENTS_MAX, _OLDEST_FIRST, (), WholeRequest(0, token))
            reply = cost.add(await self._client.experiments(body))
            rows, before = reply.value.experiments, len(found)
            found |= dict.fromkeys(
                row.experiment_id for row in rows if row is not None and Ref.parse(row.experiment_id)
            )
            token = reply.value.next_page_token or None
            if token in seen or len(found) == before:  # the end, or a list that does not advance
                break
            seen.add(token)
        return list(found)

    async def find_experiment(self, ref: str) -> Experiment:
        """Return an MLflow experiment or a run by its id, in one call. A deleted one is unknown."""
        named = self._parsed(ref)
        if named.run_id is None:
            project = await self._client.experiment(named.experiment_id)
            row = project.value.experiment
            if row.lifecycle_stage == "deleted":
                raise self._unknown(project.provenance.upstream_requests)
            return mapping.to_project(self.name, row, project.raw("experiment"), self._links)
        reply = await self._client.run(named.run_id)
        run = reply.value.run
        is_evaluation = run.tags.get("mlflow.runType") == "genai_evaluate"
        is_deleted = run.info.lifecycle_stage == "deleted"
        if not is_evaluation or is_deleted or run.info.experiment_id != named.experiment_id:
            raise self._unknown(reply.provenance.upstream_requests)
        return mapping.to_evaluation(self.name, run, reply.raw("run"), self._links)

    async def get_aggregates(
        self, experiments: Sequence[Experiment], kinds: frozenset[MetricKind] | None = None
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return what MLflow computes over the traces of experiments, one call for each metric of each."""
        wanted = [kind for kind in CAPABILITIES.reported_metrics if kinds is None or kind in kinds]
        refs = {one.ref: ref for one in experiments if (ref := Ref.parse(one.ref)) is not None}
        return await gather_by_key({text: self._aggregates(ref, wanted) for text, ref in refs.items()})

    async def _aggregates(self, ref: Ref, kinds: Sequence[MetricKind]) -> Sequence[Aggregate]:
        outcomes = await gather_outcomes(self._client.metrics(figures.request_of(ref, kind)) for kind in kinds)
        found: list[Aggregate] = []
        for kind, outcome in zip(kinds, outcomes, strict=True):
            if isinstance(outcome, SourceError):
                raise outcome
            found += figures.aggregates(kind, outcome.value)
        return found

    # -- sessions --------------------------------------------------------------------------------------

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of traces in one call. An experiment without a trace takes one more, which finds it.

        A page without a usable trace takes one more, too.
        """
        refs = [ref for text in request.experiment_refs if (ref := Ref.parse(text)) is not None]
        if not refs:
            raise self._unknown()
        read = partial(self._trace_page, refs, request)
        return await first_page_with_rows(read, self.name, _token(request.page))

    async def _trace_page(
        self, refs: Sequence[Ref], request: SessionPageRequest, token: int | str | None
    ) -> Page[Session]:
        column, direction = _SESSION_ORDERS[request.order.field], request.order.direction
        bounds = filters.range_conditions(column, direction, request.page) if column == "timestamp_ms" else ()
        conditions = [*filters.session_conditions(request.filter), *bounds]
        page = request.page
        body = _body(page.limit, TRACES_MAX, [f"{column} {direction.value}"], [*_of_run(refs), *conditions], page)
        if token is not None:
            body["page_token"] = token
        cost, total = CallCost(), None
        with cost:
            reply = cost.add(await self._client.traces({"locations": _locations(refs), **body}))
            if len(refs) == 1 and not conditions and not token:
                if not reply.value.traces:
                    await self._require_experiment(refs[0], cost)
                if page.limit == 1:
                    total = await self._count(refs[0], cost)
        rows = reply.value.traces
        usable = [row if row is not None and _is_usable(row, refs) else None for row in rows]
        items = [self._session(refs, row, reply.raw("traces", place)) for place, row in readable_rows(usable)]
        return Page(items, None, reply.value.next_page_token, total, cost.total, unreadable_places(usable))

    async def _require_experiment(self, ref: Ref, cost: CallCost) -> None:
        """Raise SourceObjectNotFound unless the experiment exists: MLflow has no trace of an unknown one."""
        if ref.run_id is None:
            cost.add(await self._client.experiment(ref.experiment_id))
        else:
            cost.add(await self._client.run(ref.run_id))

    async def _count(self, ref: Ref, cost: CallCost) -> int:
        """Return the number of traces. The gateway counts sessions by a page of one row."""
        reply = cost.add(await self._client.metrics(figures.request_of(ref, MetricKind.ERROR_RATE)))
        return sum(figures.trace_counts(reply.value.data_points).values())

    async def find_sessions(
        self, experiment_ref: str, session_ids: Sequence[str]
    ) -> Mapping[str, Session | SourceError]:
        """Return traces by id, one call for each 500. Fields that only spans have take further calls."""
        ref = self._parsed(experiment_ref)
        found: dict[str, Session | SourceError] = {}
        for ids in chunks([one for one in session_ids if filters.is_plain(one)], TRACES_MAX):
            conditions = [*_of_run([ref]), filters.one_of("request_id", ids)]
            body = _body(TRACES_MAX, TRACES_MAX, ["timestamp_ms DESC"], conditions, WholeRequest(0))
            reply = await self._client.traces({"locations": _locations([ref]), **body})
            found |= reply.unreadable(ids, reply.value.traces)
            for place, row in readable_rows(reply.value.traces):
                found[row.trace_id] = self._session([ref], row, reply.raw("traces", place))
        deferring = [one for one, session in found.items() if isinstance(session, Session) and session.deferred]
        for session_id, trace in (await self._complete_traces(deferring)).items():
            session = found[session_id]
            if isinstance(trace, SourceError):
                found[session_id] = trace
            elif isinstance(session, Session):
                found[session_id] = spans.completed(session, trace[0])
        return found

    async def list_spans(
        self,
        refs: Sequence[SessionRef],
        fields: frozenset[str] | None = None,  # noqa: ARG002 - a trace comes as a whole
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of traces, one call for each 20 traces. Traces of other experiments are left out."""
        readable = [ref for ref in refs if Ref.parse(ref.experiment_ref) and filters.is_plain(ref.session_id)]
        traces = await self._complete_traces(list(dict.fromkeys(ref.session_id for ref in readable)))
        found: dict[SessionRef, Sequence[Span] | SourceError] = {}
        for ref in readable:
            trace = traces.get(ref.session_id)
            if isinstance(trace, SourceError):
                found[ref] = trace
            elif trace is not None and trace[0].trace_info.experiment_id == ref.experiment_ref.partition("/")[0]:
                found[ref] = spans.spans_of(*trace)
        return found

    async def _complete_traces(self, trace_ids: Sequence[str]) -> Mapping[str, _Trace | SourceError]:
        """Return traces with their spans by id."""
        parts = list(chunks(trace_ids, COMPLETE_TRACES_MAX))
        outcomes = await gather_outcomes(map(self._client.complete_traces, parts))
        found: dict[str, _Trace | SourceError] = {}
        for ids, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, SourceError):
                found |= dict.fromkeys(ids, outcome)
                continue
            found |= outcome.unreadable(ids, outcome.value.traces)
            for place, trace in readable_rows(outcome.value.traces):
                found[trace.trace_info.trace_id] = trace, outcome.raw("traces", place, "spans")
        return found

    # -- helpers ---------------------------------------------------------------------------------------

    def _session(self, refs: Sequence[Ref], row: wire.TraceRow, raw: RawRow) -> Session:
        """Return the session of a trace in a list of these experiments: several are MLflow experiments."""
        experiment_id = row.experiment_id or refs[0].experiment_id
        ref = refs[0].text if len(refs) == 1 else experiment_id
        return mapping.to_session(self.name, ref, row, raw, self._links.trace(experiment_id, row.trace_id))

    def _parsed(self, ref: str) -> Ref:
        named = Ref.parse(ref)
        if named is None:
            raise self._unknown()
        return named

    def _unknown(self, calls: int = 0) -> SourceObjectNotFound:
        message = f"Source {self.name!r} has no object with that id."
        return SourceObjectNotFound(self.name, message, upstream_requests=calls)


_Trace = tuple[wire.CompleteTrace, RawRow]
"""A trace with its spans, and the undecoded list of these."""


def _body(
    limit: int, maximum: int, order: Sequence[str], conditions: Sequence[str], page: PageRequest
) -> dict[str, Any]:
    """Return the members that the three searches share."""
    body: dict[str, Any] = {"max_results": max(1, min(limit, maximum)), "order_by": order}
    if conditions:
        body["filter"] = filters.all_of(conditions)
    token = _token(page)
    return body if token is None else {**body, "page_token": token}


def _token(page: PageRequest) -> str | None:
    token = page.token if isinstance(page, RangeRequest | WholeRequest) else None
    return None if token is None else str(token)


def _is_usable(row: wire.TraceRow, refs: Sequence[Ref]) -> bool:
    """Return whether the trace can be opened by its id, and belongs to one of these experiments for certain."""
    owners = {ref.experiment_id for ref in refs}
    return filters.is_plain(row.trace_id) and (len(refs) == 1 or row.experiment_id in owners)


def _of_run(refs: Sequence[Ref]) -> Sequence[str]:
    """Return the condition of a run, which includes traces linked to it (docs/vendors/mlflow.md#figures)."""
    run_id = refs[0].run_id
    return [] if run_id is None else [f"run_id = '{run_id}'"]


def _locations(refs: Sequence[Ref]) -> Sequence[Mapping[str, Any]]:
    return [
        {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": ref.experiment_id}} for ref in refs
    ]
