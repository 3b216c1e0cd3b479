"""Values about vendor calls that the port and the upstream client share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from tracegraph.errors import SourceError


class FetchInfo(msgspec.Struct, frozen=True):
    """How data was fetched: the calls made to the vendor, and the reason when the data is stale."""

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
    """Whether calls to a source pass the circuit breaker."""

    CLOSED = "CLOSED"
    HALF_OPEN = "HALF_OPEN"
    OPEN = "OPEN"
