"""Injects random faults into the simulated vendors, and removes them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import httpx

FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 429, "retry_after": "1"},
    {"kind": "status", "status": 401},
    {"kind": "delay", "seconds": 0.3},
    {"kind": "delay", "seconds": 30},
    {"kind": "hang"},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "html"},
    {"kind": "content_type"},
    {"kind": "not_json"},
    {"kind": "wrong_shape"},
    {"kind": "endless"},
    {"kind": "drip", "seconds": 0.02},
    {"kind": "drip", "seconds": 5},
    {"kind": "redirect"},
)
_TIMES_CHOICES = (1, 2, 5, None, None)


class FaultInjector:
    """Plays faults; `played` counts them by vendor and kind."""

    def __init__(self, http: httpx.AsyncClient, addresses: Mapping[str, str], random: Random) -> None:
        self._http = http
        self._addresses = addresses
        self._random = random
        self.played: Counter[str] = Counter()

    async def run(self) -> None:
        """Play faults until cancelled, sometimes two at once, with pauses between them."""
        while True:
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
            vendors = self._random.sample(sorted(self._addresses), self._random.choice((1, 1, 1, 2)))
            for vendor in vendors:
                await self._play(vendor)
            await asyncio.sleep(self._random.uniform(0.3, 4.0))
            await self.end()

    async def _play(self, vendor: str) -> None:
        fault = {**self._random.choice(FAULTS), "times": self._random.choice(_TIMES_CHOICES)}
        self.played[f"{vendor} {fault['kind']} {fault.get('status', '')}".strip()] += 1
        await self._http.post(f"{self._addresses[vendor]}/__faults", json=fault)

    async def end(self) -> None:
        """Remove all faults, and reset every vendor's call log."""
        for address in self._addresses.values():
            await self._http.delete(f"{address}/__faults")
            await self._http.delete(f"{address}/__calls")
