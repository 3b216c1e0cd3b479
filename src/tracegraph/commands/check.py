"""`tracegraph check`: report for each source whether it is reachable and authorized, its size and its latency.

Redis, the identity provider's keys and the trace collector are checked too, where they are configured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from rich.markup import escape
from rich.table import Table

from tracegraph.adapter.paging import ExperimentQuery
from tracegraph.adapter.protocol import Adapter, SourceHealth, SourceHealthStatus
from tracegraph.commands.services import ServiceResult, check_services
from tracegraph.commands.validation import validate
from tracegraph.config.loader import Loaded
from tracegraph.config.settings import Settings
from tracegraph.domain.models import ExperimentKind
from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.sources import open_sources
from tracegraph.upstream.request_scope import bypass_cache

_PAGES_COUNTED = 20


_WIDE = 100
"""The columns of a terminal that the table with the interfaces needs."""


_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 404, 405, 410})
"""HTTP statuses of a URL that is not the API's."""


_UNREACHED = {SourceErrorCode.TIMEOUT, SourceErrorCode.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result for one source; `experiments` ends in + when counting stopped early."""

    name: str
    vendor: str
    health: SourceHealth
    experiments: str
    duration_ms: float

    @property
    def usable(self) -> bool:
        """Return whether the source accepts this credential, even if some of its calls fail."""
        return self.health.status in {SourceHealthStatus.UP, SourceHealthStatus.DEGRADED}

    @property
    def reachable(self) -> bool:
        """Return whether the source responded. A usable source may report an error of one part."""
        error = self.health.last_error
        return self.usable or error is None or error.code not in _UNREACHED

    @property
    def authorized(self) -> bool | None:
        """Return whether the source accepted the credential; None when it is unreachable."""
        error = self.health.last_error
        if not self.reachable:
            return None
        return error is None or error.code is not SourceErrorCode.UNAUTHORIZED

    @property
    def trouble(self) -> str | None:
        """Return the problem and the setting to check, or None."""
        error = self.health.last_error
        if error is None:
            return None
        reason = "" if error.reason is None else f": {error.reason}"
        sentence = f"{error.message.removesuffix('.')}{reason}."
        key = f"sources.{self.name}."
        is_elsewhere = error.http_status in _ELSEWHERE or error.code is SourceErrorCode.BAD_RESPONSE
        return f"{sentence} Is {key}base_url right?" if is_elsewhere and key not in sentence else sentence

    @property
    def interface(self) -> str:
        """Return the vendor's interface and version, as far as they are known."""
        known = [text for text in (self.health.interface, self.health.version) if text is not None]
        return " / ".join(known)

    @property
    def remarks(self) -> str:
        """Return the problem, if there is one, and the notices."""
        return " ".join([text for text in (self.trouble, *self.health.notices) if text is not None])

    def document(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "name": self.name,
            "vendor": self.vendor,
            "interface": self.health.interface,
            "version": self.health.version,
            "reachable": self.reachable,
            "authorized": self.authorized,
            "usable": self.usable,
            "experiments": self.experiments or None,
            "durationMs": round(self.duration_ms),
            "trouble": self.trouble,
            "notices": list(self.health.notices),
        }


@dataclass(frozen=True, slots=True)
class CheckResults:
    """The results of all sources and services."""

    sources: Sequence[CheckResult]
    services: Sequence[ServiceResult]

    @property
    def usable(self) -> bool:
        """Return whether every source and service is usable."""
        return all(result.usable for result in self.sources) and all(result.reachable for result in self.services)

    def document(self) -> dict[str, Any]:
        """Return the results as JSON."""
        services = [
            {
                "name": result.name,
                "reachable": result.reachable,
                "durationMs": round(result.duration_ms),
                "trouble": result.trouble,
            }
            for result in self.services
        ]
        return {
            "usable": self.usable,
            "sources": [result.document() for result in self.sources],
            "services": services,
        }

    def tables(self, width: int) -> Iterator[Table]:
        """Yield the results as tables for a terminal of that many columns."""
        yield render(self.sources, width)
        if self.services:
            yield _render_services(self.services)

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each source and service that has a problem or notices."""
        for source in self.sources:
            if source.remarks:
                yield f"{source.name}: {source.remarks}"
        for service in self.services:
            if service.trouble:
                yield f"{service.name}: {service.trouble}"


async def run_check(loaded: Loaded) -> CheckResults:
    """Check everything that is configured. Raise ConfigurationError before any call for invalid settings."""
    await validate(loaded)
    sources, services = await asyncio.gather(
        check_sources(loaded.settings, loaded.origin), check_services(loaded.settings)
    )
    return CheckResults(sources, services)


async def check_sources(settings: Settings, origin: str) -> Sequence[CheckResult]:
    """Check every source concurrently. Raise ConfigurationError for invalid settings."""
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
    """Return the vendor's own count, else count the rows of its list."""
    if health.experiment_count is not None:
        return str(health.experiment_count)
    try:
        counts = [await _count_list(adapter, kind) for kind in adapter.capabilities.experiment_lists()]
    except SourceError:
        return "?"
    total = sum(count for count, _ in counts)
    return str(total) if all(ended for _, ended in counts) else f"{total}+"


async def _count_list(adapter: Adapter, kind: ExperimentKind | None) -> tuple[int, bool]:
    """Return the rows of the first pages of a list, and whether these are all pages."""
    capabilities = adapter.capabilities.experiment_lists()[kind]
    query = ExperimentQuery(kind=kind, fields=frozenset())
    request, seen = capabilities.first_page(capabilities.page_max), 0
    for _ in range(_PAGES_COUNTED):
        page = await adapter.list_experiments(query, request)
        seen += len(page.items)
        if page.next_hint is None:
            return seen, True
        request = capabilities.next_page(capabilities.page_max, page.next_hint)
    return seen, False


def render(results: Sequence[CheckResult], width: int) -> Table:
    """Return the results as a table for a terminal. A narrow one lacks the interfaces, which --json has."""
    table = Table(title="Sources", title_justify="left")
    is_wide = width >= _WIDE
    for heading in ("source", "vendor", *(["interface"] if is_wide else []), "reachable", "authorized"):
        table.add_column(heading, overflow="fold")
    table.add_column("experiments", justify="right")
    table.add_column("ms", justify="right")
    for result in results:
        table.add_row(
            result.name,
            result.vendor,
            *([escape(result.interface)] if is_wide else []),
            _word(result.reachable),
            _word(result.authorized),
            result.experiments,
            f"{result.duration_ms:.0f}",
        )
    return table


def _render_services(results: Sequence[ServiceResult]) -> Table:
    table = Table(title="Services", title_justify="left")
    for heading in ("service", "reachable"):
        table.add_column(heading)
    table.add_column("ms", justify="right")
    for result in results:
        table.add_row(result.name, _word(result.reachable), f"{result.duration_ms:.0f}")
    return table


def _word(value: bool | None) -> str:  # noqa: FBT001 - the value to print
    return {True: "[green]yes[/]", False: "[red]no[/]", None: "?"}[value]
