"""The names of the datasets of experiments: one call for a page (docs/vendors/langsmith.md#datasets)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec.structs import replace as with_fields

from tracegraph.adapter import CallCost, FetchInfo, Page
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceError
from tracegraph_langsmith.client import (
    MAX_PAGE_SIZE,
    LangSmithClient,
    chunks,
    id_parameters,
)
from tracegraph_langsmith.dialect import Dialect, Dialects, Part
from tracegraph_langsmith.filters import Query, canonical_uuid
from tracegraph_langsmith.v2_pages import all_pages

_DENIED = frozenset({400, 403, 404, 405, 410, 422, 501})
"""The statuses of a deployment, or a key, that does not let the adapter read datasets. Then names are unknown."""


@dataclass(frozen=True, slots=True)
class _Names:
    """Names by id, and the cost of reading them."""

    by_id: Mapping[str, str]
    provenance: FetchInfo


class Datasets:
    """Adds the names of datasets to experiments."""

    def __init__(self, client: LangSmithClient, dialects: Dialects) -> None:
        self._client = client
        self._dialects = dialects

    async def complete_page(self, page: Page[Experiment]) -> Page[Experiment]:
        """Return the page with the names. If the call fails, the page has the error and no names."""
        names = await self._names(page.items)
        if isinstance(names, SourceError):
            cost = page.provenance + FetchInfo(names.upstream_requests)
            return replace(page, provenance=cost, error=page.error or names)
        return replace(page, items=_named(page.items, names.by_id), provenance=page.provenance + names.provenance)

    async def complete(
        self, found: Mapping[str, Experiment | SourceError]
    ) -> Mapping[str, Experiment | SourceError]:
        """Return the experiments with the names. If the call fails, its error replaces those with a dataset."""
        experiments = [row for row in found.values() if isinstance(row, Experiment)]
        names = await self._names(experiments)
        if isinstance(names, SourceError):
            return {**found, **{row.ref: names for row in experiments if row.dataset_id is not None}}
        return {**found, **{row.ref: row for row in _named(experiments, names.by_id)}}

    async def _names(self, experiments: Sequence[Experiment]) -> _Names | SourceError:
        ids = sorted({uuid for row in experiments if (uuid := canonical_uuid(row.dataset_id or ""))})
        by_id: dict[str, str] = {}
        cost = CallCost()
        try:
            for part in chunks(ids):
                with cost:
                    reads = {Dialect.V1: partial(self._v1, part), Dialect.V2: partial(self._v2, part)}
                    names, before = await self._dialects.read(Part.DATASETS, reads)
                cost.add(names)
                cost.total += before
                by_id |= names.by_id
        except SourceError as error:
            return _Names({}, FetchInfo(error.upstream_requests)) if error.http_status in _DENIED else error
        return _Names(by_id, cost.total)

    async def _v1(self, ids: Sequence[str]) -> _Names:
        reply = await self._client.datasets([("limit", str(MAX_PAGE_SIZE)), *id_parameters(ids)])
        return _Names({row.id: row.name for row in reply.value if row and row.name}, reply.provenance)

    async def _v2(self, ids: Sequence[str]) -> _Names:
        query: Query = [("exclude", "example_count"), ("page_size", str(MAX_PAGE_SIZE)), *id_parameters(ids)]
        pages, cost = await all_pages(self._client.datasets_v2, query)
        return _Names({row.id: row.name for page in pages for row in page.value.items if row and row.name}, cost)


def _named(experiments: Sequence[Experiment], names: Mapping[str, str]) -> list[Experiment]:
    return [
        with_fields(row, dataset_name=names[row.dataset_id]) if row.dataset_id and row.dataset_id in names else row
        for row in experiments
    ]
