"""What a simulated vendor holds and how it behaves: plain rows in its own words, open to change at any time.

A row is a JSON object, and a key that it states is served as stated, also where the vendor computes it
(a run count, a latency percentile): so a test may give any value without making a thousand sessions.
"""

import uuid
from datetime import datetime

from tracegraph.simulators.core.times import parse

TENANT = "7f3c1a52-0d5e-4c0e-9d67-1f0a5be9c001"
"""The LangSmith workspace, unless a world names another."""


_IDS = uuid.UUID("5b0b6c7e-93b1-4f4e-8a0e-6f1d3a2c9e10")


def stable_uuid(name: str) -> str:
    """Make the UUID that belongs to a name: the same one in every run."""
    return str(uuid.uuid5(_IDS, name))


def _moment(moment: datetime | str) -> datetime:
    return parse(moment) if isinstance(moment, str) else moment
