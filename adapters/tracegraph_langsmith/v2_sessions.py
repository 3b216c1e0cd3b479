"""The list of tracer sessions in v2: `GET /api/v2/sessions` (docs/vendors/langsmith.md#v2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.adapter import (
    CursorRequest,
    ExperimentQuery,
    Page,
    PageRequest,
    Reply,
    first_page_with_rows,
    readable_rows,
    unreadable_places,
)
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    OrderDirection,
)
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.errors import SourceBadRequest
from tracegraph_langsmith import v2_wire
from tracegraph_langsmith.client import MAX_PAGE_SIZE, LangSmithClient, id_parameters, sort_column
from tracegraph_langsmith.experiments import ExperimentRows
from tracegraph_langsmith.filters import Query, experiment_parameters, is_text
from tracegraph_langsmith.links import Links
from tracegraph_langsmith.mapping import to_experiment
from tracegraph_langsmith.v2_pages import all_pages

_TYPES = {
    ExperimentKind.PROJECT: "PROJECT",
    ExperimentKind.AGENT: "AGENT",
    ExperimentKind.EVALUATION: "EXPERIMENT",
}


@dataclass(frozen=True, slots=True)
class SessionsV2:
    """Implements `experiments.ExperimentsApi`."""

    source: str
    client: LangSmithClient
    links: Links

    async def page(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return the first page from the request on that has a row. An empty page may be followed by others.

        A token is the page size and the vendor's cursor, which is valid only with the other parameters.

        Raises:
            SourceError: A call failed, or the token is of another list.
        """
        pushed = _pushed_parameters(query.filter)
        if pushed is None:
            return Page((), None, None)
        parameters = [("include_stats", "true"), *_order(query.order), *pushed]
        limit, cursor = self._position(page)
        size = [("page_size", str(limit))]

        async def fetch(hint: int | str | None) -> Page[Experiment]:
            after = [] if hint is None else [("cursor", str(hint))]
            reply = await self.client.tracer_sessions_v2([*parameters, *size, *after])
            rows = reply.value.items
            following = reply.value.next_cursor or None
            skipped = unreadable_places(rows)
            return Page(self._experiments(reply), None, following, None, reply.provenance, skipped)

        found = await first_page_with_rows(fetch, self.source, cursor)
        token = None if found.next_hint is None else f"{limit}.{found.next_hint}"
        return Page(found.items, None, token, None, found.provenance, found.skipped)

    async def of_ids(
        self, ids: Sequence[str], order: ExperimentOrder | None = None, *, with_figures: bool = True
    ) -> ExperimentRows:
        """Return the tracer sessions with these ids. Raise SourceError."""
        query: Query = [("include_stats", "true")] if with_figures else []
        query += [*_order(order or ExperimentOrder()), ("page_size", str(MAX_PAGE_SIZE)), *id_parameters(ids)]
        pages, cost = await all_pages(self.client.tracer_sessions_v2, query)
        items = [experiment for page in pages for experiment in self._experiments(page)]
        unreadable = next((page.response for page in pages if None in page.value.items), None)
        return ExperimentRows(items, unreadable, cost)

    async def newest(self) -> ExperimentRows:
        """Return one tracer session without its figures. Raise SourceError."""
        reply = await self.client.tracer_sessions_v2([("page_size", "1")])
        return ExperimentRows(self._experiments(reply), provenance=reply.provenance)

    def _position(self, page: PageRequest) -> tuple[int, str | None]:
        """Return the page size and the cursor of a request. Raise SourceBadRequest for a token of another list."""
        token = page.token if isinstance(page, CursorRequest) else None
        if token is None:
            return max(1, min(page.limit, MAX_PAGE_SIZE)), None
        digits, _, cursor = token.partition(".")
        is_size = digits.isascii() and digits.isdigit() and 0 < int(digits[:9]) <= MAX_PAGE_SIZE
        if not is_size or not cursor or not is_text(cursor):
            raise SourceBadRequest(self.source, f"Source {self.source!r} cannot resume its list at this position.")
        return int(digits), cursor

    def _experiments(self, reply: Reply[v2_wire.SessionsPage]) -> list[Experiment]:
        return [
            to_experiment(self.source, row, reply.raw("items", index), self.links.experiment(row))
            for index, row in readable_rows(reply.value.items)
        ]


def _order(order: ExperimentOrder) -> Query:
    direction = "desc" if order.direction is OrderDirection.DESC else "asc"
    return [("sort_by", sort_column(order).upper()), ("sort_order", direction)]


def _pushed_parameters(experiment_filter: ExperimentFilter) -> Query | None:
    """Return the conditions that the vendor applies as the gateway does, or None if no row can match.

    The gateway applies the others (docs/vendors/langsmith.md#push-down).
    """
    query = experiment_parameters(experiment_filter, "reference_dataset_id")
    if query is not None and experiment_filter.kinds is not None:
        types = [word for kind, word in _TYPES.items() if kind in experiment_filter.kinds]
        if not types:
            return None
        query += [("type", word) for word in types]
    return query
