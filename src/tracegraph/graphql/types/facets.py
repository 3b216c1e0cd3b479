"""GraphQL types of facets. A field reads the attribute of its name."""

from __future__ import annotations

import strawberry

from tracegraph.federation.facets import ExperimentFacetField


@strawberry.type(description="A value, and how many experiments have it.")
class FacetValue:
    """The GraphQL type of `federation.facets.FacetValue`."""

    value: str | None = strawberry.field(description="Null for the experiments without any value.")
    count: int = strawberry.field(description="An experiment with several values counts once for each of them.")


@strawberry.type(description="The values of one field over a list of experiments.")
class ExperimentFacet:
    """The GraphQL type of `federation.facets.ExperimentFacet`."""

    field: ExperimentFacetField = strawberry.field(description="The counted field.")
    complete: bool = strawberry.field(
        description="False when the page budget ended before the last experiment, or a source FAILED."
    )
    values: list[FacetValue] = strawberry.field(
        description="The commonest value first; equal counts are ordered by value."
    )
