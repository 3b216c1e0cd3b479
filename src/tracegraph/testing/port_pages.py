# ruff: noqa: S101 - the contract consists of assertions
"""Lists as the port gives them, page by page, without the gateway's own order and filters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import (
    ExperimentQuery,
    Page,
    PageRequest,
    RangeRequest,
    SessionPageRequest,
)
from tracegraph.domain.figures import Figure
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Metric, MetricKind, Session
from tracegraph.testing.subject import Subject

T = TypeVar("T")

PAGES_MAX = 500
"""More pages than any list of the suite has."""


async def read_port_pages(
    capabilities: ListCapabilities,
    fetch: Callable[[PageRequest], Awaitable[Page[T]]],
    limit: int,
    first: PageRequest | None = None,
) -> list[T]:
    """Return the rows of all pages, each requested with the `next_hint` of the page before it.

    Args:
        capabilities: The list.
        fetch: Fetches one page.
        limit: The rows of one page.
        first: The first request; None for the start of the list.
    """
    request = first or capabilities.first_page(limit)
    rows: list[T] = []
    hints: set[int | str] = set()
    for _ in range(PAGES_MAX):
        page = await fetch(request)
        rows += page.items
        if page.next_hint is None:
            return rows
        assert page.next_hint not in hints, (
            f"the page after {page.next_hint!r} has the same next_hint again: "
            "send the request's offset or token to the vendor, and return the hint of its reply"
        )
        hints.add(page.next_hint)
        request = _next_request(capabilities, request, limit, page.next_hint)
    raise AssertionError(f"{PAGES_MAX} pages do not end the list: the last page must have the next_hint None")


def _next_request(
    capabilities: ListCapabilities, request: PageRequest, limit: int, hint: int | str
) -> PageRequest:
    if isinstance(request, RangeRequest):
        return replace(request, token=str(hint))
    return capabilities.next_page(limit, hint)


async def read_experiments(
    subject: Subject,
    kind: ExperimentKind | None,
    *,
    order: ExperimentOrder | None = None,
    matching: ExperimentFilter | None = None,
    limit: int = 3,
    first: PageRequest | None = None,
) -> list[Experiment]:
    """Return all rows of the port's list of experiments."""
    query = ExperimentQuery(matching or ExperimentFilter(), order or ExperimentOrder(), kind)

    async def fetch(page: PageRequest) -> Page[Experiment]:
        return await subject.adapter.list_experiments(query, page)

    capabilities = subject.adapter.capabilities.experiment_lists()[kind]
    return await read_port_pages(capabilities, fetch, limit, first)


async def read_sessions(
    subject: Subject,
    ref: str,
    *,
    order: SessionOrder | None = None,
    matching: SessionFilter | None = None,
    limit: int = 20,
    first: PageRequest | None = None,
) -> list[Session]:
    """Return all rows of the port's list of an experiment's sessions."""
    capabilities = session_list_of(subject, ref)
    order = order or session_orders(capabilities)[0]

    async def fetch(page: PageRequest) -> Page[Session]:
        request = SessionPageRequest((ref,), page, matching or SessionFilter(), order)
        return await subject.fetch(subject.adapter.name, request)

    return await read_port_pages(capabilities, fetch, limit, first)


def session_list_of(subject: Subject, ref: str) -> ListCapabilities:
    """Return the capabilities of the list of an experiment's sessions."""
    return subject.adapter.capabilities.session_list(subject.adapter.experiment_kind(ref))


def experiment_orders(capabilities: ListCapabilities) -> list[ExperimentOrder]:
    """Return the declared orders of a list of experiments, or the default order where none is declared."""
    declared = [
        ExperimentOrder(field, direction)
        for field, direction in capabilities.orders
        if isinstance(field, ExperimentOrderField)
    ]
    return sorted(declared, key=repr) or [ExperimentOrder()]


def figure_orders(capabilities: ListCapabilities) -> list[ExperimentOrder]:
    """Return the orders by the declared figures, but for those of scores."""
    figures = [Figure(Metric(kind), one) for kind, one in capabilities.figures if kind is not MetricKind.SCORE]
    return [
        ExperimentOrder(ExperimentOrderField.METRIC, direction, figure)
        for figure in sorted(figures, key=repr)
        for direction in OrderDirection
    ]


def session_orders(capabilities: ListCapabilities) -> list[SessionOrder]:
    """Return the declared orders of a list of sessions, or the default order where none is declared."""
    declared = [
        SessionOrder(field, direction)
        for field, direction in capabilities.orders
        if isinstance(field, SessionOrderField)
    ]
    return sorted(declared, key=repr) or [SessionOrder()]


def longest_lists(subject: Subject) -> Iterator[str]:
    """Yield the experiment with most sessions for each list of sessions that the adapter declares."""
    refs: dict[ExperimentKind | None, str] = {}
    for ref in sorted(subject.vendor.experiments(), key=lambda ref: -len(subject.vendor.sessions(ref))):
        refs.setdefault(subject.adapter.experiment_kind(ref), ref)
    yield from refs.values()


def of_kind(experiments: Sequence[Experiment], kind: ExperimentKind | None) -> list[Experiment]:
    """Return the experiments of a list: those of its kind, or all."""
    return [experiment for experiment in experiments if kind is None or experiment.kind is kind]
