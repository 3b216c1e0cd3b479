"""The error for a request that the gateway rejects before execution: status, code, message and headers."""

from __future__ import annotations

from collections.abc import Mapping

CLIENT_CLOSED_REQUEST = 499
"""The status that nginx logs for a client that disconnects. No client receives this response."""


class HTTPRequestError(Exception):
    """An HTTP request is rejected before any part of its operation runs."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        """Create an error.

        Args:
            status: The HTTP status.
            code: The code of the error.
            message: The sentence for the client.
            headers: More headers of the response.
            reason: What only the log says, such as why a credential is invalid.
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.reason = reason


def unauthenticated(message: str, reason: str) -> HTTPRequestError:
    """Return the error for 401 with the challenge of RFC 6750.

    The message must not reveal why a credential is invalid. `reason` says so in the log.
    """
    headers = {"www-authenticate": 'Bearer realm="tracegraph"'}
    return HTTPRequestError(401, "UNAUTHENTICATED", message, headers, reason)
