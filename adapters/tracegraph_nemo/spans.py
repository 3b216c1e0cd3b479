"""The spans of sessions with their scores, by session id (docs/vendors/nemo.md#spans)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import orjson

from tracegraph.adapter import CallCost, LenientStruct, add_cost_on_error, gather_by_key
from tracegraph.domain.models import SessionRef, Span
from tracegraph.errors import SourceBadRequest, SourceError, SourceResponseTooLarge
from tracegraph_nemo.client import ListResponse, NemoClient, PathNotFound
from tracegraph_nemo.filters import Query, is_expressible
from tracegraph_nemo.paging import VendorPage
from tracegraph_nemo.span_mapping import scores_by_span, to_span
from tracegraph_nemo.wire import ResultRow, SpanRow

_PAGE_SIZES = (1000, 500, 250, 125, 25, 5, 1)
"""Page sizes, for replies within the size limit. Each divides the one before: an offset begins a page of each."""


_MAX_ROWS = 20_000
"""The number of spans, or results, of a session that one request reads."""


_SINCE_EVER = "2000-01-01T00:00:00Z"
"""Before any span."""


_DETAILS = frozenset({"input", "output", "error", "metadata", "raw"})
"""The fields that the mode `summary` leaves out or cuts."""


R = TypeVar("R", bound=LenientStruct)


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
        if not ref.session_id or not _is_unicode(ref.session_id):
            return []
        is_detailed = fields is None or not fields.isdisjoint(_DETAILS)
        query = (
            ("sort", "started_at"),
            ("mode", "detailed" if is_detailed else "summary"),
            *_conditions(ref.session_id, is_since_ever=True),
        )
        has_scores = fields is None or "scores" in fields
        responses, results = await asyncio.gather(
            self._outcome(self._client.spans, query), self._results(ref.session_id, has_scores=has_scores)
        )
        if isinstance(responses, SourceError):
            raise responses
        scores_error = results if isinstance(results, SourceError) else None
        scores = {} if isinstance(results, SourceError) else scores_by_span(results)
        rows = [row for response in responses for row in response.raw_rows]
        traces = _traces_of(ref.experiment_ref, [row for row, _ in rows])
        return [
            to_span(row, raw, scores.get(row.span_id, ()), scores_error)
            for row, raw in rows
            if row.trace_id in traces
        ]

    async def _results(self, session_id: str, *, has_scores: bool) -> Sequence[ResultRow] | SourceError:
        """Return the verdicts about the spans of a session, the oldest first, or why they could not be read."""
        if not has_scores:
            return []
        responses = await self._outcome(self._client.results, (("sort", "created_at"), *_conditions(session_id)))
        if isinstance(responses, SourceError):
            return responses
        return [row for response in responses for row in response.rows]

    async def _outcome(
        self, fetch: Callable[[VendorPage, Query], Awaitable[ListResponse[R]]], query: Query
    ) -> Sequence[ListResponse[R]] | SourceError:
        try:
            return await self._all(fetch, query)
        except SourceError as error:
            return error

    async def _all(
        self, fetch: Callable[[VendorPage, Query], Awaitable[ListResponse[R]]], query: Query
    ) -> Sequence[ListResponse[R]]:
        """Return all pages of a list. A page that exceeds the size limit is read in smaller pages.

        Raises:
            SourceError: A call failed, or the list has more rows than one request reads.
        """
        responses: list[ListResponse[R]] = []
        sizes = iter(_PAGE_SIZES)
        size, offset, cost = next(sizes), 0, CallCost()
        while offset < _MAX_ROWS:
            try:
                with cost:
                    response = cost.add(await fetch(VendorPage(offset // size + 1, size), query))
            except SourceResponseTooLarge:
                smaller = next(sizes, None)
                if smaller is None:
                    raise
                size = smaller
                continue
            responses.append(response)
            if response.next_offset is None:
                return responses
            offset = response.next_offset
        source = self._client.source
        message = f"The session has more than {_MAX_ROWS} spans. One request reads no more from source {source!r}."
        with add_cost_on_error(cost.total):
            raise SourceBadRequest(source, message)


def _conditions(session_id: str, *, is_since_ever: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the filter by session.

    Args:
        session_id: The session.
        is_since_ever: Whether to add a lower bound, without which 0.2.0 lists the spans of 30 days.
    """
    if is_expressible(session_id):
        yield "filter[session_id]", session_id
        if is_since_ever:
            yield "filter[started_at][$gte]", _SINCE_EVER
        return
    conditions: dict[str, object] = {"session_id": session_id}
    if is_since_ever:
        conditions["started_at"] = {"$gte": _SINCE_EVER}
    yield "filter", orjson.dumps(conditions).decode()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _traces_of(run: str, rows: Sequence[SpanRow]) -> set[str | None]:
    """Return the traces without those that belong to other runs only: runs may share a session id."""
    runs: dict[str | None, set[str]] = {}
    for row in rows:
        named = runs.setdefault(row.trace_id, set())
        if row.run is not None:
            named.add(row.run)
    return {trace_id for trace_id, named in runs.items() if not named or run in named}
