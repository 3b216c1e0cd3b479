"""Errors of v2 in the problem-details format, and the parameters of v2 requests.

The vendor's check of parameters is unknown. The simulator refuses whatever its client cannot send: an unknown
name, a value of another type, a time without a zone. So a mistake of the gateway does not pass unseen.
"""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, NoReturn, TypeAlias

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import ApiError, Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.langsmith.filters import FilterError, Predicate, compile_filter

Kind: TypeAlias = Callable[[Any], Any]
"""Checks one value and returns it as the simulator uses it. Raises RefusedError."""


class RefusedError(ValueError):
    """A value is refused. The message is the reason."""


class ProblemError(ApiError):
    """v2 responds with problem details instead of data."""


def problem(status: int, detail: str) -> NoReturn:
    """Raise the error response of v2."""
    raise ProblemError(status, problem_body(status, detail))


def problem_body(status: int, detail: str) -> Row:
    """Return problem details: the title is the status's own phrase."""
    return {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}


def _title(status: int) -> str:
    # Python 3.13 renamed the phrase of 422.
    return "Unprocessable Entity" if status == 422 else HTTPStatus(status).phrase


async def problem_response(_: Request, error: Exception) -> Response:
    """Return the response of a `ProblemError`; Starlette's exception handler for it."""
    if not isinstance(error, ProblemError):
        raise error
    response = Json(error.body, error.status)
    response.headers["content-type"] = "application/problem+json"
    return response


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values; in a URL a repeated parameter."""

    kind: Kind
    most: int | None = None

    def __call__(self, value: Any) -> list[Any]:
        """Return the list with every value checked."""
        if not isinstance(value, list):
            raise RefusedError("must be an array")
        if self.most is not None and len(value) > self.most:
            raise RefusedError(f"must have at most {self.most} items")
        return [self.kind(item) for item in value]


def from_body(content: bytes, kinds: Mapping[str, Kind]) -> Row:
    """Return the checked fields of a JSON body; a field that is null counts as absent."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        problem(422, "invalid JSON body")
    if not isinstance(body, dict):
        problem(422, "the body must be a JSON object")
    return _checked({name: value for name, value in body.items() if value is not None}, kinds)


def from_query(query: QueryParams, kinds: Mapping[str, Kind], required: Collection[str] = ()) -> Row:
    """Return the checked parameters of a URL."""
    values = {name: query.getlist(name) if isinstance(kinds.get(name), Many) else query[name] for name in query}
    missing = [name for name in required if name not in values]
    if missing:
        problem(422, f"{missing[0]} is required")
    return _checked(values, kinds)


def _checked(values: Row, kinds: Mapping[str, Kind]) -> Row:
    checked = {}
    for name, value in values.items():
        if name not in kinds:
            problem(422, f"unknown parameter {name}")
        try:
            checked[name] = kinds[name](value)
        except RefusedError as error:
            problem(422, f"invalid {name}: {error}")
    return checked


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise RefusedError("must be a string")
    return value


def uuid_text(value: Any) -> str:
    """Return a UUID in lower case with dashes."""
    try:
        return str(uuid.UUID(text(value)))
    except ValueError:
        raise RefusedError("invalid UUID") from None


def path_uuid(request: Request, name: str) -> str:
    """Return a UUID of the path. Raise a 422 for anything else."""
    try:
        return uuid_text(request.path_params[name])
    except RefusedError as error:
        problem(422, str(error))


def flag(value: Any) -> bool:
    """Return a JSON boolean."""
    if not isinstance(value, bool):
        raise RefusedError("must be a boolean")
    return value


def query_flag(value: str) -> bool:
    """Return the boolean of a URL."""
    if value not in {"true", "false"}:
        raise RefusedError("must be true or false")
    return value == "true"


def whole(low: int, high: int) -> Kind:
    """Return the check of a JSON integer."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise RefusedError("must be an integer")
        if not low <= value <= high:
            raise RefusedError(f"must be between {low} and {high}")
        return value

    return check


def query_whole(low: int, high: int) -> Kind:
    """Return the check of an integer in a URL."""
    return lambda value: whole(low, high)(int(value) if value.lstrip("-").isdigit() else value)


def moment(value: Any) -> datetime:
    """Return an RFC 3339 time, which has a zone."""
    try:
        parsed = datetime.fromisoformat(text(value))
    except ValueError:
        raise RefusedError("must be an RFC 3339 time") from None
    if parsed.tzinfo is None:
        raise RefusedError("must be an RFC 3339 time with a zone")
    return parsed


def one_of(*allowed: str) -> Kind:
    """Return the check of an enumeration."""

    def check(value: Any) -> str:
        if value not in allowed:
            raise RefusedError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return check


def json_text(value: Any) -> Row:
    """Return the JSON object that a text holds."""
    try:
        parsed = orjson.loads(text(value))
    except orjson.JSONDecodeError:
        raise RefusedError("must be a JSON object") from None
    if not isinstance(parsed, dict):
        raise RefusedError("must be a JSON object")
    return parsed


def run_filter(text_of_filter: str) -> Predicate:
    """Compile a filter. Raise a 400 for an invalid one."""
    try:
        return compile_filter(text_of_filter)
    except FilterError as error:
        problem(400, f"invalid filter: {error}")
