"""The LangSmith adapter against the contract of all adapters."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from random import Random
from typing import ClassVar

from pydantic import SecretStr
from tracegraph_langsmith import open_adapter

from tracegraph.domain.models import SessionStatus, TokenUsage
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH, zulu
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session
from tracegraph.testing import AdapterContract, Example, Vendor, instant, maybe, odd

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


class TestLangSmith(AdapterContract):
    vendor = LangSmith
    open_adapter = staticmethod(open_adapter)
    options: ClassVar = {"api_key": SecretStr(SECRET)}
    secret = SECRET
    unknown_refs = (stable_uuid("nobody made this"), "no-uuid-at-all")
    nameless_experiments: ClassVar = [langsmith_session("a") | {"id": None}]
    nameless_sessions: ClassVar = {"runs": [langsmith_run("a") | {"id": None}], "cursors": {"next": None}}
    session_examples = (
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
