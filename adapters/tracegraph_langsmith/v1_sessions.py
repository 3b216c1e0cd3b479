"""The list of tracer sessions in v1: `GET /api/v1/sessions` (docs/vendors/langsmith.md#tracer-sessions)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph.adapter import (
    CursorRequest,
    ExperimentQuery,
    OffsetRequest,
    Page,
    PageRequest,
    Reply,
    readable_rows,
    unreadable_places,
)
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrder
from tracegraph.domain.models import Experiment, ExperimentKind
from tracegraph.errors import SourceBadRequest
from tracegraph.upstream.lenient_decoder import length
from tracegraph_langsmith import wire
from tracegraph_langsmith.client import MAX_PAGE_SIZE, LangSmithClient, experiments_query, id_parameters
from tracegraph_langsmith.experiments import ExperimentRows
from tracegraph_langsmith.filters import Query, experiment_parameters
from tracegraph_langsmith.links import Links
from tracegraph_langsmith.mapping import to_experiment

_OFFSET = "offset:"
"""The beginning of a token of this list, for requests by cursor: see `SessionsV1.page`."""


@dataclass(frozen=True, slots=True)
class SessionsV1:
    """Implements `experiments.ExperimentsApi`."""

    source: str
    client: LangSmithClient
    links: Links

    async def page(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page in one call.

        The gateway asks for the first pages by cursor, as in v2, while the dialect is unknown. Their tokens are
        offsets.

        Raises:
            SourceError: The call failed, or the token is of another list.
        """
        pushed = _pushed_parameters(query.filter)
        if pushed is None:
            return Page((), 0 if isinstance(page, OffsetRequest) else None, None)
        offset, limit = self._offset(page), max(1, min(page.limit, MAX_PAGE_SIZE))
        reply = await self.client.tracer_sessions([*experiments_query(query.order, limit, offset), *pushed])
        rows = reply.value
        # The body has no total: a page that is not full is the last (docs/vendors/langsmith.md#tracer-sessions).
        following = offset + length(rows) if len(rows) >= limit else None
        items, skipped = self._experiments(reply), unreadable_places(rows)
        if isinstance(page, OffsetRequest):
            return Page(items, offset, following, None, reply.provenance, skipped)
        token = None if following is None else f"{_OFFSET}{following}"
        return Page(items, None, token, None, reply.provenance, skipped)

    async def of_ids(
        self, ids: Sequence[str], order: ExperimentOrder | None = None, *, with_figures: bool = True
    ) -> ExperimentRows:
        """Return the tracer sessions with these ids in one call. Raise SourceError."""
        query: Query = [("limit", str(MAX_PAGE_SIZE))]
        if order is not None:
            query = experiments_query(order, MAX_PAGE_SIZE, 0)
        elif with_figures:
            query = [("include_stats", "true"), *query]
        return self._rows(await self.client.tracer_sessions([*query, *id_parameters(ids)]))

    async def newest(self) -> ExperimentRows:
        """Return one tracer session without its figures. Raise SourceError."""
        return self._rows(await self.client.tracer_sessions([("limit", "1")]))

    def _offset(self, page: PageRequest) -> int:
        if isinstance(page, OffsetRequest):
            return page.offset
        token = page.token if isinstance(page, CursorRequest) else None
        if token is None:
            return 0
        digits = token.removeprefix(_OFFSET)
        if digits == token or not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
            raise SourceBadRequest(self.source, f"Source {self.source!r} cannot resume its list at this position.")
        return int(digits)

    def _rows(self, reply: Reply[list[wire.TracerSession | None]]) -> ExperimentRows:
        unreadable = reply.response if None in reply.value else None
        return ExperimentRows(self._experiments(reply), unreadable, reply.provenance)

    def _experiments(self, reply: Reply[list[wire.TracerSession | None]]) -> list[Experiment]:
        return [
            to_experiment(self.source, row, reply.raw(index), self.links.experiment(row))
            for index, row in readable_rows(reply.value)
        ]


def _pushed_parameters(experiment_filter: ExperimentFilter) -> Query | None:
    """Return the conditions that the vendor certainly applies as intended, or None if no name can match.

    The gateway applies the others: `reference_free=false` is not documented well enough
    (docs/vendors/langsmith.md#push-down).
    """
    query = experiment_parameters(experiment_filter, "reference_dataset")
    if query is not None and experiment_filter.kinds == frozenset({ExperimentKind.PROJECT}):
        query.append(("reference_free", "true"))
    return query
