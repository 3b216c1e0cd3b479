"""The runs of traces, which are the spans of sessions, in either dialect (docs/vendors/langsmith.md#spans).

A list has every field but the inputs and outputs, which may be large. They are read for the spans of a page.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from tracegraph.adapter import CallCost, Reply, gather_by_key, gather_outcomes, readable_rows
from tracegraph.domain.models import SessionRef, Span, SpanRef
from tracegraph.domain.texts import rfc3339
from tracegraph.errors import SourceBadRequest, SourceError, SourceResponseTooLarge
from tracegraph.upstream.raw import RawRow, bad_response
from tracegraph_langsmith import v2_wire, wire
from tracegraph_langsmith.client import LARGE_FIELDS, MAX_PAGE_SIZE, RUN_FIELDS, LangSmithClient, chunks
from tracegraph_langsmith.failing_projects import may_concern_one_experiment
from tracegraph_langsmith.filters import canonical_uuid
from tracegraph_langsmith.mapping import to_span
from tracegraph_langsmith.progress import MAX_IDLE_PAGES
from tracegraph_langsmith.v2_runs import EARLIEST, SELECTS

_MAX_RUNS = 20_000
"""The number of runs of a trace that one request reads."""


_LISTED_FIELDS = tuple(name for name in (*RUN_FIELDS, "run_type") if name not in LARGE_FIELDS.values())
_LISTED_SELECTS = tuple(
    name for name in (*SELECTS, "RUN_TYPE", "PARENT_RUN_IDS") if name.lower() not in LARGE_FIELDS.values()
)


_DEFERRED = frozenset({*LARGE_FIELDS, "raw"})
"""The fields that a list of spans lacks."""


Run = wire.TraceRun | v2_wire.TraceRun

Row = tuple[Run, RawRow]

R = TypeVar("R", wire.TraceRun, v2_wire.TraceRun)


class TracesApi(Protocol):
    """The calls of one dialect."""

    async def of_trace(self, project: str, trace: str) -> Sequence[Row]:
        """Return the runs of one trace without inputs and outputs. Raise SourceError."""
        ...

    async def of_traces(self, projects: Sequence[str], traces: Sequence[str]) -> Sequence[Row] | None:
        """Return the runs of several traces without inputs and outputs, None where one list takes more calls.

        Raises:
            SourceError: A call failed.
        """
        ...

    async def by_id(self, projects: Sequence[str], runs: Sequence[str]) -> Sequence[Row]:
        """Return complete runs by id, at most a hundred. Raise SourceError."""
        ...


class TracesV1:
    """Implements `TracesApi` by `POST /api/v1/runs/query`, which has pages of 100 runs."""

    def __init__(self, client: LangSmithClient) -> None:
        self._client = client

    async def of_trace(self, project: str, trace: str) -> Sequence[Row]:
        """See `TracesApi`."""
        return await self._all({"session": [project], "trace": trace})

    async def of_traces(self, projects: Sequence[str], traces: Sequence[str]) -> Sequence[Row] | None:
        """See `TracesApi`. Traces share pages, so one list never takes more calls than a list of each."""
        return await self._all({"session": list(projects), "filter": _in_traces(traces)})

    async def by_id(self, projects: Sequence[str], runs: Sequence[str]) -> Sequence[Row]:  # noqa: ARG002 - v2 needs them
        """See `TracesApi`. The vendor ignores other filters beside ids."""
        fields = [*RUN_FIELDS, "run_type"]
        reply = await self._client.trace_runs({"id": list(runs), "limit": MAX_PAGE_SIZE, "select": fields})
        return _rows(reply, reply.value.runs, "runs")

    async def _all(self, scope: Mapping[str, Any]) -> Sequence[Row]:
        """Return all runs of a scope, the earliest first.

        The vendor may omit the cursor of a full page (docs/vendors/langsmith.md#runs). The list then goes on by
        the last start.
        """
        body = {**scope, "order": "asc", "limit": MAX_PAGE_SIZE, "select": list(_LISTED_FIELDS)}
        found: dict[str, Row] = {}
        cost = CallCost()
        while len(found) < _MAX_RUNS:
            with cost:
                reply = cost.add(await self._client.trace_runs(body))
            runs, before = reply.value.runs, len(found)
            found |= {run.id: (run, raw) for run, raw in _rows(reply, runs, "runs") if run.id not in found}
            cursor = reply.value.cursors.next if reply.value.cursors else None
            last = runs[-1] if runs else None
            if not runs or (len(found) == before and len(runs) < MAX_PAGE_SIZE):
                return list(found.values())
            if cursor:
                if len(found) == before or cursor == body.get("cursor"):
                    raise bad_response(reply.response, "whose cursor leads back to itself")
                body["cursor"] = cursor
            elif len(runs) >= MAX_PAGE_SIZE and len(found) > before and last is not None:
                body.pop("cursor", None)
                body["filter"] = _with(scope.get("filter"), f'gte(start_time, "{rfc3339(last.start_time)}")')
            else:
                return list(found.values())
        raise _too_many(self._client.source, cost)


class TracesV2:
    """Implements `TracesApi` by `GET /api/v2/traces/{id}/runs`, which has no pages, and by queries of runs."""

    page_max: ClassVar = 1000

    def __init__(self, client: LangSmithClient) -> None:
        self._client = client

    async def of_trace(self, project: str, trace: str) -> Sequence[Row]:
        """See `TracesApi`."""
        reply = await self._client.trace_runs_v2(trace, project, _LISTED_SELECTS)
        return _rows(reply, reply.value.items, "items")

    async def of_traces(self, projects: Sequence[str], traces: Sequence[str]) -> Sequence[Row] | None:
        """See `TracesApi`. A list of more pages than traces is not read to its end."""
        body: dict[str, Any] = {
            **_all_time(projects),
            "filter": _in_traces(traces),
            "selects": list(_LISTED_SELECTS),
            "page_size": self.page_max,
        }
        return await self._all(body, max_pages=len(traces))

    async def by_id(self, projects: Sequence[str], runs: Sequence[str]) -> Sequence[Row]:
        """See `TracesApi`."""
        body = {
            **_all_time(projects),
            "ids": list(runs),
            "selects": [*SELECTS, "RUN_TYPE", "PARENT_RUN_IDS"],
            "page_size": self.page_max,
        }
        return await self._all(body, max_pages=MAX_IDLE_PAGES) or []

    async def _all(self, body: dict[str, Any], max_pages: int) -> Sequence[Row] | None:
        """Return the runs of a query, None where it has more pages. The last page is that without a cursor."""
        found: list[Row] = []
        cost = CallCost()
        for _ in range(max_pages):
            with cost:
                reply = cost.add(await self._client.trace_query_v2(body))
            found += _rows(reply, reply.value.items, "items")
            if not reply.value.next_cursor:
                return found
            body["cursor"] = reply.value.next_cursor
        return None


class Traces:
    """Reads spans in one dialect."""

    def __init__(self, source: str, api: TracesApi) -> None:
        self._source = source
        self._api = api

    async def read(self, refs: Iterable[SessionRef]) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of sessions: see `ListsSpans.list_spans`.

        Several sessions take one list together. Where that fails, each has its own.

        Args:
            refs: Sessions whose parts are UUIDs.
        """
        wanted = {ref: (uuid_of(ref.experiment_ref), uuid_of(ref.session_id)) for ref in dict.fromkeys(refs)}
        pools = [list(pool) for pool in chunks(list(wanted))]
        outcomes = await asyncio.gather(*(self._pool({ref: wanted[ref] for ref in pool}) for pool in pools))
        return {ref: spans for outcome in outcomes for ref, spans in outcome.items()}

    async def _pool(
        self, wanted: Mapping[SessionRef, tuple[str, str]]
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        if len(wanted) > 1:
            (pooled,) = await gather_outcomes([self._pooled(wanted)])
            if not isinstance(pooled, SourceError):
                if pooled is not None:
                    return pooled
            elif not (may_concern_one_experiment(pooled) or isinstance(pooled, SourceResponseTooLarge)):
                return dict.fromkeys(wanted, pooled)
        return await gather_by_key({ref: self._single(*ids) for ref, ids in wanted.items()})

    async def _single(self, project: str, trace: str) -> Sequence[Span]:
        return [to_span(run, raw, _DEFERRED) for run, raw in await self._api.of_trace(project, trace)]

    async def _pooled(
        self, wanted: Mapping[SessionRef, tuple[str, str]]
    ) -> Mapping[SessionRef, Sequence[Span]] | None:
        projects = list(dict.fromkeys(project for project, _ in wanted.values()))
        rows = await self._api.of_traces(projects, [trace for _, trace in wanted.values()])
        if rows is None:
            return None
        by_trace: dict[str, list[Span]] = {trace: [] for _, trace in wanted.values()}
        for run, raw in rows:
            if run.trace_id in by_trace:
                by_trace[run.trace_id].append(to_span(run, raw, _DEFERRED))
        return {ref: by_trace[trace] for ref, (_, trace) in wanted.items()}

    async def get(self, refs: Iterable[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        """Return complete spans: see `ListsSpans.get_spans`.

        Args:
            refs: Spans whose parts are UUIDs.
        """
        wanted = list(dict.fromkeys(refs))
        outcomes = await asyncio.gather(*(self._complete(pool) for pool in chunks(wanted)))
        return {ref: span for outcome in outcomes for ref, span in outcome.items()}

    async def _complete(self, refs: Sequence[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        projects = list(dict.fromkeys(uuid_of(ref.session.experiment_ref) for ref in refs))
        try:
            rows = await self._api.by_id(projects, [uuid_of(ref.span_id) for ref in refs])
        except SourceError as error:
            is_divisible = isinstance(error, SourceResponseTooLarge) or (
                len(projects) > 1 and may_concern_one_experiment(error)
            )
            if len(refs) == 1 or not is_divisible:
                return dict.fromkeys(refs, error)
            middle = len(refs) // 2
            halves = await asyncio.gather(self._complete(refs[:middle]), self._complete(refs[middle:]))
            return {**halves[0], **halves[1]}
        spans = {run.id: to_span(run, raw) for run, raw in rows}
        return {ref: spans[run] for ref in refs if (run := uuid_of(ref.span_id)) in spans}


def uuid_of(text: str) -> str:
    """Return the UUID in LangSmith's notation; an empty text for other text, which is the id of no object."""
    return canonical_uuid(text) or ""


def is_readable(ref: SessionRef) -> bool:
    """Return whether a session with these ids can exist."""
    return bool(uuid_of(ref.experiment_ref) and uuid_of(ref.session_id))


def _all_time(projects: Sequence[str]) -> dict[str, Any]:
    return {"project_ids": list(projects), "min_start_time": rfc3339(EARLIEST)}


def _in_traces(traces: Sequence[str]) -> str:
    return f"in(trace_id, {json.dumps(list(traces))})"


def _with(condition: str | None, other: str) -> str:
    return other if condition is None else f"and({condition}, {other})"


def _rows(reply: Reply[Any], runs: Sequence[R | None], name: str) -> Sequence[tuple[R, RawRow]]:
    return [(run, reply.raw(name, index)) for index, run in readable_rows(runs)]


def _too_many(source: str, cost: CallCost) -> SourceError:
    return SourceBadRequest(
        source,
        f"The session has more than {_MAX_RUNS} spans. One request reads no more from source {source!r}.",
        upstream_requests=cost.total.upstream_requests,
    )
