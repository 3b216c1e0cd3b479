"""Projects, spans, traces and conversations, as objects that graphql-core resolves."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.phoenix.conditions import condition
from tracegraph.simulators.phoenix.connections import behind, of_list
from tracegraph.simulators.phoenix.figures import (
    costs,
    floor_minute,
    latency_ms,
    next_minute,
    quantile,
    span_cost,
    stored_latency_ms,
    tokens_of,
    total_tokens,
)
from tracegraph.simulators.phoenix.world import PhoenixWorld, global_id, number_of

Info = Any


class Telemetry:
    """The spans of a world at the time of one query."""

    def __init__(self, world: PhoenixWorld) -> None:
        self._world = world
        self._by_trace: dict[str, list[Row]] = {}
        for span in sorted(world.all_spans(), key=lambda span: number_of(span["id"])):
            self._by_trace.setdefault(span["traceId"], []).append(span)
        self._children: dict[str, list[Row]] = {}
        for span in world.all_spans():
            self._children.setdefault(span["parentId"] or "", []).append(span)
        self._places = {trace: place for place, trace in enumerate(self._by_trace, 1)}
        self._conversations: dict[str, list[str]] = {}
        for trace in self._by_trace:
            conversation = self._conversation_of(trace)
            if conversation is not None:
                self._conversations.setdefault(conversation, []).append(trace)

    # -- projects ---------------------------------------------------------------------------------------

    def project(self, row: Row) -> Row:
        """Return a project."""
        spans = self._world.spans[row["id"]]
        traces = list(dict.fromkeys(span["traceId"] for span in spans))

        def starts() -> list[datetime]:
            return [min(parse(span["startTime"]) for span in self._by_trace[trace]) for trace in traces]

        def matching(text: str | None) -> list[Row]:
            meets = condition(text, self._names)
            return [span for span in spans if meets(span)]

        return row | {
            "__typename": "Project",
            "startTime": lambda _info: floor_minute(min(starts())) if traces else None,
            "endTime": lambda _info: next_minute(max(starts())) if traces else None,
            "recordCount": lambda _info, filterCondition=None: len(matching(filterCondition)),  # noqa: N803
            "traceCount": lambda _info, filterCondition=None: len(  # noqa: N803
                {span["traceId"] for span in matching(filterCondition)}
            ),
            "sessionCount": lambda _info: len({*map(self._conversation_of, traces)} - {None}),
            "tokenCountTotal": lambda _info: total_tokens(spans),
            "tokenCountPrompt": lambda _info: total_tokens(spans, "prompt"),
            "tokenCountCompletion": lambda _info: total_tokens(spans, "completion"),
            "costSummary": lambda _info: costs(spans),
            "latencyMsQuantile": lambda _info, probability: quantile(
                [self._trace_latency(trace) for trace in traces], probability
            ),
            "spanLatencyMsQuantile": lambda _info, probability, filterCondition=None: quantile(  # noqa: N803
                [stored_latency_ms(span) for span in matching(filterCondition)], probability
            ),
            "spanAnnotationNames": lambda _info: _names_of(
                [one for span in spans for one in span["spanAnnotations"]]
            ),
            "traceAnnotationNames": lambda _info: _names_of(
                [one for trace in traces for one in self._world.trace_annotations.get(trace, [])]
            ),
            "spans": lambda _info, **arguments: self._spans(spans, **arguments),
            "sessions": lambda _info, first, sort=None: self._sessions(traces, first, sort),
        }

    def unknown_project(self, node_id: str) -> Row:
        """Return what an unknown project answers: no spans, and no name."""
        return {
            "__typename": "Project",
            "id": node_id,
            "name": None,
            "recordCount": 0,
            "tokenCountTotal": 0.0,
            "tokenCountPrompt": 0.0,
            "tokenCountCompletion": 0.0,
            "costSummary": costs([]),
            "spanLatencyMsQuantile": None,
            "spans": lambda _info, **arguments: self._spans([], **arguments),
        }

    def _spans(
        self,
        spans: Sequence[Row],
        *,
        first: int,
        after: str | None = None,
        filterCondition: str | None = None,  # noqa: N803 - the schema's name
        sort: Row | None = None,
        timeRange: Row | None = None,  # noqa: N803
    ) -> Row:
        meets = condition(filterCondition, self._names)
        bounds = timeRange or {}
        start, end = bounds.get("start"), bounds.get("end")
        rows = [
            span
            for span in spans
            if meets(span)
            and (start is None or parse(span["startTime"]) >= parse(start))
            and (end is None or parse(span["startTime"]) < parse(end))
        ]
        column = (sort or {}).get("col")
        if column == "cumulativeTokenCostTotal":  # an inner join
            rows = [row for row in rows if costs(self._by_trace[row["traceId"]])["total"]["cost"] is not None]
        return behind(
            rows,
            first,
            after,
            self.span,
            value=None if column is None else self._value_by(column),
            descending=sort is not None and sort["dir"] == "desc",
        )

    def _value_by(self, column: str) -> Callable[[Row], Any]:
        values: Mapping[str, Callable[[Row], Any]] = {
            "startTime": lambda span: parse(span["startTime"]),
            "endTime": lambda span: parse(span["endTime"]),
            "latencyMs": stored_latency_ms,
            "cumulativeTokenCountTotal": lambda span: int(total_tokens(self._below(span))),
            "cumulativeTokenCostTotal": lambda span: costs(self._by_trace[span["traceId"]])["total"]["cost"],
        }
        return values[column]

    def _names(self, span: Row) -> Mapping[str, Any]:
        return {
            "span_id": span["spanId"],
            "trace_id": span["traceId"],
            "parent_id": span["parentId"],
            "name": span["name"],
            "status_code": span["statusCode"],
            "latency_ms": stored_latency_ms(span),
            "cumulative_llm_token_count_total": total_tokens(self._below(span)),
        }

    def _below(self, span: Row) -> list[Row]:
        """Return the span and those below it."""
        found, waiting = [], [span]
        while waiting:
            one = waiting.pop()
            found.append(one)
            waiting += self._children.get(one["spanId"], ())
        return found

    # -- spans ------------------------------------------------------------------------------------------

    def span(self, row: Row) -> Row:
        """Return a span."""
        attributes = row["attributes"]
        metadata = attributes.get("metadata")
        return row | {
            "__typename": "Span",
            "latencyMs": lambda _info: latency_ms(row),
            "attributes": lambda _info: json.dumps(attributes),
            "metadata": json.dumps(metadata) if isinstance(metadata, dict) else metadata,
            "input": _text(attributes.get("input")),
            "output": _text(attributes.get("output")),
            "tokenCountTotal": tokens_of(row, "prompt") + tokens_of(row, "completion"),
            "cumulativeTokenCountTotal": lambda _info: total_tokens(self._below(row)),
            "cumulativeTokenCountPrompt": lambda _info: total_tokens(self._below(row), "prompt"),
            "cumulativeTokenCountCompletion": lambda _info: total_tokens(self._below(row), "completion"),
            "costSummary": lambda _info: span_cost(row),
            "spanAnnotations": sorted(row["spanAnnotations"], key=lambda one: str(one["name"])),
            "trace": lambda _info: self.trace(row["traceId"]),
        }

    # -- traces and conversations -----------------------------------------------------------------------

    def trace(self, trace_id: str | None) -> Row | None:
        """Return a trace, None for an unknown one."""
        spans = self._by_trace.get(trace_id or "")
        if trace_id is None or spans is None:
            return None
        return {
            "__typename": "Trace",
            "id": global_id("Trace", self._places[trace_id]),
            "traceId": trace_id,
            "numSpans": len(spans),
            "errorCount": sum(span["statusCode"] == "ERROR" for span in spans),
            "costSummary": lambda _info: costs(spans),
            "session": lambda _info: self._session(self._conversation_of(trace_id)),
            "traceAnnotations": self._world.trace_annotations.get(trace_id, []),
            "spans": lambda _info, first, after=None: behind(spans, first, after, self.span, descending=True),
        }

    def spans_of_trace(self, trace_id: str | None) -> list[Row]:
        """Return the spans of a trace, none of an unknown one."""
        return self._by_trace.get(trace_id or "", [])

    def trace_by_number(self, number: int) -> Row | None:
        """Return a trace by the number in its global id."""
        traces = list(self._by_trace)
        return self.trace(traces[number - 1]) if 0 < number <= len(traces) else None

    def _trace_latency(self, trace: str) -> float:
        spans = self._by_trace[trace]
        whole = {
            "startTime": min(spans, key=lambda span: parse(span["startTime"]))["startTime"],
            "endTime": max(spans, key=lambda span: parse(span["endTime"]))["endTime"],
        }
        return stored_latency_ms(whole)

    def _conversation_of(self, trace: str) -> str | None:
        named = [span["attributes"].get("session", {}).get("id") for span in self._by_trace[trace]]
        return next((name for name in named if name is not None), None)

    def _session(self, name: str | None) -> Row | None:
        if name is None:
            return None
        traces = self._conversations[name]
        spans = [span for trace in traces for span in self._by_trace[trace]]

        def roots() -> list[Row]:
            found = (span for span in spans if span["parentId"] is None)
            return sorted(found, key=lambda span: parse(span["startTime"]))

        return {
            "__typename": "ProjectSession",
            "id": global_id("ProjectSession", list(self._conversations).index(name) + 1),
            "sessionId": name,
            "startTime": lambda _info: min(spans, key=lambda span: parse(span["startTime"]))["startTime"],
            "endTime": lambda _info: max(spans, key=lambda span: parse(span["endTime"]))["endTime"],
            "numTraces": len(traces),
            "numTracesWithError": lambda _info: len(
                {span["traceId"] for span in spans if span["statusCode"] == "ERROR"}
            ),
            "tokenUsage": lambda _info: {
                "prompt": total_tokens(spans, "prompt"),
                "completion": total_tokens(spans, "completion"),
                "total": total_tokens(spans),
            },
            "costSummary": lambda _info: costs(spans),
            "firstInput": lambda _info: _text(roots()[0]["attributes"].get("input")) if roots() else None,
            "lastOutput": lambda _info: _text(roots()[-1]["attributes"].get("output")) if roots() else None,
            "traceLatencyMsQuantile": lambda _info, probability: quantile(
                [self._trace_latency(trace) for trace in traces], probability
            ),
            "userId": lambda _info: next((user for span in spans if (user := _user(span)) is not None), None),
        }

    def _sessions(self, traces: Sequence[str], first: int, sort: Row | None) -> Row:
        names = dict.fromkeys(name for trace in traces if (name := self._conversation_of(trace)) is not None)
        sessions = [session for name in names if (session := self._session(name)) is not None]
        if sort is not None:
            sessions.sort(key=lambda one: parse(one[sort["col"]](None)), reverse=sort["dir"] == "desc")
        return of_list(sessions, first, None)


def _user(span: Row) -> str | None:
    user: str | None = span["attributes"].get("user", {}).get("id")
    return user


def _text(value: Row | None) -> Row | None:
    """Return an input or an output; an empty one is none."""
    if not value or value.get("value") in {None, ""}:
        return None
    return {"value": str(value["value"]), "mimeType": "json" if value.get("mime_type") else "text"}


def _names_of(annotations: Sequence[Row]) -> list[str]:
    return sorted({one["name"] for one in annotations})
