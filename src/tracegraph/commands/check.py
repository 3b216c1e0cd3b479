"""`tracegraph check`: is every source reachable and authorized, how much does it hold, how fast is it.

So are Redis, the identity provider's keys and the collector, where they are configured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from rich.markup import escape
from rich.table import Table

from tracegraph.adapter.paging import ExperimentQuery, PageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealth, SourceHealthStatus
from tracegraph.commands.services import ServiceResult, check_services
from tracegraph.commands.validation import validate
from tracegraph.config.loader import Loaded
from tracegraph.config.settings import Settings
from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.sources import open_sources
from tracegraph.upstream.request_scope import bypass_cache

_PAGES_COUNTED = 20


_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 404, 405, 410})
"""Statuses of an address that is not the API's."""


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

    @property
    def trouble(self) -> str | None:
        """What is wrong, and where to look; None when nothing is."""
        error = self.health.last_error
        if error is None:
            return None
        reason = "" if error.reason is None else f": {error.reason}"
        sentence = f"{error.message.removesuffix('.')}{reason}."
        key = f"sources.{self.name}."
        is_elsewhere = error.http_status in _ELSEWHERE or error.code is SourceErrorCode.BAD_RESPONSE
        return f"{sentence} Is {key}base_url right?" if is_elsewhere and key not in sentence else sentence

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "name": self.name,
            "vendor": self.vendor,
            "reachable": self.reachable,
            "authorized": self.authorized,
            "usable": self.usable,
            "experiments": self.experiments or None,
            "durationMs": round(self.duration_ms),
            "trouble": self.trouble,
        }


@dataclass(frozen=True, slots=True)
class CheckResults:
    """What was found out about all sources and services."""

    sources: Sequence[CheckResult]
    services: Sequence[ServiceResult]

    @property
    def usable(self) -> bool:
        """Whether every one can be used."""
        return all(one.usable for one in self.sources) and all(one.reachable for one in self.services)

    def document(self) -> dict[str, Any]:
        """The results as JSON has them."""
        services = [
            {
                "name": one.name,
                "reachable": one.reachable,
                "durationMs": round(one.duration_ms),
                "trouble": one.trouble,
            }
            for one in self.services
        ]
        return {
            "usable": self.usable,
            "sources": [one.document() for one in self.sources],
            "services": services,
        }

    def tables(self) -> Iterator[Table]:
        """The results for a terminal."""
        yield render(self.sources)
        if self.services:
            yield _render_services(self.services)


async def run_check(loaded: Loaded) -> CheckResults:
    """Ask everything that is configured. Raises ConfigurationError before any call for what cannot be used."""
    await validate(loaded)
    sources, services = await asyncio.gather(
        check_sources(loaded.settings, loaded.origin), check_services(loaded.settings)
    )
    return CheckResults(sources, services)


async def check_sources(settings: Settings, origin: str) -> Sequence[CheckResult]:
    """Ask every source at once. Raises ConfigurationError."""
    async with open_sources(settings, origin) as sources:
        return await asyncio.gather(*(_check(adapter) for adapter in sources.adapters))


async def _check(adapter: Adapter) -> CheckResult:
    began = perf_counter()
    with bypass_cache():
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
            hint = page.next_hint
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
        table.add_row(
            one.name,
            one.vendor,
            _word(one.reachable),
            _word(one.authorized),
            one.experiments,
            f"{one.duration_ms:.0f}",
            escape(one.trouble or ""),
        )
    return table


def _render_services(results: Sequence[ServiceResult]) -> Table:
    table = Table(title="Services")
    for heading in ("service", "reachable"):
        table.add_column(heading)
    table.add_column("ms", justify="right")
    table.add_column("trouble", overflow="fold")
    for one in results:
        table.add_row(one.name, _word(one.reachable), f"{one.duration_ms:.0f}", escape(one.trouble or ""))
    return table


def _word(answer: bool | None) -> str:  # noqa: FBT001 - it is the value shown
    return {True: "[green]yes[/]", False: "[red]no[/]", None: "?"}[answer]
