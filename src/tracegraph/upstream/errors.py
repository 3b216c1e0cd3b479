"""A vendor's status code as the SourceError that it means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import structlog

from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceErrorCode,
    SourceNotFound,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.resilience.retry import retry_after_s

_BODY_BYTES = 16 * 1024
"""What an error keeps of its answer: an error may live as long as a request, its answer may be large."""


_BY_STATUS: Mapping[int, tuple[type[SourceError], str]] = {
    401: (SourceUnauthorized, "refused the credential (401)"),
    403: (SourceUnauthorized, "does not let this credential see that (403)"),
    404: (SourceNotFound, "does not know what was asked for (404)"),
    408: (SourceTimeout, "gave up waiting (408)"),
    425: (SourceUnavailable, "cannot answer yet (425)"),
    429: (SourceRateLimited, "asks for fewer calls (429)"),
    504: (SourceTimeout, "gave up waiting for a part of itself (504)"),
}


def error_for_status(source: str, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
    """The error for any status but 2xx, with a sentence of ours and none of the vendor's words."""
    kind: type[SourceError]
    if status in _BY_STATUS:
        kind, what = _BY_STATUS[status]
    elif status >= 500:
        kind, what = SourceUnavailable, f"cannot answer now ({status})"
    elif status >= 400:
        kind, what = SourceBadRequest, f"refused the question ({status})"
    else:
        kind, what = SourceBadResponse, f"answered with the unexpected status {status}"
    return kind(
        source,
        f"Source {source!r} {what}.",
        http_status=status,
        retry_after_s=retry_after_s(headers.get("retry-after")),
        vendor_body=body[:_BODY_BYTES],
    )


_log = structlog.get_logger("tracegraph.upstream")


def report_failure(
    source: str, call: UpstreamRequest, error: SourceError, headers: Mapping[str, str] = MappingProxyType({})
) -> None:
    """One line: a warning when the vendor failed, less when it was not asked or refused as the caller expected.

    `headers` are those that were sent: should what the vendor answered repeat one, the log does not.
    """
    if error.http_status in call.expects:
        tell = _log.debug
    else:
        tell = _log.warning if error.upstream_requests else _log.info
    tell(
        "upstream.failed" if error.upstream_requests else "upstream.not_asked",
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
        cause=_without(headers, _told(error.__cause__)),
        body=_without(headers, error.vendor_body.decode(errors="replace"))[:2000],
    )


def report_circuit(source: str, kind: str, opened_by: SourceErrorCode | None) -> None:
    """The circuit of a class of calls opened by such a failure, or closed."""
    if opened_by is None:
        _log.info("upstream.circuit_closed", source=source, kind=kind)
    else:
        _log.warning("upstream.circuit_opened", source=source, kind=kind, code=opened_by.value)


def _told(cause: BaseException | None) -> str:
    """A library's error by its name and its own words: the repr of some holds the call's headers."""
    return "" if cause is None else f"{type(cause).__name__}: {cause}"


def _without(headers: Mapping[str, str], text: str) -> str:
    for value in headers.values():
        secret = value.rpartition(" ")[2]  # what follows the scheme
        text = text.replace(secret, "[secret]") if secret else text
    return text
