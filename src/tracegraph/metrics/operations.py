"""What became of GraphQL requests, by operation: clients choose those names, so there are only so many."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from tracegraph.upstream.counters import Durations

UNNAMED, OTHER = "unnamed", "other"


_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}")


class OperationOutcome(Enum):
    """How a request ended.

    OK; PARTIAL: without errors, but a source failed or an older answer stood in; ERRORS: with errors beside the
    data; REFUSED: nothing ran; LATE: not even a partial answer in time; GONE: the client left; CRASHED: a bug.
    """

    OK = "OK"
    PARTIAL = "PARTIAL"
    ERRORS = "ERRORS"
    REFUSED = "REFUSED"
    LATE = "LATE"
    GONE = "GONE"
    CRASHED = "CRASHED"


class Reuse(Enum):
    """How an answer was had without making it: KEPT from earlier, or SHARED with an equal query under way."""

    KEPT = "KEPT"
    SHARED = "SHARED"


_RAN = {OperationOutcome.OK, OperationOutcome.PARTIAL, OperationOutcome.ERRORS, OperationOutcome.LATE}


@dataclass(slots=True)
class OperationCounters:
    """The requests of one operation."""

    outcomes: Counter[OperationOutcome] = field(default_factory=Counter)
    durations: Durations = field(default_factory=Durations)
    reused: Counter[Reuse] = field(default_factory=Counter)


class Operations(dict[str, OperationCounters]):
    """Counters by label: an operation's name, `unnamed`, or `other` for overlong names and beyond `at_most`."""

    def __init__(self, at_most: int) -> None:
        super().__init__({UNNAMED: OperationCounters(), OTHER: OperationCounters()})
        self._at_most = at_most + len(self)

    def label(self, name: str | None, outcome: OperationOutcome) -> str:
        """What the operation is called here. Only one that ran takes a place among the names."""
        if name is None:
            return UNNAMED
        if name in self:
            return name
        if outcome not in _RAN or len(self) >= self._at_most or not _NAME.fullmatch(name):
            return OTHER
        self[name] = OperationCounters()
        return name

    def count(self, label: str, outcome: OperationOutcome, duration_s: float, reuse: Reuse | None = None) -> None:
        """A request ended."""
        counters = self[label]
        counters.outcomes[outcome] += 1
        counters.durations.add(duration_s)
        if reuse is not None:
            counters.reused[reuse] += 1
