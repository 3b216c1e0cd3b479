"""Who asks: a name for the log, the sources that exist for it, how much it may ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """What may be asked in any minute; None for as much as one likes."""

    requests_per_minute: int | None = None
    cost_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller. `id` is unique among keys and tokens together; `sources` is None for all of them."""

    id: str
    sources: frozenset[str] | None = None
    allowance: Quota = Quota()
