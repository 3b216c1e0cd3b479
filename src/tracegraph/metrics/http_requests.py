"""Counters of HTTP requests: those in flight, and the refused ones by status and code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class HttpRequests:
    """The HTTP requests of one application.

    `refused` counts refused requests by HTTP status and error code. Both come from short lists of our own.
    """

    in_flight: int = 0
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
