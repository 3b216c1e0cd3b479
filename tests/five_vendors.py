"""All five simulated vendors on loopback, for tests of one gateway over all of them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, TRANSPORT, Vendor, Vendors, settings_of
from tests.worlds import fill, hours, minutes
from tracegraph.config.settings import Settings
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.mlflow import app as mlflow
from tracegraph.simulators.mlflow.world import (
    MlflowWorld,
    hex_of,
    mlflow_experiment,
    mlflow_feedback,
    mlflow_run,
    mlflow_trace,
)
from tracegraph.simulators.nemo.world import NemoWorld
from tracegraph.simulators.phoenix import app as phoenix
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

MLFLOW, PHOENIX = "mlflow", "phoenix"
ALL_NAMES = (*NAMES, MLFLOW, PHOENIX)
EXPERIMENTS, SESSIONS = 3, 3
"""Experiments of each vendor, and sessions of each. The first of MLflow and of Phoenix is a project."""
QUESTIONS = tuple(f"What is {number} plus {number}?" for number in range(SESSIONS))


@dataclass(frozen=True, slots=True)
class FiveVendors:
    """The three vendors of the other tests, and the two others."""

    three: Vendors
    mlflow: Vendor[MlflowWorld]
    phoenix: Vendor[PhoenixWorld]

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[FiveVendors]:
        """Run all vendors with three experiments of three sessions each while the block runs."""
        async with AsyncExitStack() as stack:
            three = await stack.enter_async_context(Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()))
            found = cls(
                three, Vendor(MlflowWorld(), mlflow.create_app), Vendor(PhoenixWorld(), phoenix.create_app)
            )
            for one in (found.mlflow, found.phoenix):
                await one.start()
                stack.push_async_callback(one.close)
            fill(three, experiments=EXPERIMENTS, sessions=SESSIONS)
            _fill_mlflow(found.mlflow.world)
            _fill_phoenix(found.phoenix.world)
            yield found

    def named(self, name: str) -> Vendor[Any]:
        """Return the vendor behind the source of that name."""
        two: dict[str, Vendor[Any]] = {MLFLOW: self.mlflow, PHOENIX: self.phoenix}
        return two[name] if name in two else self.three.named(name)

    @property
    def call_counts(self) -> dict[str, int]:
        """The number of requests that reached each vendor since the last time."""
        counts = {name: len(self.named(name).calls) for name in ALL_NAMES}
        for name in ALL_NAMES:
            self.named(name).calls.clear()
        return counts

    def settings(self, tables: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> Settings:
        """Return the configuration over all of them without a cache; `tables` adds settings to sources."""
        two = {
            MLFLOW: {"vendor": "mlflow", "base_url": self.mlflow.url, "transport": TRANSPORT},
            PHOENIX: {"vendor": "phoenix", "base_url": self.phoenix.url, "transport": TRANSPORT},
        }
        added = tables or {}
        sources = {name: {**table, **added.get(name, {})} for name, table in (self.three.sources() | two).items()}
        return settings_of(sources=sources, cache={"url": "off"}, **more)


def _fill_mlflow(world: MlflowWorld) -> None:
    """Fill the server: an MLflow experiment, and two runs in it. No two traces of it start at one time."""
    world.experiments += [mlflow_experiment("1", created=hours(0), name="f0")]
    world.traces += [
        mlflow_trace(f"f0-{number}", "1", started=minutes(number), request_preview=_json(question))
        for number, question in enumerate(QUESTIONS)
    ]
    for index in range(1, EXPERIMENTS):
        run = mlflow_run(f"f{index}", "1", started=hours(index))
        world.runs.append(run)
        world.traces += [
            mlflow_trace(
                f"f{index}-{number}",
                "1",
                started=minutes(number + index / 10),
                run_id=run["info"]["run_id"],
                request_preview=_json(question),
                assessments=[mlflow_feedback("exact", float(number < index))],
            )
            for number, question in enumerate(QUESTIONS)
        ]


def _fill_phoenix(world: PhoenixWorld) -> None:
    """Fill the server: a project, and two experiments over one dataset."""
    world.add_project(phoenix_project(1, name="p0", created_at=hours(0)))
    world.spans[global_id("Project", 1)] += [
        phoenix_span(number + 1, start_time=minutes(number), attributes={"input": {"value": question}})
        for number, question in enumerate(QUESTIONS)
    ]
    world.datasets.append(phoenix_dataset(1))
    for number, question in enumerate(QUESTIONS):
        row = {"input": {"question": question}, "output": {"answer": str(2 * number)}, "metadata": {}}
        world.examples[global_id("DatasetExample", number + 1)] = row
    for index in range(1, EXPERIMENTS):
        experiment = phoenix_experiment(index, global_id("Dataset", 1), name=f"p{index}", created_at=hours(index))
        world.add_experiment(experiment)
        world.runs[experiment["id"]] += [
            phoenix_run(
                10 * index + number,
                global_id("DatasetExample", number + 1),
                start_time=minutes(number),
                annotations=[phoenix_annotation("exact", score=float(number > 0))],
            )
            for number in range(SESSIONS)
        ]


def _json(question: str) -> str:
    return f'{{"question": "{question}"}}'


REFS: Mapping[str, Sequence[str]] = {
    NEMO: [f"n{index}" for index in range(EXPERIMENTS)],
    LANGSMITH: [stable_uuid(f"session:l{index}") for index in range(EXPERIMENTS)],
    MEIBEL: [f"m{index}" for index in range(EXPERIMENTS)],
    MLFLOW: ["1", *(f"1/{hex_of(f'run f{index}')}" for index in range(1, EXPERIMENTS))],
    PHOENIX: [global_id("Project", 1), *(global_id("Experiment", index) for index in range(1, EXPERIMENTS))],
}


def experiment_id(source: str, index: int) -> str:
    """Return the gateway's ID of an experiment; MLflow's and Phoenix's first is a project."""
    return base64.b64encode(f"Experiment:{source}:{REFS[source][index]}".encode()).decode()
