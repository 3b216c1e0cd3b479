"""The errors that Tracegraph names; everything else is a bug and is masked at the door.

    TracegraphError                 a sentence for a person, a code for a program
    ├── ConfigurationError          refused at start: file, key, remedy
    ├── RequestError                the client's question cannot be answered as asked
    │   ├── BadUserInput            BAD_USER_INPUT
    │   ├── Forbidden               FORBIDDEN
    │   ├── RateLimited             RATE_LIMITED
    │   ├── InvalidCursor           INVALID_CURSOR
    │   ├── InvalidId               INVALID_ID
    │   └── QueryTooComplex         QUERY_TOO_COMPLEX
    └── SourceError                 one vendor failed; the other sources stand
        ├── SourceTimeout           TIMEOUT
        ├── SourceUnavailable       UNAVAILABLE
        ├── SourceRateLimited       RATE_LIMITED
        ├── SourceUnauthorized      UNAUTHORIZED
        ├── SourceNotFound          NOT_FOUND
        │   └── SourceObjectNotFound    one experiment, session or run; no failure among several
        ├── SourceBadRequest        BAD_REQUEST
        ├── SourceBadResponse       BAD_RESPONSE
        │   └── SourceResponseTooLarge  a smaller page may be answered
        └── SourceCircuitOpen       CIRCUIT_OPEN

No message holds a vendor's text, a URL, a header or a secret: a SourceError carries a reference id under
which the log has the full story.
"""

from __future__ import annotations

import secrets
from enum import Enum
from typing import ClassVar


class SourceErrorCode(Enum):
    """What went wrong with a source, for programs."""

    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    UNAUTHORIZED = "UNAUTHORIZED"
    NOT_FOUND = "NOT_FOUND"
    BAD_REQUEST = "BAD_REQUEST"
    BAD_RESPONSE = "BAD_RESPONSE"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"


class TracegraphError(Exception):
    """Root of the tree; `message` is one sentence that helps its reader."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(TracegraphError):
    """The configuration cannot be used; the sentence names the file, the key and the remedy."""


class RequestError(TracegraphError):
    """The client's question cannot be answered as asked; `code` goes to `extensions.code`."""

    code: ClassVar[str] = "BAD_USER_INPUT"


class BadUserInput(RequestError):
    """An argument is out of its bounds or contradicts another."""


class Forbidden(RequestError):
    """The client may not ask for this here."""

    code = "FORBIDDEN"


class InvalidCursor(RequestError):
    """A cursor is damaged, of another version, or was made for another list."""

    code = "INVALID_CURSOR"


class InvalidId(RequestError):
    """An ID is not one of this gateway's, or names another type than the field takes."""

    code = "INVALID_ID"


class RateLimited(RequestError):
    """More than the caller may ask, or than the gateway takes on now; after `wait_s` seconds it may be asked."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class QueryTooComplex(RequestError):
    """A document is larger, or costs more, than the gateway's limits; the sentence names the limit."""

    code = "QUERY_TOO_COMPLEX"


class SourceError(TracegraphError):
    """One source could not answer.

    `source` is its configured name, `retryable` says whether asking again later may help, `http_status` is
    the vendor's answer where there was one, `retry_after_s` when asking again may help, where that is known,
    `reason` why it could not be reached, for operators,
    `upstream_requests` counts the calls that were made in vain, and
    `reference` ties what the client sees to the log. `vendor_body` is for the adapter and the debug log only.
    """

    code: ClassVar[SourceErrorCode] = SourceErrorCode.UNAVAILABLE
    retryable: ClassVar[bool] = True

    def __init__(
        self,
        source: str,
        message: str,
        *,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        upstream_requests: int = 0,
        vendor_body: bytes = b"",
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.source = source
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.upstream_requests = upstream_requests
        self.vendor_body = vendor_body
        self.reason = reason
        self.reference = secrets.token_hex(4)

    def charged(self, upstream_requests: int) -> SourceError:
        """The same failure for another caller, with the calls that were made for that one.

        Several may learn of one failure, and none may change it for the others.
        """
        same = type(self).__new__(type(self), *self.args)
        vars(same).update(vars(self), upstream_requests=upstream_requests)
        same.__cause__ = self.__cause__
        return same

    def restated(self, kind: type[SourceError], message: str) -> SourceError:
        """The same failure with another meaning; its reference stays, since the log has the story under it."""
        named = kind(
            self.source,
            message,
            http_status=self.http_status,
            retry_after_s=self.retry_after_s,
            upstream_requests=self.upstream_requests,
            vendor_body=self.vendor_body,
        )
        named.reference = self.reference
        return named


class SourceTimeout(SourceError):
    """The vendor did not answer before the deadline, or could not be asked before it."""

    code = SourceErrorCode.TIMEOUT


class SourceUnavailable(SourceError):
    """The vendor could not be reached, or said that it cannot serve now."""


class SourceRateLimited(SourceError):
    """The vendor refused the call for its rate, or would have."""

    code = SourceErrorCode.RATE_LIMITED


class SourceCircuitOpen(SourceError):
    """Calls like this one failed too often lately: it was not made, and may be after `retry_after_s`."""

    code = SourceErrorCode.CIRCUIT_OPEN


class SourceUnauthorized(SourceError):
    """The vendor refused the credential."""

    code = SourceErrorCode.UNAUTHORIZED
    retryable = False


class SourceNotFound(SourceError):
    """The vendor does not have the path or the workspace that was asked: the source has failed."""

    code = SourceErrorCode.NOT_FOUND
    retryable = False


class SourceObjectNotFound(SourceNotFound):
    """The vendor does not know the one object that was asked for, which may have been deleted.

    In a list of several experiments it costs the rows of that one only and is no failure.
    """


class SourceBadRequest(SourceError):
    """The vendor refused the question, or it is one that this source cannot be asked."""

    code = SourceErrorCode.BAD_REQUEST
    retryable = False


class SourceBadResponse(SourceError):
    """The vendor's answer is not what its contract says."""

    code = SourceErrorCode.BAD_RESPONSE
    retryable = False


class SourceResponseTooLarge(SourceBadResponse):
    """The vendor's answer is larger than the gateway reads: a page of fewer rows may not be."""
