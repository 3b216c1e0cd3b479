"""Structured logs on standard error: lines for people on a terminal, JSON for programs elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, TextIO, cast

import orjson
import structlog

from tracegraph.observability.log_writer import BackgroundLogWriter
from tracegraph.observability.redaction import without_secrets


class LogOptions(Protocol):
    """What the configuration says of logs: `[log]`."""

    @property
    def level(self) -> str:
        """The least level that is written: debug, info, warning or error."""
        ...

    @property
    def format(self) -> str:
        """auto, console or json."""
        ...


class Forwarding(logging.Handler):
    """What libraries say by Python's own logging, as events of ours: in the same form, and without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it. Levels between the named ones count as the one below."""
        level = min(record.levelno, logging.CRITICAL) // 10 * 10
        log = structlog.get_logger(record.name)
        log.log(level, "library", logger=record.name, message=record.getMessage(), exc_info=record.exc_info)


_FORWARDING = Forwarding()


def configure_logs(settings: LogOptions, *, in_background: bool = False) -> None:
    """Set up structlog, forward libraries' lines to it, and quiet those whose lines would name vendors' URLs.

    With `in_background` a thread writes the lines, as a server wants it: see `background_lines`.
    """
    for_people = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if for_people else structlog.processors.JSONRenderer(_line)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            without_secrets,  # before what is ours is added: searching it takes longer than adding it
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=_background_logger(sys.stderr) if in_background else _present_logger,
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(_FORWARDING)
    for noisy in ("aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _present_logger(*_: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)  # as it is now: who started us may replace it


@lru_cache(1)  # a reload configures the logs anew, and goes on with the thread that writes
def _background_logger(out: TextIO) -> Callable[..., structlog.WriteLogger]:
    logger = structlog.WriteLogger(cast("TextIO", BackgroundLogWriter(out)))
    return lambda *_: logger


def _line(event: dict[str, Any], default: Callable[[Any], Any]) -> str:
    try:
        return orjson.dumps(event, default).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(event, default=default)
