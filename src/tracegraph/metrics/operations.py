"""Counters of GraphQL requests by operation. Clients choose the names, so the number of names is bounded."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from tracegraph.upstream.counters import Durations

UNNAMED, OTHER = "unnamed", "other"


_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}")


class OperationOutcome(Enum):
    """The outcome of a request.

    - OK: without errors.
    - PARTIAL: without errors, but a source failed or returned a stale reply.
    - ERRORS: with errors beside the data.
    - REFUSED: rejected before execution.
    - LATE: without even a partial response within the deadline.
    - GONE: the client disconnected.
    - CRASHED: a bug.
    """

    OK = "OK"
    PARTIAL = "PARTIAL"
    ERRORS = "ERRORS"
    REFUSED = "REFUSED"
    LATE = "LATE"
    GONE = "GONE"
    CRASHED = "CRASHED"


class Reuse(Enum):
    """The way in which a response was reused: from the response cache, or by a single flight."""

    CACHED = "KEPT"
    SHARED = "SHARED"


class FragmentOutcome(Enum):
    """The outcome of a deferred fragment. FAILED fragments have no data."""

    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@dataclass(slots=True)
class PartCounts:
    """The parts of one response: the time until the first part, and the deferred fragments after it."""

    first_part_s: float
    fragments: Counter[FragmentOutcome] = field(default_factory=Counter)

    @property
    def first_part_ms(self) -> float:
        """The time until the first part in milliseconds."""
        return round(self.first_part_s * 1000, 1)


_RAN = {OperationOutcome.OK, OperationOutcome.PARTIAL, OperationOutcome.ERRORS, OperationOutcome.LATE}


@dataclass(slots=True)
class OperationCounters:
    """The counters of one operation."""

    outcomes: Counter[OperationOutcome] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    reused: Counter[Reuse] = field(default_factory=Counter)
    first_parts: Durations = field(default_factory=Durations)
    fragments: Counter[FragmentOutcome] = field(default_factory=Counter)


class Operations(dict[str, OperationCounters]):
    """Counters by label: an operation's name, `unnamed`, or `other` for long names and beyond `max_names`."""

    def __init__(self, max_names: int) -> None:
        super().__init__({UNNAMED: OperationCounters(), OTHER: OperationCounters()})
        self._max_names = max_names + len(self)

    def label(self, name: str | None, outcome: OperationOutcome) -> str:
        """Return the label of an operation. Only an operation that ran adds a new label."""
        if name is None:
            return UNNAMED
        if name in self:
            return name
        if outcome not in _RAN or len(self) >= self._max_names or not _NAME.fullmatch(name):
            return OTHER
        self[name] = OperationCounters()
        return name

    def count(
        self,
        label: str,
        outcome: OperationOutcome,
        duration_s: float,
        reuse: Reuse | None = None,
        parts: PartCounts | None = None,
    ) -> None:
        """Count a completed request.

        Args:
            label: The label of the operation, from `label`.
            outcome: The outcome of the request.
            duration_s: The duration of the request.
            reuse: The way in which the response was reused, if it was.
            parts: The parts of the response, if it was sent in parts.
        """
        counters = self[label]
        counters.outcomes[outcome] += 1
        counters.durations.add(duration_s)
        if reuse is not None:
            counters.reused[reuse] += 1
        if parts is not None:
            counters.first_parts.add(parts.first_part_s)
            counters.fragments.update(parts.fragments)
