"""The port: what a vendor implements so that the gateway can ask it.

One port call is one question of the gateway, and an adapter answers it in the fewest calls its vendor allows.
Adapters translate; they do not merge, order, filter again or retry: federation and the upstream client do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tracegraph.domain.value_objects import record
from tracegraph.errors import SourceError


@record(frozen=True, slots=True)
class FetchInfo:
    """How an answer was obtained: calls made to the vendor, and why it is an older one if it is."""

    upstream_requests: int = 0
    stale: SourceError | None = None

    def __add__(self, other: FetchInfo) -> FetchInfo:
        return FetchInfo(self.upstream_requests + other.upstream_requests, self.stale or other.stale)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` in any `per_s` seconds."""

    calls: int
    per_s: float


class CircuitState(Enum):
    """Whether calls to a source go through."""

    CLOSED = "CLOSED"
    HALF_OPEN = "HALF_OPEN"
    OPEN = "OPEN"
