"""The port: what a vendor implements so that the gateway can ask it.

One port call is one question of the gateway, and an adapter answers it in the fewest calls its vendor allows.
Adapters translate; they do not merge, order, filter again or retry: federation and the upstream client do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.domain.calls import CircuitState
from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    Score,
    Session,
    SessionRef,
)
from tracegraph.errors import SourceError

LARGE_SESSION_FIELDS = frozenset({"input", "output", "metadata", "raw"})
"""The fields of a session that may be large: texts of any length, and the vendor's own object."""


class SourceHealthStatus(Enum):
    """How a source does."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What one cheap question to the vendor found out."""

    status: SourceHealthStatus
    circuit: CircuitState = CircuitState.CLOSED
    last_error: SourceError | None = None
    checked_at: datetime | None = None
    experiment_count: int | None = None


class Adapter(Protocol):
    """One source, ready to be asked. Every method is safe to call concurrently.

    Methods raise SourceError and nothing else; where they answer several questions at once, one that failed
    is a SourceError in its place and the others stand.
    """

    @property
    def name(self) -> str:
        """The source's configured name."""
        ...

    @property
    def vendor(self) -> str:
        """What the adapter calls its vendor."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the vendor does itself."""
        ...

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """A stretch of the experiments, in the asked order where it is among `experiment_orders`.

        For any other order the vendor's own, whichever, that is the same from call to call.
        """
        ...

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """The experiments by ref, complete; a ref that the vendor does not know is left out."""
        ...

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """One answer for each ask, in their order."""
        ...

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """The sessions by ref, complete; one that the vendor does not know is left out."""
        ...

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """The scores of sessions whose list leaves them out (`Session.deferred`), in fewer calls than all of them.

        Sessions without a score, and those whose list holds their scores, are left out.
        """
        ...

    def experiment_kind(self, ref: str) -> ExperimentKind | None:
        """Return the kind whose list holds the experiment's sessions; None where all kinds share one list."""
        ...

    async def check(self) -> SourceHealth:
        """Ask the vendor one cheap question with this source's credential; never raises SourceError."""
        ...
