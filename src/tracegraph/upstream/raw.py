"""Decode replies into typed values, and keep the vendor's objects undecoded beside them."""

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
    """Return the body in the shape of `wire`; with `wire` bound, it serves as `UpstreamRequest.read`.

    Unreadable values of rows are None, and so are unreadable rows in lists of `Row | None`. One log line reports
    them.

    Raises:
        SourceBadResponse: For a body that is not JSON of that shape, and for a list without a readable row.
    """
    try:
        decoded, dropped_fields = wire.read(reply.body)
    except ValueError as error:
        failure = _contract_violation(reply, error)
    else:
        if dropped_fields:
            _log_dropped(reply, dropped_fields)
        return decoded
    raise failure  # outside the except block: the error must not reference the other error and its body


def _log_dropped(reply: UpstreamResponse, dropped_fields: Sequence[str]) -> None:
    rows = dropped_fields.count(ROW)
    if rows:
        _log.warning("rows.unreadable", source=reply.source, kind=reply.kind, count=rows)
    fields = sorted({*dropped_fields} - {ROW})
    if fields:
        count = len(dropped_fields) - rows
        _log.warning("wire.unparsable", source=reply.source, kind=reply.kind, count=count, fields=fields)


def _contract_violation(reply: UpstreamResponse, error: ValueError) -> SourceBadResponse:
    failure = bad_response(reply, "that does not match its contract")
    _log.debug(
        "upstream.bad_response.detail",
        source=reply.source,
        kind=reply.kind,
        reference=failure.reference,
        problem=str(error),
        body=reply.body[:2000].decode(errors="replace"),
    )
    return failure


def bad_response(reply: UpstreamResponse, problem: str) -> SourceBadResponse:
    """Return the error for a reply that arrived but cannot be used; `problem` completes the sentence."""
    return SourceBadResponse(
        reply.source,
        f"Source {reply.source!r} returned a reply {problem}.",
        http_status=200,
        upstream_requests=reply.provenance.upstream_requests,
    )


class RawDocument:
    """The bytes of one reply, decoded at most once, when the first of its objects is read."""

    __slots__ = ("_body", "_decoded")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._decoded: Any = None

    def at(self, path: tuple[str | int, ...]) -> dict[str, Any]:
        """Return the object at that path of keys and indices."""
        if self._decoded is None:
            self._decoded = _parse(self._body)
        value = self._decoded
        for step in path:
            value = value[step]
        return dict(value)


def _parse(body: bytes) -> Any:
    """Return the JSON that the decoder accepted.

    Some vendors write NaN for null, or numbers beyond a float. Parts that the decoder skips may hold invalid
    characters.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        shallow, _ = without_deep_values(body.removeprefix(BOM_UTF8).decode(errors="replace"))
        tolerated = json.loads(shallow, parse_constant=lambda _: None, parse_float=finite, parse_int=finite)
        return orjson.loads(json.dumps(tolerated, ensure_ascii=False).encode(errors="replace"))


class RawRow(Struct, frozen=True, gc=False, eq=False):
    """One object of a RawDocument. It implements `models.RawObject`; every row has one."""

    document: RawDocument
    path: tuple[str | int, ...]

    def decode(self) -> dict[str, Any]:
        """Return the JSON object with the vendor's own field names."""
        return self.document.at(self.path)
