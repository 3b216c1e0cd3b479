"""`tracegraph check`: is every source reachable and authorized, how much does it hold, how fast is it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from rich.table import Table

from tracegraph.adapter import Adapter, ExperimentQuery, PageRequest, SourceHealth, SourceHealthStatus
from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.settings import Settings
from tracegraph.sources import open_sources
from tracegraph.upstream.cache import past_cache

_PAGES_COUNTED = 20
_UNREACHED = {SourceErrorCode.TIMEOUT, SourceErrorCode.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found out about one source; `experiments` ends in + when counting stopped early."""

    name: str
    vendor: str
    health: SourceHealth
    experiments: str
    duration_ms: float

    @property
    def usable(self) -> bool:
        """Whether it answers with this credential, be it not every question."""
        return self.health.status in {SourceHealthStatus.UP, SourceHealthStatus.DEGRADED}

    @property
    def reachable(self) -> bool:
        """Whether it answered at all; of one that can be used, the error tells of a part that did not."""
        error = self.health.last_error
        return self.usable or error is None or error.code not in _UNREACHED

    @property
    def authorized(self) -> bool | None:
        """Whether it took the credential; None when it could not be asked."""
        error = self.health.last_error
        if not self.reachable:
            return None
        return error is None or error.code is not SourceErrorCode.UNAUTHORIZED


async def check_sources(settings: Settings, origin: str) -> Sequence[CheckResult]:
    """Ask every source at once. Raises ConfigurationError."""
    async with open_sources(settings, origin) as sources:
        return await asyncio.gather(*(_check(adapter) for adapter in sources.adapters))


async def _check(adapter: Adapter) -> CheckResult:
    began = perf_counter()
    with past_cache():
        health = await adapter.check()
    duration_ms = (perf_counter() - began) * 1000
    countable = health.status is SourceHealthStatus.UP or health.experiment_count is not None
    experiments = await _count(adapter, health) if countable else ""
    return CheckResult(adapter.name, adapter.vendor, health, experiments, duration_ms)


async def _count(adapter: Adapter, health: SourceHealth) -> str:
    """The vendor's own count, else by reading its list."""
    if health.experiment_count is not None:
        return str(health.experiment_count)
    seen = 0
    hint: int | str | None = None
    try:
        for _ in range(_PAGES_COUNTED):
            page = await adapter.list_experiments(
                ExperimentQuery(), PageRequest(adapter.capabilities.experiment_page_max, None, hint)
            )
            seen += len(page.items)
            hint = page.next
            if hint is None:
                return str(seen)
    except SourceError:
        return "?"
    return f"{seen}+"


def render(results: Sequence[CheckResult]) -> Table:
    """The results as a table for a terminal."""
    table = Table(title="Sources")
    for heading in ("source", "vendor", "reachable", "authorized"):
        table.add_column(heading)
    table.add_column("experiments", justify="right")
    table.add_column("ms", justify="right")
    table.add_column("trouble", overflow="fold")
    for one in results:
        error = one.health.last_error
        table.add_row(
            one.name,
            one.vendor,
            _word(one.reachable),
            _word(one.authorized),
            one.experiments,
            f"{one.duration_ms:.0f}",
            "" if error is None else error.message,
        )
    return table


def _word(answer: bool | None) -> str:  # noqa: FBT001 - it is the value shown
    return {True: "[green]yes[/]", False: "[red]no[/]", None: "?"}[answer]
