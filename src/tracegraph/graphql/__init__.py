"""The schema and its resolvers; the only package that knows strawberry."""
