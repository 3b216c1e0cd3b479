"""Prometheus metrics: reads what the layers below count."""
