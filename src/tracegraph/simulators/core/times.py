"""Timestamps in the vendors' formats: naive UTC (NeMo), `Z` or an offset (LangSmith, Meibel)."""

from datetime import UTC, datetime

EPOCH = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
"""The start of a row that was created without one."""


def parse(text: str) -> datetime:
    """Parse an ISO 8601 timestamp; one without a zone is UTC (docs/vendors/nemo.md#times).

    Raises ValueError for any other text.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def naive(moment: datetime | str | None) -> str | None:
    """Return a time in UTC without a zone, as NeMo writes it. A string is returned unchanged."""
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def zulu(moment: datetime | str | None) -> str | None:
    """Return a time in UTC with a `Z`. A string is returned unchanged."""
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
