"""The messages and tool calls of sessions as spans, in their order (docs/vendors/meibel.md#spans)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tracegraph.adapter import Reply, gather_by_key, readable_rows, text_of
from tracegraph.domain.models import RawObject, Score, SessionRef, Span, SpanKind, TurnScore
from tracegraph.errors import SourceError
from tracegraph_meibel import wire
from tracegraph_meibel.client import MeibelClient
from tracegraph_meibel.lookup import SessionLookup

_DIGITS = 6
"""Of the made-up ids, so that their order is that of the messages."""


class Spans:
    """Reads the logs of sessions, one call for each, and their scores, one call for each agent."""

    def __init__(self, client: MeibelClient, lookup: SessionLookup) -> None:
        self._client = client
        self._lookup = lookup

    async def read(
        self, refs: Sequence[SessionRef], *, with_scores: bool
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the spans of each session: see `ListsSpans.list_spans`."""
        logs = await gather_by_key({ref: self._client.log(ref.session_id) for ref in dict.fromkeys(refs)})
        found = {ref: log for ref, log in logs.items() if not isinstance(log, SourceError)}
        agents = list(dict.fromkeys(ref.experiment_ref for ref in found)) if with_scores else []
        outcomes = await asyncio.gather(*(self._turns(agent, found) for agent in agents))
        turns = dict(zip(agents, outcomes, strict=True))
        return {
            ref: log if isinstance(log, SourceError) else _spans(ref, log, turns.get(ref.experiment_ref, {}))
            for ref, log in logs.items()
        }

    async def _turns(
        self, agent: str, logs: Mapping[SessionRef, Reply[wire.SessionLog]]
    ) -> Mapping[str, Sequence[TurnScore]] | SourceError:
        """Return the scores of turns by session, or why they could not be read."""
        of_agent = {ref.session_id: log.value for ref, log in logs.items() if ref.experiment_ref == agent}
        slug = next((log.agent_name for log in of_agent.values() if log.agent_name), None)
        verdicts = await self._lookup.verdicts(agent, list(of_agent), slug)
        if isinstance(verdicts, SourceError):
            return verdicts
        return {session_id: one.turn_scores for session_id, one in verdicts.items()}


def _spans(
    ref: SessionRef, log: Reply[wire.SessionLog], turns: Mapping[str, Sequence[TurnScore]] | SourceError
) -> Sequence[Span]:
    items = readable_rows(log.value.messages)
    error = turns if isinstance(turns, SourceError) else None
    turn_scores = () if isinstance(turns, SourceError) else turns.get(ref.session_id, ())
    scores = scores_by_index([(index, item) for index, item in items], turn_scores)
    return [
        to_span(index, item, log.raw("messages", index), scores.get(index, ()), error) for index, item in items
    ]


def to_span(
    index: int,
    item: wire.LogItem,
    raw: RawObject | None = None,
    scores: Sequence[Score] = (),
    scores_error: SourceError | None = None,
) -> Span:
    """Return the span of a message or tool call. Meibel has no ids, ends, status or nesting of them.

    Args:
        index: The place in the log, which makes up the id.
        item: The decoded item.
        raw: The undecoded item.
        scores: The scores of the turn that the item ends.
        scores_error: The reason why the scores could not be read.
    """
    kind, text = _kind(item), text_of(item.message)
    is_asked = kind is SpanKind.PROMPT
    return Span(
        vendor_id=f"{index:0{_DIGITS}}",
        kind=kind,
        vendor_kind=item.type,
        name=item.tool_name or item.type,
        started_at=item.timestamp,
        tool_name=item.tool_name,
        input=text if is_asked else text_of(item.arguments),
        output=_output(item, None if is_asked else text),
        scores=tuple(scores),
        raw=raw,
        scores_error=scores_error,
    )


def _kind(item: wire.LogItem) -> SpanKind:
    if item.tool_name or item.tool_id:
        return SpanKind.TOOL
    word = (item.type or "").casefold()
    if any(role in word for role in ("tool", "function")):
        return SpanKind.TOOL
    if any(role in word for role in ("user", "human", "system", "developer")):
        return SpanKind.PROMPT
    return SpanKind.LLM if any(role in word for role in ("assistant", "agent", "response")) else SpanKind.UNKNOWN


def _output(item: wire.LogItem, text: str | None) -> str | None:
    result = text_of(item.result)
    return text if result is None else result


def scores_by_index(
    items: Sequence[tuple[int, wire.LogItem]], turn_scores: Sequence[TurnScore]
) -> Mapping[int, Sequence[Score]]:
    """Return the scores by the index of the last item of their turn, ordered by evaluator.

    A turn begins with a message of a person. Whether Meibel counts turns from 0 or 1 is unknown: 0 if it occurs.

    Args:
        items: The items of the log with their indices.
        turn_scores: The verdicts on turns. The last of several by one evaluator about a turn counts.
    """
    first = min([score.turn for score in turn_scores if score.turn <= 0], default=1)
    ends: list[int] = []
    for index, item in items:
        word = (item.type or "").casefold()
        if "user" in word or "human" in word:
            ends.append(index)
        elif ends:
            ends[-1] = index
    scores: dict[int, dict[str, Score]] = {}
    for verdict in turn_scores:
        turn = verdict.turn - first
        if 0 <= turn < len(ends):
            score = Score(verdict.evaluator, verdict.value, explanation=verdict.explanation)
            scores.setdefault(ends[turn], {})[verdict.evaluator] = score
    return {index: [score for _, score in sorted(of_turn.items())] for index, of_turn in scores.items()}
