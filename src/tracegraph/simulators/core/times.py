"""Timestamps as the three vendors write them: naive UTC (NeMo), `Z` or an offset (LangSmith, Meibel)."""

from datetime import UTC, datetime

EPOCH = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
"""When a row starts that was made without saying so."""


def parse(text: str) -> datetime:
    """Read an ISO 8601 timestamp; one without a zone is UTC (docs/vendors/nemo.md#times).

    ValueError when it is none.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def naive(moment: datetime | str | None) -> str | None:
    """Write a moment in UTC without a zone, as NeMo does; a string is taken as it is."""
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def zulu(moment: datetime | str | None) -> str | None:
    """Write a moment in UTC with a `Z`; a string is taken as it is."""
    if not isinstance(moment, datetime):
        return moment
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
