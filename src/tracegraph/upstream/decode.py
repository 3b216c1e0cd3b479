"""From a reply's bytes to wire models, and the vendor's objects kept undecoded beside them."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import orjson
import structlog
from pydantic import TypeAdapter, ValidationError

from tracegraph.errors import SourceBadResponse
from tracegraph.upstream.call import Reply

T = TypeVar("T")
_log = structlog.get_logger("tracegraph.upstream")


def decode(reply: Reply, wire: TypeAdapter[T]) -> T:
    """The body as the wire model: with a wire given, what `Call.read` wants.

    Raises SourceBadResponse when it is not JSON of that shape.
    """
    try:
        return wire.validate_json(reply.body)
    except ValidationError as error:
        failure = _unlike_contract(reply, error)
    raise failure  # out here, so that it does not hold the other error, and with it the body


def _unlike_contract(reply: Reply, error: ValidationError) -> SourceBadResponse:
    failure = bad_response(reply, "that is not what its contract says")
    _log.debug(
        "upstream.bad_response.detail",
        source=reply.source,
        kind=reply.kind,
        reference=failure.reference,
        problems=error.errors(include_url=False, include_context=False, include_input=False)[:5],
        body=reply.body[:2000].decode(errors="replace"),
    )
    return failure


def bad_response(reply: Reply, what: str) -> SourceBadResponse:
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
    """The JSON that pydantic took, in which some vendors write NaN where null is meant."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body, parse_constant=lambda _: None)


class RawRow:
    """One object of a RawDocument: `model.RawObject`."""

    __slots__ = ("_document", "_path")

    def __init__(self, document: RawDocument, path: tuple[str | int, ...]) -> None:
        self._document = document
        self._path = path

    def decode(self) -> dict[str, Any]:
        """The JSON object in the vendor's own names."""
        return self._document.at(self._path)
