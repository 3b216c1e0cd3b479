"""Root spans of projects and runs of experiments, which are the sessions (docs/vendors/phoenix.md#sessions)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tracegraph.adapter import (
    CursorRequest,
    Page,
    Reply,
    SessionPageRequest,
    WholeRequest,
    first_page_with_rows,
    gather_outcomes,
)
from tracegraph.domain.models import Session
from tracegraph.errors import SourceBadRequest, SourceError, SourceObjectNotFound
from tracegraph_phoenix import documents, mapping, wire
from tracegraph_phoenix.client import ROOT_SPANS, RUNS, PhoenixClient, Rows
from tracegraph_phoenix.experiments import NODES_MAX, known_nodes
from tracegraph_phoenix.filters import by_span_ids, root_span_variables
from tracegraph_phoenix.ids import EXPERIMENT, PROJECT, is_cursor, is_span_id, readable, type_of

ROOTS_MAX = 100
"""The most root spans of a page: Phoenix reads the conversation of each by itself."""

RUNS_MAX = 500
"""The most runs of a page. Their list has no order by start, so the gateway mostly reads all."""

RootSpansReply = wire.Answer[wire.Node[wire.RootSpansNode]]

_SELECTED = ("input", "output", "metadata")


class Sessions:
    """Reads the sessions of both kinds."""

    def __init__(self, client: PhoenixClient, origin: mapping.Origin) -> None:
        self._client = client
        self._origin = origin

    async def list_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return a page of the sessions of one experiment. A page without a usable row costs a further call."""
        if len(request.experiment_refs) != 1:
            source = self._client.source
            raise SourceBadRequest(source, f"Source {source!r} lists the sessions of one experiment at a time.")
        (ref,) = request.experiment_refs
        page = request.page
        token = page.token if isinstance(page, CursorRequest | WholeRequest) else None
        if token is not None and not (isinstance(token, str) and is_cursor(token)):
            message = f"Source {self._client.source!r} has no such place in its list."
            raise SourceBadRequest(self._client.source, message)
        variables = {"id": ref, **_selection(request.fields)}
        match type_of(ref):
            case "Project":
                variables |= root_span_variables(request.filter, request.order)
                variables["first"] = _limit(page.limit, ROOTS_MAX)
                read = partial(self._root_spans, ref, variables)
                return await first_page_with_rows(read, self._client.source, token)
            case "Experiment":
                return await self._runs(ref, variables | {"after": token, "first": _limit(page.limit, RUNS_MAX)})
        raise self._unknown()

    async def _root_spans(self, ref: str, variables: Mapping[str, Any], after: int | str | None) -> Page[Session]:
        reply = await self._read_root_spans({**variables, "after": after})
        return self._root_span_page(ref, reply, variables)

    async def _read_root_spans(self, variables: Mapping[str, Any]) -> Reply[RootSpansReply]:
        return await self._client.query(ROOT_SPANS, documents.ROOT_SPANS, variables, wire.ROOT_SPANS)

    def _root_span_page(
        self, ref: str, reply: Reply[RootSpansReply], variables: Mapping[str, Any]
    ) -> Page[Session]:
        spans, deferred = reply.value.data.node.spans, _deferred(variables)
        items = [
            mapping.root_span(
                self._origin, ref, row, reply.raw("data", "node", "spans", "edges", index, "node"), deferred
            )
            for index, row in spans.rows
            if is_span_id(row.span_id)
        ]
        unknown = [index for index, row in spans.rows if not is_span_id(row.span_id)]
        skipped = tuple(sorted([*spans.unreadable, *unknown]))
        return Page(items, None, spans.next_cursor, provenance=reply.provenance, skipped=skipped)

    async def _runs(self, ref: str, variables: Mapping[str, Any]) -> Page[Session]:
        reply = await self._client.query(RUNS, documents.RUNS, variables, wire.RUNS)
        node, deferred = reply.value.data.node, _deferred(variables)
        if not node.runs.edges and node.project_name is None:
            raise self._unknown(reply.provenance.upstream_requests)
        items = [
            mapping.run(
                self._origin, ref, row, reply.raw("data", "node", "runs", "edges", index, "node"), deferred
            )
            for index, row in node.runs.rows
        ]
        skipped = node.runs.unreadable
        return Page(items, None, node.runs.next_cursor, provenance=reply.provenance, skipped=skipped)

    def _unknown(self, calls: int = 0) -> SourceObjectNotFound:
        source = self._client.source
        return SourceObjectNotFound(
            source, f"Source {source!r} has no experiment with that id.", upstream_requests=calls
        )

    # -- by id ------------------------------------------------------------------------------------------

    async def find(self, ref: str, session_ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        """Return complete sessions of one experiment by id, one call for each fifty."""
        wanted = readable(ref, session_ids)
        pools = [wanted[start : start + NODES_MAX] for start in range(0, len(wanted), NODES_MAX)]
        read = self._find_roots if type_of(ref) == PROJECT else self._find_runs
        outcomes = await gather_outcomes([read(ref, pool) for pool in pools])
        found: dict[str, Session | SourceError] = {}
        for pool, outcome in zip(pools, outcomes, strict=True):
            found |= dict.fromkeys(pool, outcome) if isinstance(outcome, SourceError) else outcome
        return found

    async def _find_roots(self, ref: str, ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        variables = {
            **_selection(None),
            "id": ref,
            "after": None,
            "first": len(ids),
            "sort": None,
            "range": None,
            "filter": by_span_ids(ids),
        }
        reply = await self._read_root_spans(variables)
        page = self._root_span_page(ref, reply, variables)
        unreadable = reply.unreadable(ids, reply.value.data.node.spans.edges)
        return {**unreadable, **{session.vendor_id: session for session in page.items}}

    async def _find_runs(self, ref: str, ids: Sequence[str]) -> Mapping[str, Session | SourceError]:
        found = await known_nodes(self._runs_by_id, self._known_runs, ids)
        nothing = frozenset[str]()
        sessions: dict[str, Session | SourceError] = {}
        for run_id, outcome in found.rows.items():
            if isinstance(outcome, SourceError):
                sessions[run_id] = outcome
            elif outcome[0].experiment_id == ref:
                sessions[run_id] = mapping.run(self._origin, ref, *outcome, nothing)
        return sessions

    async def _runs_by_id(self, ids: Sequence[str]) -> Rows:
        return await self._client.nodes(RUNS, documents.runs_by_id(ids), wire.RUN, _selection(None))

    async def _known_runs(self, ids: Sequence[str]) -> Rows:
        found = await self._client.nodes(RUNS, documents.experiments_of_runs(ids), wire.RUN_OWNER)
        existing = {
            run_id: outcome
            for run_id, outcome in found.rows.items()
            if isinstance(outcome, SourceError) or type_of(outcome[0].experiment_id or "") == EXPERIMENT
        }
        return Rows(existing, found.provenance)


def _limit(limit: int, most: int) -> int:
    return max(1, min(limit, most))


def _selection(fields: frozenset[str] | None) -> dict[str, bool]:
    """Return the variables that select the large fields. The vendor's own object has all."""
    has_all = fields is None or "raw" in fields
    return {name: has_all or name in (fields or ()) for name in _SELECTED}


def _deferred(variables: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name in _SELECTED if not variables[name])
