"""Structured logs on standard error: text on a terminal, and JSON elsewhere."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol, TextIO, cast

import orjson
import structlog

from tracegraph.observability.log_writer import BackgroundLogWriter
from tracegraph.observability.redaction import redact_event


class LogOptions(Protocol):
    """The options of the configuration table `[log]`."""

    @property
    def level(self) -> str:
        """The lowest level that is written: debug, info, warning or error."""
        ...

    @property
    def format(self) -> str:
        """The format: auto, console or json."""
        ...


class ForwardingHandler(logging.Handler):
    """Forwards records of Python's logging to structlog, so that they have the same format and no secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record. A level between two named levels counts as the lower one."""
        level = min(record.levelno, logging.CRITICAL) // 10 * 10
        log = structlog.get_logger(record.name)
        log.log(level, "library", logger=record.name, message=record.getMessage(), exc_info=record.exc_info)


_FORWARDING_HANDLER = ForwardingHandler()


_log = structlog.get_logger("tracegraph")


def configure_logs(settings: LogOptions, *, in_background: bool = False) -> None:
    """Configure structlog, forward the records of libraries, and silence libraries that log vendors' URLs.

    With `in_background`, a thread writes the lines: see `log_writer`.
    """
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if is_console(settings) else structlog.processors.JSONRenderer(_line)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            redact_event,  # before fields that cannot hold a secret, since redaction costs more than adding them
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=_background_logger(sys.stderr) if in_background else _stderr_logger,
        cache_logger_on_first_use=False,
    )
    logging.getLogger().addHandler(_FORWARDING_HANDLER)
    for noisy in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def capture_warnings_and_exceptions() -> None:
    """Make Python's warnings and uncaught exceptions events, so that with JSON every line is JSON.

    This changes the whole process. Call it in a process that is the gateway's own.
    """
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda caught: _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
    sys.unraisablehook = lambda caught: _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def is_console(settings: LogOptions) -> bool:
    """Return whether the log is text for people, instead of JSON."""
    return settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())


def _log_uncaught(
    kind: type[BaseException], exception: BaseException | None, traceback: TracebackType | None
) -> None:
    exception = kind() if exception is None else exception
    _log.critical("process.uncaught_exception", exc_info=(kind, exception, traceback))


def _stderr_logger(*_: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)  # the current stream, since an embedding program may replace it


@lru_cache(1)  # a reload configures the logs again, and reuses the writer thread
def _background_logger(out: TextIO) -> Callable[..., structlog.WriteLogger]:
    logger = structlog.WriteLogger(cast("TextIO", BackgroundLogWriter(out)))
    return lambda *_: logger


def _line(event: dict[str, Any], default: Callable[[Any], Any]) -> str:
    try:
        return orjson.dumps(event, default).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(event, default=default)
