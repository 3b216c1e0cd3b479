"""Agents of one account: pages of their list, and look-ups by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracegraph.adapter import ExperimentQuery, Page, Reply, WebPages, gather_outcomes, unreadable_places
from tracegraph.domain.filters import ExperimentFilter, active_conditions
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph_meibel import mapping, wire
from tracegraph_meibel.client import MeibelClient, Window
from tracegraph_meibel.missing import is_ambiguous_404, unknown_id_message


class Agents:
    """Reads agents."""

    def __init__(self, client: MeibelClient, pages: WebPages) -> None:
        self._source = client.source
        self._client = client
        self._pages = pages

    async def list_page(self, query: ExperimentQuery, window: Window) -> Page[Experiment]:
        """Return a page of agents in one call."""
        reply = await self._client.agents(window)
        rows, total = reply.value.data, reply.value.total
        return Page(
            items=[
                mapping.listed_agent(self._source, row, raw, self._pages.experiment(row.id))
                for row, raw in reply.rows(rows, "data")
            ],
            offset=window.offset,
            next_hint=window.next_offset(rows, total),
            total=total if _matches_all_agents(query.filter) else None,
            provenance=reply.provenance,
            skipped=unreadable_places(rows),
        )

    async def get_by_id(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return agents by id. Unknown agents are omitted."""
        unique_refs = list(dict.fromkeys(refs))
        return {
            ref: outcome
            if isinstance(outcome, SourceError)
            else mapping.agent(self._source, ref, outcome.value, outcome.raw(), self._pages.experiment(ref))
            for ref, outcome in zip(unique_refs, await self._details(unique_refs), strict=True)
            if not isinstance(outcome, SourceObjectNotFound)
        }

    async def _details(self, refs: Sequence[str]) -> list[Reply[wire.AgentDetail] | SourceError]:
        """Return the details of every agent.

        If the details of one agent are available, the path exists, and a 404 is about its agent.
        """
        outcomes = await gather_outcomes(self._client.agent(ref) for ref in refs)
        ambiguous = [index for index, outcome in enumerate(outcomes) if is_ambiguous_404(outcome)]
        meaning: SourceError = SourceObjectNotFound(self._source, unknown_id_message(self._source))
        if ambiguous and all(isinstance(outcome, SourceError) for outcome in outcomes):
            first = ambiguous.pop(0)
            if isinstance(error := outcomes[first], SourceError):
                outcomes[first] = meaning = await self._client.explain_missing_agent(error, refs[first])
        for index in ambiguous:
            if isinstance(error := outcomes[index], SourceError):
                outcomes[index] = meaning.with_cost(error.upstream_requests)
        return outcomes


def _matches_all_agents(experiment_filter: ExperimentFilter) -> bool:
    """Return whether every agent matches the filter.

    Meibel supports none of our filters, so its total applies only then.
    """
    return active_conditions(experiment_filter) <= {"kinds"} and (
        experiment_filter.kinds is None or ExperimentKind.AGENT in experiment_filter.kinds
    )
