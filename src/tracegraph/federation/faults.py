"""Errors of sources whose pages contradict the port, with a line in the log for each."""

from __future__ import annotations

import structlog

from tracegraph.errors import SourceBadResponse

_log = structlog.get_logger("tracegraph.federation")


def bad_response(source: str, message: str, *, upstream_requests: int = 0) -> SourceBadResponse:
    """Return the error of a source whose pages the gateway cannot use, and log it with its reference.

    Args:
        source: The source's name.
        message: The sentence for the client.
        upstream_requests: The vendor calls that the error cost.
    """
    error = SourceBadResponse(source, message, upstream_requests=upstream_requests)
    _log.error("source.unusable_pages", source=source, reference=error.reference, reason=message)
    return error


def log_broken_order(source: str, stream: str) -> None:
    """Log that a vendor does not list in the order that it declares.

    Args:
        source: The source's name.
        stream: The list's name.
    """
    _log.warning("source.order_broken", source=source, stream=stream)
