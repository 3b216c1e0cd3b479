"""The account's agents: a stretch of their list, and look-ups by id."""

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
from tracegraph_meibel.missing import is_unsaid, unknown_id
from tracegraph_meibel.outcomes import add_cost_on_error, gather_outcomes, total_cost

_PAGES_WITHOUT_ROWS = 20


_FEW = 2
"""Of a page of so many rows all details may fail, and the next page is looked at all the same."""


Detail = DecodedResponse[wire.AgentDetail]


@dataclass(frozen=True, slots=True)
class _Completed:
    """Rows of one page by their place in it, and why others could not be completed, if so.

    `skipped` are the places of those: the vendor goes on to list them, unlike those that were deleted meanwhile.
    """

    rows: Mapping[int, Experiment]
    failure: SourceError | None
    provenance: FetchInfo
    skipped: tuple[int, ...] = ()


class Agents:
    """Reads agents. Their list may lack when they were created: then each is asked for by its id."""

    def __init__(self, source: str, client: MeibelClient) -> None:
        self._source = source
        self._client = client

    async def listed(self, query: ExperimentQuery, stretch: Window) -> Page[Experiment]:
        """The first page from the stretch on that holds a row. An empty page would say that the list ends.

        An agent whose details fail is left out, and the page names the failure. Raises it when no row is left, and
        when the vendor itself fails: its rows come later, while those that are left out do not. To tell one from
        the other, another agent's details are asked for, then those that failed once more, then the other's again.
        """
        known: dict[str, Detail] = {}
        found = await self._first_with_rows(query, stretch, known)
        if found.error is None:
            return found
        made = found.provenance + await self._answering(found)
        with add_cost_on_error(made), time_share(1):
            found = await self._first_with_rows(query, stretch, known)
        found = replace(found, provenance=made + found.provenance)
        if found.error is None:
            return found
        return replace(found, provenance=found.provenance + await self._answering(found))

    async def _first_with_rows(
        self, query: ExperimentQuery, stretch: Window, known: dict[str, Detail]
    ) -> Page[Experiment]:
        made, failure = FetchInfo(), None
        for _ in range(_PAGES_WITHOUT_ROWS):
            with add_cost_on_error(made):
                found = await self._page(query, stretch, known)
            made += found.provenance
            failure = failure or found.error
            if found.items or not isinstance(found.next_hint, int):
                if failure is not None and not found.items:
                    raise failure.with_cost(made.upstream_requests)
                return replace(found, provenance=made, error=failure)
            stretch = replace(stretch, offset=found.next_hint)
        raise SourceBadResponse(
            self._source,
            f"Source {self._source!r} lists agents that it does not know: {_PAGES_WITHOUT_ROWS} pages of them.",
            http_status=200,
            upstream_requests=made.upstream_requests,
        )

    async def _answering(self, page: Page[Experiment]) -> FetchInfo:
        """What it cost to see that the vendor gives details of another agent now. Raises the page's failure."""
        with bypass_cache():
            outcomes = await gather_outcomes([self._client.agent(page.items[0].ref)])
        cost = total_cost(outcomes)
        if page.error is not None and (isinstance(outcomes[0], SourceError) or cost.stale is not None):
            raise page.error.with_cost((page.provenance + cost).upstream_requests)
        return cost

    async def by_id(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """The agents by their ids; an unknown one is left out."""
        wanted = list(dict.fromkeys(refs))
        return {
            ref: outcome if isinstance(outcome, SourceError) else self._experiment(ref, outcome)
            for ref, outcome in zip(wanted, await self._details(wanted), strict=True)
            if not isinstance(outcome, SourceObjectNotFound)
        }

    async def _page(self, query: ExperimentQuery, stretch: Window, known: dict[str, Detail]) -> Page[Experiment]:
        answer = await self._client.agents(stretch)
        document = answer.document()
        sent = answer.body.data
        listed = {
            place: mapping.listed_agent(self._source, row, RawRow(document, ("data", place)))
            for place, row in readable_rows(sent)
        }
        done = _Completed(listed, None, answer.provenance)
        if _asks_for_creation(query):
            done = await self._with_creation(listed, known, answer.provenance)
        following = stretch.next_offset(sent, answer.body.total)
        if following is not None:  # right behind a row of the page, by which it is found, where there is one
            following = stretch.offset + (max(done.rows) + 1 if done.rows else len(sent))
        total = stretch.agreed_total(len(sent), answer.body.total)
        return Page(
            items=list(done.rows.values()),
            offset=stretch.offset,
            next_hint=following,
            total=total if _is_fulfilled_by_all(query.filter) else None,
            provenance=done.provenance,
            skipped=tuple(sorted({*done.skipped, *unreadable_places(sent)})),
            error=done.failure,
        )

    async def _with_creation(
        self, listed: Mapping[int, Experiment], known: dict[str, Detail], provenance: FetchInfo
    ) -> _Completed:
        """The listed agents with their creation: complete ones where the list lacked it.

        One that was deleted meanwhile is left out, and so is one whose details fail: without its time it would
        stand at another place, and at its own again when the details come with the next page. Where no details
        come at all, the failure is the page's.
        """
        lacking = dict.fromkeys(one.ref for one in listed.values() if "created_at" in one.deferred)
        asked = [ref for ref in lacking if ref not in known]
        outcomes = await self._details(asked)
        provenance += total_cost(outcomes)
        by_ref: dict[str, Detail | SourceError] = {**known, **dict(zip(asked, outcomes, strict=True))}
        known.update({ref: one for ref, one in by_ref.items() if not isinstance(one, SourceError)})
        rows: dict[int, Experiment] = {}
        failures: dict[int, SourceError] = {}
        for place, one in listed.items():
            outcome = by_ref.get(one.ref)
            if outcome is None:
                rows[place] = one
            elif not isinstance(outcome, SourceError):
                rows[place] = self._experiment(one.ref, outcome)
            elif not isinstance(outcome, SourceObjectNotFound):
                failures[place] = outcome
        failure = next(iter(failures.values()), None)
        if failure is not None and not rows and len(listed) > _FEW:
            raise failure.with_cost(provenance.upstream_requests)
        return _Completed(rows, failure, provenance, tuple(failures))

    async def _details(self, refs: Sequence[str]) -> list[Detail | SourceError]:
        """The details of every agent. Where those of one come, the path exists, and a 404 is about the agent."""
        outcomes = await gather_outcomes(self._client.agent(ref) for ref in refs)
        unsaid = [place for place, outcome in enumerate(outcomes) if is_unsaid(outcome)]
        meaning: SourceError = SourceObjectNotFound(self._source, unknown_id(self._source))
        if unsaid and all(isinstance(outcome, SourceError) for outcome in outcomes):
            first = unsaid.pop(0)
            if isinstance(error := outcomes[first], SourceError):
                outcomes[first] = meaning = await self._client.agent_missing(error, refs[first])
        for place in unsaid:
            if isinstance(error := outcomes[place], SourceError):
                outcomes[place] = meaning.with_cost(error.upstream_requests)
        return outcomes

    def _experiment(self, ref: str, answer: Detail) -> Experiment:
        return mapping.agent(self._source, ref, answer.body, RawRow(answer.document(), ()))


def _asks_for_creation(query: ExperimentQuery) -> bool:
    return query.order.field is ExperimentOrderField.CREATED_AT or query.filter.created_at is not None


def _is_fulfilled_by_all(asked: ExperimentFilter) -> bool:
    """Whether the vendor's count is the question's: Meibel takes none of our filters."""
    return active_conditions(asked) <= {"kinds"} and (asked.kinds is None or ExperimentKind.AGENT in asked.kinds)
