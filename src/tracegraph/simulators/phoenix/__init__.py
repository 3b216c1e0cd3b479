"""A simulated Arize Phoenix 20.26.1: the part of its GraphQL that traces and experiments are read by."""
