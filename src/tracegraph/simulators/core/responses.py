"""Responses and query parameters in FastAPI's format, which all three vendors use."""

import json
import uuid
from collections.abc import Collection
from typing import Any, NoReturn

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.rows import Row

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})


_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})


class Json(Response):
    """A JSON response."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content as compact JSON."""
        return orjson.dumps(content)


class ApiError(Exception):
    """The vendor responds with this status and body instead of data."""

    def __init__(self, status: int, body: Row) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


async def api_error_response(_: Request, error: Exception) -> Response:
    """Return the response of an `ApiError`; Starlette's exception handler for it."""
    if not isinstance(error, ApiError):
        raise error
    return Json(error.body, error.status)


def invalid(loc: list[str | int], kind: str, message: str, value: Any, ctx: Row | None = None) -> NoReturn:
    """Raise a 422 with FastAPI's list of errors.

    Args:
        loc: The location of the parameter.
        kind: Pydantic's type of the error.
        message: Pydantic's message.
        value: The value received.
        ctx: Pydantic's context of the error.

    Raises:
        ApiError: Always.
    """
    error: Row = {"type": kind, "loc": loc, "msg": message, "input": value}
    if ctx is not None:
        error["ctx"] = ctx
    raise ApiError(422, {"detail": [error]})


def check_range(value: int, loc: list[str | int], text: Any, low: int, high: int | None) -> int:
    """Return the integer. Raise a 422 outside of low..high."""
    if value < low:
        invalid(loc, "greater_than_equal", f"Input should be greater than or equal to {low}", text, {"ge": low})
    if high is not None and value > high:
        invalid(loc, "less_than_equal", f"Input should be less than or equal to {high}", text, {"le": high})
    return value


def integer(query: QueryParams, name: str, default: int, low: int, high: int | None = None) -> int:
    """Return an integer parameter within low..high. Raise a 422 for anything else."""
    text = query.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        invalid(["query", name], "int_parsing", message, text)
    return check_range(value, ["query", name], text, low, high)


def boolean(query: QueryParams, name: str, default: bool | None = None) -> bool | None:  # noqa: FBT001
    """Return a boolean parameter as pydantic parses it. Raise a 422 for anything else."""
    text = query.get(name)
    if text is None:
        return default
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    invalid(["query", name], "bool_parsing", "Input should be a valid boolean, unable to interpret input", text)


def choice(query: QueryParams, name: str, allowed: Collection[str], default: str) -> str:
    """Return a parameter that is one of `allowed`. Raise a 422 for anything else."""
    value = query.get(name, default)
    if value not in allowed:
        expected = " or ".join(f"'{value}'" for value in allowed)
        invalid(["query", name], "enum", f"Input should be {expected}", value, {"expected": expected})
    return value


def check_uuid(text: Any, loc: list[str | int]) -> str:
    """Return a UUID in lower case with dashes. Raise a 422 for anything else."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        invalid(loc, "uuid_parsing", "Input should be a valid UUID", text)


def json_object(text: bytes | str, loc: list[str | int]) -> Row:
    """Return a JSON object. Raise a 422 for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        invalid(loc, "json_invalid", "JSON decode error", text if isinstance(text, str) else {})
    if not isinstance(value, dict):
        invalid(loc, "dict_type", "Input should be a valid dictionary", value)
    return value
