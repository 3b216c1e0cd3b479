"""The domain: values such as experiments, sessions, filters, orders and secrets, without I/O and GraphQL."""
