"""The entry points of the schema."""

from __future__ import annotations

import strawberry

from tracegraph.graphql import comparison_resolvers, resolvers
from tracegraph.graphql.comparison_objects import Comparison
from tracegraph.graphql.objects import (
    Experiment,
    ExperimentConnection,
    Node,
    Session,
    SessionConnection,
    Source,
)


@strawberry.type(description="One question over every source.")
class Query:
    """The root."""

    node: Node | None = strawberry.field(
        resolver=resolvers.query_node, description="Null when there is nothing of that ID."
    )
    nodes: list[Node | None] = strawberry.field(resolver=resolvers.query_nodes)
    sources: list[Source] = strawberry.field(resolver=resolvers.query_sources)
    experiment: Experiment | None = strawberry.field(resolver=resolvers.query_experiment)
    session: Session | None = strawberry.field(resolver=resolvers.query_session)
    experiments: ExperimentConnection = strawberry.field(
        resolver=resolvers.query_experiments,
        description=(
            "Experiments of all sources as one list. A cursor resumes right after its edge: every experiment that "
            "is there throughout a traversal comes exactly once, whatever is added or deleted meanwhile."
        ),
    )
    sessions: SessionConnection = strawberry.field(
        resolver=resolvers.query_sessions,
        description=(
            "Sessions of many experiments as one list. Without experimentIds: of the most recently active "
            "experiments of each source, which are chosen anew for every page; SCAN_LIMITED says that a source "
            "has more of them."
        ),
    )
    comparison: Comparison = strawberry.field(
        resolver=comparison_resolvers.query_comparison,
        description=(
            "2 to 20 experiments side by side, from whichever vendors; the first is the baseline unless another "
            "is named. BEST takes the vendor's own figure where it reports the statistic, else computes it."
        ),
    )
