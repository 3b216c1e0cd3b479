"""Samples a process's memory, sockets and asyncio tasks while it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.processes import GatewayProcess

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one moment."""

    rss_bytes: int
    sockets: int
    tasks: int


@dataclass(slots=True)
class Watch:
    """Samples the gateway once a second."""

    gateway: GatewayProcess
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.samples.append(await self.sample())
            await asyncio.sleep(1)

    async def sample(self) -> Sample:
        """Take one sample."""
        return Sample(self._resident_bytes(), self._sockets(), await asyncio.to_thread(self.gateway.tasks))

    def _resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.gateway.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES

    def _sockets(self) -> int:
        count = 0
        for name in os.listdir(f"/proc/{self.gateway.pid}/fd"):
            try:
                count += os.readlink(f"/proc/{self.gateway.pid}/fd/{name}").startswith("socket:")
            except FileNotFoundError:
                continue
        return count


def quarters(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """Return the first and the last quarter of the samples."""
    size = max(1, len(samples) // 4)
    return samples[:size], samples[-size:]
