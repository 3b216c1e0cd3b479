"""What a 404 of Meibel means: one object is unknown, or the server lacks the path.

The first costs its own rows, the second fails the source. Where the body does not say which, further calls do.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Protocol

import orjson

from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError, SourceNotFound, SourceObjectNotFound

_NAMES_OBJECT = re.compile(r"\b(agent|session)s?\b.*(not found|not exist|unknown)", re.DOTALL)


class Answered(Protocol):
    """What any call of the client gives."""

    @property
    def provenance(self) -> FetchInfo:
        """How the answer was obtained."""
        ...


Probe = Callable[[], Awaitable[Answered]]
"""A call whose success or failure says something about another one."""


class Missing(Enum):
    """What a 404 says that there is not."""

    OBJECT = "OBJECT"
    PATH = "PATH"
    UNSAID = "UNSAID"


def missing_of(error: SourceError) -> Missing:
    """What the body of the vendor's 404 says."""
    try:
        body: Any = orjson.loads(error.vendor_body)
    except orjson.JSONDecodeError:
        return Missing.UNSAID
    given = body if isinstance(body, dict) else {}
    if str(given.get("detail")).casefold() == "not found":  # FastAPI's own, for a path that it does not have
        return Missing.PATH
    words = " ".join(str(given.get(key, "")) for key in ("code", "message", "error", "detail"))
    return Missing.OBJECT if _NAMES_OBJECT.search(words.replace("_", " ").casefold()) else Missing.UNSAID


def is_unsaid(outcome: object) -> bool:
    """Whether it is a 404 that may be about the object as well as about the path."""
    return type(outcome) is SourceNotFound and missing_of(outcome) is Missing.UNSAID


def unknown_id(source: str) -> str:
    """The sentence for an object that the vendor does not know."""
    return f"Source {source!r} has nothing of such an id."


async def explained(error: SourceError, other_of_it: Probe, any_at_all: Probe) -> SourceError:
    """The failure that an unsaid 404 means, with the calls that finding out took; any other error as it is.

    Args:
        error: The outcome of a call about one object.
        other_of_it: Calls another path about the same object. Its answer shows that the object exists.
        any_at_all: Calls a path that every server has, in case the object's other path is missing, too.
    """
    if not is_unsaid(error):
        return error
    failure, made = await _asked(other_of_it)
    error = error.with_cost(error.upstream_requests + made)
    if failure is None:
        return error
    if is_unsaid(failure):
        failure, made = await _asked(any_at_all)
        error = error.with_cost(error.upstream_requests + made)
    if failure is None or isinstance(failure, SourceObjectNotFound):
        return error.restated(SourceObjectNotFound, unknown_id(error.source))
    return error if isinstance(failure, SourceNotFound) else failure.with_cost(error.upstream_requests)


async def _asked(probe: Probe) -> tuple[SourceError | None, int]:
    try:
        answer = await probe()
    except SourceError as failure:
        return failure, failure.upstream_requests
    return None, answer.provenance.upstream_requests
