"""Moved to `tracegraph.domain.models`; this name goes with the next release."""

from __future__ import annotations

import warnings
from typing import Any

from tracegraph.domain import models as _moved

warnings.warn("tracegraph.model moved to tracegraph.domain.models", DeprecationWarning, stacklevel=2)


def __getattr__(name: str) -> Any:
    """Return the attribute of the moved module, with a DeprecationWarning."""
    return getattr(_moved, name)
