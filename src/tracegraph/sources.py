"""The configured sources, opened: each with its own connections and its vendor's adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.protocol import Adapter
from tracegraph.adapter.registry import AdapterPackage, installed_vendors, load
from tracegraph.config.settings import CacheSettings, Settings, source_settings
from tracegraph.config.sources import SourceTable
from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import ConfigurationError
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.cache.read_through import CachePolicy, CacheStores, ReadThroughCache, SharedStore
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline
from tracegraph.upstream.resilience.scheduler import ALL_OTHERS
from tracegraph.upstream.transport import Transport

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


@dataclass(frozen=True, slots=True)
class Sources:
    """The open adapters in the order of the configuration, and by name what guards and counts their calls.

    `memory` is where this process keeps answers, None without a cache; `shared` is what several processes
    share, None without Redis.
    """

    adapters: Sequence[Adapter]
    guards: Mapping[str, ResiliencePipeline]
    memory: MemoryStore | None = None
    shared: SharedStore | None = None


@asynccontextmanager
async def open_sources(
    settings: Settings,
    origin: str = "the configuration",
    tracing: Tracing | None = None,
    clock: Callable[[], float] = elapsed_s,
) -> AsyncIterator[Sources]:
    """Every configured source; no call is made to a vendor. With `tracing`, every call that is made has a span.

    `clock` gives the ages of cached replies, in seconds.

    Raises ConfigurationError for a vendor without an adapter and for settings that an adapter refuses.
    """
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(_open_stores(settings.cache, clock))
        adapters: list[Adapter] = []
        guarded: dict[str, ResiliencePipeline] = {}
        for name, table in settings.sources.items():
            package = package_of(name, table.vendor, origin)
            connection = replace(
                table.transport(settings.limits.deadline_s), base_url=base_url_of(name, table, package, origin)
            )
            transport = await stack.enter_async_context(Transport(name, connection))
            guards = guarded[name] = ResiliencePipeline(transport, table.policy(), tracing=tracing)
            reads = ReadThroughCache.of(
                name, connection.base_url, _read_policy(settings, name), stores, guards.counters
            )
            opened = package.open_adapter(
                source_settings(name, table, origin),
                Upstream(guards, reads=reads, pass_through=table.pass_through),
            )
            adapter = CheckedAdapter(await stack.enter_async_context(opened))
            _refuse_unknown_kinds(name, table, adapter, origin)
            guards.limit(adapter.capabilities.rate_limits)
            adapters.append(adapter)
        stack.push_async_callback(stores.flights.close)  # before the connections that they use
        yield Sources(adapters, guarded, stores.memory, stores.shared)


def package_of(name: str, vendor: str, origin: str) -> AdapterPackage:
    """The package of a source's vendor. Raises ConfigurationError where there is none that can be imported."""
    vendors = installed_vendors()
    key = f"{origin}: sources.{name}.vendor is {vendor!r}"
    entry = vendors.get(vendor)
    if entry is None:
        raise ConfigurationError(
            f"{key}, which no installed adapter serves; there are: {', '.join(sorted(vendors))}."
        )
    try:
        return load(entry)
    except ImportError as error:
        raise ConfigurationError(
            f"{key}, and the adapter's package cannot be imported ({error}): install it anew."
        ) from None


def base_url_of(name: str, table: SourceTable, package: AdapterPackage, origin: str) -> str:
    """The address that the adapter works with. Raises ConfigurationError for one that is known to be wrong."""
    try:
        return package.normalize_base_url(table.base_url).rstrip("/")
    except ValueError as error:
        raise ConfigurationError(f"{origin}: sources.{name}.base_url cannot be used: {error}.") from None


def _refuse_unknown_kinds(name: str, table: SourceTable, adapter: Adapter, origin: str) -> None:
    known = adapter.capabilities.call_kinds
    for key, kinds in (("limits.rates", table.limits.rates), ("ttl_by_kind", table.ttl_by_kind)):
        for kind in kinds:
            is_all = key == "limits.rates" and kind == ALL_OTHERS
            if known and kind not in known and not is_all:
                raise ConfigurationError(
                    f"{origin}: sources.{name}.{key} names {kind!r}, which is no kind of call of vendor "
                    f"{table.vendor!r}; there are: {', '.join(sorted(known))}."
                )


@asynccontextmanager
async def _open_stores(cache: CacheSettings, clock: Callable[[], float]) -> AsyncIterator[CacheStores]:
    """Where answers are kept."""
    memory = None
    if cache.url != "off":
        memory = MemoryStore(max_entries=cache.max_entries, max_bytes=cache.max_mb * 1024 * 1024)
    if not cache.is_shared:
        yield CacheStores(memory, secret=cache.secret, clock=clock)
        return
    from tracegraph.upstream.cache.redis import open_redis  # noqa: PLC0415 - a quarter of a second, for few

    password = None if cache.password is None else cache.password.get_secret_value()
    async with open_redis(cache.url, password, cache.redis_timeout_ms / 1000) as shared:
        yield CacheStores(memory, shared, secret=cache.secret, clock=clock)


def _read_policy(settings: Settings, source: str) -> CachePolicy:
    cache = settings.cache
    return CachePolicy(
        ttl_s=cache.ttl_s,
        stale_s=cache.stale_s,
        share=cache.share_in_flight,
        limit_s=settings.limits.deadline_s,
        timeout_s=settings.sources[source].timeout_within(settings.limits.deadline_s),
        ttl_by_kind=settings.sources[source].ttl_by_kind,
    )
