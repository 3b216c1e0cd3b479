"""Map a vendor's HTTP status to a SourceError, and log failed calls."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import structlog

from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.resilience.retry import retry_after_s
from tracegraph.upstream.statuses import rule_for

_MAX_BODY_BYTES = 16 * 1024
"""The part of a body that an error keeps: an error may live as long as its request, and bodies may be large."""


def error_for_status(source: str, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
    """Return the error for a status other than 2xx, with our own sentence and no text of the vendor.

    Args:
        source: The configured name of the source.
        status: The status of the response.
        headers: Its headers.
        body: Its body, of which the error keeps the beginning for the debug log.
    """
    rule = rule_for(status)
    return rule.error(
        source,
        f"Source {source!r} {rule.problem}.",
        http_status=status,
        retry_after_s=retry_after_s(headers.get("retry-after")),
        vendor_body=body[:_MAX_BODY_BYTES],
    )


_log = structlog.get_logger("tracegraph.upstream")


def report_failure(
    source: str, call: UpstreamRequest, error: SourceError, headers: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Log one line for a failed call.

    The level is warning when the vendor failed. It is lower for a call that was not sent and for an expected
    status.

    Args:
        source: The configured name of the source.
        call: The call that failed.
        error: Its failure.
        headers: The headers that were sent. The log hides their values wherever the vendor repeats them.
    """
    if error.http_status in call.expected_statuses:
        emit = _log.debug
    else:
        emit = _log.warning if error.upstream_requests else _log.info
    emit(
        "upstream.failed" if error.upstream_requests else "upstream.not_sent",
        source=source,
        kind=call.kind,
        code=error.code.value,
        status=error.http_status,
        requests=error.upstream_requests,
        reference=error.reference,
        **({} if error.reason is None else {"reason": error.reason}),
    )
    _log.debug(
        "upstream.failed.detail",
        reference=error.reference,
        method=call.method,
        path=call.path,
        query=dict(call.query),
        cause=_redact(headers, _cause_text(error.__cause__)),
        body=_redact(headers, error.vendor_body.decode(errors="replace"))[:2000],
    )


def report_circuit(source: str, kind: str, opened_by: SourceErrorCode | None) -> None:
    """Log that a circuit opened or closed.

    Args:
        source: The configured name of the source.
        kind: The kind of call of the circuit.
        opened_by: The last failure before the circuit opened, None when it closed.
    """
    if opened_by is None:
        _log.info("upstream.circuit_closed", source=source, kind=kind)
    else:
        _log.warning("upstream.circuit_opened", source=source, kind=kind, code=opened_by.value)


def _cause_text(cause: BaseException | None) -> str:
    """Return a library's error by its class name and message: some libraries put headers into the repr."""
    return "" if cause is None else f"{type(cause).__name__}: {cause}"


def _redact(headers: Mapping[str, str], text: str) -> str:
    for value in headers.values():
        secret = value.rpartition(" ")[2]  # the part after the scheme
        text = text.replace(secret, "[secret]") if secret else text
    return text
