"""Answers and query parameters as FastAPI gives and takes them: all three vendors are built on it."""

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
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write the content as compact JSON."""
        return orjson.dumps(content)


class Refused(Exception):
    """The vendor answers with this status and body instead of data."""

    def __init__(self, status: int, body: Row) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


async def refusal(_: Request, refused: Exception) -> Response:
    """Turn a `Refused` into its answer: Starlette's exception handler for it."""
    if not isinstance(refused, Refused):
        raise refused
    return Json(refused.body, refused.status)


def invalid(loc: list[str | int], kind: str, message: str, given: Any, ctx: Row | None = None) -> NoReturn:
    """Refuse a parameter with 422 and FastAPI's list of what is wrong with it."""
    error: Row = {"type": kind, "loc": loc, "msg": message, "input": given}
    if ctx is not None:
        error["ctx"] = ctx
    raise Refused(422, {"detail": [error]})


def check_range(value: int, loc: list[str | int], given: Any, low: int, high: int | None) -> int:
    """Refuse an integer outside of low..high with 422."""
    if value < low:
        invalid(loc, "greater_than_equal", f"Input should be greater than or equal to {low}", given, {"ge": low})
    if high is not None and value > high:
        invalid(loc, "less_than_equal", f"Input should be less than or equal to {high}", given, {"le": high})
    return value


def integer(query: QueryParams, name: str, default: int, low: int, high: int | None = None) -> int:
    """Read an integer parameter within low..high; 422 otherwise."""
    given = query.get(name)
    if given is None:
        return default
    try:
        value = int(given)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        invalid(["query", name], "int_parsing", message, given)
    return check_range(value, ["query", name], given, low, high)


def boolean(query: QueryParams, name: str, default: bool | None = None) -> bool | None:  # noqa: FBT001
    """Read a boolean parameter as pydantic does; 422 otherwise."""
    given = query.get(name)
    if given is None:
        return default
    if given.lower() in _TRUE:
        return True
    if given.lower() in _FALSE:
        return False
    invalid(["query", name], "bool_parsing", "Input should be a valid boolean, unable to interpret input", given)


def choice(query: QueryParams, name: str, allowed: Collection[str], default: str) -> str:
    """Read a parameter that is one of `allowed`; 422 otherwise."""
    given = query.get(name, default)
    if given not in allowed:
        expected = " or ".join(f"'{value}'" for value in allowed)
        invalid(["query", name], "enum", f"Input should be {expected}", given, {"expected": expected})
    return given


def check_uuid(text: Any, loc: list[str | int]) -> str:
    """Read a UUID, in lower case with dashes; 422 otherwise."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        invalid(loc, "uuid_parsing", "Input should be a valid UUID", text)


def json_object(text: bytes | str, loc: list[str | int]) -> Row:
    """Read a JSON object; 422 otherwise."""
    try:
        value = json.loads(text)
    except ValueError:
        invalid(loc, "json_invalid", "JSON decode error", text if isinstance(text, str) else {})
    if not isinstance(value, dict):
        invalid(loc, "dict_type", "Input should be a valid dictionary", value)
    return value
