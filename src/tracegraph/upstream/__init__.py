"""HTTP to one vendor: transport, resilience, single flight, cache, decoding."""
