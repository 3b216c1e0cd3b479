"""One call to a vendor and its reply, as values."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
import orjson

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.texts import percent_encoded
from tracegraph.errors import SourceError

_MAX_SEGMENT_LENGTH = 1024


_FORBIDDEN_CHARACTERS = re.compile(r"[/\\\x00-\x1f\x7f]")


def path_segment(text: str) -> str | None:
    """Return the text escaped as one segment of a path, or None when no resource can have that name.

    A client chooses the parts of an ID. Dot segments cannot be escaped: every URL library resolves `%2E%2E` as
    `..`. Some servers unescape a slash before they route. An empty text, or one of more than 1024 characters,
    names nothing.
    """
    if text in {"", ".", ".."} or len(text) > _MAX_SEGMENT_LENGTH or _FORBIDDEN_CHARACTERS.search(text):
        return None
    try:
        return percent_encoded(text)
    except UnicodeEncodeError:  # a lone surrogate
        return None


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A call that reads from the vendor, so a retry is safe. With a `body` it is a POST of JSON, else a GET.

    `kind` is the unit of rates, circuits and metrics, such as `runs/query`. `path` is escaped and
    relative to the base URL.

    `read` converts a reply into the adapter's type, or raises SourceBadResponse. A reply that cannot be read
    counts as a failure of the vendor and is not cached. `expected_statuses` are neither retried nor logged as
    failures.

    `is_batch` marks a call for several objects. A vendor may respond with 500 because of one of them, so the
    circuit breaker does not count a 500.
    """

    kind: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] | None = None
    read: Callable[[UpstreamResponse], Any] | None = field(default=None, compare=False)
    expected_statuses: frozenset[int] = frozenset()
    is_batch: bool = False

    @property
    def method(self) -> str:
        """The HTTP method: POST with a body, else GET."""
        return "GET" if self.body is None else "POST"

    def content(self) -> bytes | None:
        """Return the body's bytes, None without a body."""
        return None if self.body is None else orjson.dumps(self.body)


class UpstreamResponse(msgspec.Struct, frozen=True):
    """A vendor's reply with status 2xx; `value` is the result of the call's `read`.

    `headers` are those of a reply that the vendor sent now. A cached reply has none.
    """

    source: str
    kind: str
    body: bytes
    provenance: FetchInfo
    value: Any = None
    headers: Mapping[str, str] = {}


def response_to(
    call: UpstreamRequest,
    source: str,
    body: bytes,
    provenance: FetchInfo,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> UpstreamResponse:
    """Return the reply with the result of the call's `read`.

    Args:
        call: The call.
        source: The configured name of the source.
        body: The body of the reply.
        provenance: The requests that were sent for it.
        headers: The headers of the reply, none for a cached one.

    Raises:
        SourceBadResponse: When `read` cannot read the body.
    """
    unread = UpstreamResponse(source, call.kind, body, provenance, headers=headers)
    if call.read is None:
        return unread
    return UpstreamResponse(source, call.kind, body, provenance, call.read(unread), headers)


class CallState(msgspec.Struct, eq=False):
    """What the layers tell each other about one call. Callers that share a call share the state of the first one.

    `key` is the key of the cache and of single flight. `headers` are those of the credential for the next request.

    `sent` counts the requests that were sent. `timed_out` says that a cancellation comes from the waiters'
    deadline and not from their departure. After `waiters_deadline`, in seconds of the event loop, a permit or a
    retry is useless. `failure` is the error of the last attempt while the next one is due or running.
    """

    key: bytes = b""
    headers: dict[str, str] = {}
    sent: int = 0
    timed_out: bool = False
    waiters_deadline: float = float("inf")
    failure: SourceError | None = None

    def __repr__(self) -> str:
        """Return the state without the headers, which are secret."""
        return f"CallState(sent={self.sent}, timed_out={self.timed_out}, failure={self.failure!r})"

    def add_waiter(self, limit_s: float) -> None:
        """Extend the waiters' deadline to `limit_s` seconds from now, unless it is later."""
        self.waiters_deadline = max(self.waiters_deadline, asyncio.get_running_loop().time() + limit_s)


class Fetcher(Protocol):
    """One layer of the way to a vendor. Each layer gets the next one when it is created."""

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Return the reply to the call, with status 2xx.

        Args:
            call: The call.
            state: The state of this call, which all layers share.

        Raises:
            SourceError: For a failed call, with the number of requests sent for this caller.
        """
        ...
