"""The Meibel adapter against the contract of all adapters."""

from collections.abc import Mapping
from random import Random
from typing import ClassVar

from pydantic import SecretStr
from tracegraph_meibel import open_adapter

from tracegraph.domain.models import SessionStatus, TokenUsage
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session
from tracegraph.testing import AdapterContract, Example, Vendor, instant, maybe, odd

SECRET = "mb_made-up-for-the-contract"
NAMES = ("Support", "support", "Ärger", "straße", "zeta", "日本")


class Meibel(Vendor):
    """An account of agents, some of them of one display name; pages may be shorter than requested."""

    def __init__(self, rng: Random) -> None:
        self.world = MeibelWorld(
            api_key=SECRET,
            max_rows=rng.choice([None, 40, 60]),
            echo_paging=rng.random() < 0.5,
            created_at_in_summary=rng.random() < 0.5,
            shuffle_ties=rng.random() < 0.7,
            nulls_first=rng.random() < 0.5,
        )
        self.simulator = meibel.create_app(self.world)

    def steady(self) -> None:
        self.world.shuffle_ties = False

    def experiments(self) -> Mapping[str, Row]:
        return {row["id"]: row for row in self.world.agents}

    def sessions(self, ref: str) -> Mapping[str, Row]:
        return {row["session_id"]: row for row in self.world.sessions[ref]}

    def add_experiment(self, rng: Random, number: int) -> str:
        ref = f"agent-{rng.randrange(10**6)}-{number}"
        row = meibel_agent(
            ref,
            name=f"slug-{number}",
            created_at=maybe(rng, instant(rng)),
            display_name=rng.choice(NAMES),
            version=rng.choice(["1", "2"]),
            last_execution_time=zulu(maybe(rng, instant(rng))),
            tags=rng.choice([[], ["beta"]]),
        )
        self.world.add(row)
        return ref

    def add_session(self, rng: Random, ref: str, number: int) -> str:
        row = meibel_session(
            f"session-{number}",
            start_time=instant(rng),
            duration_s=maybe(rng, odd(rng, rng.randint(0, 900), -30)),
            status=odd(
                rng,
                rng.choice(["RUNNING", "COMPLETED", "FAILED", "CANCELED", "TERMINATED"]),
                "PAUSED",
            ),
            messages_count=odd(rng, rng.randint(0, 9), -1, "many"),
            token_usage=rng.choice(
                [None, {}, {"input_tokens": 5}, {"prompt_tokens": -5, "total_tokens": 7}, {"prompt_tokens": "x"}]
            ),
        )
        session_id = self.insert_session(ref, row)
        self.world.messages[session_id] = [
            {"role": role, "message": f"{role} {number}", "signal_id": None, "timestamp": None}
            for role in ("user", "assistant")
        ]
        slug = self.experiments()[ref]["name"]
        self.world.jobs.append(meibel_job(session_id, "correctness", maybe(rng, 7.0), agent_name=slug))
        return session_id

    def insert_session(self, ref: str, row: Row) -> str:
        self.world.sessions[ref].append(row)
        return str(row["session_id"])

    def remove_experiment(self, ref: str) -> None:
        self.world.agents = [row for row in self.world.agents if row["id"] != ref]
        del self.world.sessions[ref]

    def remove_session(self, ref: str, session_id: str) -> None:
        self.world.sessions[ref] = [row for row in self.world.sessions[ref] if row["session_id"] != session_id]


class TestMeibel(AdapterContract):
    vendor = Meibel
    open_adapter = staticmethod(open_adapter)
    options: ClassVar = {"api_key": SecretStr(SECRET)}
    secret = SECRET
    base_path = "/v2"
    unknown_refs = ("agent-nobody-made", "3f0e")
    nameless_experiments: ClassVar = {"data": [meibel_agent("a") | {"id": None}], "total": 1}
    nameless_sessions: ClassVar = {"data": [meibel_session("a") | {"session_id": ""}], "total": 1}
    session_examples = (
        Example(
            meibel_session("example-1", duration_s=30.0, token_usage={"prompt_tokens": 100, "output_tokens": 20}),
            {
                "status": SessionStatus.SUCCESS,
                "latency_ms": 30_000.0,
                "tokens": TokenUsage(input=100, output=20, total=120),
            },
        ),
        Example(meibel_session("example-2", status="FAILED"), {"status": SessionStatus.ERROR}),
        Example(meibel_session("example-3", status="TERMINATED"), {"status": SessionStatus.CANCELLED}),
        Example(
            meibel_session("example-4", status="RUNNING", duration_s=None),
            {"status": SessionStatus.RUNNING, "latency_ms": None},
        ),
    )
