"""The installed adapters, found by the entry points of the group `tracegraph.adapters`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from tracegraph.adapter import Adapter, SourceSettings
from tracegraph.upstream.client import Upstream

GROUP = "tracegraph.adapters"


class OpenAdapter(Protocol):
    """What an entry point names."""

    def __call__(self, settings: SourceSettings, upstream: Upstream) -> AbstractAsyncContextManager[Adapter]:
        """An adapter for the time of the context; opening makes no call to the vendor."""
        ...


def installed_vendors() -> Mapping[str, EntryPoint]:
    """Every vendor that has an adapter, by the name that `vendor = "..."` takes."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load(entry: EntryPoint) -> OpenAdapter:
    """The adapter's opening function."""
    return cast("OpenAdapter", entry.load())
