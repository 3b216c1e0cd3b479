"""Random worlds of the three vendors in each dialect, and lists of them in every order as clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.gateway import LANGSMITH, NEMO, Gateway, Vendor, Vendors, in_process
from tests.worlds import hours, minutes
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.deployment import Dialect as LangSmithDialect
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.releases import NemoDialect
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

Row = dict[str, Any]


@dataclass(frozen=True)
class Dialects:
    """One dialect of each vendor that has several."""

    nemo: NemoDialect
    langsmith: LangSmithDialect


DIALECTS = (Dialects("0.2", "v1"), Dialects("0.3", "both"), Dialects("0.8", "both"))
DIALECT_PARAMETERS = [pytest.param(one, marks=pytest.mark.slow if one.nemo == "0.3" else ()) for one in DIALECTS]
"""0.3 differs from 0.8 in few calls."""

RELEASES = {"0.2": "0.2", "0.3": "0.3", "0.8": "0.6"}


@dataclass(frozen=True)
class Subject:
    """The gateway over the vendors in one combination of dialects."""

    gateway: Gateway
    vendors: Vendors
    dialects: Dialects

    def fill(self, rng: Random) -> None:
        """Replace all worlds by random ones, with few values, so that many rows tie."""
        vendors = self.vendors
        vendors.nemo.world.experiments.clear()
        vendors.langsmith.world.sessions.clear()
        vendors.langsmith.world.nulls_first = rng.random() < 0.5
        vendors.meibel.world.agents.clear()
        vendors.meibel.world.jobs.clear()
        for number in range(rng.randrange(1, 6)):
            name = f"n{number}"
            experiment = nemo_experiment(name, created_at=hours(rng.randrange(4)))
            vendors.nemo.world.add(experiment, [_nemo_session(rng, name, index) for index in range(_few(rng))])
        for number in range(rng.randrange(1, 6)):
            name, began = f"l{number}", hours(rng.randrange(4))
            runs = [_langsmith_run(rng, name, index) for index in range(_few(rng))]
            vendors.langsmith.world.add(langsmith_session(name, start_time=began), runs)
        for number in range(rng.randrange(1, 4)):
            name = f"m{number}"
            sessions = [_meibel_session(rng, name, index) for index in range(_few(rng))]
            vendors.meibel.world.add(meibel_agent(name, created_at=hours(rng.randrange(4))), sessions)
            vendors.meibel.world.jobs.extend(
                meibel_job(session["session_id"], "acc", rng.choice([2.0, 5.0]), agent_name=name)
                for session in sessions
                if rng.random() < 0.5
            )


def _few(rng: Random) -> int:
    return rng.choice([0, 1, 2, 3, 5])


def _nemo_session(rng: Random, name: str, index: int) -> Row:
    return nemo_session(
        f"{name}-{index}",
        started_at=minutes(rng.randrange(5)),
        latency_ms=rng.choice([None, 100.0, 250.0, 1200.0]),
        status=rng.choice(["success", "error"]),
        test_case_id=rng.choice(["a", "b"]),
        cost_total_usd=rng.choice([None, 0.0, 0.25]),
        input_tokens=rng.choice([None, 0, 100]),
        output_tokens=rng.choice([None, 7]),
        evaluator_scores=rng.choice([{}, {"acc": 0.2}, {"acc": 1.0, "tone": 0.5}]),
    )


def _langsmith_run(rng: Random, name: str, index: int) -> Row:
    latency, prompt = rng.choice([None, 0.1, 0.25, 1.2]), rng.choice([0, 100])
    return langsmith_run(
        f"{name}-{index}",
        start_time=minutes(rng.randrange(5)),
        latency_s=latency,
        status="pending" if latency is None else rng.choice(["success", "error"]),
        total_cost=rng.choice([None, "0.25", "0.5"]),
        prompt_tokens=prompt,
        completion_tokens=7,
        total_tokens=prompt + 7,
        feedback_stats=rng.choice([{}, {"acc": {"n": 1, "avg": 0.2}}, {"acc": {"n": 1, "avg": 1.0}}]),
    )


def _meibel_session(rng: Random, name: str, index: int) -> Row:
    duration = rng.choice([None, 0.1, 30.0])
    return meibel_session(
        f"{name}-{index}",
        start_time=minutes(rng.randrange(5)),
        duration_s=duration,
        status="RUNNING" if duration is None else "COMPLETED",
    )


@asynccontextmanager
async def opened(dialects: Dialects, **tables: Any) -> AsyncIterator[Subject]:
    """Open the gateway over empty worlds in these dialects."""
    vendors = Vendors(
        Vendor(NemoWorld(), partial(nemo.create_app, dialect=dialects.nemo)),
        Vendor(LangSmithWorld(), partial(langsmith.create_app, deployment=Deployment.of(dialects.langsmith))),
        Vendor(MeibelWorld(), meibel.create_app),
    )
    async with AsyncExitStack() as stack:
        for vendor in vendors.all:
            await vendor.start()
            stack.push_async_callback(vendor.close)
        sources = vendors.sources()
        sources[NEMO]["release"] = RELEASES[dialects.nemo]
        sources[LANGSMITH]["api"] = "v1" if dialects.langsmith == "v1" else "v2"
        gateway = await stack.enter_async_context(in_process(vendors.settings(sources=sources, **tables)))
        yield Subject(gateway, vendors, dialects)


EXPERIMENTS = """
query Page(
  $first: Int, $after: String, $last: Int, $before: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder
  $metric: MetricInput!
) {
  page: experiments(
    first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy
  ) {
    edges { cursor node {
      id vendorId name createdAt updatedAt sessionCount source { name }
      aggregate(metric: $metric) { mean median p90 p95 p99 sum count min max }
    } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    sources { source { name } status error { message } totalCount }
  }
}"""

SESSIONS = """
query Page(
  $first: Int, $after: String, $last: Int, $before: String, $filter: SessionFilter, $orderBy: SessionOrder
) {
  page: sessions(
    first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy
  ) {
    edges { cursor node {
      id vendorId startedAt latencyMs costUsd tokens { total } scores { evaluator value } source { name }
      experiment { vendorId }
    } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    sources { source { name } status error { message } totalCount }
  }
}"""


def session_value(node: Row, order: Row) -> Any:
    """Return the value of a session that the order is by, as a client reads it."""
    match order["field"]:
        case "STARTED_AT":
            return node["startedAt"]
        case "LATENCY":
            return node["latencyMs"]
        case "COST":
            return node["costUsd"]
        case "TOTAL_TOKENS":
            return (node["tokens"] or {}).get("total")
    scores = {score["evaluator"]: score["value"] for score in node["scores"]}
    return scores.get(order["evaluator"])


def experiment_value(node: Row, order: Row) -> Any:
    """Return the value of an experiment that the order is by, as a client reads it."""
    match order["field"]:
        case "CREATED_AT":
            return node["createdAt"]
        case "UPDATED_AT":
            return node["updatedAt"]
        case "NAME":
            return node["name"].casefold()
        case "SESSION_COUNT":
            return node["sessionCount"]
    return (node["aggregate"] or {}).get(order["statistic"].lower())


Place = tuple[Any, str, str]
"""A value, the name of its source, and an id."""


def expected(places: list[Place], direction: str) -> list[Place]:
    """Return the places by value, nulls last in both directions, then by source and id."""
    by_id = sorted(places, key=lambda place: place[1:])
    valued = [place for place in by_id if place[0] is not None]
    valued.sort(key=lambda place: place[0], reverse=direction == "DESC")
    return valued + [place for place in by_id if place[0] is None]


def ties_by_id(places: list[Place]) -> list[Place]:
    """Sort rows of one source and one value by id: lists of tokens keep the vendor's order among these."""
    groups: Mapping[tuple[Any, str], list[str]] = {place[:2]: [] for place in places}
    for place in places:
        groups[place[:2]].append(place[2])
    return [(*group, one) for group, ids in groups.items() for one in sorted(ids)]
