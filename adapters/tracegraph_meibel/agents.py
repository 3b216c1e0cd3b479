"""Agents of one account: pages of their list, and look-ups by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tracegraph.adapter.paging import ExperimentQuery, Page
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrderField, active_conditions
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.errors import SourceBadResponse, SourceError, SourceObjectNotFound
from tracegraph.upstream.lenient_decoder import readable_rows, unreadable_places
from tracegraph.upstream.raw import RawRow
from tracegraph.upstream.request_scope import bypass_cache, time_share
from tracegraph_meibel import mapping, wire
from tracegraph_meibel.client import DecodedResponse, MeibelClient, Window
from tracegraph_meibel.missing import is_ambiguous_404, unknown_id_message
from tracegraph_meibel.outcomes import add_cost_on_error, gather_outcomes, total_cost

_MAX_EMPTY_PAGES = 20


_SMALL_PAGE_ROWS = 2
"""If all details fail on a page of at most this number of rows, the adapter still reads the next page."""


Detail = DecodedResponse[wire.AgentDetail]


@dataclass(frozen=True, slots=True)
class _CompletedPage:
    """Rows of one page by their index, and the error of rows that could not be completed.

    `skipped` contains the indices of those rows. The vendor still lists them, unlike agents that were deleted.
    """

    rows: Mapping[int, Experiment]
    failure: SourceError | None
    provenance: FetchInfo
    skipped: tuple[int, ...] = ()


class Agents:
    """Reads agents. Rows of their list may lack the creation time; the adapter then reads each agent by its id."""

    def __init__(self, source: str, client: MeibelClient) -> None:
        self._source = source
        self._client = client

    async def list_page(self, query: ExperimentQuery, window: Window) -> Page[Experiment]:
        """Return the first page from the window on that has a row. An empty page would mean the end of the list.

        The page omits an agent whose details fail, and carries the error. While the vendor as a whole fails, the
        page must fail instead, so that its rows come later. To distinguish the two cases, the adapter requests the
        details of another agent. Then it requests the failed details once more, and finally those of the other
        agent again.

        Args:
            query: The filter and the sort order.
            window: The rows to request.

        Raises:
            SourceError: No row is left, or the vendor itself fails.
        """
        details_by_ref: dict[str, Detail] = {}
        page = await self._first_with_rows(query, window, details_by_ref)
        if page.error is None:
            return page
        cost = page.provenance + await self._require_details(page)
        with add_cost_on_error(cost), time_share(1):
            page = await self._first_with_rows(query, window, details_by_ref)
        page = replace(page, provenance=cost + page.provenance)
        if page.error is None:
            return page
        return replace(page, provenance=page.provenance + await self._require_details(page))

    async def _first_with_rows(
        self, query: ExperimentQuery, window: Window, details_by_ref: dict[str, Detail]
    ) -> Page[Experiment]:
        cost, failure = FetchInfo(), None
        for _ in range(_MAX_EMPTY_PAGES):
            with add_cost_on_error(cost):
                page = await self._fetch_page(query, window, details_by_ref)
            cost += page.provenance
            failure = failure or page.error
            if page.items or not isinstance(page.next_hint, int):
                if failure is not None and not page.items:
                    raise failure.with_cost(cost.upstream_requests)
                return replace(page, provenance=cost, error=failure)
            window = replace(window, offset=page.next_hint)
        raise SourceBadResponse(
            self._source,
            f"Source {self._source!r} has no details of any agent on {_MAX_EMPTY_PAGES} consecutive pages.",
            http_status=200,
            upstream_requests=cost.upstream_requests,
        )

    async def _require_details(self, page: Page[Experiment]) -> FetchInfo:
        """Return the cost of a call that verifies that the vendor still serves details.

        Raises the page's error if the call fails.
        """
        with bypass_cache():
            outcomes = await gather_outcomes([self._client.agent(page.items[0].ref)])
        cost = total_cost(outcomes)
        if page.error is not None and (isinstance(outcomes[0], SourceError) or cost.stale is not None):
            raise page.error.with_cost((page.provenance + cost).upstream_requests)
        return cost

    async def get_by_id(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return agents by id. Unknown agents are omitted."""
        unique_refs = list(dict.fromkeys(refs))
        return {
            ref: outcome if isinstance(outcome, SourceError) else self._experiment(ref, outcome)
            for ref, outcome in zip(unique_refs, await self._details(unique_refs), strict=True)
            if not isinstance(outcome, SourceObjectNotFound)
        }

    async def _fetch_page(
        self, query: ExperimentQuery, window: Window, details_by_ref: dict[str, Detail]
    ) -> Page[Experiment]:
        response = await self._client.agents(window)
        document = response.document()
        sent_rows = response.body.data
        listed = {
            index: mapping.listed_agent(self._source, row, RawRow(document, ("data", index)))
            for index, row in readable_rows(sent_rows)
        }
        completed = _CompletedPage(listed, None, response.provenance)
        if _needs_creation_time(query):
            completed = await self._add_creation_times(listed, details_by_ref, response.provenance)
        next_offset = window.next_offset(sent_rows, response.body.total)
        if next_offset is not None:  # the next page follows a row of this page, if there is one
            next_offset = window.offset + (max(completed.rows) + 1 if completed.rows else len(sent_rows))
        total = window.consistent_total(len(sent_rows), response.body.total)
        return Page(
            items=list(completed.rows.values()),
            offset=window.offset,
            next_hint=next_offset,
            total=total if _matches_all_agents(query.filter) else None,
            provenance=completed.provenance,
            skipped=tuple(sorted({*completed.skipped, *unreadable_places(sent_rows)})),
            error=completed.failure,
        )

    async def _add_creation_times(
        self, listed: Mapping[int, Experiment], details_by_ref: dict[str, Detail], provenance: FetchInfo
    ) -> _CompletedPage:
        """Complete the rows that lack the creation time.

        An agent that was deleted in the meantime is omitted. So is an agent whose details fail: without its time
        it would appear at a wrong position, and again at its own once its details are available. If all details
        fail, the page fails.
        """
        missing = dict.fromkeys(agent.ref for agent in listed.values() if "created_at" in agent.deferred)
        requested = [ref for ref in missing if ref not in details_by_ref]
        outcomes = await self._details(requested)
        provenance += total_cost(outcomes)
        outcome_by_ref: dict[str, Detail | SourceError] = {
            **details_by_ref,
            **dict(zip(requested, outcomes, strict=True)),
        }
        details_by_ref.update(
            {ref: detail for ref, detail in outcome_by_ref.items() if not isinstance(detail, SourceError)}
        )
        rows: dict[int, Experiment] = {}
        failures: dict[int, SourceError] = {}
        for index, agent in listed.items():
            outcome = outcome_by_ref.get(agent.ref)
            if outcome is None:
                rows[index] = agent
            elif not isinstance(outcome, SourceError):
                rows[index] = self._experiment(agent.ref, outcome)
            elif not isinstance(outcome, SourceObjectNotFound):
                failures[index] = outcome
        failure = next(iter(failures.values()), None)
        if failure is not None and not rows and len(listed) > _SMALL_PAGE_ROWS:
            raise failure.with_cost(provenance.upstream_requests)
        return _CompletedPage(rows, failure, provenance, tuple(failures))

    async def _details(self, refs: Sequence[str]) -> list[Detail | SourceError]:
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

    def _experiment(self, ref: str, response: Detail) -> Experiment:
        return mapping.agent(self._source, ref, response.body, RawRow(response.document(), ()))


def _needs_creation_time(query: ExperimentQuery) -> bool:
    return query.order.field is ExperimentOrderField.CREATED_AT or query.filter.created_at is not None


def _matches_all_agents(experiment_filter: ExperimentFilter) -> bool:
    """Return whether every agent matches the filter.

    Meibel supports none of our filters, so its total applies only then.
    """
    return active_conditions(experiment_filter) <= {"kinds"} and (
        experiment_filter.kinds is None or ExperimentKind.AGENT in experiment_filter.kinds
    )
