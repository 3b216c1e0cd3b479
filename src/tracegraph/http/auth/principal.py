"""Principals: the identity of a caller, the sources that the caller may read, and its rate limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of a principal per minute. None means no limit."""

    requests_per_minute: int | None = None
    cost_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller. `id` is unique across keys and tokens. `sources` is None without a limit to some sources."""

    id: str
    sources: frozenset[str] | None = None
    quota: Quota = Quota()
