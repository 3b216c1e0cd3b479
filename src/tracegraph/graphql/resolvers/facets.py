"""The resolver of facets."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from tracegraph.errors import BadUserInput
from tracegraph.federation.facets import ExperimentFacetField, count_experiments
from tracegraph.graphql.compiler.resolver_info import nested_time_share
from tracegraph.graphql.errors import all_failed
from tracegraph.graphql.resolvers.sources import TracegraphInfo
from tracegraph.graphql.types import filter_inputs

_DEFAULT_VALUES = 50


async def query_experiment_facets(
    info: TracegraphInfo,
    of: Annotated[list[ExperimentFacetField], strawberry.argument(description="The fields to count.")],
    first: Annotated[
        int, strawberry.argument(description="The number of values of each field.")
    ] = _DEFAULT_VALUES,
    filter: Annotated[  # noqa: A002 - the schema's name
        filter_inputs.ExperimentFilter | None,
        strawberry.argument(description="The experiments to count; by default all."),
    ] = None,
) -> Any:
    """Return the values of some fields of the experiments, with their counts.

    Args:
        info: The info of the field.
        of: The fields.
        first: The number of values of each field.
        filter: The conditions on experiments.

    Raises:
        BadUserInput: When `first` is out of range.
        AllSourcesFailed: When every source failed.
    """
    context, wanted = info.context, filter or filter_inputs.ANY_EXPERIMENT
    limit = context.page_limits.max_first
    most = max(_DEFAULT_VALUES, limit)
    if not 0 <= first <= most:
        raise BadUserInput(f"first is {first}, and must be 0 to {most}.")
    selected = filter_inputs.select_sources(wanted, context.adapters, limit, context.adapters)
    filters = {adapter.name: wanted.for_source(adapter.name) for adapter in selected}
    with nested_time_share(info):
        found = await count_experiments(of, first, selected, filters, context.budgets)
    context.reports.extend(found.reports)
    if found.all_failed:
        raise all_failed(found.reports)
    return found.facets
