"""The LangSmith adapter against the contract of all adapters."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import ClassVar

import orjson
import pytest
from pydantic import SecretStr
from tracegraph_langsmith import open_adapter
from tracegraph_langsmith.v2_runs import SELECTS

from tracegraph.domain.models import SessionStatus, TokenUsage
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH, zulu
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.runs_v2 import RunReader
from tracegraph.simulators.langsmith.sessions_v2 import SessionReader
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session
from tracegraph.testing import AdapterContract, Configuration, Example, Vendor, instant, maybe, odd

SECRET = "lsv2_pt_made-up-for-the-contract"
NAMES = ("Support", "support", "Ärger", "straße", "zeta", "日本")
EXAMPLES = [stable_uuid(f"example {number}") for number in range(5)]


def written(rng: Random, moment: datetime) -> str:
    """Return a time as the vendor writes it: with Z, without a zone, with an offset.

    See docs/vendors/langsmith.md#times.
    """
    offset = moment.astimezone(timezone(timedelta(hours=2))).isoformat()
    return rng.choice([str(zulu(moment)), moment.replace(tzinfo=None).isoformat(), offset])


class LangSmith(Vendor):
    """A workspace of projects and experiments, some of them of one name."""

    def __init__(self, rng: Random) -> None:
        self.world = LangSmithWorld(
            api_key=SECRET,
            costs_as_numbers=rng.random() < 0.5,
            shuffle_ties=rng.random() < 0.7,
            nulls_first=rng.random() < 0.5,
        )
        self.simulator = langsmith.create_app(self.world)

    def steady(self) -> None:
        self.world.shuffle_ties = False

    def experiments(self) -> Mapping[str, Row]:
        return {row["id"]: row for row in self.world.sessions}

    def sessions(self, ref: str) -> Mapping[str, Row]:
        roots = (run for run in self.world.runs[ref] if run["parent_run_id"] is None)
        return {run["id"]: {"session_id": ref, **run} for run in roots}

    def add_experiment(self, rng: Random, number: int) -> str:
        ref = stable_uuid(f"session {number} {rng.random()}")
        metadata = {
            "agent_name": maybe(rng, "planner"),
            "agent_version": maybe(rng, rng.choice(["1", 2])),
            "dataset_version": maybe(rng, rng.choice(["v1", "v2"])),
        }
        row = langsmith_session(
            rng.choice(NAMES),
            id=ref,
            start_time=written(rng, instant(rng)) if rng.random() < 0.8 else None,
            reference_dataset_id=maybe(rng, stable_uuid("dataset"), 0.5),
            extra=maybe(rng, {"metadata": metadata}),
        )
        if rng.random() < 0.3:
            row |= {
                "latency_p50": rng.choice([1.25, -1, "NaN"]),
                "total_cost": rng.choice(["0.0123", 0.0123, "-3", "much"]),
                "run_count": rng.choice([0, 7, -1]),
                "error_rate": rng.choice([0, 0.5, 50, -0.1]),
            }
        self.world.add(row)
        return ref

    def add_session(self, rng: Random, ref: str, number: int) -> str:
        start = instant(rng)
        status = odd(rng, rng.choice(["success", "error", "pending"]), "interrupted")
        metadata = {
            "environment": rng.choice(["production", "staging"]),
            "thread_id": f"thread-{number % 4}",
            "ls_model_name": rng.choice(["small", "large"]),
            "attempt": rng.choice([1, "1", None, ["a", 2.0]]),
        }
        row = langsmith_run(
            f"run {number} of {ref}",
            start_time=written(rng, start),
            latency_s=maybe(rng, odd(rng, rng.random() * 9, -2.0)),
            status=status,
            name=rng.choice(NAMES),
            reference_example_id=maybe(rng, rng.choice(EXAMPLES), 0.5),
            first_token_time=maybe(rng, written(rng, start + timedelta(seconds=odd(rng, 1, -1)))),
            prompt_tokens=maybe(rng, odd(rng, rng.randint(0, 900), -1)),
            completion_tokens=maybe(rng, rng.randint(0, 900)),
            total_tokens=maybe(rng, rng.randint(0, 1800)),
            total_cost=maybe(rng, odd(rng, rng.choice(["0.0123", 0.5]), "-1", "NaN")),
            inputs=rng.choice([{"question": "why?"}, {"a": 1, "b": [None]}, {}, None]),
            feedback_stats=rng.choice([{}, {"accuracy": {"n": 1, "avg": -0.5, "values": {}}}]),
            extra=maybe(rng, {"metadata": metadata}),
        )
        return self.insert_session(ref, row)

    def insert_session(self, ref: str, row: Row) -> str:
        self.world.runs[ref].append(row)
        self.world.runs[ref].append(
            langsmith_run(f"child of {row['id']}", parent=row, start_time=row["start_time"])
        )
        return str(row["id"])

    def remove_experiment(self, ref: str) -> None:
        self.world.sessions = [row for row in self.world.sessions if row["id"] != ref]
        del self.world.runs[ref]

    def remove_session(self, ref: str, session_id: str) -> None:
        self.world.runs[ref] = [run for run in self.world.runs[ref] if run["trace_id"] != session_id]


def sent(row: Row) -> Row:
    """Return a row as it arrives: JSON has no NaN."""
    arrived: Row = orjson.loads(orjson.dumps(row))
    return arrived


class LangSmithV2(LangSmith):
    """The same workspace by v2, in a deployment with v1 beside it or without."""

    deployment = Deployment.of("v2")

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.world.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.world.max_start_inclusive = rng.random() < 0.5
        self.world.omit_nulls = rng.random() < 0.5
        self.simulator = langsmith.create_app(self.world, self.deployment)

    def experiments(self) -> Mapping[str, Row]:
        reader = SessionReader(self.world, {"include_stats": True})
        return {row["id"]: sent(reader.served(row)) for row in self.world.sessions}

    def sessions(self, ref: str) -> Mapping[str, Row]:
        reader = RunReader(self.world)
        roots = (run for run in self.world.runs[ref] if run["parent_run_id"] is None)
        return {run["id"]: sent(reader.served(run, ref, SELECTS, subtree_usage=True)) for run in roots}


class LangSmithBoth(LangSmithV2):
    """A deployment of both dialects, as today's cloud."""

    deployment = Deployment.of("both")


class LangSmithV2Runs(LangSmithV2):
    """A deployment whose tracer sessions and datasets have v1 only."""

    deployment = Deployment(v1_runs=False, v2=True, v2_lists=False)

    def experiments(self) -> Mapping[str, Row]:
        return LangSmith.experiments(self)


EXAMPLE_RUNS = (
    Example(
        langsmith_run(
            "example 1",
            latency_s=1.5,
            first_token_time=zulu(EPOCH + timedelta(seconds=0.25)),
            prompt_tokens=7,
            completion_tokens=2,
            total_tokens=9,
            total_cost="0.25",
        ),
        {
            "status": SessionStatus.SUCCESS,
            "latency_ms": 1500.0,
            "first_token_ms": 250.0,
            "tokens": TokenUsage(input=7, output=2, total=9),
            "cost_usd": 0.25,
        },
    ),
    Example(langsmith_run("example 2", status="error"), {"status": SessionStatus.ERROR}),
    Example(
        langsmith_run("example 3", status="pending", latency_s=None),
        {"status": SessionStatus.RUNNING, "latency_ms": None},
    ),
)


V1 = Configuration(
    vendor=LangSmith,
    options={"api_key": SecretStr(SECRET)},
    secret=SECRET,
    unknown_refs=(stable_uuid("nobody made this"), "no-uuid-at-all"),
    nameless_experiments=[langsmith_session("a") | {"id": None}],
    nameless_sessions={"runs": [langsmith_run("a") | {"id": None}], "cursors": {"next": None}},
    session_examples=EXAMPLE_RUNS,
)
V2 = replace(
    V1,
    vendor=LangSmithV2,
    nameless_experiments={"items": V1.nameless_experiments, "next_cursor": None},
    nameless_sessions={"items": V1.nameless_sessions["runs"], "next_cursor": None},
)


class TestLangSmith(AdapterContract):
    open_adapter = staticmethod(open_adapter)
    configurations: ClassVar = {"v1": V1, "v2": V2}


@pytest.mark.slow
class TestDeploymentsOfBothDialects(AdapterContract):
    """The adapter reads v2 here as above: `make test-slow` runs these."""

    open_adapter = staticmethod(open_adapter)
    configurations: ClassVar = {
        "both": replace(V2, vendor=LangSmithBoth),
        "v2 without lists": replace(V2, vendor=LangSmithV2Runs, nameless_experiments=V1.nameless_experiments),
    }
