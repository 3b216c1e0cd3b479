"""The executable schema and its text."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from tracegraph.graphql.comparison_objects import CaseComparison
from tracegraph.graphql.execution import OneOperation, QuietSchema
from tracegraph.graphql.objects import Experiment, Session, Source
from tracegraph.graphql.planned import Plans, planned
from tracegraph.graphql.query import Query
from tracegraph.graphql.scalars import DATE_TIME


def build_schema() -> strawberry.Schema:
    """The schema; parsed and validated documents, and plans, are kept in bounded caches."""
    return QuietSchema(
        Query,
        types=[CaseComparison, Experiment, Session, Source],
        config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
        extensions=[ParserCache, ValidationCache, OneOperation],
        execution_context_class=planned(Plans()),
    )


def schema_text() -> str:
    """The schema definition language, as `tracegraph schema` prints it."""
    return build_schema().as_str() + "\n"
