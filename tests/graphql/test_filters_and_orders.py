"""Every filter and order over three vendors at once, against brute force over the rows as clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.examples import thinned
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors, in_process
from tests.graphql.pages import nodes, pages
from tests.worlds import minutes
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

pytestmark = pytest.mark.asyncio(loop_scope="module")

Row = dict[str, Any]
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
EXPERIMENTS = """
query($first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {
  experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { node {
      id vendorId kind name agentName agentVersion datasetId datasetName datasetVersion groupIds models metadata
      createdAt updatedAt
      source { name vendor }
    } }
    pageInfo { hasNextPage endCursor } totalCount sources { status }
  }
}"""
SESSIONS = """
query($first: Int!, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {
  sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { node {
      id vendorId status name agentName agentVersion testCaseId startedAt latencyMs costUsd tokens { total }
      input output error scores { evaluator value } metadata experiment { id } source { name vendor }
    } }
    pageInfo { hasNextPage endCursor } totalCount sources { status }
  }
}"""
LIKE = ("base", "Base", "straße", "STRASSE", "Ärger", "zeta", "tuned")


# -- the worlds ------------------------------------------------------------------------------------------


def fill(vendors: Vendors, rng: Random) -> None:
    """Nine experiments a vendor with up to five sessions each; few values, so that many are equal."""

    def moment() -> datetime:
        return minutes(rng.randint(0, 4))

    def maybe(value: Any) -> Any:
        return value if rng.random() < 0.7 else None

    vendors.langsmith.world.shuffle_ties = vendors.meibel.world.shuffle_ties = True
    for index in range(9):
        name, ids = f"{rng.choice(('base', 'Base', 'tuned'))}-{index}", range(rng.randint(0, 5))
        vendors.nemo.world.add(
            nemo_experiment(
                name,
                created_at=moment(),
                agent_name=maybe("assistant"),
                agent_version=maybe(rng.choice("12")),
                dataset_name=maybe(rng.choice(("cases", "more cases"))),
                dataset_version=maybe(rng.choice("12")),
                experiment_group_id=rng.choice(("group-1", "group-2")),
                metadata=maybe({"branch": rng.choice(("main", "next")), "build": rng.choice((1, "1", [2.5]))}),
            )
            | {"updated_at": moment().replace(tzinfo=None).isoformat()},
            [
                nemo_session(
                    f"{index}-{number}",
                    started_at=moment(),
                    status=rng.choice(("success", "error", "cancelled")),
                    test_case_id=rng.choice(("case-1", "case-2")),
                    latency_ms=maybe(rng.choice((5, 250.5))),
                    input=rng.choice(("a Question", None)),
                    evaluator_scores=rng.choice(({}, {"accuracy": 0.5}, {"accuracy": 1.0, "tone": 0.0})),
                )
                for number in ids
            ],
        )
        metadata = {"agent_name": maybe("assistant"), "agent_version": maybe("1"), "dataset_version": maybe("2")}
        metadata |= {
            "models": rng.choice((["small"], ["small", "large"], None)),
            "branch": rng.choice(("main", "next")),
        }
        dataset = maybe(stable_uuid("dataset"))
        session = langsmith_session(
            rng.choice(LIKE), id=stable_uuid(f"{index}"), start_time=moment(), extra={"metadata": metadata}
        )
        vendors.langsmith.world.add(
            session | {"reference_dataset_id": dataset},
            [
                langsmith_run(
                    f"{index}-{number}",
                    start_time=moment(),
                    status=rng.choice(("success", "error", "pending")),
                    reference_example_id=maybe(stable_uuid("case")),
                    name=rng.choice(LIKE),
                    latency_s=rng.choice((0.005, 0.2505)),
                    inputs={"question": rng.choice(("Why?", "why not"))},
                    error=maybe("Question refused"),
                    feedback_stats=rng.choice(({}, {"accuracy": {"n": 1, "avg": 0.5, "values": {}}})),
                    extra=maybe({"metadata": {"agent_name": "assistant", "attempt": rng.choice((1, "1", True))}}),
                )
                for number in ids
            ],
        )
        vendors.meibel.world.add(
            meibel_agent(
                f"agent-{index}",
                display_name=rng.choice(LIKE),
                created_at=maybe(moment()),
                version=rng.choice("12"),
                last_execution_time=maybe(moment().isoformat()),
            ),
            [
                meibel_session(
                    f"{index}-{number}",
                    start_time=moment(),
                    status=rng.choice(("COMPLETED", "FAILED", "RUNNING", "TERMINATED")),
                )
                for number in ids
            ],
        )
        for number in ids:
            if rng.random() < 0.5:
                job = meibel_job(
                    f"{index}-{number}", "accuracy", rng.choice((0.5, 1.0)), agent_name=f"agent-{index}"
                )
                vendors.meibel.world.jobs.append(job)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SEEDS)
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Random, Vendors, Gateway]]:
    rng = Random(request.param)
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as vendors:
        fill(vendors, rng)
        async with in_process(vendors.settings(limits={"scan_pages": 1000})) as gateway:
            yield rng, vendors, gateway


async def rows_of(gateway: Gateway, query: str, **variables: Any) -> list[Row]:
    """Return all rows, page by page, and check that the total is the number of rows or null."""
    found = await pages(gateway, query, "experiments" if query is EXPERIMENTS else "sessions", **variables)
    assert {report["status"] for page in found for report in page["sources"]} <= {"OK"}
    rows = [node for page in found for node in nodes(page)]
    assert {page["totalCount"] for page in found} <= {None, len(rows)}
    return rows


# -- brute force -----------------------------------------------------------------------------------------


def time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def within(text: str | None, span: Mapping[str, str]) -> bool:
    moment = time(text)
    return moment is not None and not (
        ("gte" in span and moment < datetime.fromisoformat(span["gte"]))
        or ("lt" in span and moment >= datetime.fromisoformat(span["lt"]))
    )


def meets(values: Sequence[str | None], wanted: Mapping[str, Any]) -> bool:
    """Whether an object with these values meets the conditions on a string."""
    known = [value for value in values if value is not None]
    positive = [name for name in ("eq", "in", "contains", "startsWith") if name in wanted]
    return (
        ("exists" not in wanted or wanted["exists"] == bool(known))
        and not any(value in wanted.get("notIn", []) for value in known)
        and (
            not positive
            or any(all(HOLDS_FOR_TEXT[name](value, wanted[name]) for name in positive) for value in known)
        )
    )


HOLDS_FOR_TEXT: dict[str, Callable[[str, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "in": lambda value, wanted: value in wanted,
    "contains": lambda value, wanted: wanted.casefold() in value.casefold(),
    "startsWith": lambda value, wanted: value.casefold().startswith(wanted.casefold()),
}


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def has_metadata(metadata: Mapping[str, Any] | None, wanted: Sequence[Mapping[str, Any]]) -> bool:
    def texts(key: str) -> list[str | None]:
        return [text_of(metadata[key])] if metadata is not None and key in metadata else []

    return all(meets(texts(one["key"]), one.get("value") or {"exists": True}) for one in wanted)


def between(number: float | None, span: Mapping[str, float]) -> bool:
    return number is not None and span.get("gte", number) <= number and not number >= span.get("lt", number + 1)


def has_text(row: Row, wanted: str) -> bool:
    return any(wanted.casefold() in (row[name] or "").casefold() for name in ("input", "output", "error"))


def has_score(row: Row, wanted: Mapping[str, Any]) -> bool:
    scores = [score["value"] for score in row["scores"] if score["evaluator"] == wanted["evaluator"]]
    return any(between(value, wanted) for value in scores)


HOLDS: dict[str, Callable[[Row, Any], bool]] = {
    "sources": lambda row, wanted: row["source"]["name"] in wanted,
    "vendors": lambda row, wanted: row["source"]["vendor"] in wanted,
    "kinds": lambda row, wanted: row["kind"] in wanted,
    "ids": lambda row, wanted: row["id"] in wanted,
    **{
        field: lambda row, wanted, field=field: meets([row[field]], wanted)  # type: ignore[misc]  # bound by default
        for field in (
            "name",
            "agentName",
            "agentVersion",
            "datasetId",
            "datasetName",
            "datasetVersion",
            "testCaseId",
        )
    },
    "groupId": lambda row, wanted: meets(row["groupIds"], wanted),
    "model": lambda row, wanted: meets(row["models"], wanted),
    "metadata": lambda row, wanted: has_metadata(row["metadata"], wanted),
    "latencyMs": lambda row, wanted: between(row["latencyMs"], wanted),
    "costUsd": lambda row, wanted: between(row["costUsd"], wanted),
    "totalTokens": lambda row, wanted: between((row["tokens"] or {}).get("total"), wanted),
    "text": has_text,
    "score": has_score,
    "createdAt": lambda row, wanted: within(row["createdAt"], wanted),
    "updatedAt": lambda row, wanted: within(row["updatedAt"], wanted),
    "experimentIds": lambda row, wanted: row["experiment"]["id"] in wanted,
    "statuses": lambda row, wanted: row["status"] in wanted,
    "startedAt": lambda row, wanted: within(row["startedAt"], wanted),
}


def picked(rows: Sequence[Row], wanted: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows if all(HOLDS[name](row, value) for name, value in wanted.items())]


def ordered(rows: Sequence[Row], field: str, direction: str) -> list[Row]:
    """By value, missing ones last, then by source and vendor's id; names without regard to case."""

    def value(row: Row) -> Any:
        return row["name"].casefold() if field == "name" else time(row[field])

    rows = sorted(rows, key=lambda row: (row["source"]["name"], row["vendorId"]))
    known = sorted((row for row in rows if value(row) is not None), key=value, reverse=direction == "DESC")
    return known + [row for row in rows if value(row) is None]


# -- conditions ------------------------------------------------------------------------------------------


def spans(moments: Sequence[str | None], rng: Random) -> list[dict[str, str]]:
    one, other = rng.choices(sorted({moment for moment in moments if moment is not None}), k=2)
    return [{"gte": one}, {"lt": other}, {"gte": min(one, other), "lt": max(one, other)}, {"gte": one, "lt": one}]


def on_texts(values: Sequence[str | None], rng: Random) -> list[dict[str, Any]]:
    """Conditions on a field with these values: each operator, and all of them together."""
    occurring = [*sorted({value for value in values if value is not None}), "nothing of it"]
    one, other = rng.choice(occurring), rng.choice(occurring)
    return [
        {"eq": one},
        {"eq": one.swapcase()},
        {"in": [one, other]},
        {"notIn": [one]},
        {"contains": one[1:3].swapcase()},
        {"startsWith": one[:2].swapcase()},
        {"exists": rng.random() < 0.5},
        {"eq": one, "in": [one, other], "notIn": [other], "startsWith": one[:1], "exists": True},
    ]


def on_metadata(rows: Sequence[Row], rng: Random) -> list[dict[str, Any]]:
    pairs = [(key, value) for row in rows for key, value in (row["metadata"] or {}).items()]
    key, value = rng.choice(pairs) if pairs else ("none", "none")
    return [
        {"metadata": [{"key": key, "value": {"eq": text_of(value)}}]},
        {"metadata": [{"key": key, "value": {"notIn": [text_of(value)]}}]},
        {"metadata": [{"key": key}, {"key": "none", "value": {"exists": False}}]},
        {"metadata": []},
    ]


def on_numbers(numbers: Sequence[float | None], rng: Random) -> list[dict[str, float]]:
    one, other = rng.choices([number for number in numbers if number is not None] or [0.0], k=2)
    return [{"gte": one}, {"lt": other}, {"gte": min(one, other), "lt": max(one, other)}]


def experiment_conditions(rows: Sequence[Row], rng: Random) -> list[dict[str, Any]]:
    """Each field with values that occur and one that does not."""
    single: list[dict[str, Any]] = []
    for field in ("name", "agentName", "agentVersion", "datasetId", "datasetName", "datasetVersion"):
        single += [{field: wanted} for wanted in on_texts([row[field] for row in rows], rng)]
    single += [{"groupId": wanted} for wanted in on_texts([text for row in rows for text in row["groupIds"]], rng)]
    single += [{"model": wanted} for wanted in on_texts([text for row in rows for text in row["models"]], rng)]
    single += on_metadata(rows, rng)
    for kinds in (["EVALUATION"], ["PROJECT"], ["AGENT"], ["AGENT", "EVALUATION"]):
        single.append({"kinds": kinds})
    single += [{"ids": [row["id"] for row in rng.sample(list(rows), 5)]}]
    single += [
        {field: span} for field in ("createdAt", "updatedAt") for span in spans([r[field] for r in rows], rng)
    ]
    return [*single, *sources_and_vendors(rng)]


def session_conditions(rows: Sequence[Row], rng: Random) -> list[dict[str, Any]]:
    single: list[dict[str, Any]] = []
    for field in ("name", "agentName", "agentVersion", "testCaseId"):
        single += [{field: wanted} for wanted in on_texts([row[field] for row in rows], rng)]
    single += [{"latencyMs": span} for span in on_numbers([row["latencyMs"] for row in rows], rng)]
    single += [{"costUsd": span} for span in on_numbers([row["costUsd"] for row in rows], rng)]
    totals = [(row["tokens"] or {}).get("total") for row in rows]
    single += [{"totalTokens": span} for span in on_numbers(totals, rng)]
    for score in rng.sample([score for row in rows for score in row["scores"]], 2):
        single += [{"score": {"evaluator": score["evaluator"], "gte": score["value"]}}]
        single += [{"score": {"evaluator": score["evaluator"]}}]
    texts = [row[name] for row in rows for name in ("input", "output", "error") if row[name]]
    single += [{"text": rng.choice(texts)[1:5].swapcase()}, {"text": "nothing of it"}]
    single += on_metadata(rows, rng)
    single += [{"ids": [row["id"] for row in rng.sample(list(rows), 3)]}]
    words = ["RUNNING", "SUCCESS", "ERROR", "CANCELLED", "UNKNOWN"]
    single += [{"statuses": some} for some in ([word] for word in words)]
    single += [{"statuses": rng.sample(words, 2)}, {"statuses": []}]
    single += [{"startedAt": span} for span in spans([row["startedAt"] for row in rows], rng)]
    return [*single, *sources_and_vendors(rng)]


def sources_and_vendors(rng: Random) -> list[dict[str, Any]]:
    return [{"sources": rng.sample(NAMES, 2)}, {"vendors": rng.sample(NAMES, 2)}, {"sources": []}]


def with_pairs(single: Sequence[dict[str, Any]], rng: Random) -> list[dict[str, Any]]:
    pairs = [rng.choice(single) | rng.choice(single) | rng.choice(single) for _ in range(15)]
    return [*thinned(single, 2), *thinned(pairs)]


# -- the laws --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "name"), [("CREATED_AT", "createdAt"), ("UPDATED_AT", "updatedAt"), ("NAME", "name")]
)
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_every_order_of_experiments_equals_a_plain_sort(
    opened: tuple[Random, Vendors, Gateway], field: str, name: str, direction: str
) -> None:
    rng, _, gateway = opened
    order = {"field": field, "direction": direction}
    rows = await rows_of(gateway, EXPERIMENTS, first=rng.randint(1, 7), orderBy=order)
    assert len(rows) == len({row["id"] for row in rows}) == 27
    assert rows == ordered(rows, name, direction)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_sessions_of_all_experiments_are_ordered_by_their_start(
    opened: tuple[Random, Vendors, Gateway], direction: str
) -> None:
    """27 experiments are named by their ids, 9 for each vendor."""
    rng, vendors, gateway = opened
    ids = [row["id"] for row in await rows_of(gateway, EXPERIMENTS, first=100)]
    order = {"field": "STARTED_AT", "direction": direction}
    chosen = {"experimentIds": ids}
    rows = await rows_of(gateway, SESSIONS, first=rng.randint(1, 7), filter=chosen, orderBy=order)
    held = [*vendors.nemo.world.sessions.values(), *vendors.meibel.world.sessions.values()]
    held += vendors.langsmith.world.runs.values()
    assert len(rows) == len({row["id"] for row in rows}) == sum(map(len, held))
    assert rows == ordered(rows, "startedAt", direction)


async def test_without_experiment_ids_the_sessions_of_all_vendors_are_one_list(
    opened: tuple[Random, Vendors, Gateway],
) -> None:
    """There are fewer experiments at each vendor than are looked at: so these are all."""
    rng, _, gateway = opened
    ids = [row["id"] for row in await rows_of(gateway, EXPERIMENTS, first=100)]
    expected = await rows_of(gateway, SESSIONS, first=200, filter={"experimentIds": ids})
    assert await rows_of(gateway, SESSIONS, first=rng.randint(1, 7)) == expected


async def test_every_filter_of_experiments_equals_brute_force(
    opened: tuple[Random, Vendors, Gateway],
) -> None:
    rng, _, gateway = opened
    everything = await rows_of(gateway, EXPERIMENTS, first=100)
    for wanted in with_pairs(experiment_conditions(everything, rng), rng):
        field, name = rng.choice([("CREATED_AT", "createdAt"), ("UPDATED_AT", "updatedAt"), ("NAME", "name")])
        order = {"field": field, "direction": rng.choice(["ASC", "DESC"])}
        found = await rows_of(gateway, EXPERIMENTS, first=rng.choice([3, 100]), filter=wanted, orderBy=order)
        assert found == ordered(picked(everything, wanted), name, order["direction"]), (wanted, order)


async def test_every_filter_of_sessions_equals_brute_force(
    opened: tuple[Random, Vendors, Gateway],
) -> None:
    rng, _, gateway = opened
    ids = [row["id"] for row in await rows_of(gateway, EXPERIMENTS, first=100)]
    everything = await rows_of(gateway, SESSIONS, first=200, filter={"experimentIds": ids})
    for wanted in with_pairs(session_conditions(everything, rng), rng):
        wanted = {"experimentIds": rng.sample(ids, rng.choice([5, len(ids)]))} | wanted  # noqa: PLW2901
        order = {"field": "STARTED_AT", "direction": rng.choice(["ASC", "DESC"])}
        found = await rows_of(gateway, SESSIONS, first=rng.choice([3, 200]), filter=wanted, orderBy=order)
        assert found == ordered(picked(everything, wanted), "startedAt", order["direction"]), (wanted, order)


def in_order(value: Any) -> str:
    """An id that is the same in every process, which the order of a set is not."""
    return str(sorted(value)) if isinstance(value, set) else str(value)


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ({"kinds": ["AGENT"]}, {MEIBEL}),
        ({"kinds": ["PROJECT"]}, {LANGSMITH}),
        ({"kinds": ["EVALUATION"]}, {NEMO, LANGSMITH}),
        ({"kinds": []}, set()),
        ({"datasetName": {"eq": "cases"}}, {NEMO, LANGSMITH}),
        ({"datasetVersion": {"startsWith": "1"}}, {NEMO, LANGSMITH}),
        ({"datasetId": {"eq": stable_uuid("dataset")}}, {LANGSMITH}),
        ({"datasetId": {"exists": False}}, {NEMO, LANGSMITH, MEIBEL}),
        ({"datasetId": {"eq": "no id of LangSmith"}}, set()),
        ({"groupId": {"eq": "group-1"}}, {NEMO}),
        ({"groupId": {"notIn": ["group-1"]}}, {NEMO, LANGSMITH, MEIBEL}),
        ({"name": {"eq": "a", "notIn": ["a"]}}, set()),
        ({"ids": []}, set()),
        ({"sources": []}, set()),
        ({"vendors": []}, set()),
    ],
    ids=in_order,
)
async def test_a_vendor_that_cannot_match_the_filter_is_not_called_for_experiments(
    opened: tuple[Random, Vendors, Gateway], wanted: dict[str, Any], asked: set[str]
) -> None:
    _, vendors, gateway = opened
    vendors.forget_calls()
    found = await rows_of(gateway, EXPERIMENTS, first=100, filter=wanted)
    assert {name for name in NAMES if vendors.named(name).calls} == asked
    assert {row["source"]["name"] for row in found} <= asked


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ({"testCaseId": {"in": [stable_uuid("case")]}}, {NEMO, LANGSMITH}),
        ({"metadata": [{"key": "attempt"}]}, {LANGSMITH}),
        ({"ids": []}, set()),
        ({"statuses": []}, set()),
        ({"statuses": ["CANCELLED"]}, {NEMO, MEIBEL}),
    ],
    ids=in_order,
)
async def test_a_vendor_that_cannot_match_the_filter_is_not_called_for_sessions(
    opened: tuple[Random, Vendors, Gateway], wanted: dict[str, Any], asked: set[str]
) -> None:
    _, vendors, gateway = opened
    vendors.forget_calls()
    found = await rows_of(gateway, SESSIONS, first=100, filter=wanted)
    assert {name for name in NAMES if vendors.named(name).calls} == asked
    assert {row["source"]["name"] for row in found} <= asked
