"""Spans, traces and sessions by id: what the telemetry store holds, across evaluations (0.3.0 and later)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import Json, invalid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import ordered, tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo.releases import Release
from tracegraph.simulators.nemo.requests import (
    STATUSES,
    Page,
    authorize,
    one_of,
    present,
    refusal,
    reject_unknown_parameters,
    require_telemetry,
)
from tracegraph.simulators.nemo.spans import sessions_with_experiments, span_ids, spans_of, summary
from tracegraph.simulators.nemo.telemetry_filters import Fields, Filter
from tracegraph.simulators.nemo.texts import MODES, text_in_mode
from tracegraph.simulators.nemo.traces import TRACE_FIELDS, find_traces, trace_row
from tracegraph.simulators.nemo.world import NemoWorld

_KINDS = (
    "LLM",
    "CHAIN",
    "TOOL",
    "RETRIEVER",
    "EMBEDDING",
    "AGENT",
    "RERANKER",
    "EVALUATOR",
    "GUARDRAIL",
    "UNKNOWN",
)


_EXACT_FIELDS = frozenset(
    {
        "agent_id",
        "agent_name",
        "evaluation_name",
        "model",
        "parent_span_id",
        "project",
        "provider",
        "session_id",
        "source",
        "test_case_name",
        "tool_name",
        "trace_id",
    }
)


SPAN_FIELDS = Fields(
    noun="span",
    texts=_EXACT_FIELDS,
    enums={"kind": _KINDS, "status": STATUSES},
    times=frozenset({"started_at"}),
    aliases={"evaluation_id": "evaluation_name", "test_case_id": "test_case_name"},
)


_SPAN_KEYS = (
    "parent_span_id",
    "kind",
    "name",
    "source",
    "trace_id",
    "started_at",
    "ended_at",
    "status",
    "error_type",
    "error_message",
    "provider",
    "model",
    "prompt_id",
    "agent_id",
    "agent_name",
    "tool_name",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "total_tokens",
    "usage_details",
    "cost_total_usd",
    "cost_input_usd",
    "cost_output_usd",
    "cost_details",
    "input",
    "output",
    "raw_attributes",
    "ingested_at",
)


_BY_START = ("started_at", "-started_at")


_GROUP_SORTS = ("span_count", "-span_count", *_BY_START)


class Telemetry:
    """The reads of the telemetry store. All are 500 while it is down."""

    def __init__(self, world: NemoWorld, release: Release) -> None:
        self._world = world
        self._release = release

    async def list_spans(self, request: Request) -> Response:
        """List spans, newest first by default. Spans of one start are in no particular order."""
        authorize(self._world, request)
        query = request.query_params
        page, sort = Page(query, 10), one_of(query, "sort", _BY_START, "-started_at")
        mode = one_of(query, "mode", self._release.span_modes, "detailed", "literal_error")
        reject_unknown_parameters(query, ("page", "page_size", "sort", "mode"))
        wanted = Filter(query, SPAN_FIELDS)
        require_telemetry(self._world)
        spans = by_start(self._recent(self._spans(wanted), wanted), sort, "span_id")
        return listed(page, spans, [self._span(span, mode) for span in page.cut(spans)], sort, wanted)

    async def list_span_groups(self, request: Request) -> Response:
        """Count the spans by trace, by session, or by both."""
        authorize(self._world, request)
        query = request.query_params
        page, sort = Page(query, 10), one_of(query, "sort", _GROUP_SORTS, "-span_count")
        reject_unknown_parameters(query, ("page", "page_size", "sort", "by"))
        keys, wanted = _group_keys(query.get("by")), Filter(query, SPAN_FIELDS)
        require_telemetry(self._world)
        members: dict[tuple[str, ...], list[Row]] = {}
        for span in self._spans(wanted):
            members.setdefault(tuple(span[key] for key in keys), []).append(span)
        groups = [_group(dict(zip(keys, values, strict=True)), spans) for values, spans in members.items()]
        name = sort.removeprefix("-")
        found = ordered(
            groups,
            lambda row: parse(row[name]) if name == "started_at" else row[name],
            lambda row: list(row["group"].values()),
            descending=sort.startswith("-"),
        )
        return listed(page, found, page.cut(found), sort, wanted, grouped_by=keys)

    async def get_span(self, request: Request) -> Response:
        """Return one span by its id."""
        authorize(self._world, request)
        require_telemetry(self._world)
        span_id = request.path_params["span_id"]
        owners = sessions_with_experiments(
            self._world, lambda _, session: span_id in span_ids(self._world, session)
        )
        for experiment, session in owners:
            for span in spans_of(self._world, experiment, session):
                if span["span_id"] == span_id:
                    return Json(self._span(span, "detailed"))
        raise refusal(404, f"Span {self._world.workspace}/{span_id} not found")

    async def list_traces(self, request: Request) -> Response:
        """List traces, newest first by default, with texts of at most 300 characters by default."""
        authorize(self._world, request)
        query = request.query_params
        page, sort = Page(query, 10), one_of(query, "sort", _BY_START, "-started_at")
        mode = one_of(query, "mode", MODES, "preview", "literal_error")
        reject_unknown_parameters(query, ("page", "page_size", "sort", "mode"))
        wanted = Filter(query, TRACE_FIELDS)
        require_telemetry(self._world)
        traces = by_start(find_traces(self._world, wanted), sort, "id", is_arbitrary=False)
        data = [trace_row(trace, mode, self._context(trace)) for trace in page.cut(traces)]
        return listed(page, traces, data, sort, wanted)

    async def get_trace(self, request: Request) -> Response:
        """Return one trace by its id."""
        authorize(self._world, request)
        mode = one_of(request.query_params, "mode", MODES, "detailed", "literal_error")
        require_telemetry(self._world)
        trace_id = request.path_params["trace_id"]
        for trace in find_traces(self._world, Filter(request.query_params, TRACE_FIELDS), trace_id):
            return Json(trace_row(trace, mode, self._context(trace)))
        raise refusal(404, f"Trace {self._world.workspace}/{trace_id} not found")

    async def get_session(self, request: Request) -> Response:
        """Return the figures of one session id over all of its spans. It names no evaluation."""
        authorize(self._world, request)
        require_telemetry(self._world)
        session_id = request.path_params["session_id"]
        owners = sessions_with_experiments(self._world, lambda _, session: session["session_id"] == session_id)
        spans = [span for owner in owners for span in spans_of(self._world, *owner)]
        if not spans:
            raise refusal(404, f"Session {self._world.workspace}/{session_id} not found")
        counts = {"trace_count": len({span["trace_id"] for span in spans}), "span_count": len(spans)}
        status = {"status": _rolled_up([span["status"] for span in spans])}
        return Json(
            present({"id": session_id, "workspace": self._world.workspace, **status, **summary(spans), **counts})
        )

    def _recent(self, spans: list[Row], wanted: Filter) -> list[Row]:
        """Return the spans of the last 30 days where the release lists no others without a bound on the start."""
        if not self._release.looks_back_30_days or wanted.lower_bounds or wanted.upper_bounds:
            return spans
        start = (self._world.now or datetime.now(UTC)) - timedelta(days=30)
        return [span for span in spans if parse(span["started_at"]) >= start]

    def _spans(self, wanted: Filter) -> list[Row]:
        name, session_id = wanted.exact.get("evaluation_name"), wanted.exact.get("session_id")
        owners = sessions_with_experiments(
            self._world,
            lambda owner, session: name in {None, owner} and session_id in {None, session["session_id"]},
        )
        return [span for owner in owners for span in spans_of(self._world, *owner) if wanted.matches(span)]

    def _span(self, span: Row, mode: str) -> Row:
        served = {key: span.get(key) for key in ("span_id", "session_id", "workspace", "project")}
        served |= {"evaluation_context": self._context(span), **{key: span.get(key) for key in _SPAN_KEYS}}
        if mode != "detailed":
            message, length = served["error_message"], self._release.compact_error_length
            served |= {"raw_attributes": None, "error_message": (message and message[:length]) or None}
        served |= {key: text_in_mode(served[key], mode) for key in ("input", "output")}
        return present(served)

    def _context(self, span: Row) -> Row | None:
        """Return a span's evaluation and test case. Before 0.4.0 they have the names that are now deprecated."""
        name, case = span.get("evaluation_name"), span.get("test_case_name")
        deprecated = {"evaluation_id": name, "test_case_id": case}
        if not self._release.is_current:
            return present(deprecated)
        return present({"evaluation_name": name, "test_case_name": case, **deprecated})


def by_start(rows: Sequence[Row], sort: str, id_key: str, *, is_arbitrary: bool = True) -> list[Row]:
    """Sort by start. Ties are in ascending order of the id, or in an arbitrary one: a child before its parent."""
    tie = tie_key(0 if is_arbitrary else None)
    descending = sort.startswith("-")
    return ordered(rows, lambda row: parse(row["started_at"]), lambda row: tie(row[id_key]), descending=descending)


def listed(
    page: Page, found: Sequence[Row], data: Sequence[Row], sort: str, wanted: Filter, **more: Any
) -> Response:
    """Return a page of rows. Without a filter there is none in the response."""
    body = {"data": list(data), "pagination": page.metadata(len(data), len(found)), "sort": sort}
    return Json(present({**body, "filter": wanted.tree, **more}))


def _group_keys(text: str | None) -> list[str]:
    if text is None:
        invalid(["query", "by"], "missing", "Field required", None)
    keys = [part.strip() for part in text.split(",") if part.strip()]
    if not keys:
        raise refusal(400, "At least one group-by field is required.")
    for index, key in enumerate(keys):
        if key not in {"trace_id", "session_id"}:
            raise refusal(400, f"Unsupported span group-by field: {key}. Allowed fields: trace_id, session_id")
        if key in keys[:index]:
            raise refusal(400, f"Duplicate span group-by field: {key}")
    return keys


def _group(group: Row, spans: Sequence[Row]) -> Row:
    started_at = min((span["started_at"] for span in spans), key=parse)
    return {"group": group, "span_count": len(spans), "started_at": started_at}


def _rolled_up(statuses: Sequence[str]) -> str:
    """Return the status of several spans: an error outweighs all, and success outweighs what is unknown."""
    for status in ("error", "cancelled"):
        if status in statuses:
            return status
    return "unknown" if set(statuses) == {"unknown"} else "success"
