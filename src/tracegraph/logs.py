"""Structured logs on standard error: lines for people on a terminal, JSON for programs elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog

from tracegraph.redaction import without_secrets
from tracegraph.settings import LogSettings


def configure_logs(settings: LogSettings) -> None:
    """Set up structlog, and quiet the libraries whose lines would name vendors' URLs."""
    for_people = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if for_people else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is now: who started us may replace it
        cache_logger_on_first_use=False,
    )
    for noisy in ("aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
