"""Ids of the simulated vendors, the same in every process."""

import uuid
from datetime import datetime

from tracegraph.simulators.core.times import parse

TENANT = "7f3c1a52-0d5e-4c0e-9d67-1f0a5be9c001"
"""The default LangSmith workspace of a world."""


_IDS = uuid.UUID("5b0b6c7e-93b1-4f4e-8a0e-6f1d3a2c9e10")


def stable_uuid(name: str) -> str:
    """Return the UUID of a name, the same in every run."""
    return str(uuid.uuid5(_IDS, name))


def _moment(moment: datetime | str) -> datetime:
    return parse(moment) if isinstance(moment, str) else moment
