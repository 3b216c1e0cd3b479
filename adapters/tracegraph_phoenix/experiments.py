"""Projects, and experiments over datasets (docs/vendors/phoenix.md#projects, #experiments)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tracegraph.adapter import (
    CallCost,
    ExperimentQuery,
    FetchInfo,
    Page,
    PageRequest,
    Reply,
    WholeRequest,
    cost_of,
    first_page_with_rows,
    gather_outcomes,
    unreadable_places,
)
from tracegraph.domain.filters import ExperimentFilter
from tracegraph.domain.models import Aggregate, Experiment, ExperimentKind, RawObject
from tracegraph.errors import SourceBadRequest, SourceError
from tracegraph_phoenix import documents, mapping, wire
from tracegraph_phoenix.client import EXPERIMENTS, FIGURES, PROJECTS, PhoenixClient, PhoenixFailure, Rows
from tracegraph_phoenix.filters import by_name, experiment_variables
from tracegraph_phoenix.ids import EXPERIMENT, PROJECT, is_cursor, type_of

PAGE_MAX = 100
"""The most projects, or datasets and experiments of one, of a page. Phoenix has no limit of its own."""

NODES_MAX = 50
"""The most objects of one query by id."""

_BETWEEN = "|"
"""Between the cursor of the dataset before the one that is read and the cursor within it, in a token."""


class Experiments:
    """Reads both lists, and objects by id."""

    def __init__(self, client: PhoenixClient, origin: mapping.Origin) -> None:
        self._client = client
        self._origin = origin

    async def list_page(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return a page of one kind. A filter by refs returns all of them in one page."""
        if query.filter.refs is not None:
            wanted = PROJECT if query.kind is ExperimentKind.PROJECT else EXPERIMENT
            return await self._listed([ref for ref in sorted(query.filter.refs) if type_of(ref) == wanted])
        token = page.token if isinstance(page, WholeRequest) and isinstance(page.token, str) else None
        limit = max(1, min(page.limit, PAGE_MAX))
        if query.kind is ExperimentKind.PROJECT:
            return await self._projects(query.filter, limit, token)
        read = partial(self._experiments, query.filter, limit)
        return await first_page_with_rows(read, self._client.source, token)

    async def _projects(self, condition: ExperimentFilter, limit: int, token: str | None) -> Page[Experiment]:
        variables = {"first": limit, "after": self.checked(token), "filter": by_name(condition.name)}
        reply = await self._client.query(PROJECTS, documents.PROJECTS, variables, wire.PROJECTS)
        connection = reply.value.data.projects
        items = [
            mapping.project(self._origin, row, reply.raw("data", "projects", "edges", index, "node"))
            for index, row in connection.rows
        ]
        return Page(
            items, None, connection.next_cursor, provenance=reply.provenance, skipped=connection.unreadable
        )

    async def _experiments(
        self, condition: ExperimentFilter, limit: int, token: int | str | None
    ) -> Page[Experiment]:
        """Return the experiments of the next datasets, or the next ones of a dataset with more than a page."""
        after, between, inner = str(token or "").partition(_BETWEEN)
        variables = {
            "first": 1 if between else limit,
            "after": self.checked(after or None),
            "size": limit,
            "inner": self.checked(inner or None),
            "ids": None,
            **experiment_variables(condition),
        }
        reply = await self._client.query(EXPERIMENTS, documents.DATASETS, variables, wire.DATASETS)
        datasets = reply.value.data.datasets
        found: list[Experiment | None] = []
        for index, edge in enumerate(datasets.edges):
            if edge is None:
                found.append(None)
                continue
            found += self._of_dataset(reply, index, edge.node.experiments)
            if edge.node.experiments.next_cursor:
                return _page(found, f"{after}{_BETWEEN}{edge.node.experiments.next_cursor}", reply.provenance)
            after = edge.cursor or after
        return _page(found, datasets.next_cursor, reply.provenance)

    def _of_dataset(
        self, reply: Reply[Any], index: int, rows: wire.InnerConnection[wire.ExperimentRow]
    ) -> list[Experiment | None]:
        """Return the experiments of a dataset, None for an unreadable one."""
        place = ("data", "datasets", "edges", index, "node", "experiments", "edges")
        return [
            None if edge is None else mapping.experiment(self._origin, edge.node, reply.raw(*place, inner, "node"))
            for inner, edge in enumerate(rows.edges)
        ]

    def checked(self, cursor: str | None) -> str | None:
        """Return the cursor.

        Raises:
            SourceBadRequest: It is none of Phoenix's.
        """
        if cursor is None or is_cursor(cursor):
            return cursor
        raise SourceBadRequest(
            self._client.source, f"Source {self._client.source!r} has no such place in its list."
        )

    # -- by id ------------------------------------------------------------------------------------------

    async def _listed(self, refs: Sequence[str]) -> Page[Experiment]:
        cost = CallCost()
        found: dict[str, Experiment | SourceError] = {}
        if refs:
            with cost:
                rows = cost.add(await self._look_up(refs))
            found = self._mapped(rows)
        errors = [outcome for outcome in found.values() if isinstance(outcome, SourceError)]
        if errors and len(errors) == len(found):
            raise errors[0].with_cost(cost.total.upstream_requests)
        rows_or_none = [None if isinstance(outcome, SourceError) else outcome for outcome in found.values()]
        return _page(rows_or_none, None, cost.total)

    async def get_by_id(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return experiments by id: one call for each fifty of a kind. A text that is no id causes no call."""
        groups = [
            [ref for ref in dict.fromkeys(refs) if type_of(ref) == wanted] for wanted in (PROJECT, EXPERIMENT)
        ]
        pools = [group[start : start + NODES_MAX] for group in groups for start in range(0, len(group), NODES_MAX)]
        outcomes = await gather_outcomes(map(self._look_up, pools))
        found: dict[str, Experiment | SourceError] = {}
        for pool, outcome in zip(pools, outcomes, strict=True):
            found |= dict.fromkeys(pool, outcome) if isinstance(outcome, SourceError) else self._mapped(outcome)
        return found

    def _mapped(self, found: Rows) -> dict[str, Experiment | SourceError]:
        return {
            ref: outcome if isinstance(outcome, SourceError) else self._experiment(*outcome)
            for ref, outcome in found.rows.items()
        }

    def _experiment(self, row: wire.ProjectRow | wire.ExperimentRow, raw: RawObject) -> Experiment:
        if isinstance(row, wire.ProjectRow):
            return mapping.project(self._origin, row, raw)
        return mapping.experiment(self._origin, row, raw)

    async def _look_up(self, refs: Sequence[str]) -> Rows:
        """Return the rows of objects of one kind, without unknown ones."""
        if type_of(refs[0]) == PROJECT:
            return await known_nodes(
                lambda ids: self._client.nodes(PROJECTS, documents.projects_by_id(ids), wire.PROJECT),
                self._known_projects,
                refs,
            )
        return await known_nodes(
            lambda ids: self._client.nodes(EXPERIMENTS, documents.experiments_by_id(ids), wire.EXPERIMENT),
            self._known_experiments,
            refs,
        )

    async def _known_projects(self, _refs: Sequence[str]) -> Rows:
        reply = await self._client.project_ids()
        rows = {row.id: (row, reply.raw()) for _, row in reply.value.data.projects.rows}
        return Rows(rows, reply.provenance)

    async def _known_experiments(self, refs: Sequence[str]) -> Rows:
        variables = dict.fromkeys(("first", "after", "filter", "size", "inner", "name")) | {"ids": list(refs)}
        reply = await self._client.query(EXPERIMENTS, documents.DATASETS, variables, wire.DATASETS)
        rows = {
            row.id: (row, reply.raw())
            for _, dataset in reply.value.data.datasets.rows
            for _, row in dataset.experiments.rows
        }
        return Rows(rows, reply.provenance)

    async def figures(self, experiments: Sequence[Experiment]) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return the figures of projects, one call for each fifty. Other experiments have them in their rows."""
        refs = [one.ref for one in experiments if one.kind is ExperimentKind.PROJECT]
        pools = [refs[start : start + NODES_MAX] for start in range(0, len(refs), NODES_MAX)]
        outcomes = await gather_outcomes(
            self._client.nodes(FIGURES, documents.figures_of_projects(pool), wire.FIGURES) for pool in pools
        )
        found: dict[str, Sequence[Aggregate] | SourceError] = {}
        for pool, outcome in zip(pools, outcomes, strict=True):
            if isinstance(outcome, SourceError):
                found |= dict.fromkeys(pool, outcome)
                continue
            found |= {
                ref: row if isinstance(row, SourceError) else mapping.figures(row[0])
                for ref, row in outcome.rows.items()
            }
        return found


def _page(rows: Sequence[Experiment | None], token: str | None, cost: FetchInfo) -> Page[Experiment]:
    """Return the page of these rows; an unreadable one is None."""
    items = [row for row in rows if row is not None]
    return Page(items, None, token, provenance=cost, skipped=unreadable_places(rows))


Look = Callable[[Sequence[str]], Awaitable[Rows]]


async def known_nodes(look_up: Look, known: Look, ids: Sequence[str]) -> Rows:
    """Return the nodes that exist: one unknown id makes Phoenix answer nothing about the others.

    Args:
        look_up: Reads nodes by id.
        known: Returns those of these ids that exist, and perhaps others.
        ids: The ids, all of one type.

    Raises:
        SourceError: A call failed, for another reason than an unknown id.
    """
    try:
        return await look_up(ids)
    except PhoenixFailure as error:
        failure = error
        cost = CallCost(cost_of(failure))
    with cost:
        existing = cost.add(await known(ids)).rows
        wanted = [node_id for node_id in ids if node_id in existing]
        if len(wanted) == len(ids):
            raise failure.with_cost(0)
        if not wanted:
            return Rows({}, cost.total)
        found = cost.add(await look_up(wanted))
    return Rows(found.rows, cost.total)
