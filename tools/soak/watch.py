"""What a process holds, sampled while it works: memory, sockets, asyncio tasks."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TASKS = re.compile(r"^tracegraph_asyncio_tasks(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """At one moment; `tasks` is None where the gateway does not tell."""

    rss_bytes: int
    sockets: int
    tasks: int | None


@dataclass(slots=True)
class Watch:
    """Samples of one process, once a second."""

    pid: int
    metrics_url: str
    http: aiohttp.ClientSession
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.samples.append(await self.sample())
            await asyncio.sleep(1)

    async def sample(self) -> Sample:
        """How things are now."""
        return Sample(self._resident_bytes(), self._sockets(), await self._tasks())

    def _resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES

    def _sockets(self) -> int:
        count = 0
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                count += os.readlink(f"/proc/{self.pid}/fd/{name}").startswith("socket:")
            except FileNotFoundError:
                continue
        return count

    async def _tasks(self) -> int | None:
        async with self.http.get(self.metrics_url) as response:
            found = _TASKS.search(await response.text())
        return None if found is None else int(float(found[1]))


def quarters(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The first and the last quarter of the samples."""
    size = max(1, len(samples) // 4)
    return samples[:size], samples[-size:]
