"""The directives of the schema beside those of the GraphQL specification."""

from __future__ import annotations

from graphql import (
    DirectiveLocation,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLNonNull,
    GraphQLString,
)

DEFER_DIRECTIVE = GraphQLDirective(
    "defer",
    [DirectiveLocation.FRAGMENT_SPREAD, DirectiveLocation.INLINE_FRAGMENT],
    {
        "if": GraphQLArgument(
            GraphQLNonNull(GraphQLBoolean), default_value=True, description="Whether the fragment is deferred."
        ),
        "label": GraphQLArgument(
            GraphQLString, description="A name for the fragment in the response, unique in the document."
        ),
    },
    description=(
        "The fields of the fragment may come after the first part of the response, for a client that accepts "
        "incremental delivery. Other clients get the whole response at once."
    ),
)
