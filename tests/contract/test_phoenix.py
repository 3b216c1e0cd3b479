"""The Phoenix adapter against the contract of all adapters."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import ClassVar

import pytest
from pydantic import SecretStr
from tracegraph_phoenix import open_adapter

from tracegraph.domain.models import ExperimentKind, SessionStatus, TokenUsage
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.phoenix.app import create_app
from tracegraph.simulators.phoenix.world import (
    PhoenixWorld,
    global_id,
    phoenix_annotation,
    phoenix_dataset,
    phoenix_experiment,
    phoenix_project,
    phoenix_run,
    phoenix_span,
)
from tracegraph.testing import AdapterContract, Configuration, Example, Vendor, instant, maybe, odd

SECRET = "phoenix-key-made-up-for-the-contract"
NAMES = ("Support", "support", "Ärger", "100% sure", "a_b", "日本")
TOKENS: Row = {"llm": {"token_count": {"prompt": 7, "completion": 2}}}
COMPUTED = {"annotations", "spanAnnotations", "attributes", "cost"}
CONVERSATIONS = ("chat-1", "chat-2", None)


def attributes(rng: Random, number: int) -> Row:
    """Return the attributes of a root span; some lack texts, and some have metadata that is no object."""
    tokens = {"llm": {"token_count": {"prompt": rng.randint(1, 900), "completion": rng.randint(0, 90)}}}
    conversation = rng.choice(CONVERSATIONS)
    return {
        "input": {"value": maybe(rng, f"question {number}")},
        "output": {"value": maybe(rng, f"answer {number}")},
        "metadata": maybe(rng, odd(rng, {"tier": rng.choice(["gold", "free"]), "attempt": 1}, "no object")),
        **(tokens if rng.random() < 0.7 else {}),
        **({} if conversation is None else {"session": {"id": conversation}}),
    }


def verdicts(rng: Random) -> list[Row]:
    """Return verdicts: scores, words, failures, several of one name."""
    return rng.choice(
        [
            [],
            [phoenix_annotation("accuracy", score=rng.random(), explanation="compared")],
            [phoenix_annotation("accuracy", score=-0.5), phoenix_annotation("tone", label="friendly")],
            [phoenix_annotation("accuracy", error="the judge timed out")],
        ]
    )


def shown(row: Row) -> Row:
    """Return the keys of a row that Phoenix sends as they are."""
    return {name: value for name, value in row.items() if name not in COMPUTED}


class Phoenix(Vendor):
    """A server whose first three experiments are projects. Later ones are of either kind."""

    first_kind = ExperimentKind.PROJECT

    def __init__(self, rng: Random) -> None:
        self.world = PhoenixWorld(api_key=SECRET)
        self.simulator = create_app(self.world)
        self._numbers = 0
        self._order: list[str] = []
        self.world.datasets += [
            phoenix_dataset(1, name="cases"),
            phoenix_dataset(2, name="empty"),
            phoenix_dataset(3, name="more cases"),
        ]
        for number in range(1, 6):
            self.world.examples[global_id("DatasetExample", number)] = {
                "input": {"question": f"What is {number}?"},
                "output": {"answer": str(number)},
                "metadata": rng.choice([{}, {"level": "hard"}]),
            }

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def experiments(self) -> Mapping[str, Row]:
        rows = {row["id"]: row for row in (*self.world.projects, *self.world.experiments)}
        return {ref: rows[ref] for ref in self._order}

    def sessions(self, ref: str) -> Mapping[str, Row]:
        if ref in self.world.runs:
            return {row["id"]: shown(row) for row in self.world.runs[ref]}
        return {row["spanId"]: shown(row) for row in self.world.spans[ref] if row["parentId"] is None}

    def add_experiment(self, rng: Random, number: int) -> str:
        is_first_kind = number < 3 or number % 2 == 0
        other = ExperimentKind.EVALUATION if self.first_kind is ExperimentKind.PROJECT else ExperimentKind.PROJECT
        kind = self.first_kind if is_first_kind else other
        if kind is ExperimentKind.PROJECT:
            row = phoenix_project(
                self._next(),
                name=f"{rng.choice(NAMES)} {number}",
                description=maybe(rng, "of the team"),
                created_at=instant(rng),
            )
        else:
            row = phoenix_experiment(
                self._next(),
                rng.choice([self.world.datasets[0], self.world.datasets[2]])["id"],
                name=rng.choice(NAMES),
                description=maybe(rng, "of Support"),
                created_at=instant(rng),
                metadata=rng.choice([{}, {"model": "small"}]),
                expectedRunCount=rng.choice([0, 3, 200]),
            )
        return self.insert_experiment(row)

    def insert_experiment(self, row: Row) -> str:
        if "datasetId" in row:
            self.world.add_experiment(row)
        else:
            self.world.add_project(row)
        self._order.append(row["id"])
        return str(row["id"])

    def add_session(self, rng: Random, ref: str, number: int) -> str:
        start, latency = instant(rng), rng.choice([0.0, 12.325, 250.0, rng.randint(0, 10**6) / 1000])
        if ref in self.world.runs:
            trace = maybe(rng, f"{number:032x}")
            row = phoenix_run(
                self._next(),
                global_id("DatasetExample", number % 5 + 1),
                start_time=start,
                latency_ms=latency,
                traceId=trace,
                output=rng.choice([{"answer": "42"}, "plain", None, [1, {"a": None}]]),
                error=odd(rng, None, "KeyError('no such page')"),
                annotations=verdicts(rng),
            )
            return self.insert_session(ref, row)
        row = phoenix_span(
            self._next(),
            start_time=start,
            latency_ms=latency,
            name=rng.choice(NAMES),
            statusCode=rng.choice(["OK", "UNSET", "ERROR"]),
            statusMessage=rng.choice(["", "the tool failed"]),
            attributes=attributes(rng, number),
            cost=rng.choice([None, (0.0, 0.0), (0.001, 0.0005)]),
            spanAnnotations=verdicts(rng),
        )
        if rng.random() < 0.3:
            self.world.trace_annotations[row["traceId"]] = verdicts(rng)
        return self.insert_session(ref, row)

    def insert_session(self, ref: str, row: Row) -> str:
        if ref in self.world.runs:
            self.world.runs[ref].append(row)
            if row["traceId"] is not None:
                hidden = self.world.spans.setdefault("hidden", [])
                hidden.append(
                    phoenix_span(
                        self._next(), trace=row["traceId"], name="Task", attributes=TOKENS, cost=(0.125, 0.125)
                    )
                )
            return str(row["id"])
        self.world.spans[ref].append(row)
        child = {"trace": row["traceId"], "parent": row["spanId"]}
        model = {"model_name": "small", "provider": "house", "token_count": {"prompt": 0}}
        self.world.spans[ref] += [
            phoenix_span(self._next(), **child, name="chat", spanKind="llm", attributes={"llm": model}),
            phoenix_span(self._next(), **child, spanKind="tool", attributes={"tool": {"name": "look_up"}}),
        ]
        return str(row["spanId"])

    def remove_experiment(self, ref: str) -> None:
        self._order.remove(ref)
        self.world.projects = [row for row in self.world.projects if row["id"] != ref]
        self.world.experiments = [row for row in self.world.experiments if row["id"] != ref]
        self.world.spans.pop(ref, None)
        self.world.runs.pop(ref, None)

    def remove_session(self, ref: str, session_id: str) -> None:
        if ref in self.world.runs:
            self.world.runs[ref] = [row for row in self.world.runs[ref] if row["id"] != session_id]
        else:
            gone = {row["traceId"] for row in self.world.spans[ref] if row["spanId"] == session_id}
            self.world.spans[ref] = [row for row in self.world.spans[ref] if row["traceId"] not in gone]


class PhoenixEvaluations(Phoenix):
    """The same, but the first three experiments are those over datasets."""

    first_kind = ExperimentKind.EVALUATION


ROOT_SPANS = (
    Example(
        phoenix_span(900001, latency_ms=1500.0, attributes=TOKENS, cost=(0.125, 0.125)),
        {
            "status": SessionStatus.SUCCESS,
            "latency_ms": 1500.0,
            "tokens": TokenUsage(input=7, output=2, total=9),
            "cost_usd": 0.25,
        },
    ),
    Example(
        phoenix_span(900011, statusCode="ERROR", statusMessage="no such page"),
        {"status": SessionStatus.ERROR, "error": "no such page", "tokens": None, "cost_usd": None},
    ),
    Example(phoenix_span(900021, statusCode="UNSET", cost=(0.0, 0.0)), {"cost_usd": None}),
)
EXAMPLE = global_id("DatasetExample", 1)
RUNS = (
    Example(
        phoenix_run(900001, EXAMPLE, latency_ms=1500.0, output={"answer": "1"}, traceId="a" * 32),
        {
            "status": SessionStatus.SUCCESS,
            "latency_ms": 1500.0,
            "tokens": TokenUsage(input=7, output=2, total=9),
            "cost_usd": 0.25,
            "test_case_id": EXAMPLE,
            "input": "What is 1?",
            "output": "1",
        },
    ),
    Example(
        phoenix_run(900002, EXAMPLE, error="KeyError('no such page')", output=None),
        {"status": SessionStatus.ERROR, "error": "KeyError('no such page')", "output": None},
    ),
)
EXPERIMENTS = (
    Example(
        phoenix_project(900001, name="Ex"), {"name": "Ex", "kind": ExperimentKind.PROJECT, "session_count": 0}
    ),
    Example(
        phoenix_experiment(900002, global_id("Dataset", 1), name="base", expectedRunCount=0),
        {"kind": ExperimentKind.EVALUATION, "dataset_name": "cases", "dataset_id": global_id("Dataset", 1)},
    ),
)

PROJECTS = Configuration(
    vendor=Phoenix,
    options={"api_key": SecretStr(SECRET)},
    secret=SECRET,
    unknown_refs=(global_id("Project", 9999), global_id("Experiment", 999999), "no id at all"),
    nameless_experiments={"data": {"projects": {"edges": [{"cursor": "MQ==", "node": {"id": None}}]}}},
    nameless_sessions={
        "data": {"node": {"spans": {"edges": [{"node": {"spanId": None, "startTime": "2026-01-01T00:00:00Z"}}]}}}
    },
    experiment_examples=EXPERIMENTS,
    session_examples=ROOT_SPANS,
)


EVALUATIONS = replace(
    PROJECTS,
    vendor=PhoenixEvaluations,
    nameless_sessions={"data": {"node": {"runs": {"edges": [{"node": {"id": None}}]}}}},
    session_examples=RUNS,
)


class TestPhoenix(AdapterContract):
    """Its fourth and each second further experiment is over a dataset."""

    open_adapter = staticmethod(open_adapter)
    configurations: ClassVar[Mapping[str, Configuration]] = {"projects": PROJECTS}


@pytest.mark.slow
class TestPhoenixEvaluations(AdapterContract):
    """The experiments with the most sessions are those over datasets: `make test-slow` runs these."""

    open_adapter = staticmethod(open_adapter)
    configurations: ClassVar[Mapping[str, Configuration]] = {"evaluations": EVALUATIONS}
