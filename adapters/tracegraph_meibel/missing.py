"""Interpretation of Meibel's 404: one object is unknown, or the server lacks the path.

An unknown object affects only its own row; a missing path fails the source. If the body does not distinguish them,
further calls do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from tracegraph.adapter import Reply, cost_of, gather_outcomes, json_object
from tracegraph.errors import SourceError, SourceNotFound, SourceObjectNotFound

_NAMES_OBJECT = re.compile(r"\b(agent|session)s?\b.*(not found|not exist|unknown)", re.DOTALL)


Probe = Callable[[], Coroutine[Any, Any, Reply[Any]]]
"""A call whose outcome explains the failure of another call."""


class Missing(Enum):
    """The subject of a 404."""

    OBJECT = "OBJECT"
    PATH = "PATH"
    AMBIGUOUS = "AMBIGUOUS"


def parse_missing(error: SourceError) -> Missing:
    """Return the subject of the 404 according to its body."""
    fields = json_object(error.vendor_body) or {}
    if str(fields.get("detail")).casefold() == "not found":  # FastAPI's detail for an unknown path
        return Missing.PATH
    text = " ".join(str(fields.get(key, "")) for key in ("code", "message", "error", "detail"))
    return Missing.OBJECT if _NAMES_OBJECT.search(text.replace("_", " ").casefold()) else Missing.AMBIGUOUS


def is_ambiguous_404(outcome: object) -> bool:
    """Return whether the outcome is a 404 that may be about the object or about the path."""
    return type(outcome) is SourceNotFound and parse_missing(outcome) is Missing.AMBIGUOUS


def unknown_id_message(source: str) -> str:
    """Return the message for an object that the vendor does not know."""
    return f"Source {source!r} has no object with that id."


async def resolve_404(error: SourceError, probe_object: Probe, probe_server: Probe) -> SourceError:
    """Return the error that an ambiguous 404 stands for, with the cost of the probes.

    Any other error is returned unchanged.

    Args:
        error: The outcome of a call about one object.
        probe_object: Calls another path about the same object. Its success proves that the object exists.
        probe_server: Calls a path that every server has, in case the other path of the object is missing, too.
    """
    if not is_ambiguous_404(error):
        return error
    failure, calls = await _run_probe(probe_object)
    error = error.with_cost(error.upstream_requests + calls)
    if failure is None:
        return error
    if is_ambiguous_404(failure):
        failure, calls = await _run_probe(probe_server)
        error = error.with_cost(error.upstream_requests + calls)
    if failure is None or isinstance(failure, SourceObjectNotFound):
        return error.restated(SourceObjectNotFound, unknown_id_message(error.source))
    return error if isinstance(failure, SourceNotFound) else failure.with_cost(error.upstream_requests)


async def _run_probe(probe: Probe) -> tuple[SourceError | None, int]:
    (outcome,) = await gather_outcomes([probe()])
    return outcome if isinstance(outcome, SourceError) else None, cost_of(outcome).upstream_requests
