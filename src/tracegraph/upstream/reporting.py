"""What the log says of a call that failed: a line for everyone, the detail for whoever looks for the reference."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import structlog

from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.upstream.call import Call

_log = structlog.get_logger("tracegraph.upstream")


def report_failure(
    source: str, call: Call, error: SourceError, headers: Mapping[str, str] = MappingProxyType({})
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
