"""Details of sessions that their lists lack: the models and costs of traces, and the words of scores.

See docs/vendors/nemo.md#traces and #spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

import orjson
from msgspec.structs import replace

from tracegraph.adapter import distinct, gather_by_key, gather_outcomes
from tracegraph.domain.models import Session, SessionRef, TokenUsage
from tracegraph.errors import SourceError
from tracegraph_nemo.client import NemoClient, PathNotFound
from tracegraph_nemo.paging import MAX_PAGE_SIZE, VendorPage
from tracegraph_nemo.releases import Release
from tracegraph_nemo.session_lists import is_unicode, of_session, read_all, results_of
from tracegraph_nemo.span_mapping import failed_evaluators, score_texts
from tracegraph_nemo.wire import TraceRow

WORDS = frozenset({"score_texts"})
"""The details that take a call for each session."""


MODELS_AND_COSTS = frozenset({"models", "providers", "input_cost_usd", "output_cost_usd"})
"""The details that take a call for a page of sessions."""


_MAX_IDS_LENGTH = 5000
"""Characters of the escaped ids in one call: the URL stays below 6 kB."""


_COST_TOLERANCE_USD = 1e-6
"""The service stores costs in millionths of a dollar (docs/vendors/nemo.md#numbers)."""


def details_of(release: Release) -> frozenset[frozenset[str]]:
    """Return the details that a release has: see `Capabilities.session_details`."""
    return frozenset({WORDS, MODELS_AND_COSTS} if release.has_traces else {WORDS})


class Details:
    """Reads details of sessions of one release."""

    def __init__(self, client: NemoClient) -> None:
        self._client = client

    async def read(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> Mapping[SessionRef, Session | SourceError]:
        """Return sessions with their details: see `ReadsSessionDetails.get_session_details`."""
        found = await (self._with_words(sessions) if fields == WORDS else self._with_traces(sessions))
        for outcome in found.values():
            if isinstance(outcome, PathNotFound):
                raise outcome
        return found

    async def _with_words(self, sessions: Sequence[Session]) -> Mapping[SessionRef, Session | SourceError]:
        return await gather_by_key({session.ref: self._with_words_of_scores(session) for session in sessions})

    async def _with_words_of_scores(self, session: Session) -> Session:
        results = await results_of(self._client, session.vendor_id)
        failed = [*session.failed_evaluators, *(failed_evaluators(results) - session.score_values.keys())]
        return replace(
            session,
            score_texts=score_texts(results),
            failed_evaluators=distinct(sorted(failed)),
            deferred=session.deferred - WORDS,
        )

    # -- traces ----------------------------------------------------------------------------------------

    async def _with_traces(self, sessions: Sequence[Session]) -> Mapping[SessionRef, Session | SourceError]:
        """Return the sessions with models and costs, in one call for each 5 kB of trace ids.

        The list of sessions names the first trace only. A session with more of them takes a call of its own.
        """
        traces = await self._by_id(distinct([session.trace_id for session in sessions]))
        found: dict[SessionRef, Session | SourceError] = {}
        others: list[Session] = []
        for session in sessions:
            trace = traces.get((session.trace_id or "", session.vendor_id))
            failure = traces.get((session.trace_id or "", ""))
            if isinstance(failure, SourceError):
                found[session.ref] = failure
            elif isinstance(trace, TraceRow) and _is_whole(session, trace):
                found[session.ref] = _with_trace(session, [trace])
            else:
                others.append(session)
        return found | await gather_by_key({session.ref: self._with_all_traces(session) for session in others})

    async def _by_id(self, ids: Sequence[str]) -> Mapping[tuple[str, str], TraceRow | SourceError]:
        """Return traces by trace and session, and errors by trace and an empty text."""
        batches = [*_batches(filter(is_unicode, ids))]
        outcomes = await gather_outcomes([self._batch(batch) for batch in batches])
        traces: dict[tuple[str, str], TraceRow | SourceError] = {}
        for batch, outcome in zip(batches, outcomes, strict=True):
            if isinstance(outcome, SourceError):
                traces |= {(trace_id, ""): outcome for trace_id in batch}
            else:
                traces |= {(row.id, row.session_id): row for row in outcome}
        return traces

    async def _batch(self, ids: Sequence[str]) -> Sequence[TraceRow]:
        condition = orjson.dumps({"id": {"$in": ids}}).decode()
        return (await self._client.traces(VendorPage(1, MAX_PAGE_SIZE), (("filter", condition),))).rows

    async def _with_all_traces(self, session: Session) -> Session:
        if not is_unicode(session.vendor_id):
            return _with_trace(session, [])
        responses = await read_all(self._client.source, self._client.traces, (*of_session(session.vendor_id),))
        rows = [row for response in responses for row in response.rows if row.session_id == session.vendor_id]
        return _with_trace(session, rows)


def _batches(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """Split the ids into batches that fit a URL and a page."""
    batch: list[str] = []
    length = 0
    for trace_id in ids:
        size = len(quote(f'"{trace_id}",', safe=""))
        if batch and (length + size > _MAX_IDS_LENGTH or len(batch) == MAX_PAGE_SIZE):
            yield batch
            batch, length = [], 0
        batch.append(trace_id)
        length += size
    if batch:
        yield batch


def _is_whole(session: Session, trace: TraceRow) -> bool:
    """Return whether the trace has all tokens and cost of the session: then it is the session's only trace."""
    tokens = session.tokens or TokenUsage()
    counts = trace.input_tokens, trace.output_tokens, trace.cached_tokens
    if counts != (tokens.input, tokens.output, tokens.cached):
        return False
    if session.cost_usd is None or trace.cost_usd is None:
        return session.cost_usd is trace.cost_usd
    return abs(session.cost_usd - trace.cost_usd) <= _COST_TOLERANCE_USD


def _with_trace(session: Session, traces: Sequence[TraceRow]) -> Session:
    return replace(
        session,
        models=distinct([name for trace in traces for name in trace.models or ()]),
        providers=distinct([name for trace in traces for name in trace.providers or ()]),
        input_cost_usd=_part([trace.cost_input_usd for trace in traces if trace.cost_usd is not None]),
        output_cost_usd=_part([trace.cost_output_usd for trace in traces if trace.cost_usd is not None]),
        deferred=session.deferred - MODELS_AND_COSTS,
    )


def _part(costs: Sequence[float | None]) -> float | None:
    """Return the sum of a part of the costs, None unless every trace with a cost states it."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None
