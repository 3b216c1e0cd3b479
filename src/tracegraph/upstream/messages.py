"""One call to a vendor and its answer, as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.value_objects import record
from tracegraph.errors import SourceError

_LONGEST_SEGMENT = 1024


_UNNAMEABLE = re.compile(r"[/\\\x00-\x1f\x7f]")


def path_segment(text: str) -> str | None:
    """The text escaped as one segment of a path; None when no resource can have that name.

    An ID's parts are data that a client chose. Dot segments cannot be escaped (every URL library resolves
    `%2E%2E` as `..`), some servers unescape a slash before they route, and an empty or endless text names nothing.
    """
    if text in {"", ".", ".."} or len(text) > _LONGEST_SEGMENT or _UNNAMEABLE.search(text):
        return None
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:  # a lone surrogate
        return None


@record(frozen=True, slots=True)
class UpstreamRequest:
    """A read. `kind` is its class for limits and metrics, `path` is escaped and relative to the base URL.

    With a `body` it is a POST of JSON, without one a GET; either way it changes nothing at the vendor and may
    be repeated. `read` makes of a reply what the adapter wants of it, or raises SourceBadResponse: an answer that
    cannot be read is a failure of the vendor, and is not kept. `expects` are statuses by which the vendor refuses
    in the ordinary course of things: they are neither tried again nor logged as failures. `of_several`: it asks
    for several objects at once, and the vendor may fail with a 500 for one of them: the circuit does not count it.
    """

    kind: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: Mapping[str, Any] | None = None
    read: Callable[[UpstreamResponse], Any] | None = field(default=None, compare=False)
    expects: frozenset[int] = frozenset()
    of_several: bool = False

    @property
    def method(self) -> str:
        """GET, or POST for a question that is asked in a body."""
        return "GET" if self.body is None else "POST"

    def content(self) -> bytes | None:
        """The body's bytes."""
        return None if self.body is None else orjson.dumps(self.body)


@record(frozen=True, slots=True)
class UpstreamResponse:
    """A vendor's answer with status 2xx; `value` is what the call's `read` made of it."""

    source: str
    kind: str
    body: bytes
    provenance: FetchInfo
    value: Any = None


def response_to(call: UpstreamRequest, source: str, body: bytes, provenance: FetchInfo) -> UpstreamResponse:
    """The reply with what the call's `read` makes of it. Raises SourceBadResponse."""
    unread = UpstreamResponse(source, call.kind, body, provenance)
    return (
        unread if call.read is None else UpstreamResponse(source, call.kind, body, provenance, call.read(unread))
    )


@dataclass(slots=True)
class AttemptState:
    """How often a call was sent so far, for a caller that stops waiting for it.

    `expired`: it is cancelled because the time of all who waited is over, not because they went away.
    `patience_ends_at`: until when, in the loop's time, anybody waits for it: a later turn or retry is of
    no use. `failure`: what the last try came to, while the next one is due or under way.
    """

    made: int = 0
    expired: bool = False
    patience_ends_at: float = float("inf")
    failure: SourceError | None = None
