"""Values of the unified vocabulary: experiments, sessions, filters, orders, secrets. No I/O, no GraphQL."""
