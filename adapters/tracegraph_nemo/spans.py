"""The spans of sessions with their scores, by session id (docs/vendors/nemo.md#spans)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tracegraph.adapter import gather_by_key, gather_outcomes
from tracegraph.domain.models import SessionRef, Span
from tracegraph.errors import SourceError
from tracegraph_nemo.client import NemoClient, PathNotFound
from tracegraph_nemo.session_lists import is_unicode, of_session, read_all, results_of
from tracegraph_nemo.span_mapping import scores_by_span, to_span
from tracegraph_nemo.wire import SpanRow

_DETAILS = frozenset({"input", "output", "error", "metadata", "raw"})
"""The fields that the mode `summary` leaves out or cuts."""


class Spans:
    """Reads the spans of sessions. The service filters by one session at a time."""

    def __init__(self, client: NemoClient) -> None:
        self._client = client

    async def read(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of each session: see `ListsSpans.list_spans`."""
        found = await gather_by_key({ref: self._read(ref, fields) for ref in dict.fromkeys(refs)})
        for outcome in found.values():
            if isinstance(outcome, PathNotFound):
                raise outcome
        return found

    async def _read(self, ref: SessionRef, fields: frozenset[str] | None) -> Sequence[Span]:
        if not ref.session_id or not is_unicode(ref.session_id):
            return []
        client = self._client
        is_detailed = fields is None or not fields.isdisjoint(_DETAILS)
        query = (
            ("sort", "started_at"),
            ("mode", "detailed" if is_detailed else "summary"),
            *of_session(ref.session_id, is_since_ever=True),
        )
        has_scores = fields is None or "scores" in fields
        (responses,), results = await asyncio.gather(
            gather_outcomes([read_all(client.source, client.spans, query)]),
            gather_outcomes([results_of(client, ref.session_id)] if has_scores else []),
        )
        if isinstance(responses, SourceError):
            raise responses
        verdicts = results[0] if results else []
        scores_error = verdicts if isinstance(verdicts, SourceError) else None
        scores = {} if isinstance(verdicts, SourceError) else scores_by_span(verdicts)
        rows = [row for response in responses for row in response.raw_rows]
        traces = _traces_of(ref.experiment_ref, [row for row, _ in rows])
        return [
            to_span(row, raw, scores.get(row.span_id, ()), scores_error)
            for row, raw in rows
            if row.trace_id in traces
        ]


def _traces_of(run: str, rows: Sequence[SpanRow]) -> set[str | None]:
    """Return the traces without those that belong to other runs only: runs may share a session id."""
    runs: dict[str | None, set[str]] = {}
    for row in rows:
        named = runs.setdefault(row.trace_id, set())
        if row.run is not None:
            named.add(row.run)
    return {trace_id for trace_id, named in runs.items() if not named or run in named}
