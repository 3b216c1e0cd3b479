"""The executable schema and its text."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import strawberry
from strawberry.schema.config import StrawberryConfig

from tracegraph.graphql.comparison_objects import CaseComparison
from tracegraph.graphql.gateway_schema import GatewaySchema
from tracegraph.graphql.objects import Experiment, Session, Source
from tracegraph.graphql.query import Query
from tracegraph.graphql.scalars import DATE_TIME
from tracegraph.graphql.shape import DocumentLimits


def build_schema(limits: DocumentLimits = DocumentLimits()) -> GatewaySchema:  # noqa: B008 - frozen
    """The schema, for documents within the limits; they, and plans, are kept in bounded caches."""
    return GatewaySchema(library_schema(), limits)


@cache
def library_schema() -> strawberry.Schema:
    """The library's schema, which is the same for all limits and takes up to 30 ms to build: once in a process."""
    return strawberry.Schema(
        Query,
        types=[CaseComparison, Experiment, Session, Source],
        config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
    )


def schema_text() -> str:
    """The schema definition language, as `tracegraph schema` prints it."""
    return library_schema().as_str() + "\n"
