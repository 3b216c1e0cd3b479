"""Lists of experiments whose rows lack the figure that the list is ordered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from msgspec.structs import replace as with_fields

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, ReportsAggregates
from tracegraph.domain.filters import (
    ExperimentOrder,
    ExperimentOrderField,
    SessionOrder,
)
from tracegraph.domain.models import Aggregate, Experiment, Session
from tracegraph.errors import SourceError, SourceObjectNotFound
from tracegraph.federation.completion import CompletedList
from tracegraph.federation.pages import Fetch, PageBudgetExhausted

_FIGURES = frozenset({ExperimentOrderField.METRIC, ExperimentOrderField.SESSION_COUNT})


def is_by_figure(order: ExperimentOrder) -> bool:
    """Return whether experiments are ordered by a figure of their sessions."""
    return order.field in _FIGURES


def takes_look_ups(adapter: Adapter, order: ExperimentOrder) -> bool:
    """Return whether the figure may take a call for each experiment."""
    if order.figure is not None:
        return order.figure.metric.kind in adapter.capabilities.deferred_metrics
    return order.field is ExperimentOrderField.SESSION_COUNT


def with_figures(
    adapter: Adapter,
    fetch: Fetch[Experiment],
    capabilities: ListCapabilities,
    order: ExperimentOrder,
    look_ups_max: int,
) -> Fetch[Experiment]:
    """Return the fetch of a list with the figures of its order.

    A row whose figure cannot be read is left out, and the page carries the error. After `look_ups_max` look-ups
    the page budget counts as exhausted: each may cost a call.

    Args:
        adapter: The source.
        fetch: Fetches a page of the source's list.
        capabilities: The capabilities of that list.
        order: The order, which is by a figure.
        look_ups_max: How many experiments may be looked up.
    """
    figures = _Figures(adapter, order, look_ups_max)
    return CompletedList(adapter.name, fetch, figures.look_up, capabilities, figures.are_unknown).fetch


class _Figures:
    """The figures of an order, which rows may lack."""

    def __init__(self, adapter: Adapter, order: ExperimentOrder, look_ups_max: int) -> None:
        self._adapter = adapter
        self._order = order
        self._takes_look_ups = takes_look_ups(adapter, order)
        self._look_ups_max = look_ups_max
        self._looked_up: set[str] = set()

    def are_unknown(self, row: Experiment) -> bool:
        """Return whether the figure of the row must be looked up."""
        if row.figures_error is not None:
            return True
        if self._order.field is ExperimentOrderField.METRIC:
            return self._takes_look_ups
        return "session_count" in row.deferred

    async def look_up(self, rows: Sequence[Experiment]) -> Mapping[str, Experiment | SourceError]:
        """Return the rows with their figures. Raise PageBudgetExhausted after too many look-ups."""
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
        figure = self._order.figure
        kinds = None if figure is None else frozenset({figure.metric.kind})
        found = await cast("ReportsAggregates", self._adapter).get_aggregates(rows, kinds)
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
