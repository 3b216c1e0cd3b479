"""Cursors of v2: opaque, and bound to the path and the other parameters of the request that returned them."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from tracegraph.simulators.langsmith.problems import problem

Place: TypeAlias = tuple[Any, tuple[int, str]]
"""A row's place in a list: its sort value and its tie key."""


class Cursors:
    """Writes and reads the cursors of one request.

    Args:
        generation: Cursors of another generation have expired.
        path: The request's path.
        parameters: Its parameters as sent. The cursor among them is ignored.
    """

    def __init__(self, generation: int, path: str, parameters: Mapping[str, Any]) -> None:
        others = {name: value for name, value in parameters.items() if name != "cursor"}
        content = json.dumps([generation, path, others], sort_keys=True, default=str)
        self._binding = hashlib.sha256(content.encode()).hexdigest()[:16]

    def write(self, place: Place, seed: int | None) -> str:
        """Return the cursor of the rows after a place, in the order of the seed."""
        value, (first, second) = place
        content = json.dumps([self._binding, value, first, second, seed])
        return base64.urlsafe_b64encode(content.encode()).decode()

    def read(self, cursor: str) -> tuple[Place, int | None]:
        """Return place and seed. Raise a 400 for a cursor that `write` did not return for the same request."""
        try:
            binding, value, first, second, seed = json.loads(base64.urlsafe_b64decode(cursor))
        except ValueError:
            problem(400, "invalid cursor")
        if binding != self._binding:
            problem(400, "cursor does not match the request")
        return (value, (first, second)), seed


def is_after(place: Place, other: Place, *, descending: bool, nulls_first: bool) -> bool:
    """Return whether a place comes after another in a list. Equal values come in the order of their tie keys."""
    value, after = place[0], other[0]
    if value == after:
        return place[1] > other[1]
    if value is None or after is None:
        return (value is None) != nulls_first
    return bool((value > after) != descending)
