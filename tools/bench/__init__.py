"""`make bench`: what a query costs, in CPU, time and vendor calls, beside stock strawberry and other gateways."""
