"""The installed adapters, found by the entry points of the group `tracegraph.adapters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast

from pydantic import BaseModel

from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.texts import folded
from tracegraph.upstream.client import Upstream

GROUP = "tracegraph.adapters"


class OpenAdapter(Protocol):
    """The callable that an entry point names."""

    def __call__(self, settings: SourceSettings, upstream: Upstream) -> AbstractAsyncContextManager[Adapter]:
        """Return a context manager that yields an adapter; opening makes no call to the vendor."""
        ...


def installed_vendors() -> Mapping[str, EntryPoint]:
    """Return the entry point of every installed vendor, by the name that `vendor = "..."` takes."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def entry_of(vendor: str) -> EntryPoint | None:
    """Return the entry point of a vendor; None without an adapter of that name.

    The process reads the metadata of all installed packages once, and again for a vendor that it did not find.
    """
    return _first_read().get(vendor) or installed_vendors().get(vendor)


@cache
def _first_read() -> Mapping[str, EntryPoint]:
    return installed_vendors()


@dataclass(frozen=True, slots=True)
class AdapterPackage:
    """The public parts of a vendor's package.

    Beside the entry point, its module may define `normalize_base_url` and `Options`. `normalize_base_url` converts
    the configured `base_url` into the adapter's, or raises ValueError with a sentence. `Options` is the model of
    the adapter's own keys.
    """

    open_adapter: OpenAdapter
    normalize_base_url: Callable[[str], str]
    options: type[BaseModel] | None


def load(entry: EntryPoint) -> AdapterPackage:
    """Return the vendor's package.

    Raises:
        ImportError: With a reason on one line, whatever goes wrong in the package.
    """
    try:
        open_adapter = cast("OpenAdapter", entry.load())
        module = import_module(entry.module)
    except Exception as error:  # third-party code may raise anything
        reason = folded(f"{type(error).__name__}: {error}")
        raise ImportError(reason) from error
    return AdapterPackage(
        open_adapter, getattr(module, "normalize_base_url", str), getattr(module, "Options", None)
    )
