"""A vendor's status code as the SourceError that it means."""

from __future__ import annotations

from collections.abc import Mapping

from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.upstream.retry import retry_after_s

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
