"""Every filter and order over three vendors at once, against brute force over the rows as clients see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors, in_process
from tests.graphql.pages import nodes, pages
from tests.worlds import minutes
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

pytestmark = pytest.mark.asyncio(loop_scope="module")

Row = dict[str, Any]
SEEDS = range(3)
EXPERIMENTS = """
query($first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {
  experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { node {
      id vendorId kind name agentName agentVersion datasetName datasetVersion groupId createdAt updatedAt
      source { name vendor }
    } }
    pageInfo { hasNextPage endCursor } totalCount sources { status }
  }
}"""
SESSIONS = """
query($first: Int!, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {
  sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { node { id vendorId status testCaseId startedAt experiment { id } source { name vendor } } }
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
            )
            | {"updated_at": moment().replace(tzinfo=None).isoformat()},
            [
                nemo_session(
                    f"{index}-{number}",
                    started_at=moment(),
                    status=rng.choice(("success", "error", "cancelled")),
                    test_case_id=rng.choice(("case-1", "case-2")),
                )
                for number in ids
            ],
        )
        metadata = {"agent_name": maybe("assistant"), "agent_version": maybe("1"), "dataset_version": maybe("2")}
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


def is_named(name: str, wanted: Mapping[str, Any]) -> bool:
    return (
        wanted.get("eq", name) == name
        and name in wanted.get("in", [name])
        and wanted.get("contains", "").casefold() in name.casefold()
    )


HOLDS: dict[str, Callable[[Row, Any], bool]] = {
    "sources": lambda row, wanted: row["source"]["name"] in wanted,
    "vendors": lambda row, wanted: row["source"]["vendor"] in wanted,
    "kinds": lambda row, wanted: row["kind"] in wanted,
    "ids": lambda row, wanted: row["id"] in wanted,
    "name": lambda row, wanted: is_named(row["name"], wanted),
    "agentName": lambda row, wanted: row["agentName"] == wanted,
    "agentVersion": lambda row, wanted: row["agentVersion"] == wanted,
    "datasetName": lambda row, wanted: row["datasetName"] == wanted,
    "datasetVersion": lambda row, wanted: row["datasetVersion"] == wanted,
    "groupId": lambda row, wanted: row["groupId"] == wanted,
    "createdAt": lambda row, wanted: within(row["createdAt"], wanted),
    "updatedAt": lambda row, wanted: within(row["updatedAt"], wanted),
    "experimentIds": lambda row, wanted: row["experiment"]["id"] in wanted,
    "statuses": lambda row, wanted: row["status"] in wanted,
    "testCaseId": lambda row, wanted: row["testCaseId"] == wanted,
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


def experiment_conditions(rows: Sequence[Row], rng: Random) -> list[dict[str, Any]]:
    """Each field with values that occur and one that does not."""
    single: list[dict[str, Any]] = []
    for field in ("agentName", "agentVersion", "datasetName", "datasetVersion", "groupId"):
        occurring = sorted({row[field] for row in rows if row[field] is not None})
        single += [{field: text} for text in [*rng.sample(occurring, min(2, len(occurring))), "nothing of it"]]
    for kinds in (["EVALUATION"], ["PROJECT"], ["AGENT"], ["AGENT", "EVALUATION"]):
        single.append({"kinds": kinds})
    one, other = rng.sample([row["name"] for row in rows], 2)
    for name in ({"eq": one}, {"eq": one.swapcase()}, {"in": [one, other]}, {"contains": one[1:3].swapcase()}):
        single.append({"name": name})
    single += [{"ids": [row["id"] for row in rng.sample(list(rows), 5)]}]
    single += [
        {field: span} for field in ("createdAt", "updatedAt") for span in spans([r[field] for r in rows], rng)
    ]
    return [*single, *sources_and_vendors(rng)]


def session_conditions(rows: Sequence[Row], rng: Random) -> list[dict[str, Any]]:
    cases = sorted({row["testCaseId"] for row in rows if row["testCaseId"] is not None})
    single: list[dict[str, Any]] = [{"testCaseId": case} for case in (*cases, "nothing of it")]
    words = ["RUNNING", "SUCCESS", "ERROR", "CANCELLED", "UNKNOWN"]
    single += [{"statuses": some} for some in ([word] for word in words)]
    single += [{"statuses": rng.sample(words, 2)}, {"statuses": []}]
    single += [{"startedAt": span} for span in spans([row["startedAt"] for row in rows], rng)]
    return [*single, *sources_and_vendors(rng)]


def sources_and_vendors(rng: Random) -> list[dict[str, Any]]:
    return [{"sources": rng.sample(NAMES, 2)}, {"vendors": rng.sample(NAMES, 2)}, {"sources": []}]


def with_pairs(single: Sequence[dict[str, Any]], rng: Random) -> list[dict[str, Any]]:
    return [*single, *(rng.choice(single) | rng.choice(single) | rng.choice(single) for _ in range(15))]


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
        ({"datasetName": "cases"}, {NEMO, LANGSMITH}),
        ({"datasetVersion": "1"}, {NEMO, LANGSMITH}),
        ({"groupId": "group-1"}, {NEMO}),
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
        ({"testCaseId": stable_uuid("case")}, {NEMO, LANGSMITH}),
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
