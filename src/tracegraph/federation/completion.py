"""Lists whose rows lack fields that look-ups have: the rows are completed before they are filtered and ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.checks import consistent_total
from tracegraph.adapter.helpers import MAX_EMPTY_PAGES, CallCost
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, RangeRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import active_conditions
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceBadResponse, SourceError
from tracegraph.federation.pages import Fetch
from tracegraph.upstream.request_scope import bypass_cache, collect_stale_errors, count_calls, time_share

_SMALL_PAGE_ROWS = 2
"""If all look-ups fail on a page of at most this number of rows, the next page is read."""


def lacking_fields(query: ExperimentQuery, capabilities: ListCapabilities) -> frozenset[str]:
    """Return the fields that the filter or the order needs and that the list lacks.

    Selected fields are read later, and only for the rows of the merged page.
    """
    return capabilities.lacks & {*active_conditions(query.filter), query.order.field.value.lower()}


@dataclass(frozen=True, slots=True)
class _Completed:
    """A page of complete rows, and why some rows of the vendor's page are left out."""

    page: Page[Experiment]
    failure: SourceError | None = None


class CompletedList:
    """The pages of a list with complete rows.

    A row whose look-up fails is left out, and the page carries the error: without its value the row has no place
    in the order. A row that was deleted meanwhile is left out without an error.
    """

    def __init__(
        self, adapter: Adapter, fetch: Fetch[Experiment], capabilities: ListCapabilities, fields: frozenset[str]
    ) -> None:
        """Create the list.

        Args:
            adapter: The source.
            fetch: Fetches a page of the source's list.
            capabilities: The capabilities of that list.
            fields: The fields to complete.
        """
        self._adapter = adapter
        self._fetch = fetch
        self._capabilities = capabilities
        self._fields = fields

    async def fetch(self, request: PageRequest) -> Page[Experiment]:
        """Return the first page from the request on that has a row. An empty page would not advance.

        While the vendor as a whole fails, the page must fail, so that its rows come later. To distinguish that
        from look-ups that fail by themselves, another row is looked up. Then the failed look-ups are repeated
        once, and finally the other one again.

        Raises:
            SourceError: The list fails, no row is left, or the look-ups of the vendor fail as a whole.
        """
        found: dict[str, Experiment] = {}
        completed = await self._first_with_rows(request, found)
        if completed.failure is None:
            return completed.page
        cost = CallCost(await self._require_look_ups(completed, completed.failure, FetchInfo()))
        with cost, time_share(1):
            completed = await self._first_with_rows(request, found)
        if completed.failure is None:
            return replace(completed.page, provenance=cost.total + completed.page.provenance)
        total = await self._require_look_ups(completed, completed.failure, cost.total)
        return replace(completed.page, provenance=total, error=completed.page.error or completed.failure)

    async def _require_look_ups(self, completed: _Completed, failure: SourceError, cost: FetchInfo) -> FetchInfo:
        """Return the cost with that of a look-up of a row that was complete. Raise the failure if it fails."""
        row = completed.page.items[0]
        with bypass_cache():
            outcomes, own_cost = await self._look_up([row])
        total = cost + completed.page.provenance + own_cost
        if not isinstance(outcomes.get(row.ref), Experiment) or own_cost.stale is not None:
            raise failure.with_cost(total.upstream_requests)
        return total

    async def _first_with_rows(self, request: PageRequest, found: dict[str, Experiment]) -> _Completed:
        cost, failure = CallCost(), None
        for _ in range(MAX_EMPTY_PAGES):
            with cost:
                completed = await self._complete(await self._fetch(request), found)
            page = cost.add(completed.page)
            failure = failure or completed.failure
            if page.items or page.next_hint is None:
                if failure is not None and not page.items:
                    raise failure.with_cost(cost.total.upstream_requests)
                return _Completed(replace(page, provenance=cost.total), failure)
            request = self._next_request(request, page.next_hint)
        source = self._adapter.name
        raise SourceBadResponse(
            source,
            f"Source {source!r} has no details of any experiment on {MAX_EMPTY_PAGES} consecutive pages.",
            upstream_requests=cost.total.upstream_requests,
        )

    def _next_request(self, request: PageRequest, hint: int | str) -> PageRequest:
        if isinstance(request, RangeRequest):
            return replace(request, token=str(hint))
        return self._capabilities.next_page(request.limit, hint)

    async def _complete(self, page: Page[Experiment], found: dict[str, Experiment]) -> _Completed:
        lacking = [row for row in page.items if self._is_incomplete(row)]
        if not lacking:
            return _Completed(page)
        outcomes, cost = await self._look_up([row for row in lacking if row.ref not in found])
        found |= {ref: outcome for ref, outcome in outcomes.items() if isinstance(outcome, Experiment)}
        completed = self._with_outcomes(page, outcomes, found)
        cost += page.provenance
        if completed.failure is not None and not completed.page.items and len(page.items) > _SMALL_PAGE_ROWS:
            raise completed.failure.with_cost(cost.upstream_requests)
        return replace(completed, page=replace(completed.page, provenance=cost))

    def _is_incomplete(self, row: Experiment) -> bool:
        """Return whether a field must be looked up."""
        return bool(row.deferred & self._fields)

    async def _outcomes(self, rows: Sequence[Experiment]) -> Mapping[str, Experiment | SourceError]:
        """Return the complete rows by ref, without the rows that do not exist any more. Raise SourceError."""
        return await self._adapter.get_experiments([row.ref for row in rows])

    async def _look_up(
        self, rows: Sequence[Experiment]
    ) -> tuple[Mapping[str, Experiment | SourceError], FetchInfo]:
        """Return the outcomes of look-ups, without the experiments that do not exist, and their cost."""
        outcomes: Mapping[str, Experiment | SourceError] = {}
        with count_calls() as meter, collect_stale_errors() as stale:
            try:
                outcomes = await self._outcomes(rows) if rows else {}
            except SourceError as error:
                outcomes = dict.fromkeys([row.ref for row in rows], error)
        return outcomes, FetchInfo(meter.requests, next(iter(stale), None))

    def _with_outcomes(
        self,
        page: Page[Experiment],
        outcomes: Mapping[str, Experiment | SourceError],
        found: Mapping[str, Experiment],
    ) -> _Completed:
        """Return the page with complete rows. The others count as skipped if the vendor still lists them."""
        places = [place for place in range(len(page.items) + len(page.skipped)) if place not in page.skipped]
        rows: dict[int, Experiment] = {}
        failures: dict[int, SourceError] = {}
        for place, row in zip(places, page.items, strict=True):
            outcome = outcomes.get(row.ref)
            if not self._is_incomplete(row):
                rows[place] = row
            elif row.ref in found:
                rows[place] = found[row.ref]
            elif isinstance(outcome, SourceError):
                failures[place] = outcome
        hint = page.next_hint
        if isinstance(hint, int) and page.offset is not None and rows and max(rows) < max(places):
            hint = page.offset + max(rows) + 1  # the next page follows a row of this page
        completed = replace(
            page,
            items=list(rows.values()),
            next_hint=hint,
            skipped=tuple(sorted({*page.skipped, *failures})),
        )
        return _Completed(
            replace(completed, total=consistent_total(completed)), next(iter(failures.values()), None)
        )
