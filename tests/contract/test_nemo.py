"""The NeMo Intake adapter against the contract of all adapters."""

from collections.abc import Mapping
from random import Random
from typing import ClassVar

import pytest
from pydantic import SecretStr
from tracegraph_nemo import open_adapter

from tracegraph.domain.models import SessionStatus, TokenUsage
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.releases import NemoDialect
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session
from tracegraph.testing import AdapterContract, Example, Vendor, instant, maybe, odd

SECRET = "jwt-made-up-for-the-contract"
NAMES = ("base", "tuned+v2", "nightly@main", "a.b_c", "gpt-4o")


class Nemo(Vendor):
    """A workspace of 0.1.2 or 0.2.0, with names that the service allows."""

    dialect: NemoDialect = "0.2"

    def __init__(self, rng: Random) -> None:
        self.world = NemoWorld(
            token=SECRET, shape=rng.choice(["contract", "agent_lists"]), send_nulls=rng.random() < 0.5
        )
        self.simulator = nemo.create_app(self.world, self.dialect)
        if self.dialect == "0.2" and self.world.shape == "agent_lists":  # 0.2.0 refuses conditions on agents
            self.refused_filters = frozenset({"agent_name", "agent_version"})

    def experiments(self) -> Mapping[str, Row]:
        return {row["name"]: row for row in self.world.experiments}

    def sessions(self, ref: str) -> Mapping[str, Row]:
        return {row["session_id"]: row for row in self.world.sessions[ref]}

    def add_experiment(self, rng: Random, number: int) -> str:
        name = f"{rng.choice(NAMES)}-{number}"
        row = nemo_experiment(
            name,
            id=f"experiment-{rng.randrange(10**9)}-{number}",
            created_at=maybe(rng, instant(rng)),
            updated_at=None,
            agent_name=maybe(rng, rng.choice(["assistant", "Planner é"])),
            dataset_name=maybe(rng, rng.choice(["cases", "more cases"])),
            dataset_version=maybe(rng, rng.choice(["1", "2"])),
            experiment_group_id=maybe(rng, rng.choice(["group-1", "group-2"])),
        )
        activity = maybe(rng, instant(rng))
        row["updated_at"] = None if activity is None else activity.replace(tzinfo=None).isoformat()
        if rng.random() < 0.2:
            row["run_count"] = rng.choice([0, 3, 5000, -1])
        self.world.add(row)
        return name

    def add_session(self, rng: Random, ref: str, number: int) -> str:
        row = nemo_session(
            f"s-{number}",
            started_at=instant(rng),
            latency_ms=maybe(rng, odd(rng, rng.randint(0, 9000), -20)),
            status=odd(rng, rng.choice(["success", "error", "cancelled", "unknown"]), "paused"),
            test_case_id=maybe(rng, f"case-{number % 5}"),
            root_span_id=f"span-{rng.randrange(10**9)}",
            input=maybe(rng, rng.choice(["a question", {"question": "why?"}, {"a": [1], "b": None}])),
            input_tokens=maybe(rng, odd(rng, rng.randint(0, 900), -1, 1.5)),
            output_tokens=maybe(rng, rng.randint(0, 900)),
            cost_total_usd=maybe(rng, odd(rng, rng.random(), -0.5)),
            evaluator_scores=rng.choice([{}, {"accuracy": rng.random()}, {"tone/v1": -1.0, "accuracy": 1}]),
        )
        return self.insert_session(ref, row)

    def insert_session(self, ref: str, row: Row) -> str:
        self.world.sessions[ref].append(row)
        return str(row["session_id"])

    def remove_experiment(self, ref: str) -> None:
        self.world.experiments = [row for row in self.world.experiments if row["name"] != ref]
        del self.world.sessions[ref]

    def remove_session(self, ref: str, session_id: str) -> None:
        self.world.sessions[ref] = [row for row in self.world.sessions[ref] if row["session_id"] != session_id]


class Nemo03(Nemo):
    """A workspace of 0.3.0."""

    dialect = "0.3"


class Nemo08(Nemo):
    """A workspace of 0.8.1."""

    dialect = "0.8"


class TestNemo(AdapterContract):
    vendor = Nemo
    open_adapter = staticmethod(open_adapter)
    options: ClassVar = {"api_key": SecretStr(SECRET), "release": "0.2"}
    secret = SECRET
    unknown_refs = ("nobody-made-this", "nobody+made@that")
    nameless_experiments: ClassVar = {
        "data": [nemo_experiment("a") | {"id": None}],
        "pagination": {"total_results": 1},
    }
    nameless_sessions: ClassVar = {
        "data": [nemo_session("a") | {"session_id": ""}],
        "pagination": {"total_results": 1},
    }
    session_examples = (
        Example(
            nemo_session("example-1", latency_ms=1500.0, input_tokens=7, output_tokens=2, cost_total_usd=0.25),
            {
                "status": SessionStatus.SUCCESS,
                "latency_ms": 1500.0,
                "tokens": TokenUsage(input=7, output=2, cached=0, total=9),
                "cost_usd": 0.25,
            },
        ),
        Example(nemo_session("example-2", status="error"), {"status": SessionStatus.ERROR}),
        Example(nemo_session("example-3", status="cancelled"), {"status": SessionStatus.CANCELLED}),
    )


@pytest.mark.slow
class TestNemo03(TestNemo):
    """0.3 differs from 0.8 in few calls: `make test-slow` runs these."""

    vendor = Nemo03
    options: ClassVar = {"api_key": SecretStr(SECRET), "release": "0.3"}


class TestNemo08(TestNemo):
    vendor = Nemo08
    options: ClassVar = {"api_key": SecretStr(SECRET), "release": "0.6"}
