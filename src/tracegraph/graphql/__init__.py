"""The GraphQL schema and its resolvers, the only package that imports strawberry."""

from tracegraph.graphql.types.enums import register_enums

register_enums()  # before any type is imported: strawberry registers an enum once, without a description
