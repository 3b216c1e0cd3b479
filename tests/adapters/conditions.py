"""Conditions of filters as tests write them: a plain text means equality."""

from collections.abc import Mapping
from typing import Any

from tracegraph.domain.filters import StringFilter


def equalities(conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions, with a StringFilter in place of each plain text but `text`."""
    return {
        name: StringFilter(eq=value) if isinstance(value, str) and name != "text" else value
        for name, value in conditions.items()
    }
