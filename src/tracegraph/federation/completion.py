"""Lists whose rows lack fields that look-ups have: the rows are completed before they are filtered and ordered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.checks import consistent_total
from tracegraph.adapter.helpers import MAX_EMPTY_PAGES, CallCost
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, RangeRequest
from tracegraph.adapter.protocol import COSTLY_SESSION_FIELDS, Adapter, ReadsSessionDetails
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import SessionFilter, SessionOrder, SessionOrderField, fields_of_conditions
from tracegraph.domain.models import Experiment, Session, SessionRef, with_scores
from tracegraph.errors import SourceBadResponse, SourceError, SourceRateLimited
from tracegraph.federation.pages import Fetch
from tracegraph.upstream.request_scope import bypass_cache, collect_stale_errors, count_calls, time_share

R = TypeVar("R", Experiment, Session)

LookUp = Callable[[Sequence[R]], Awaitable[Mapping[Any, R | SourceError]]]
"""Returns the complete forms of rows by their refs, without the rows that do not exist any more."""

_SMALL_PAGE_ROWS = 2
"""If all look-ups fail on a page of at most this number of rows, the next page is read."""


def lacking_fields(query: ExperimentQuery, capabilities: ListCapabilities) -> frozenset[str]:
    """Return the fields that the filter or the order needs and that the list lacks.

    Selected fields are read later, and only for the rows of the merged page.
    """
    return capabilities.lacks & {*fields_of_conditions(query.filter), query.order.field.value.lower()}


def session_fields_to_complete(session_filter: SessionFilter, order: SessionOrder) -> frozenset[str]:
    """Return the fields that the filter or the order reads and that a list of sessions may leave out."""
    of_order = {"scores"} if order.field is SessionOrderField.SCORE else frozenset[str]()
    return ((COSTLY_SESSION_FIELDS | {"scores", "error"}) & fields_of_conditions(session_filter)) | of_order


def lacks_any(fields: frozenset[str]) -> Callable[[Experiment | Session], bool]:
    """Return a function that returns whether a row lacks one of the fields."""
    return lambda row: not fields.isdisjoint(row.deferred)


def experiment_look_up(adapter: Adapter) -> LookUp[Experiment]:
    """Return the look-up of complete experiments."""

    async def look_up(rows: Sequence[Experiment]) -> Mapping[str, Experiment | SourceError]:
        return await adapter.get_experiments([row.ref for row in rows])

    return look_up


def session_look_up(adapter: Adapter, fields: frozenset[str]) -> LookUp[Session]:
    """Return the look-up of sessions with those of these fields that rows of the list lack.

    Scores alone may take fewer calls than whole sessions, and so may details.
    """
    deferred: set[str] = set()

    async def look_up(rows: Sequence[Session]) -> Mapping[SessionRef, Session | SourceError]:
        deferred.update(*(row.deferred for row in rows))
        lacking = fields & deferred
        found: Mapping[SessionRef, Session | SourceError] = {row.ref: row for row in rows}
        others = lacking.difference(*adapter.capabilities.session_details)
        if others - {"scores"}:
            found = await adapter.get_sessions([row.ref for row in rows])
        elif others:
            found = await _scored(adapter, rows)
        return await with_details(adapter, found, lacking)

    return look_up


async def _scored(adapter: Adapter, rows: Sequence[Session]) -> Mapping[SessionRef, Session | SourceError]:
    scores = await adapter.get_scores([row.ref for row in rows])
    found: dict[SessionRef, Session | SourceError] = {}
    for row in rows:
        outcome = scores.get(row.ref, ())
        found[row.ref] = outcome if isinstance(outcome, SourceError) else with_scores(row, outcome)
    return found


async def with_details(
    adapter: Adapter, found: Mapping[SessionRef, Session | SourceError], fields: frozenset[str]
) -> Mapping[SessionRef, Session | SourceError]:
    """Return the sessions with those of the fields that are details, and the errors of the others.

    Args:
        adapter: The source.
        found: The sessions and errors by ref.
        fields: The fields that the sessions must have.

    Raises:
        SourceError: When the source fails.
    """
    for group in adapter.capabilities.session_details:
        if not group.isdisjoint(fields):
            rows = [row for row in found.values() if isinstance(row, Session)]
            errors = {ref: outcome for ref, outcome in found.items() if isinstance(outcome, SourceError)}
            detailed = await cast("ReadsSessionDetails", adapter).get_session_details(rows, group) if rows else {}
            found = {**detailed, **errors}
    return found


@dataclass(frozen=True, slots=True)
class _Completed(Generic[R]):
    """A page of complete rows, and why some rows of the vendor's page are left out."""

    page: Page[R]
    failure: SourceError | None = None


class CompletedList(Generic[R]):
    """The pages of a list with complete rows.

    A row to whose look-up the vendor responds with an error is left out, and the page carries the error: without
    its value the row has no place in the order. A row that was deleted meanwhile is left out without an error.
    A look-up without a response says nothing about its row: the page fails, so that the row comes later.
    """

    def __init__(
        self,
        source: str,
        fetch: Fetch[R],
        look_up: LookUp[R],
        capabilities: ListCapabilities,
        is_incomplete: Callable[[R], bool],
    ) -> None:
        """Create the list.

        Args:
            source: The name of the source.
            fetch: Fetches a page of the source's list.
            look_up: Looks rows up.
            capabilities: The capabilities of that list.
            is_incomplete: Returns whether a row must be looked up.
        """
        self._source = source
        self._fetch: Fetch[R] = fetch
        self._look_up_rows: LookUp[R] = look_up
        self._capabilities = capabilities
        self._is_incomplete: Callable[[R], bool] = is_incomplete

    async def fetch(self, request: PageRequest) -> Page[R]:
        """Return the first page from the request on that has a row. An empty page would not advance.

        While the vendor as a whole fails, the page must fail, so that its rows come later. To distinguish that
        from look-ups that fail by themselves, another row is looked up. Then the failed look-ups are repeated
        once, and finally the other one again.

        Raises:
            SourceError: The list fails, no row is left, the look-ups of the vendor fail as a whole, or one got no
                response.
        """
        found: dict[Any, R] = {}
        completed = await self._first_with_rows(request, found)
        if completed.failure is None:
            return completed.page
        cost = CallCost(await self._require_look_ups(completed, completed.failure, FetchInfo()))
        with cost, time_share(1):
            completed = await self._first_with_rows(request, found)
        if completed.failure is None:
            return replace(completed.page, provenance=cost.total + completed.page.provenance)
        if not _is_about_a_row(completed.failure):
            calls = (cost.total + completed.page.provenance).upstream_requests
            raise completed.failure.with_cost(calls)
        total = await self._require_look_ups(completed, completed.failure, cost.total)
        return replace(completed.page, provenance=total, error=completed.page.error or completed.failure)

    async def _require_look_ups(
        self, completed: _Completed[R], failure: SourceError, cost: FetchInfo
    ) -> FetchInfo:
        """Return the cost with that of a look-up of a row that was complete. Raise the failure if it fails."""
        row = completed.page.items[0]
        with bypass_cache():
            outcomes, own_cost = await self._look_up([row])
        total = cost + completed.page.provenance + own_cost
        outcome = outcomes.get(row.ref)
        if outcome is None or isinstance(outcome, SourceError) or own_cost.stale is not None:
            raise failure.with_cost(total.upstream_requests)
        return total

    async def _first_with_rows(self, request: PageRequest, found: dict[Any, R]) -> _Completed[R]:
        cost, failure = CallCost(), None
        for _ in range(MAX_EMPTY_PAGES):
            with cost:
                completed = await self._complete(await self._fetch(request), found)
            page = cost.add(completed.page)
            failure = _worst(failure, completed.failure)
            if page.items or page.next_hint is None:
                if failure is not None and not page.items:
                    raise failure.with_cost(cost.total.upstream_requests)
                return _Completed(replace(page, provenance=cost.total), failure)
            request = self._next_request(request, page.next_hint)
        source = self._source
        raise SourceBadResponse(
            source,
            f"Source {source!r} has no details of any row on {MAX_EMPTY_PAGES} consecutive pages.",
            upstream_requests=cost.total.upstream_requests,
        )

    def _next_request(self, request: PageRequest, hint: int | str) -> PageRequest:
        if isinstance(request, RangeRequest):
            return replace(request, token=str(hint))
        return self._capabilities.next_page(request.limit, hint)

    async def _complete(self, page: Page[R], found: dict[Any, R]) -> _Completed[R]:
        lacking = [row for row in page.items if self._is_incomplete(row)]
        if not lacking:
            return _Completed(page)
        outcomes, cost = await self._look_up([row for row in lacking if row.ref not in found])
        found |= {ref: outcome for ref, outcome in outcomes.items() if not isinstance(outcome, SourceError)}
        completed = self._with_outcomes(page, outcomes, found)
        cost += page.provenance
        if completed.failure is not None and not completed.page.items and len(page.items) > _SMALL_PAGE_ROWS:
            raise completed.failure.with_cost(cost.upstream_requests)
        return replace(completed, page=replace(completed.page, provenance=cost))

    async def _look_up(self, rows: Sequence[R]) -> tuple[Mapping[Any, R | SourceError], FetchInfo]:
        """Return the outcomes of look-ups, without the rows that do not exist, and their cost."""
        outcomes: Mapping[Any, R | SourceError] = {}
        with count_calls() as meter, collect_stale_errors() as stale:
            try:
                outcomes = await self._look_up_rows(rows) if rows else {}
            except SourceError as error:
                outcomes = {row.ref: error for row in rows}
        return outcomes, FetchInfo(meter.requests, next(iter(stale), None))

    def _with_outcomes(
        self,
        page: Page[R],
        outcomes: Mapping[Any, R | SourceError],
        found: Mapping[Any, R],
    ) -> _Completed[R]:
        """Return the page with complete rows. The others count as skipped if the vendor still lists them."""
        places = [place for place in range(len(page.items) + len(page.skipped)) if place not in page.skipped]
        rows: dict[int, R] = {}
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
        return _Completed(replace(completed, total=consistent_total(completed)), _worst(*failures.values()))


def _worst(*failures: SourceError | None) -> SourceError | None:
    """Return the first failure that is not about a row, else the first failure."""
    known = [failure for failure in failures if failure is not None]
    return next((failure for failure in known if not _is_about_a_row(failure)), known[0] if known else None)


def _is_about_a_row(failure: SourceError) -> bool:
    """Return whether the vendor responded to the look-up, other than that it takes no more calls."""
    if isinstance(failure, SourceBadResponse):
        return True
    return failure.http_status is not None and not isinstance(failure, SourceRateLimited)
