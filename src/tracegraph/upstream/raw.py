"""From a reply's bytes to the shape of its wire, and the vendor's objects kept undecoded beside them."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
import structlog
from msgspec import Struct

from tracegraph.errors import SourceBadResponse
from tracegraph.upstream.lenient_decoder import ROW, LenientDecoder
from tracegraph.upstream.lenient_values import finite, without_deep_values
from tracegraph.upstream.messages import UpstreamResponse

T = TypeVar("T")


_log = structlog.get_logger("tracegraph.upstream")


def decode(reply: UpstreamResponse, wire: LenientDecoder[T]) -> T:
    """The body in the wire's shape: with a wire given, what `Call.read` wants.

    Values of rows that cannot be read are None, and so are rows in lists of `Row | None`; the log has one line
    for the answer. Raises SourceBadResponse when the body is not JSON of that shape, or when no row can be read.
    """
    try:
        found, given_up = wire.read(reply.body)
    except ValueError as error:
        failure = _unlike_contract(reply, error)
    else:
        if given_up:
            _log_given_up(reply, given_up)
        return found
    raise failure  # out here, so that it does not hold the other error, and with it the body


def _log_given_up(reply: UpstreamResponse, given_up: Sequence[str]) -> None:
    rows = given_up.count(ROW)
    if rows:
        _log.warning("rows.unreadable", source=reply.source, kind=reply.kind, count=rows)
    fields = sorted({*given_up} - {ROW})
    if fields:
        count = len(given_up) - rows
        _log.warning("wire.unparsable", source=reply.source, kind=reply.kind, count=count, fields=fields)


def _unlike_contract(reply: UpstreamResponse, error: ValueError) -> SourceBadResponse:
    failure = bad_response(reply, "that is not what its contract says")
    _log.debug(
        "upstream.bad_response.detail",
        source=reply.source,
        kind=reply.kind,
        reference=failure.reference,
        problem=str(error),
        body=reply.body[:2000].decode(errors="replace"),
    )
    return failure


def bad_response(reply: UpstreamResponse, what: str) -> SourceBadResponse:
    """The error for an answer that arrived but cannot be used."""
    return SourceBadResponse(
        reply.source,
        f"Source {reply.source!r} gave an answer {what}.",
        http_status=200,
        upstream_requests=reply.provenance.upstream_requests,
    )


class RawDocument:
    """A reply's bytes, decoded once for all its objects when the first of them is asked for."""

    __slots__ = ("_body", "_decoded")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._decoded: Any = None

    def at(self, path: tuple[str | int, ...]) -> dict[str, Any]:
        """The object at that path of keys and indices."""
        if self._decoded is None:
            self._decoded = _parse(self._body)
        found = self._decoded
        for step in path:
            found = found[step]
        return dict(found)


def _parse(body: bytes) -> Any:
    """The JSON that the wire took: some vendors write NaN where null is meant, or numbers that are too large.

    What the wire had no use for may hold characters that are none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        shallow, _ = without_deep_values(body.removeprefix(BOM_UTF8).decode(errors="replace"))
        tolerated = json.loads(shallow, parse_constant=lambda _: None, parse_float=finite, parse_int=finite)
        return orjson.loads(json.dumps(tolerated, ensure_ascii=False).encode(errors="replace"))


class RawRow(Struct, frozen=True, gc=False, eq=False):
    """One object of a RawDocument: `model.RawObject`; there is one for every row."""

    document: RawDocument
    path: tuple[str | int, ...]

    def decode(self) -> dict[str, Any]:
        """The JSON object in the vendor's own names."""
        return self.document.at(self.path)
