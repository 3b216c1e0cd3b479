"""The spans of sessions (docs/vendors/phoenix.md#spans)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracegraph.adapter import CallCost, Reply, gather_outcomes, refs_by_experiment
from tracegraph.domain.models import SessionRef, Span
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError
from tracegraph.upstream.raw import RawRow
from tracegraph_phoenix import documents, mapping, wire
from tracegraph_phoenix.client import SPANS, PhoenixClient
from tracegraph_phoenix.experiments import NODES_MAX
from tracegraph_phoenix.filters import by_span_ids
from tracegraph_phoenix.ids import PROJECT, readable, type_of

_PAGE = 1000
_MAX_SPANS = 20_000
"""The number of spans of a trace that one request reads."""

Row = tuple[wire.SpanRow, RawRow]


class Spans:
    """Reads the spans of the traces of sessions, of fifty sessions of one experiment in one call."""

    def __init__(self, client: PhoenixClient) -> None:
        self._client = client

    async def read(
        self, refs: Iterable[SessionRef], fields: frozenset[str] | None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of sessions: see `ListsSpans.list_spans`. Texts that are no ids cause no call."""
        variables = {"first": _PAGE, "after": None, "scores": fields is None or "scores" in fields}
        pools = [
            (experiment, ids[start : start + NODES_MAX])
            for experiment, all_ids in refs_by_experiment(refs).items()
            for ids in [readable(experiment, all_ids)]
            for start in range(0, len(ids), NODES_MAX)
        ]
        outcomes = await gather_outcomes(self._pool(experiment, ids, variables) for experiment, ids in pools)
        found: dict[SessionRef, Sequence[Span] | SourceError] = {}
        for (experiment, ids), outcome in zip(pools, outcomes, strict=True):
            by_id = dict.fromkeys(ids, outcome) if isinstance(outcome, SourceError) else outcome
            found |= {SessionRef(experiment, session_id): spans for session_id, spans in by_id.items()}
        return found

    async def _pool(
        self, experiment: str, ids: Sequence[str], variables: Mapping[str, Any]
    ) -> Mapping[str, Sequence[Span] | SourceError]:
        if type_of(experiment) == PROJECT:
            return await self._of_roots(experiment, ids, variables)
        return await self._of_runs(experiment, ids, variables)

    async def _of_roots(
        self, project: str, ids: Sequence[str], variables: Mapping[str, Any]
    ) -> Mapping[str, Sequence[Span] | SourceError]:
        among = {"id": project, "roots": len(ids), "filter": by_span_ids(ids)}
        reply = await self._client.query(SPANS, documents.SPANS_OF_ROOTS, {**variables, **among}, wire.ROOTS)
        roots = reply.value.data.node.roots.rows
        place = ("data", "node", "roots", "edges")
        outcomes = await gather_outcomes(
            self._all(root.trace, _rows(reply, root.trace, *place, index, "node", "trace"), variables)
            for index, root in roots
        )
        return {
            root.span_id: rows if isinstance(rows, SourceError) else _spans(_below(root.span_id, rows))
            for (_, root), rows in zip(roots, outcomes, strict=True)
        }

    async def _of_runs(
        self, experiment: str, ids: Sequence[str], variables: Mapping[str, Any]
    ) -> Mapping[str, Sequence[Span] | SourceError]:
        """Return the spans of runs. A run without a trace has none."""
        found = await self._client.nodes(SPANS, documents.spans_of_runs(ids), wire.RUN_TRACE, variables)
        spans: dict[str, Sequence[Span] | SourceError] = {}
        for run_id, outcome in found.rows.items():
            if isinstance(outcome, SourceError):
                spans[run_id] = outcome
                continue
            run, raw = outcome
            if run.experiment_id != experiment:
                continue
            if run.trace is None:
                spans[run_id] = []
                continue
            begun = [
                (row, RawRow(raw.document, (*raw.path, "trace", "spans", "edges", index, "node")))
                for index, row in run.trace.spans.rows
            ]
            (rows,) = await gather_outcomes([self._all(run.trace, begun, variables)])
            spans[run_id] = rows if isinstance(rows, SourceError) else _spans(rows)
        return spans

    async def _all(self, trace: wire.TraceRow, begun: Sequence[Row], variables: Mapping[str, Any]) -> list[Row]:
        """Return all spans of a trace, whose first page is known.

        Raises:
            SourceError: A call failed, the trace has more spans than one request reads, or none is readable.
        """
        rows, cost, after = list(begun), CallCost(), trace.spans.next_cursor
        while after is not None:
            if len(rows) >= _MAX_SPANS:
                source = self._client.source
                message = f"The session has more than {_MAX_SPANS} spans: source {source!r} is read no further."
                raise SourceBadRequest(source, message, upstream_requests=cost.total.upstream_requests)
            with cost:
                page = {**variables, "id": trace.id, "after": after}
                reply = cost.add(await self._client.query(SPANS, documents.SPANS_OF_TRACE, page, wire.TRACE))
            spans = reply.value.data.node.spans
            if not spans.edges:
                break
            rows += _rows(reply, reply.value.data.node, "data", "node")
            after = spans.next_cursor
        if trace.spans.edges and not rows:
            source = self._client.source
            message = f"Source {source!r} returned no readable span of the session."
            raise SourceBadResponse(
                source, message, http_status=200, upstream_requests=cost.total.upstream_requests
            )
        return rows


def _rows(reply: Reply[Any], trace: wire.TraceRow, *place: str | int) -> list[Row]:
    return [(row, reply.raw(*place, "spans", "edges", index, "node")) for index, row in trace.spans.rows]


def _spans(rows: Iterable[Row]) -> list[Span]:
    return [mapping.span(row, raw) for row, raw in rows]


def _below(root: str, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the spans of a trace without the trees of its other roots."""
    parents = {row.span_id: row.parent_id for row, _ in rows}
    others = {span_id for span_id, parent in parents.items() if parent is None} - {root}
    return rows if not others else [one for one in rows if _top(one[0].span_id, parents) not in others]


def _top(span_id: str, parents: Mapping[str, str | None]) -> str:
    """Return the span above all others around this one, as far as the trace has them."""
    seen: set[str] = set()
    while span_id not in seen:
        seen.add(span_id)
        parent = parents.get(span_id)
        if parent is None or parent not in parents:
            break
        span_id = parent
    return span_id
