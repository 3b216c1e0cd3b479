"""Open the configured sources, each with its own connections and its vendor's adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.protocol import Adapter
from tracegraph.adapter.registry import AdapterPackage, entry_of, installed_vendors, load
from tracegraph.config.settings import CacheSettings, Settings, source_settings
from tracegraph.config.sources import SourceTable
from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import ConfigurationError
from tracegraph.upstream.cache.entries import CacheEntries, CachePolicy, CacheStores, SharedStore
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline
from tracegraph.upstream.resilience.scheduler import ALL_OTHERS
from tracegraph.upstream.transport import Transport

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


@dataclass(frozen=True, slots=True)
class Sources:
    """The open adapters in the order of the configuration, and their resilience pipelines by name.

    `memory` is the cache of this process, None without a cache. `shared` is the store that several processes
    share, None without Redis.
    """

    adapters: Sequence[Adapter]
    pipelines: Mapping[str, ResiliencePipeline]
    memory: MemoryStore | None = None
    shared: SharedStore | None = None


@asynccontextmanager
async def open_sources(
    settings: Settings,
    origin: str = "the configuration",
    tracing: Tracing | None = None,
    clock: Callable[[], float] = elapsed_s,
) -> AsyncIterator[Sources]:
    """Open every configured source, without a call to a vendor.

    Args:
        settings: The configuration.
        origin: The name of the configuration file, for messages.
        tracing: Creates a span for every vendor call; None without tracing.
        clock: Measures the age of cached replies in seconds.

    Raises:
        ConfigurationError: For a vendor without an adapter, and for settings that an adapter rejects.
    """
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(_open_stores(settings.cache, clock))
        adapters: list[Adapter] = []
        pipelines: dict[str, ResiliencePipeline] = {}
        for name, table in settings.sources.items():
            package = package_of(name, table.vendor, origin)
            connection = replace(
                table.transport_settings(settings.limits.deadline_s),
                base_url=base_url_of(name, table, package, origin),
            )
            transport = await stack.enter_async_context(Transport(name, connection))
            pipeline = pipelines[name] = ResiliencePipeline(transport, table.policy(), tracing=tracing)
            cache = CacheEntries.for_source(
                name, connection.base_url, _cache_policy(settings, name), stores, pipeline.counters
            )
            opening = package.open_adapter(
                replace(source_settings(name, table, origin), base_url=connection.base_url),
                Upstream(pipeline, cache=cache, pass_through=table.pass_through),
            )
            adapter = CheckedAdapter(await stack.enter_async_context(opening))
            _reject_unknown_kinds(name, table, adapter, origin)
            pipeline.set_documented_rates(adapter.capabilities.rate_limits)
            adapters.append(adapter)
        stack.push_async_callback(stores.flights.close)  # close flights before the connections that they use
        yield Sources(adapters, pipelines, stores.memory, stores.shared)


def package_of(name: str, vendor: str, origin: str) -> AdapterPackage:
    """Return the package of a source's vendor.

    Args:
        name: The configured name of the source.
        vendor: Its vendor.
        origin: The name of the configuration file, for messages.

    Raises:
        ConfigurationError: For a vendor without an importable package.
    """
    key = f"{origin}: sources.{name}.vendor is {vendor!r}"
    entry = entry_of(vendor)
    if entry is None:
        installed = ", ".join(sorted(installed_vendors()))
        raise ConfigurationError(f"{key}, which has no installed adapter; installed are: {installed}.")
    try:
        return load(entry)
    except ImportError as error:
        raise ConfigurationError(
            f"{key}, but the adapter's package cannot be imported ({error}): reinstall the package."
        ) from None


def base_url_of(name: str, table: SourceTable, package: AdapterPackage, origin: str) -> str:
    """Return the base URL that the adapter uses.

    Args:
        name: The configured name of the source.
        table: Its settings.
        package: The package of its vendor.
        origin: The name of the configuration file, for messages.

    Raises:
        ConfigurationError: For a URL that the adapter rejects.
    """
    try:
        return package.normalize_base_url(table.base_url).rstrip("/")
    except ValueError as error:
        raise ConfigurationError(f"{origin}: sources.{name}.base_url cannot be used: {error}.") from None


def _reject_unknown_kinds(name: str, table: SourceTable, adapter: Adapter, origin: str) -> None:
    kinds_of_vendor = adapter.capabilities.call_kinds
    for key, kinds in (("limits.rates", table.limits.rates), ("ttl_by_kind", table.ttl_by_kind)):
        for kind in kinds:
            is_all = key == "limits.rates" and kind == ALL_OTHERS
            if kinds_of_vendor and kind not in kinds_of_vendor and not is_all:
                raise ConfigurationError(
                    f"{origin}: sources.{name}.{key} names {kind!r}, which is not a kind of call of vendor "
                    f"{table.vendor!r}; its kinds are: {', '.join(sorted(kinds_of_vendor))}."
                )


@asynccontextmanager
async def _open_stores(cache: CacheSettings, clock: Callable[[], float]) -> AsyncIterator[CacheStores]:
    """Open the stores of cached replies."""
    memory = None
    if cache.url != "off":
        memory = MemoryStore(max_entries=cache.max_entries, max_bytes=cache.max_mb * 1024 * 1024)
    if not cache.is_shared:
        yield CacheStores(memory, secret=cache.secret, clock=clock)
        return
    from tracegraph.upstream.cache.redis import open_redis  # noqa: PLC0415 - the import takes 0.25 s, and few need Redis

    password = None if cache.password is None else cache.password.get_secret_value()
    async with open_redis(cache.url, password, cache.redis_timeout_ms / 1000) as shared:
        yield CacheStores(memory, shared, secret=cache.secret, clock=clock)


def _cache_policy(settings: Settings, source: str) -> CachePolicy:
    cache = settings.cache
    return CachePolicy(
        ttl_s=cache.ttl_s,
        stale_s=cache.stale_s,
        share=cache.share_in_flight,
        limit_s=settings.limits.deadline_s,
        timeout_s=settings.sources[source].timeout_within(settings.limits.deadline_s),
        ttl_by_kind=settings.sources[source].ttl_by_kind,
    )
