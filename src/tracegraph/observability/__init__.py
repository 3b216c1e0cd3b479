"""Logs, redaction and tracing."""
