"""Prometheus metrics from the counters of the layers below."""
