"""The configured sources, opened: each with its own connections and its vendor's adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tracegraph.adapter import Adapter
from tracegraph.errors import ConfigurationError
from tracegraph.registry import installed_vendors, load
from tracegraph.settings import Settings, source_settings
from tracegraph.upstream.cache import ResponseCache
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.transport import Transport


@asynccontextmanager
async def open_sources(settings: Settings, origin: str = "the configuration") -> AsyncIterator[list[Adapter]]:
    """Every configured source's adapter, in the order of the configuration; no call is made to a vendor.

    Raises ConfigurationError for a vendor without an adapter and for settings that an adapter refuses.
    """
    vendors = installed_vendors()
    cache = ResponseCache(settings.cache.ttl_s) if settings.cache.url != "off" else None
    async with AsyncExitStack() as stack:
        adapters: list[Adapter] = []
        for name, table in settings.sources.items():
            entry = vendors.get(table.vendor)
            if entry is None:
                raise ConfigurationError(
                    f"{origin}: sources.{name}.vendor is {table.vendor!r}, which no installed adapter serves; "
                    f"there are: {', '.join(sorted(vendors))}."
                )
            transport = await stack.enter_async_context(Transport(name, table.transport()))
            opened = load(entry)(source_settings(name, table, origin), Upstream(name, transport, cache=cache))
            adapters.append(await stack.enter_async_context(opened))
        yield adapters
