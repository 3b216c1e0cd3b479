"""Experiments for comparisons, added to the vendors' worlds, and the same comparison by brute force."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Vendors
from tests.worlds import Row, minutes
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

ACCURACY = "correctness"


@dataclass(frozen=True, slots=True)
class Ran:
    """One session: the case it ran, and what came out; None is what nobody measured. The output has a default."""

    case: str | None
    text: str | None
    latency_ms: int | None = 1000
    accuracy: float | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """One experiment of a source."""

    source: str
    name: str
    sessions: Sequence[Ran]

    @property
    def ref(self) -> str:
        return stable_uuid(f"session:{self.name}") if self.source == LANGSMITH else self.name

    @property
    def id(self) -> str:
        return base64.b64encode(f"Experiment:{self.source}:{self.ref}".encode()).decode()

    def values(self, of: Value) -> list[float]:
        return [value for session in self.sessions if (value := of(session)) is not None]


Value = Callable[[Ran], float | None]


def latency(session: Ran) -> float | None:
    return session.latency_ms


def accuracy(session: Ran) -> float | None:
    return session.accuracy


def by_case(session: Ran) -> str | None:
    return session.case


def by_input(session: Ran) -> str | None:
    return None if session.text is None else " ".join(session.text.split())


# -- into the worlds -------------------------------------------------------------------------------------


def put(vendors: Vendors, *experiments: Held) -> list[str]:
    """Add experiments to their vendors' worlds, and return their IDs."""
    for held in experiments:
        {NEMO: _put_nemo, LANGSMITH: _put_langsmith, MEIBEL: _put_meibel}[held.source](vendors, held)
    return [held.id for held in experiments]


def _put_nemo(vendors: Vendors, held: Held) -> None:
    vendors.nemo.world.add(
        nemo_experiment(held.name),
        [
            nemo_session(
                f"{held.name}-{index}",
                started_at=minutes(index),
                latency_ms=ran.latency_ms,
                test_case_id=ran.case,
                input=ran.text,
                evaluator_scores={} if ran.accuracy is None else {ACCURACY: ran.accuracy},
                **_output("output", ran.output),
            )
            for index, ran in enumerate(held.sessions)
        ],
    )


def _output(name: str, value: Any) -> Row:
    """Return the field of an output, nothing where the vendor's default stands."""
    return {} if value is None else {name: value}


def _put_langsmith(vendors: Vendors, held: Held) -> None:
    vendors.langsmith.world.add(
        langsmith_session(held.name),
        [
            langsmith_run(
                f"{held.name}-{index}",
                start_time=minutes(index),
                latency_s=None if ran.latency_ms is None else ran.latency_ms / 1000,
                reference_example_id=ran.case,
                inputs=None if ran.text is None else {"question": ran.text},
                feedback_stats={} if ran.accuracy is None else {ACCURACY: {"n": 1, "avg": ran.accuracy}},
                **_output("outputs", None if ran.output is None else {"answer": ran.output}),
            )
            for index, ran in enumerate(held.sessions)
        ],
    )


def _put_meibel(vendors: Vendors, held: Held) -> None:
    world, sessions = vendors.meibel.world, list[Row]()
    for index, ran in enumerate(held.sessions):
        name = f"{held.name}-{index}"
        duration_s = None if ran.latency_ms is None else ran.latency_ms / 1000
        sessions.append(meibel_session(name, start_time=minutes(index), duration_s=duration_s))
        said = (("user", ran.text), ("assistant", ran.output))
        world.messages[name] = [{"role": role, "message": text} for role, text in said if text is not None]
        if ran.accuracy is not None:
            world.jobs.append(meibel_job(name, ACCURACY, ran.accuracy, agent_name=held.name))
    world.add(meibel_agent(held.name, display_name=held.name), sessions)


def made_up(random: Random, source: str, name: str, *, sessions: int = 20, prefix: str = "case-") -> Held:
    """Sessions over twelve cases with repetitions and gaps; a case's text differs in its white space only."""

    def ran() -> Ran:
        case = random.randrange(12)
        text = random.choice([f"What is {case}?", f" What  is\n{case}? "])
        return Ran(
            None if source == MEIBEL or random.random() < 0.1 else f"{prefix}{case}",
            None if random.random() < 0.1 else text,
            None if random.random() < 0.1 else random.randrange(1, 9) * 500,
            None if random.random() < 0.2 else random.randrange(11) / 10,
        )

    return Held(source, name, [ran() for _ in range(sessions)])


# -- by brute force --------------------------------------------------------------------------------------


def case_means(held: Held, key: Callable[[Ran], str | None], of: Value) -> dict[str, float | None]:
    """The mean of every case's repetitions."""
    keys = {found for session in held.sessions if (found := key(session)) is not None}
    means: dict[str, float | None] = {}
    for one in keys:
        values = [value for ran in held.sessions if key(ran) == one and (value := of(ran)) is not None]
        means[one] = fmean(values) if values else None
    return means


def outcomes(
    baseline: Held, other: Held, key: Callable[[Ran], str | None], of: Value, *, higher: bool
) -> dict[str, str]:
    """Return the outcome of every case of the baseline in another experiment."""
    before, after = case_means(baseline, key, of), case_means(other, key, of)
    return {one: _outcome(before[one], after.get(one), one in after, higher) for one in before}


def _outcome(before: float | None, after: float | None, ran: bool, higher: bool) -> str:  # noqa: FBT001
    if before is None and after is None:
        return "EQUAL" if ran else "MISSING"
    if before is None or after is None:
        return "MISSING"
    if math.isclose(before, after, rel_tol=1e-9):
        return "EQUAL"
    return "IMPROVED" if (after > before) == higher else "REGRESSED"


def counts(found: dict[str, str]) -> dict[str, int]:
    """`improved`, `regressed`, `equal`, `missing`."""
    outcome_names = ("IMPROVED", "REGRESSED", "EQUAL", "MISSING")
    return {name.lower(): list(found.values()).count(name) for name in outcome_names}
