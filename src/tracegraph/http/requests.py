"""Reading an operation out of an HTTP request, as GraphQL over HTTP has it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from tracegraph.graphql.execution import Operation
from tracegraph.http.documents import Documents, asked_document
from tracegraph.http.negotiation import JSON, media_type
from tracegraph.http.refusal import Refusal

DEADLINE_HEADER = "X-Deadline-Ms"
"""In how many milliseconds the client wants its answer, if sooner than the gateway gives it."""
_MILLISECONDS = re.compile(r"0*[1-9][0-9]{0,8}")


class BadRequest(Refusal):
    """The request is not a GraphQL request; `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "BAD_USER_INPUT", message)


async def read_operation(request: Request, max_body_bytes: int, documents: Documents) -> Operation:
    """The operation that a GET or POST asks to run. Raises Refusal."""
    deadline_s = _deadline_s(request.headers.get(DEADLINE_HEADER))
    return replace(_operation(await _read(request, max_body_bytes), documents), deadline_s=deadline_s)


def _deadline_s(header: str | None) -> float | None:
    if header is None:
        return None
    if not _MILLISECONDS.fullmatch(header):
        raise BadRequest(400, f"{DEADLINE_HEADER} must be a whole number of milliseconds, at least 1.")
    return int(header) / 1000


async def _read(request: Request, max_body_bytes: int) -> Any:
    if request.method == "GET":
        return _from_query(request)
    kind, parameters = media_type(request.headers.get("content-type", ""))
    if kind != JSON:
        raise BadRequest(415, "Send the request as application/json.")
    if parameters.get("charset", "utf-8") not in {"utf-8", "utf8"}:
        raise BadRequest(415, "Send the request in UTF-8.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise BadRequest(415, "Send the request without compression.")
    return _parse(await _body(request, max_body_bytes), "The body")


def _from_query(request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parameters[name] = _parse(parameters[name].encode("utf-8", "replace"), f"The parameter {name}")
        else:
            parameters.pop(name, None)
    return parameters


def _operation(parameters: Any, documents: Documents) -> Operation:
    if not isinstance(parameters, dict):
        raise BadRequest(400, "The request must be a JSON object with a query.")
    variables, name = parameters.get("variables"), parameters.get("operationName")
    extensions = parameters.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, "variables must be an object.")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, "operationName must be a text.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest(400, "extensions must be an object.")
    query = documents.text(asked_document(parameters))
    return Operation(query, variables, name or None)


def _parse(data: bytes, what: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadRequest(400, f"{what} is not JSON in UTF-8.") from None


async def _body(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise BadRequest(413, f"The request is larger than {limit} bytes.")
            chunks.append(chunk)
    except ClientDisconnect:
        raise BadRequest(400, "The request was broken off.") from None
    return b"".join(chunks)
