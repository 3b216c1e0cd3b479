"""The paths that LangSmith calls deprecated: see docs/vendors/langsmith.md#deprecations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime

import structlog

_log = structlog.get_logger("tracegraph.adapter")


class Deprecations:
    """Logs each deprecated path once, and lists them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._last_days: dict[str, date | None] = {}

    def record(self, path: str, headers: Mapping[str, str]) -> None:
        """Record the headers of a reply."""
        if path in self._last_days or headers.get("deprecation", "false").lower() == "false":
            return
        last_day = _day(headers.get("sunset"))
        self._last_days[path] = last_day
        _log.warning(
            "vendor.deprecated", source=self._source, path=path, sunset=None if last_day is None else str(last_day)
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """Return a sentence for each deprecated path."""
        return tuple(
            f"LangSmith calls {path} deprecated" + (f" and removes it on {day}." if day else ".")
            for path, day in self._last_days.items()
        )


def _day(text: str | None) -> date | None:
    """Return the date of `Sunset`, which is a date of HTTP or an ISO date; None for any other text."""
    if text is None:
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(text).date()
        except ValueError:
            continue
    return None
