"""The installed adapters, found by the entry points of the group `tracegraph.adapters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from pydantic import BaseModel

from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.protocol import Adapter
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


@dataclass(frozen=True, slots=True)
class AdapterPackage:
    """What a vendor's package offers.

    Beside what the entry point names, its module may have `normalize_base_url`, which takes the `base_url` of the
    configuration and gives the one that the adapter works with, or raises ValueError with a sentence; and
    `Options`, the model of the adapter's own keys.
    """

    open_adapter: OpenAdapter
    normalize_base_url: Callable[[str], str]
    options: type[BaseModel] | None


def load(entry: EntryPoint) -> AdapterPackage:
    """The vendor's package. Raises ImportError with a reason on one line, whatever goes wrong in it."""
    try:
        open_adapter = cast("OpenAdapter", entry.load())
        module = import_module(entry.module)
    except Exception as error:  # its code is not ours
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ImportError(reason) from error
    return AdapterPackage(
        open_adapter, getattr(module, "normalize_base_url", str), getattr(module, "Options", None)
    )
