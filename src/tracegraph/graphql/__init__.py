"""The schema and its resolvers; the only package that knows strawberry."""

from tracegraph.graphql.types.enums import register_enums

register_enums()  # before any type is read: one that the library meets first stays without its description
