"""The errors that Tracegraph names; every other exception is a bug and is masked in responses.

    TracegraphError                 a sentence for a person, a code for a program
    ├── ConfigurationError          rejected at start: file, key, remedy
    ├── RequestError                the client's request is invalid or not permitted
    │   ├── BadUserInput            BAD_USER_INPUT
    │   ├── Forbidden               FORBIDDEN
    │   ├── RateLimited             RATE_LIMITED
    │   ├── InvalidCursor           INVALID_CURSOR
    │   ├── InvalidId               INVALID_ID
    │   └── QueryTooComplex         QUERY_TOO_COMPLEX
    └── SourceError                 one vendor failed; the other sources are unaffected
        ├── SourceTimeout           TIMEOUT
        ├── SourceUnavailable       UNAVAILABLE
        ├── SourceRateLimited       RATE_LIMITED
        ├── SourceUnauthorized      UNAUTHORIZED
        ├── SourceNotFound          NOT_FOUND
        │   └── SourceObjectNotFound    one experiment, session or run; no failure among several
        ├── SourceBadRequest        BAD_REQUEST
        ├── SourceBadResponse       BAD_RESPONSE
        │   └── SourceResponseTooLarge  a smaller page may succeed
        └── SourceCircuitOpen       CIRCUIT_OPEN

No message holds a vendor's text, a URL, a header or a secret. A SourceError carries a reference id, under which
the log has the details.
"""

from __future__ import annotations

import secrets
from enum import Enum
from typing import ClassVar


class SourceErrorCode(Enum):
    """The code of a source's failure, for programs."""

    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    UNAUTHORIZED = "UNAUTHORIZED"
    NOT_FOUND = "NOT_FOUND"
    BAD_REQUEST = "BAD_REQUEST"
    BAD_RESPONSE = "BAD_RESPONSE"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"


class TracegraphError(Exception):
    """Base class of every error of the gateway; `message` is one sentence with a remedy where there is one."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(TracegraphError):
    """The configuration cannot be used; the sentence names the file, the key and the remedy."""


class RequestError(TracegraphError):
    """The client's request is invalid or not permitted; `code` goes to `extensions.code`."""

    code: ClassVar[str] = "BAD_USER_INPUT"


class BadUserInput(RequestError):
    """An argument is out of its bounds or contradicts another."""


class Forbidden(RequestError):
    """The gateway does not permit this request, such as introspection where it is disabled."""

    code = "FORBIDDEN"


class InvalidCursor(RequestError):
    """A cursor is damaged, of another version, or of another list."""

    code = "INVALID_CURSOR"


class InvalidId(RequestError):
    """An ID is not from this gateway, or names another type than the field takes."""

    code = "INVALID_ID"


class RateLimited(RequestError):
    """The request exceeds the caller's quota or the gateway's capacity; `wait_s` is the time until a retry."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class QueryTooComplex(RequestError):
    """A document is larger, or costs more, than the gateway's limits; the sentence names the limit."""

    code = "QUERY_TOO_COMPLEX"


class SourceError(TracegraphError):
    """A call to one source failed.

    `source` is the configured name of the source. `retryable` says whether a later retry may succeed.
    `http_status` is the vendor's status if it responded. `retry_after_s` is the time until a retry, where known.
    `reason` explains a failed connection to operators. `upstream_requests` counts the requests that were sent.
    `reference` links the client's error to the log. `vendor_body` is for the adapter and the debug log only.
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

    def with_cost(self, upstream_requests: int) -> SourceError:
        """Return a copy of the error for another caller, with the number of requests sent for that caller.

        Several callers may get the same failure, and none may change the error of the others.
        """
        same = type(self).__new__(type(self), *self.args)
        vars(same).update(vars(self), upstream_requests=upstream_requests)
        same.__cause__ = self.__cause__
        return same

    def restated(self, kind: type[SourceError], message: str) -> SourceError:
        """Return the failure as another type of error; the reference stays, so that the log has its details."""
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
    """The vendor did not respond before the deadline, or could not be called before it."""

    code = SourceErrorCode.TIMEOUT


class SourceUnavailable(SourceError):
    """The vendor could not be reached, or responded that it cannot serve now."""


class SourceRateLimited(SourceError):
    """The vendor rejected the call for its rate, or the gateway held it back for that reason."""

    code = SourceErrorCode.RATE_LIMITED


class SourceCircuitOpen(SourceError):
    """The call was not sent because too many of its kind failed recently; see `retry_after_s`."""

    code = SourceErrorCode.CIRCUIT_OPEN


class SourceUnauthorized(SourceError):
    """The vendor rejected the credential."""

    code = SourceErrorCode.UNAUTHORIZED
    retryable = False


class SourceNotFound(SourceError):
    """The vendor does not have the requested path or workspace: the source has failed."""

    code = SourceErrorCode.NOT_FOUND
    retryable = False


class SourceObjectNotFound(SourceNotFound):
    """The vendor does not have the one requested object, which may be deleted.

    In a list of several experiments, only the rows of that experiment are missing; this is no failure of the
    source.
    """


class SourceBadRequest(SourceError):
    """The vendor rejected the request, or the source does not support it."""

    code = SourceErrorCode.BAD_REQUEST
    retryable = False


class SourceBadResponse(SourceError):
    """The vendor's reply violates its contract."""

    code = SourceErrorCode.BAD_RESPONSE
    retryable = False


class SourceResponseTooLarge(SourceBadResponse):
    """The vendor's reply exceeds the size limit: a page of fewer rows may not."""
