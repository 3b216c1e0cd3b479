"""Load tests and benchmarks of the gateway, which are not part of the installed package."""
