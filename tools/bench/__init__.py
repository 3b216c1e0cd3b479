"""`make bench`: CPU, latency and vendor calls per query, compared with stock strawberry and other gateways."""
