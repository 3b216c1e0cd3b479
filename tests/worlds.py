"""What the tests of the gateway put into the simulated vendors, and what must come out of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Vendors
from tracegraph.simulators.core.times import EPOCH, parse
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

Row = dict[str, Any]
Listed = tuple[str, str]
"""A source's name, and an experiment's name as the gateway shows it."""


def hours(count: float) -> datetime:
    """So many hours after the epoch of the worlds."""
    return EPOCH + timedelta(hours=count)


def minutes(count: float) -> datetime:
    """So many minutes after the epoch of the worlds."""
    return EPOCH + timedelta(minutes=count)


def nemo_sessions(name: str, count: int) -> list[Row]:
    """Sessions of a NeMo experiment, a minute apart: `<name>-0` is the oldest."""
    return [nemo_session(f"{name}-{index}", started_at=minutes(index)) for index in range(count)]


def langsmith_runs(name: str, count: int) -> list[Row]:
    """Root runs of a LangSmith session, a minute apart."""
    return [langsmith_run(f"{name}-{index}", start_time=minutes(index)) for index in range(count)]


def meibel_sessions(name: str, count: int) -> list[Row]:
    """Sessions of a Meibel agent, a minute apart."""
    return [meibel_session(f"{name}-{index}", start_time=minutes(index)) for index in range(count)]


def fill(vendors: Vendors, experiments: int = 4, sessions: int = 3) -> None:
    """The same number of experiments at each vendor: the nth of each is n hours old, so that all of them tie."""
    for index in range(experiments):
        created, name = hours(index), f"n{index}"
        vendors.nemo.world.add(nemo_experiment(name, created_at=created), nemo_sessions(name, sessions))
        name = f"l{index}"
        vendors.langsmith.world.add(langsmith_session(name, start_time=created), langsmith_runs(name, sessions))
        name = f"m{index}"
        vendors.meibel.world.add(
            meibel_agent(name, display_name=name, created_at=created), meibel_sessions(name, sessions)
        )


def newest_first(vendors: Vendors) -> list[Listed]:
    """Every experiment of every vendor by the documented order: createdAt descending, nulls last, source, id."""
    rows = [
        *((NEMO, row["name"], row["id"], row["created_at"]) for row in vendors.nemo.world.experiments),
        *((LANGSMITH, row["name"], row["id"], row["start_time"]) for row in vendors.langsmith.world.sessions),
        *((MEIBEL, row["display_name"], row["id"], row["created_at"]) for row in vendors.meibel.world.agents),
    ]

    def place(row: tuple[str, str, str, str | None]) -> tuple[bool, float, str, str]:
        source, _, vendor_id, created = row
        return created is None, 0.0 if created is None else -parse(created).timestamp(), source, vendor_id

    return [(source, name) for source, name, _, _ in sorted(rows, key=place)]


def listed(nodes: Sequence[Row]) -> list[Listed]:
    """Experiments as they came: `nodes { name source { name } }`."""
    return [(node["source"]["name"], node["name"]) for node in nodes]
