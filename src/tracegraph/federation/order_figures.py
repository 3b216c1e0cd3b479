"""Lists whose rows lack the value that the list is ordered by: figures of experiments, scores of sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from msgspec.structs import replace as with_fields

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.checks import consistent_total
from tracegraph.adapter.paging import Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, ReportsAggregates
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentOrder,
    ExperimentOrderField,
    SessionOrder,
    SessionOrderField,
)
from tracegraph.domain.models import Aggregate, Experiment, Score, Session, SessionRef
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph.federation.completion import CompletedList
from tracegraph.federation.pages import Fetch, PageBudgetExhausted
from tracegraph.upstream.request_scope import collect_stale_errors, count_calls

_FIGURES = frozenset({ExperimentOrderField.METRIC, ExperimentOrderField.SESSION_COUNT})


def is_by_figure(order: ExperimentOrder) -> bool:
    """Return whether experiments are ordered by a figure of their sessions."""
    return order.field in _FIGURES


def takes_look_ups(adapter: Adapter, order: ExperimentOrder) -> bool:
    """Return whether the figure may take a call for each experiment."""
    if order.figure is not None:
        return order.figure.metric.kind in adapter.capabilities.deferred_metrics
    return order.field is ExperimentOrderField.SESSION_COUNT


class FigureList(CompletedList):
    """The pages of a list with the figures of its order.

    A row whose figure cannot be read is left out, and the page carries the error. After `look_ups_max` look-ups
    the page budget counts as exhausted: each may cost a call.
    """

    def __init__(
        self,
        adapter: Adapter,
        fetch: Fetch[Experiment],
        capabilities: ListCapabilities,
        order: ExperimentOrder,
        look_ups_max: int,
    ) -> None:
        """Create the list.

        Args:
            adapter: The source.
            fetch: Fetches a page of the source's list.
            capabilities: The capabilities of that list.
            order: The order, which is by a figure.
            look_ups_max: How many experiments may be looked up.
        """
        super().__init__(adapter, fetch, capabilities, frozenset({"session_count"}))
        self._order = order
        self._looks_up = takes_look_ups(adapter, order)
        self._look_ups_max = look_ups_max
        self._looked_up: set[str] = set()

    def _is_incomplete(self, row: Experiment) -> bool:
        if row.figures_error is not None:
            return True
        if self._order.field is ExperimentOrderField.METRIC:
            return self._looks_up
        return "session_count" in row.deferred

    async def _outcomes(self, rows: Sequence[Experiment]) -> Mapping[str, Experiment | SourceError]:
        outcomes: dict[str, Experiment | SourceError] = {
            row.ref: row.figures_error for row in rows if row.figures_error is not None
        }
        readable = [row for row in rows if row.figures_error is None]
        self._looked_up.update(row.ref for row in readable)
        if len(self._looked_up) > self._look_ups_max:
            raise PageBudgetExhausted
        if not readable:
            return outcomes
        if self._order.field is ExperimentOrderField.METRIC:
            return outcomes | await self._with_aggregates(readable)
        return outcomes | await self._with_counts(readable)

    async def _with_aggregates(self, rows: Sequence[Experiment]) -> dict[str, Experiment | SourceError]:
        found = await cast("ReportsAggregates", self._adapter).get_aggregates(rows)
        return {row.ref: _with_aggregates(row, found.get(row.ref, ())) for row in rows}

    async def _with_counts(self, rows: Sequence[Experiment]) -> dict[str, Experiment | SourceError]:
        requests = [self._count_request(row.ref) for row in rows]
        pages = await self._adapter.list_sessions(requests)
        return {row.ref: _with_count(row, page) for row, page in zip(rows, pages, strict=True)}

    def _count_request(self, ref: str) -> SessionPageRequest:
        capabilities = self._adapter.capabilities.session_list(self._adapter.experiment_kind(ref))
        order = offered_order(capabilities)
        return SessionPageRequest((ref,), capabilities.first_page(1), order=order, fields=frozenset())


def _with_aggregates(row: Experiment, found: Sequence[Aggregate] | SourceError) -> Experiment | SourceError:
    if isinstance(found, SourceError):
        return found
    by_metric = {aggregate.metric: aggregate for aggregate in [*row.aggregates, *found]}
    return with_fields(row, aggregates=tuple(by_metric.values()))


def _with_count(row: Experiment, page: Page[Session] | SourceError) -> Experiment | SourceError:
    if isinstance(page, SourceError) and not isinstance(page, SourceObjectNotFound):
        return page
    total = page.total if isinstance(page, Page) else None
    return with_fields(row, session_count=total, deferred=row.deferred - {"session_count"})


def offered_order(capabilities: ListCapabilities) -> SessionOrder:
    """Return an order in which the vendor lists sessions, the newest first if it does; else the default order."""
    newest = SessionOrder()
    oldest = replace(newest, direction=newest.direction.opposite)
    return oldest if capabilities.lists_in(oldest) and not capabilities.lists_in(newest) else newest


def needs_scores(order: SessionOrder) -> bool:
    """Return whether sessions are ordered by a score."""
    return order.field is SessionOrderField.SCORE


class ScoredList:
    """The pages of a list of sessions with their scores, which the vendor's list may leave out.

    A session whose scores cannot be read is left out, and the page carries the error.
    """

    def __init__(self, adapter: Adapter, fetch: Fetch[Session]) -> None:
        self._adapter = adapter
        self._fetch = fetch
        self._found: dict[SessionRef, Session] = {}

    async def fetch(self, request: PageRequest) -> Page[Session]:
        """Return the page with scores.

        Raises:
            SourceError: The list fails, or the scores of no session can be read.
        """
        page = await self._fetch(request)
        lacking = [row for row in page.items if "scores" in row.deferred and row.ref not in self._found]
        failures: dict[SessionRef, SourceError] = {}
        if lacking:
            page = replace(page, provenance=page.provenance + await self._read(lacking, failures))
        places = [place for place in range(len(page.items) + len(page.skipped)) if place not in page.skipped]
        rows = {
            place: self._found.get(row.ref, row)
            for place, row in zip(places, page.items, strict=True)
            if row.ref not in failures
        }
        error = next(iter(failures.values()), None)
        if error is None:
            return replace(page, items=list(rows.values()))
        if not rows:
            raise error.with_cost(page.provenance.upstream_requests)
        skipped = tuple(sorted({*page.skipped, *(place for place in places if place not in rows)}))
        short = replace(page, items=list(rows.values()), skipped=skipped, error=page.error or error)
        return replace(short, total=consistent_total(short))

    async def _read(self, rows: Sequence[Session], failures: dict[SessionRef, SourceError]) -> FetchInfo:
        outcomes: Mapping[SessionRef, Sequence[Score] | SourceError] = {}
        refs = [row.ref for row in rows]
        with count_calls() as meter, collect_stale_errors() as stale:
            try:
                outcomes = await self._adapter.get_scores(refs)
            except SourceError as error:
                outcomes = dict.fromkeys(refs, error)
        for row in rows:
            scores = outcomes.get(row.ref, ())
            if isinstance(scores, SourceError):
                failures[row.ref] = scores
            else:
                self._found[row.ref] = with_fields(
                    row,
                    scores_by_evaluator={score.evaluator: score.value for score in scores},
                    deferred=row.deferred - {"scores"},
                )
        return FetchInfo(meter.requests, next(iter(stale), None))
