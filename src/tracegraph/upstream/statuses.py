"""What a vendor's HTTP status means: the type of error, our own words, and whether a retry may help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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


class StatusRule(NamedTuple):
    """The meaning of a status. `problem` continues the sentence that begins with the source."""

    error: type[SourceError]
    problem: str
    is_retryable: bool = False


_RULES: Mapping[int, StatusRule] = {
    401: StatusRule(SourceUnauthorized, "rejected the credential (401)"),
    403: StatusRule(SourceUnauthorized, "denies this credential access (403)"),
    404: StatusRule(SourceNotFound, "does not know the requested path (404)"),
    408: StatusRule(SourceTimeout, "timed out waiting for the request (408)", is_retryable=True),
    425: StatusRule(SourceUnavailable, "is not ready to respond (425)", is_retryable=True),
    429: StatusRule(SourceRateLimited, "limits the rate of calls (429)", is_retryable=True),
    501: StatusRule(SourceUnavailable, "cannot respond now (501)"),  # a method that it does not implement
    504: StatusRule(SourceTimeout, "timed out inside its own network (504)", is_retryable=True),
    505: StatusRule(SourceUnavailable, "cannot respond now (505)"),  # a version of HTTP that it does not support
}
"""The statuses that differ from the rule of their class.

409 is not retryable: a repeated read does not resolve a conflict with the vendor's state.
"""


def rule_for(status: int) -> StatusRule:
    """Return the meaning of a status other than 2xx."""
    rule = _RULES.get(status)
    if rule is not None:
        return rule
    if status >= 500:
        return StatusRule(SourceUnavailable, f"cannot respond now ({status})", is_retryable=status <= 599)
    if status >= 400:
        return StatusRule(SourceBadRequest, f"rejected the request ({status})")
    return StatusRule(SourceBadResponse, f"returned the unexpected status {status}")
