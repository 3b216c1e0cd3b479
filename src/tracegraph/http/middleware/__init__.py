"""ASGI middleware: allowed hosts, cross-origin rules, error masking."""
