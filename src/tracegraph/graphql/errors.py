"""Conversion of errors to GraphQL errors with a code, the gateway's own message and a reference into the log."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from graphql import GraphQLError

from tracegraph.errors import RateLimited, RequestError, SourceError, SourceErrorCode
from tracegraph.federation.report import SourceReport, SourceReportStatus

_log = structlog.get_logger("tracegraph.graphql")


class AllSourcesFailed(RequestError):
    """Every source of a list failed."""

    code = "ALL_SOURCES_FAILED"


@dataclass(frozen=True, slots=True)
class SourceErrorView:
    """The failure of a source as data.

    A resolver cannot return the SourceError itself: graphql-core raises every value that is an exception.
    """

    code: SourceErrorCode
    message: str
    retryable: bool
    http_status: int | None
    reference: str

    @classmethod
    def of(cls, error: SourceError | None) -> SourceErrorView | None:
        """Return the view of an error, or None without one."""
        if error is None:
            return None
        message = f"{error.message} (Reference {error.reference}.)"
        return cls(error.code, message, error.retryable, error.http_status, error.reference)


def to_client_error(error: GraphQLError) -> GraphQLError:
    """Return the error that a client may see.

    Request and source errors keep their message and get a code. Any other exception is logged and masked.
    """
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    if original is None and "code" in (error.extensions or {}):
        return error
    if original is None:
        return _with(error, error.message, {"code": "BAD_USER_INPUT", **(error.extensions or {})})
    if isinstance(original, RateLimited):
        return _with(error, error.message, {"code": original.code, "retryAfterSeconds": original.wait_s})
    if isinstance(original, RequestError):
        return _with(error, error.message, {"code": original.code})
    if isinstance(original, SourceError):
        return _with(error, original.message, source_extensions(original))
    masked = mask_exception(original, error.path)
    return _with(error, masked.message, masked.extensions or {})


def mask_exception(exception: BaseException, path: Sequence[str | int] | None = None) -> GraphQLError:
    """Log an unexpected exception and return an error that holds only its reference."""
    reference = secrets.token_hex(4)
    _log.error("graphql.unexpected_error", reference=reference, path=path, exc_info=exception)
    return GraphQLError("Internal error.", extensions={"code": "INTERNAL_SERVER_ERROR", "reference": reference})


def source_extensions(error: SourceError) -> dict[str, Any]:
    """Return the `extensions` of a source's failure."""
    return {
        "code": f"SOURCE_{error.code.value}",
        "source": error.source,
        "retryable": error.retryable,
        "httpStatus": error.http_status,
        "reference": error.reference,
    }


def all_failed(reports: Sequence[SourceReport]) -> AllSourcesFailed:
    """Return the error of a list for which every source failed."""
    messages = " ".join(report.error.message for report in reports if report.error is not None)
    return AllSourcesFailed(f"Every source failed. {messages}")


def report_extensions(reports: Sequence[SourceReport]) -> list[dict[str, Any]]:
    """Return `extensions.sources`: every source that is not OK.

    A source has one entry for each status and error code.
    """
    entries: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    for report in reports:
        if report.status is SourceReportStatus.OK:
            continue
        error = report.error
        key = (report.source, report.status.value, None if error is None else error.code.value)
        entries.setdefault(
            key,
            {
                "source": report.source,
                "status": report.status.value,
                "code": None if error is None else error.code.value,
                "message": None if error is None else error.message,
                "retryable": None if error is None else error.retryable,
                "reference": None if error is None else error.reference,
            },
        )
    return list(entries.values())


def _with(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions=extensions,
    )
