"""Protection of a source and its callers: circuit breaker, retries, rate limits, concurrency."""
