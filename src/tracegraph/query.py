"""Moved to `tracegraph.domain.filters`; this name goes with the next release."""

from __future__ import annotations

import warnings
from typing import Any

from tracegraph.domain import filters, sort_values

warnings.warn("tracegraph.query moved to tracegraph.domain.filters", DeprecationWarning, stacklevel=2)


def __getattr__(name: str) -> Any:
    """Return the attribute of the moved module, with a DeprecationWarning."""
    return getattr(filters if hasattr(filters, name) else sort_values, name)
