"""A request that is not let in: status, code, sentence and headers of the answer."""

from __future__ import annotations

from collections.abc import Mapping


class HTTPRequestError(Exception):
    """Raised at the door before anything runs."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def unauthenticated(message: str) -> HTTPRequestError:
    """401, with what RFC 6750 asks to be said; never why a credential was wrong beyond what its holder knows."""
    return HTTPRequestError(401, "UNAUTHENTICATED", message, {"www-authenticate": 'Bearer realm="tracegraph"'})
