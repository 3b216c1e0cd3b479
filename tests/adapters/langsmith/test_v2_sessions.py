"""Tracer sessions by LangSmith's v2: its list, kinds, figures, names of datasets, and web pages."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.adapters.langsmith.conftest import Connect
from tests.adapters.langsmith.v2 import DATASETS_V1, DATASETS_V2, SESSIONS_V2, add_project, at, paths, project_of
from tracegraph.adapter import CursorRequest, ExperimentQuery, Page
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    StringFilter,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Metric, MetricKind
from tracegraph.errors import ConfigurationError, SourceBadRequest, SourceError, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import TENANT, stable_uuid
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import (
    LangSmithWorld,
    langsmith_dataset,
    langsmith_run,
    langsmith_session,
)

DATASET = stable_uuid("dataset:questions")


@pytest.fixture
def vendor(world: LangSmithWorld) -> Simulator:
    return langsmith.create_app(world, Deployment.of("v2"))


@pytest.fixture
async def adapter(connect: Connect, vendor: Simulator) -> Adapter:
    return await connect(vendor, api="v2")


async def read_all(adapter: Adapter, query: ExperimentQuery, limit: int) -> list[Page[Experiment]]:
    """Every page of a list, by its tokens."""
    pages = [await adapter.list_experiments(query, CursorRequest(limit))]
    while pages[-1].next_hint is not None:
        pages.append(await adapter.list_experiments(query, CursorRequest(limit, str(pages[-1].next_hint))))
    return pages


async def listed(adapter: Adapter, **conditions: Any) -> Sequence[Experiment]:
    """The first rows that match."""
    return (
        await adapter.list_experiments(ExperimentQuery(ExperimentFilter(**conditions)), CursorRequest(100))
    ).items


def last_query(vendor: Simulator) -> dict[str, list[str]]:
    """The parameters of the last list of tracer sessions."""
    return [call.query for call in vendor.calls if call.path == SESSIONS_V2][-1]


class TestTheList:
    async def test_a_page_is_one_call_with_figures_newest_first(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        for number in range(3):
            world.add(langsmith_session(f"p{number}", start_time=at(number)))
        page = await adapter.list_experiments(ExperimentQuery(), CursorRequest(2))
        assert [row.name for row in page.items] == ["p2", "p1"]
        assert paths(vendor) == [SESSIONS_V2]
        assert last_query(vendor) == {
            "include_stats": ["true"],
            "sort_by": ["START_TIME"],
            "sort_order": ["desc"],
            "page_size": ["2"],
        }

    @pytest.mark.parametrize("direction", OrderDirection)
    @pytest.mark.parametrize("field", [ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT])
    async def test_orders_by_time_are_pushed_down(
        self, adapter: Adapter, vendor: Simulator, field: ExperimentOrderField, direction: OrderDirection
    ) -> None:
        await adapter.list_experiments(ExperimentQuery(order=ExperimentOrder(field, direction)), CursorRequest(2))
        sent, by_creation = last_query(vendor), field is ExperimentOrderField.CREATED_AT
        assert sent["sort_by"] == ["START_TIME" if by_creation else "LAST_RUN_START_TIME"]
        assert sent["sort_order"] == [direction.value.lower()]

    async def test_cursors_are_not_shifted_by_rows_that_come_meanwhile(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        for number in range(5):
            world.add(langsmith_session(f"p{number}", start_time=at(number)))
        first = await adapter.list_experiments(ExperimentQuery(), CursorRequest(2))
        world.add(langsmith_session("new", start_time=at(99)))
        second = await adapter.list_experiments(ExperimentQuery(), CursorRequest(9, str(first.next_hint)))
        assert [row.name for row in (*first.items, *second.items)] == ["p4", "p3", "p2", "p1"]
        assert len(str(first.next_hint)) <= 128

    @pytest.mark.parametrize("token", ["", "x", "5", "5.", "0.c", "101.c", "-1.c", "5.\ud800"])
    async def test_a_damaged_token_is_refused_without_a_call(
        self, adapter: Adapter, vendor: Simulator, token: str
    ) -> None:
        with pytest.raises(SourceBadRequest):
            await adapter.list_experiments(ExperimentQuery(), CursorRequest(5, token))
        assert vendor.calls == []

    async def test_an_empty_page_with_a_cursor_is_not_the_end(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", [])
        add_project(world, "q", [])
        first = await adapter.list_experiments(ExperimentQuery(), CursorRequest(1))
        cursor = str(first.next_hint).removeprefix("1.")
        body = {"items": [], "next_cursor": cursor}
        vendor.faults.add(Fault("status", path=SESSIONS_V2, status=200, body=body))
        page = await adapter.list_experiments(ExperimentQuery(), CursorRequest(1))
        assert (len(page.items), page.provenance.upstream_requests) == (1, 2)

    async def test_250_refs_take_three_calls(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add_project(world, f"p{number}", []) for number in range(250)]
        assert {row.ref for row in await listed(adapter, refs=frozenset(refs))} == set(refs)
        found = await adapter.get_experiments([*refs, stable_uuid("unknown"), "no-uuid"])
        assert set(found) == set(refs)
        assert paths(vendor) == [SESSIONS_V2] * 6


class TestKinds:
    @pytest.fixture(autouse=True)
    def _three(self, world: LangSmithWorld) -> None:
        world.add(langsmith_session("project"))
        world.add(langsmith_session("agent", type="AGENT"))
        world.add(langsmith_session("experiment", reference_dataset_id=DATASET))

    async def test_the_vendors_types_tell_projects_agents_and_evaluations(self, adapter: Adapter) -> None:
        assert {row.name: row.kind for row in await listed(adapter)} == {
            "project": ExperimentKind.PROJECT,
            "agent": ExperimentKind.AGENT,
            "experiment": ExperimentKind.EVALUATION,
        }

    async def test_a_condition_on_kinds_is_pushed_down(self, adapter: Adapter, vendor: Simulator) -> None:
        kinds = frozenset({ExperimentKind.AGENT, ExperimentKind.EVALUATION})
        assert {row.name for row in await listed(adapter, kinds=kinds)} == {"agent", "experiment"}
        assert sorted(last_query(vendor)["type"]) == ["AGENT", "EXPERIMENT"]

    async def test_an_exact_name_is_pushed_down(self, adapter: Adapter, vendor: Simulator) -> None:
        assert [row.name for row in await listed(adapter, name=StringFilter(eq="agent"))] == ["agent"]
        assert last_query(vendor)["name"] == ["agent"]
        assert len(await listed(adapter, name=StringFilter(contains="agent"))) == 3
        assert "name" not in last_query(vendor)


class TestFigures:
    async def test_scores_have_medians(self, adapter: Adapter, world: LangSmithWorld) -> None:
        scores = [0.1, 0.2, 0.9]
        runs = [
            langsmith_run(f"r{value}", feedback_stats={"acc": {"n": 1, "avg": value, "values": {}}})
            for value in scores
        ]
        world.add(langsmith_session("p"), runs)
        (found,) = await listed(adapter)
        (score,) = [one for one in found.aggregates if one.metric == Metric(MetricKind.SCORE, "acc")]
        assert (score.count, score.median) == (3, 0.2)

    async def test_progress_is_that_of_the_runs(self, adapter: Adapter, world: LangSmithWorld) -> None:
        progress = {"expected_run_count": 4, "run_progress": 0.75, "evaluator_progress": {}}
        world.add(langsmith_session("p", experiment_progress=progress))
        world.add(langsmith_session("q", experiment_progress={"run_progress": 75}))
        world.add(langsmith_session("r"))
        assert {row.name: row.progress for row in await listed(adapter)} == {"p": 0.75, "q": None, "r": None}


class TestNamesOfDatasets:
    @pytest.fixture(autouse=True)
    def _experiments(self, world: LangSmithWorld) -> None:
        world.add_dataset(langsmith_dataset("questions"))
        world.add_dataset(langsmith_dataset("others"))
        for number in range(5):
            dataset = stable_uuid("dataset:others") if number == 0 else DATASET
            start = EPOCH + timedelta(seconds=number)
            world.add(langsmith_session(f"e{number}", start_time=start, reference_dataset_id=dataset))
        world.add(langsmith_session("project", start_time=EPOCH - timedelta(1)))

    async def test_one_call_a_page_reads_the_names(self, adapter: Adapter, vendor: Simulator) -> None:
        pages = await read_all(adapter, ExperimentQuery(), 3)
        names = [row.dataset_name for page in pages for row in page.items]
        assert names == ["questions"] * 4 + ["others", None]
        assert paths(vendor) == [SESSIONS_V2, DATASETS_V2] * 2
        assert [page.provenance.upstream_requests for page in pages] == [2, 2]

    async def test_look_ups_have_them_too(self, adapter: Adapter) -> None:
        ref = project_of("e1")
        found = (await adapter.get_experiments([ref]))[ref]
        assert isinstance(found, Experiment)
        assert found.dataset_name == "questions"

    async def test_they_are_not_read_where_no_row_has_a_dataset_or_nobody_needs_them(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        await listed(adapter, kinds=frozenset({ExperimentKind.PROJECT}))
        await adapter.list_experiments(ExperimentQuery(fields=frozenset({"name"})), CursorRequest(9))
        assert paths(vendor) == [SESSIONS_V2] * 2

    async def test_by_v1_where_v2_lacks_them(self, connect: Connect, world: LangSmithWorld) -> None:
        vendor = langsmith.create_app(world)
        found = await listed(await connect(vendor, api="v1"))
        assert {row.dataset_name for row in found} == {"questions", "others", None}
        assert paths(vendor)[-1] == DATASETS_V1

    @pytest.mark.parametrize("status", [403, 404, 422])
    async def test_a_key_that_may_not_read_datasets_gives_no_names(
        self, adapter: Adapter, vendor: Simulator, status: int
    ) -> None:
        vendor.faults.add(Fault("status", path=DATASETS_V2, status=status, body={}, times=None))
        page = await adapter.list_experiments(ExperimentQuery(), CursorRequest(9))
        assert {row.dataset_name for row in page.items} == {None}
        assert (page.error, page.provenance.upstream_requests) == (None, 2)

    async def test_a_failure_leaves_the_rows_and_is_reported(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", path=DATASETS_V2, status=503, body={}, times=None))
        page = await adapter.list_experiments(ExperimentQuery(), CursorRequest(9))
        assert len(page.items) == 6
        assert isinstance(page.error, SourceUnavailable)
        assert page.provenance.upstream_requests == 2
        ref = project_of("e1")
        assert isinstance((await adapter.get_experiments([ref]))[ref], SourceError)


class TestPages:
    async def test_the_url_of_an_experiment_is_by_the_rule_of_the_vendors_client(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        p = add_project(world, "p", [])
        (found,) = await listed(await connect(vendor, api="v2", web_url="https://smith.example"))
        assert found.url == f"https://smith.example/o/{TENANT}/projects/p/{p}"

    @pytest.mark.parametrize("address", ["smith.example", "ftp://x", "https://a b", ""])
    async def test_an_address_that_is_none_is_refused(self, connect: Connect, address: str) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.ls\.web_url"):
            await connect(Starlette(), web_url=address)
