"""Errors as GraphQL errors: a code for programs, our own sentence for people, a reference for the log."""

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
    """Not one of the sources that a list asked could answer."""

    code = "ALL_SOURCES_FAILED"


@dataclass(frozen=True, slots=True)
class SourceErrorView:
    """A source's failure as data. The library raises every value that is an exception, a SourceError too."""

    code: SourceErrorCode
    message: str
    retryable: bool
    http_status: int | None

    @classmethod
    def of(cls, error: SourceError | None) -> SourceErrorView | None:
        """What a client may know of it; None when there was no failure."""
        if error is None:
            return None
        message = f"{error.message} (Reference {error.reference}.)"
        return cls(error.code, message, error.retryable, error.http_status)


def to_client_error(error: GraphQLError) -> GraphQLError:
    """The error as a client may see it: named ones with their code, anything else masked and logged."""
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
    known = mask_exception(original, error.path)
    return _with(error, known.message, known.extensions or {})


def mask_exception(bug: BaseException, path: Sequence[str | int] | None = None) -> GraphQLError:
    """All that a client may know of a bug: a reference. The log has the story under it."""
    reference = secrets.token_hex(4)
    _log.error("graphql.unexpected_error", reference=reference, path=path, exc_info=bug)
    return GraphQLError("Internal error.", extensions={"code": "INTERNAL_SERVER_ERROR", "reference": reference})


def source_extensions(error: SourceError) -> dict[str, Any]:
    """What a program may know of a source's failure."""
    return {
        "code": f"SOURCE_{error.code.value}",
        "source": error.source,
        "retryable": error.retryable,
        "httpStatus": error.http_status,
        "reference": error.reference,
    }


def all_failed(reports: Sequence[SourceReport]) -> AllSourcesFailed:
    """The error of a list of which no source answered."""
    said = " ".join(report.error.message for report in reports if report.error is not None)
    return AllSourcesFailed(f"No source could answer. {said}")


def report_extensions(reports: Sequence[SourceReport]) -> list[dict[str, Any]]:
    """Every source that did not answer well, once for each kind of trouble, for `extensions.sources`."""
    told: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    for report in reports:
        if report.status is SourceReportStatus.OK:
            continue
        error = report.error
        key = (report.source, report.status.value, None if error is None else error.code.value)
        told.setdefault(
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
    return list(told.values())


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
