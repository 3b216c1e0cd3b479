"""Reads of tracer sessions in either dialect: what lists and look-ups by id have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol

from tracegraph.adapter import (
    CallCost,
    ExperimentQuery,
    FetchInfo,
    OffsetRequest,
    Page,
    PageRequest,
    gather_outcomes,
    total_cost,
)
from tracegraph.domain.filters import ExperimentOrder, OrderDirection, experiment_order_value
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceError
from tracegraph.upstream.messages import UpstreamResponse
from tracegraph.upstream.raw import bad_response
from tracegraph_langsmith.client import chunks


@dataclass(slots=True)
class ExperimentRows:
    """The experiments of one or several replies. `unreadable` is a reply with an unreadable row."""

    items: list[Experiment] = field(default_factory=list)
    unreadable: UpstreamResponse | None = None
    provenance: FetchInfo = field(default_factory=FetchInfo)


class ExperimentsApi(Protocol):
    """The list of tracer sessions in one dialect."""

    async def page(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return one page. Raise SourceError."""
        ...

    async def of_ids(
        self, ids: Sequence[str], order: ExperimentOrder | None = None, *, with_figures: bool = True
    ) -> ExperimentRows:
        """Return the tracer sessions with these ids, at most 100, in the order if given. Raise SourceError."""
        ...

    async def newest(self) -> ExperimentRows:
        """Return one tracer session without its figures, as a check. Raise SourceError."""
        ...


async def list_by_ids(
    api: ExperimentsApi, ids: Sequence[str], order: ExperimentOrder, page: PageRequest
) -> Page[Experiment]:
    """Return all tracer sessions with these ids in one page, with one call for each hundred.

    The vendor may not apply paging to a query by id: see docs/vendors/langsmith.md#tracer-sessions.

    Args:
        api: The list in the dialect of the deployment.
        ids: The ids, each once.
        order: The order.
        page: The requested page.

    Raises:
        SourceError: A call failed.
    """
    parts = await gather_outcomes(api.of_ids(part, order) for part in chunks(ids))
    cost = total_cost(parts)
    items: list[Experiment] = []
    for part in parts:
        if isinstance(part, SourceError):
            raise part.with_cost(cost.upstream_requests)
        items += part.items
    offset = 0 if isinstance(page, OffsetRequest) else None
    return Page(_sorted(items, order) if len(parts) > 1 else items, offset, None, provenance=cost)


async def look_up(api: ExperimentsApi, ids: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
    """Return tracer sessions with their figures by id, in one call for each hundred, without unknown ids.

    Args:
        api: The list in the dialect of the deployment.
        ids: The ids, each once.

    Raises:
        SourceError: All calls failed.
    """
    parts = list(chunks(ids))
    outcomes = await gather_outcomes(map(api.of_ids, parts))
    errors = [outcome for outcome in outcomes if isinstance(outcome, SourceError)]
    if errors and len(errors) == len(outcomes):
        raise errors[0].with_cost(sum(error.upstream_requests for error in errors))
    found: dict[str, Experiment | SourceError] = {}
    for part, outcome in zip(parts, outcomes, strict=True):
        if isinstance(outcome, SourceError):
            found |= dict.fromkeys(part, outcome)
            continue
        if outcome.unreadable is not None:  # the ids of unreadable rows are unknown
            found |= dict.fromkeys(part, bad_response(outcome.unreadable, "of which a row cannot be read"))
        found |= {experiment.ref: experiment for experiment in outcome.items}
    return found


async def existing_ids(api: ExperimentsApi, ids: Sequence[str]) -> tuple[set[str], int]:
    """Return the ids that are tracer sessions, and the number of calls: one for each hundred ids.

    Args:
        api: The list in the dialect of the deployment.
        ids: The ids, each once.

    Raises:
        SourceError: A call failed.
    """
    existing: set[str] = set()
    cost = CallCost()
    for part in chunks(ids):
        with cost:
            rows = cost.add(await api.of_ids(part, with_figures=False))
        existing |= {experiment.ref for experiment in rows.items}
    return existing & set(ids), cost.total.upstream_requests


def _sorted(items: Sequence[Experiment], order: ExperimentOrder) -> list[Experiment]:
    """Return the rows of several sorted responses as one sorted list. Missing values come last."""
    value = experiment_order_value(order)
    valued: list[tuple[Any, Experiment]] = [(value(item), item) for item in items]
    present = [pair for pair in valued if pair[0] is not None]
    present.sort(key=itemgetter(0), reverse=order.direction is OrderDirection.DESC)
    return [item for _, item in present] + [item for found, item in valued if found is None]
