"""The domain: experiments, sessions, filters, orders, secrets. No I/O, no GraphQL."""
