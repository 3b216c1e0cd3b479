"""Reading an operation out of an HTTP request, as GraphQL over HTTP has it."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import ClientDisconnect, Request

from tracegraph.graphql.runner import Operation
from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.negotiation import JSON, all_lines, media_type
from tracegraph.http.persisted_queries import PersistedQueryStore, asked_document

DEADLINE_HEADER = "X-Deadline-Ms"
"""In how many milliseconds the client wants its answer, if sooner than the gateway gives it."""


_LONGEST_NAME = 256


_READ_FOR_NOTHING = 64
"""Times the limit; a body that goes on after that has its connection closed."""


_MOST_NAMES = 10_000


_NAMES = re.compile(rb'"\s*:'), re.compile(rb"\{\s*\}")
"""What stands in JSON for each name in an object, and for an object without any."""


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


_ONCE = ("query", "documentId", "variables", "operationName", "extensions")
"""Parameters of an address that hold a request. Two readers may differ about which of two counts."""


_MILLISECONDS = re.compile(r"0*[1-9][0-9]{0,8}")


class BadRequest(HTTPRequestError):
    """The request is not a GraphQL request; `status` is the answer's. With `closes`, no more of it is read."""

    def __init__(self, status: int, message: str, *, closes: bool = False) -> None:
        super().__init__(status, "BAD_USER_INPUT", message, {"connection": "close"} if closes else {})


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How much of a request is read, and how long its body may take to come."""

    body_bytes: int
    body_timeout_s: float


async def parse_operation(request: Request, limits: ReadingLimits, documents: PersistedQueryStore) -> Operation:
    """The operation that a GET or POST asks to run. Raises Refusal."""
    deadline_s = _deadline_s(all_lines(request.headers, DEADLINE_HEADER))
    return replace(_operation(await _read(request, limits), documents), deadline_s=deadline_s)


def _deadline_s(header: str | None) -> float | None:
    if header is None:
        return None
    if not _MILLISECONDS.fullmatch(header):
        raise BadRequest(400, f"{DEADLINE_HEADER} must be a whole number of milliseconds, at least 1.")
    return int(header) / 1000


async def _read(request: Request, limits: ReadingLimits) -> Any:
    query: bytes = request.scope["query_string"]
    address = _address(query) if query else {}
    if request.method == "GET":
        return _from_address(address)
    kind, parameters = media_type(all_lines(request.headers, "content-type") or "")
    if kind != JSON:
        raise BadRequest(415, "Send the request as application/json.")
    if parameters.get("charset", "utf-8") not in {"utf-8", "utf8"}:
        raise BadRequest(415, "Send the request in UTF-8.")
    if (all_lines(request.headers, "content-encoding") or "identity").lower() != "identity":
        raise BadRequest(415, "Send the request without compression.")
    _refuse_long(request.headers.get("content-length"), limits.body_bytes)
    body = _parse(await _body_in_time(request, limits), "The body")
    _refuse_both(address, body)
    return body


def _refuse_long(content_length: str | None, limit: int) -> None:
    """Before it comes: the server reads the rest for nothing, and closes the connection where that is too much."""
    if content_length is not None and content_length.isdecimal() and int(content_length) > limit:
        raise _too_long(limit, closes=int(content_length) > limit * _READ_FOR_NOTHING)


def _address(query: bytes) -> dict[str, str]:
    """The parameters of an address; those that hold a request are there once."""
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise BadRequest(400, "The address is not in UTF-8.") from None
    given = Counter(name for name, _ in pairs)
    twice = next((name for name in _ONCE if given[name] > 1), None)
    if twice is not None:
        raise BadRequest(400, f"The address has the parameter {twice} more than once: send it once.")
    return dict(pairs)


def _refuse_both(address: dict[str, str], body: Any) -> None:
    """The request of a POST is its body. Clients may repeat the operation's name in the address, for its log."""
    named = body.get("operationName") if isinstance(body, dict) else None
    for name in _ONCE:
        is_same = name == "operationName" and (not named or named == address.get(name))
        if name in address and not is_same:
            raise BadRequest(400, f"The request has {name} in its address: a POST holds it in the body only.")


def _from_address(address: dict[str, str]) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(address)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parameters[name] = _parse(parameters[name].encode(), f"The parameter {name}")
        else:
            parameters.pop(name, None)
    return parameters


def _operation(parameters: Any, documents: PersistedQueryStore) -> Operation:
    if isinstance(parameters, list):
        raise BadRequest(400, "The request is a list: batches are not taken, send each operation on its own.")
    if not isinstance(parameters, dict):
        raise BadRequest(400, "The request must be a JSON object with a query.")
    variables, name = parameters.get("variables"), parameters.get("operationName")
    extensions = parameters.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, "variables must be an object.")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, "operationName must be a text.")
    if name is not None and len(name) > _LONGEST_NAME:
        raise BadRequest(400, f"operationName has {len(name)} characters, and the limit is {_LONGEST_NAME}.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest(400, "extensions must be an object.")
    wants_cost = (extensions or {}).get("cost") is True
    query = documents.text(asked_document(parameters))
    return Operation(query, variables, name or None, wants_cost=wants_cost)


def _parse(data: bytes, what: str) -> Any:
    """JSON as RFC 8259 has it, where every name in an object is there once: two readers must not differ."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if any(next(islice(sign.finditer(data), _MOST_NAMES, None), None) for sign in _NAMES):
        raise BadRequest(400, f"{what} has more than {_MOST_NAMES} names in its objects.")
    try:
        parsed = orjson.loads(data)
        _UNIQUE_NAMES.decode(data.decode())
    except _SameName as twice:
        raise BadRequest(400, f"{what} has two values of one name in one object: {str(twice)[:50]!r}.") from None
    except RecursionError:
        raise BadRequest(400, f"{what} is nested too deeply.") from None
    except ValueError:
        raise BadRequest(400, f"{what} is not JSON in UTF-8.") from None
    return parsed


class _SameName(Exception):
    """A name that stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise _SameName(names.most_common(1)[0][0])


_UNIQUE_NAMES = json.JSONDecoder(object_pairs_hook=_unique)


async def _body_in_time(request: Request, limits: ReadingLimits) -> bytes:
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            return await _body(request, limits.body_bytes)
    except TimeoutError:
        message = f"The request did not come within {limits.body_timeout_s:g} s."
        raise BadRequest(408, message, closes=True) from None


async def _body(request: Request, limit: int) -> bytes:
    """What is beyond the limit is read for nothing up to a point: who still sends cannot read the refusal."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            elif size > limit * _READ_FOR_NOTHING:
                raise _too_long(limit, closes=True)
    except ClientDisconnect:
        raise BadRequest(400, "The request was broken off.") from None
    if size > limit:
        raise _too_long(limit)
    return b"".join(chunks)


def _too_long(limit: int, *, closes: bool = False) -> BadRequest:
    return BadRequest(413, f"The request is larger than {limit} bytes.", closes=closes)
