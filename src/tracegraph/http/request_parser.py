"""Parsing of an HTTP request into an operation, as in the GraphQL over HTTP specification."""

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
from tracegraph.http.negotiation import JSON, combined_header, media_type
from tracegraph.http.persisted_queries import PersistedQueryStore, parse_document_ref

DEADLINE_HEADER = "X-Deadline-Ms"
"""The header with the client's deadline in milliseconds, if shorter than the gateway's own."""


MAX_NAME_LENGTH = 256


_DRAIN_FACTOR = 64
"""The multiple of the size limit up to which a long body is read and discarded. Then the connection closes."""


MAX_OBJECT_KEYS = 10_000


_KEY_PATTERNS = re.compile(rb'"\s*:'), re.compile(rb"\{\s*\}")
"""Patterns of JSON that occur once for each key of an object, and once for each empty object."""


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


_SINGLE_PARAMETERS = ("query", "documentId", "variables", "operationName", "extensions")
"""URL parameters that may occur once. Parsers differ about which of two values counts."""


_MILLISECONDS = re.compile(r"0*[1-9][0-9]{0,8}")


class BadRequest(HTTPRequestError):
    """The request is not a GraphQL request. With `close_connection`, the rest of its body is not read."""

    def __init__(self, status: int, message: str, *, close_connection: bool = False) -> None:
        super().__init__(status, "BAD_USER_INPUT", message, {"connection": "close"} if close_connection else {})


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The maximum size of a body, and the time in which the body must arrive."""

    body_bytes: int
    body_timeout_s: float


async def parse_operation(request: Request, limits: BodyLimits, documents: PersistedQueryStore) -> Operation:
    """Return the operation of a GET or POST.

    Args:
        request: The HTTP request, whose body is not read yet.
        limits: The bounds for the body.
        documents: The store that resolves references to documents.

    Raises:
        HTTPRequestError: The request is malformed, too large, or names a document that may not run.
    """
    deadline_s = _deadline_s(combined_header(request.headers, DEADLINE_HEADER))
    return replace(_operation(await _read(request, limits), documents), deadline_s=deadline_s)


def _deadline_s(header: str | None) -> float | None:
    if header is None:
        return None
    if not _MILLISECONDS.fullmatch(header):
        raise BadRequest(400, f"{DEADLINE_HEADER} must be a whole number of milliseconds, at least 1.")
    return int(header) / 1000


async def _read(request: Request, limits: BodyLimits) -> Any:
    query: bytes = request.scope["query_string"]
    url_parameters = _parse_query_string(query) if query else {}
    if request.method == "GET":
        return _get_parameters(url_parameters)
    kind, parameters = media_type(combined_header(request.headers, "content-type") or "")
    if kind != JSON:
        raise BadRequest(415, "Send the request as application/json.")
    if parameters.get("charset", "utf-8") not in {"utf-8", "utf8"}:
        raise BadRequest(415, "Send the request in UTF-8.")
    if (combined_header(request.headers, "content-encoding") or "identity").lower() != "identity":
        raise BadRequest(415, "Send the request without compression.")
    _reject_long_body(request.headers.get("content-length"), limits.body_bytes)
    body = _parse_json(await _read_body_in_time(request, limits), "The body")
    _reject_operation_in_url(url_parameters, body)
    return body


def _reject_long_body(content_length: str | None, limit: int) -> None:
    """Reject a body by its announced length.

    The server discards the body as it arrives, and closes the connection when the body is far too long.
    """
    if content_length is not None and content_length.isdecimal() and int(content_length) > limit:
        raise _body_too_large(limit, close_connection=int(content_length) > limit * _DRAIN_FACTOR)


def _parse_query_string(query: bytes) -> dict[str, str]:
    """Return the parameters of a URL, and reject repeated parameters of a request."""
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise BadRequest(400, "The query string of the URL is not in UTF-8.") from None
    counts = Counter(name for name, _ in pairs)
    repeated = next((name for name in _SINGLE_PARAMETERS if counts[name] > 1), None)
    if repeated is not None:
        raise BadRequest(400, f"The URL has the parameter {repeated} more than once: send it once.")
    return dict(pairs)


def _reject_operation_in_url(url_parameters: dict[str, str], body: Any) -> None:
    """Reject a POST with a part of its request in the URL.

    Clients may repeat the operation's name in the URL, for the logs of proxies.
    """
    operation_name = body.get("operationName") if isinstance(body, dict) else None
    for name in _SINGLE_PARAMETERS:
        is_same = name == "operationName" and (not operation_name or operation_name == url_parameters.get(name))
        if name in url_parameters and not is_same:
            raise BadRequest(400, f"The URL of a POST has the parameter {name}: send it in the body only.")


def _get_parameters(url_parameters: dict[str, str]) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(url_parameters)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parameters[name] = _parse_json(parameters[name].encode(), f"The parameter {name}")
        else:
            parameters.pop(name, None)
    return parameters


def _operation(parameters: Any, documents: PersistedQueryStore) -> Operation:
    if isinstance(parameters, list):
        raise BadRequest(400, "The request is a list: batches are not supported, send each operation on its own.")
    if not isinstance(parameters, dict):
        raise BadRequest(400, "The request must be a JSON object with a query.")
    variables, name = parameters.get("variables"), parameters.get("operationName")
    extensions = parameters.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, "variables must be an object.")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, "operationName must be a string.")
    if name is not None and len(name) > MAX_NAME_LENGTH:
        raise BadRequest(400, f"operationName has {len(name)} characters, and the limit is {MAX_NAME_LENGTH}.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest(400, "extensions must be an object.")
    wants_cost = (extensions or {}).get("cost") is True
    query = documents.resolve(parse_document_ref(parameters))
    return Operation(query, variables, name or None, wants_cost=wants_cost)


def _parse_json(data: bytes, subject: str) -> Any:
    """Return the value of JSON (RFC 8259). Keys must be unique, since parsers differ about duplicate keys."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if any(next(islice(pattern.finditer(data), MAX_OBJECT_KEYS, None), None) for pattern in _KEY_PATTERNS):
        raise BadRequest(400, f"{subject} has more than {MAX_OBJECT_KEYS} keys in its objects.")
    try:
        parsed = orjson.loads(data)
        _DUPLICATE_KEY_DECODER.decode(data.decode())
    except _DuplicateKey as duplicate:
        message = f"{subject} has an object with two values for the key {str(duplicate)[:50]!r}: send one."
        raise BadRequest(400, message) from None
    except RecursionError:
        raise BadRequest(400, f"{subject} is nested too deeply.") from None
    except ValueError:
        raise BadRequest(400, f"{subject} is not JSON in UTF-8.") from None
    return parsed


class _DuplicateKey(Exception):
    """A key occurs twice in one object."""


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise _DuplicateKey(names.most_common(1)[0][0])


_DUPLICATE_KEY_DECODER = json.JSONDecoder(object_pairs_hook=_reject_duplicates)


async def _read_body_in_time(request: Request, limits: BodyLimits) -> bytes:
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            return await _read_body(request, limits.body_bytes)
    except TimeoutError:
        message = f"The body of the request did not arrive within {limits.body_timeout_s:g} s."
        raise BadRequest(408, message, close_connection=True) from None


async def _read_body(request: Request, limit: int) -> bytes:
    """Return the body. A part beyond the limit is discarded, since a client reads no response while it sends."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            elif size > limit * _DRAIN_FACTOR:
                raise _body_too_large(limit, close_connection=True)
    except ClientDisconnect:
        raise BadRequest(400, "The client disconnected before the request was complete.") from None
    if size > limit:
        raise _body_too_large(limit)
    return b"".join(chunks)


def _body_too_large(limit: int, *, close_connection: bool = False) -> BadRequest:
    return BadRequest(413, f"The request is larger than {limit} bytes.", close_connection=close_connection)
