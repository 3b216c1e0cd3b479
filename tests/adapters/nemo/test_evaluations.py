"""Releases from 0.3.0 on: evaluations as experiments, their sessions, groups, filters, and an outage.

See docs/vendors/nemo.md#releases.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from tracegraph_nemo.adapter import NemoAdapter
from tracegraph_nemo.client import NemoClient

from tests.adapters.conditions import equalities
from tests.adapters.conftest import Serve
from tests.worlds import minutes
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealthStatus
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    StringFilter,
)
from tracegraph.domain.models import (
    COST,
    AggregatePopulation,
    Experiment,
    Metric,
    MetricKind,
    Score,
    Session,
    SessionStatus,
)
from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.releases import NemoDialect
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

WORKSPACE = "/apis/intake/v2/workspaces/default"
NAMES = {"0.3": "0.3", "0.8": "0.6"}
"""The adapter's name of the release that the simulator is."""

Open = Callable[..., Awaitable[NemoAdapter]]


@pytest.fixture
def connect(serve: Serve) -> Open:
    """Opens the adapter on a simulator, with its release configured."""

    async def opened(simulator: NemoSimulator, web_url: str | None = None) -> NemoAdapter:
        client = NemoClient(await serve(simulator, source="nemo-a"), "default", None)
        return NemoAdapter("nemo-a", client, NAMES[simulator.dialect], web_url)  # type: ignore[arg-type]

    return opened


@pytest.fixture(params=["0.3", "0.8"])
def dialect(request: pytest.FixtureRequest) -> NemoDialect:
    """Each release with evaluations."""
    found: NemoDialect = request.param
    return found


@pytest.fixture
def world() -> NemoWorld:
    """Three evaluations, the oldest of them pinned, and sessions of the newest."""
    world = NemoWorld()
    rows = [
        nemo_session("s0", started_at=minutes(0), test_case_id="paris", evaluator_scores={"acc": 0.4}),
        nemo_session("s1", started_at=minutes(1), test_case_id="rome", evaluator_scores={"acc": 0.8}),
        nemo_session(
            "s2", started_at=minutes(2), test_case_id="paris", status="error", failed_evaluators=["acc", "tone"]
        ),
    ]
    for number, name in enumerate("abc"):
        world.add(
            nemo_experiment(
                name,
                created_at=minutes(number),
                experiment_ids=[f"group-{name}", "group-all"],
                agent_names=["helper", f"agent-{name}"],
                agent_versions=["1", "2"],
                status="completed",
                pinned_at="2026-11-20T10:00:00" if name == "a" else None,
            ),
            rows if name == "c" else [nemo_session(f"{name}0")],
        )
    return world


def queries(simulator: NemoSimulator) -> list[dict[str, Any]]:
    return [{name: ",".join(values) for name, values in call.query.items()} for call in simulator.calls]


def paths(simulator: NemoSimulator) -> list[str]:
    return [call.path.removeprefix(WORKSPACE) for call in simulator.calls]


async def listed(
    adapter: NemoAdapter, order: ExperimentOrder | None = None, **conditions: Any
) -> Page[Experiment]:
    query = ExperimentQuery(ExperimentFilter(**equalities(conditions)), order or ExperimentOrder())
    return await adapter.list_experiments(query, OffsetRequest(10))


async def sessions(
    adapter: NemoAdapter,
    direction: OrderDirection = OrderDirection.ASC,
    limit: int = 10,
    **conditions: Any,
) -> Page[Session]:
    request = SessionPageRequest(
        ("c",), OffsetRequest(limit), SessionFilter(**equalities(conditions)), SessionOrder(direction=direction)
    )
    (outcome,) = await adapter.list_sessions([request])
    if isinstance(outcome, SourceError):
        raise outcome
    return outcome


def names(page: Page[Experiment]) -> Sequence[str]:
    return [experiment.ref for experiment in page.items]


def ids(page: Page[Session]) -> Sequence[str]:
    return [session.vendor_id for session in page.items]


class TestExperiments:
    @pytest.mark.parametrize("field", [ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT])
    async def test_a_pinned_evaluation_keeps_its_place_in_the_order(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect, field: ExperimentOrderField
    ) -> None:
        """Without `sort` the service lists pinned ones first (docs/vendors/nemo.md#paging)."""
        simulator = nemo.create_app(world, dialect)
        page = await listed(await connect(simulator), ExperimentOrder(field))
        assert names(page) == ["c", "b", "a"]
        assert queries(simulator)[0]["sort"] == f"-{field.value.lower()}"

    async def test_a_list_in_no_order_of_the_vendor_ignores_pins(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect
    ) -> None:
        adapter = await connect(nemo.create_app(world, dialect))
        assert names(await listed(adapter, ExperimentOrder(ExperimentOrderField.NAME))) == ["a", "b", "c"]

    async def test_the_first_group_and_agent_stand_for_all(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect
    ) -> None:
        found = (await listed(await connect(nemo.create_app(world, dialect)))).items[0]
        assert (found.group_id, found.group_ids) == ("group-c", ("group-c", "group-all"))
        assert (found.agent_name, found.agent_names) == ("helper", ("helper", "agent-c"))
        assert (found.agent_version, found.agent_versions) == ("1", ("1", "2"))
        assert found.vendor_status == "completed"

    @pytest.mark.parametrize(
        ("dialect", "field"), [("0.3", "experiment_group_id"), ("0.8", "experiment_id")], indirect=["dialect"]
    )
    async def test_a_group_is_found_by_any_member(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect, field: str
    ) -> None:
        simulator = nemo.create_app(world, dialect)
        page = await listed(await connect(simulator), group_id="group-all")
        assert names(page) == ["c", "b", "a"]
        assert all(ExperimentFilter(group_id=StringFilter(eq="group-all")).matches(found) for found in page.items)
        assert queries(simulator)[0][f"filter[{field}]"] == "group-all"
        assert page.total == 3

    async def test_any_agent_matches_from_040_on(self, connect: Open, world: NemoWorld) -> None:
        simulator = nemo.create_app(world, "0.8")
        page = await listed(await connect(simulator), agent_name="agent-b", agent_version="2")
        assert (names(page), page.total) == (["b"], 1)
        assert queries(simulator)[0]["filter[agent_name]"] == "agent-b"
        assert ExperimentFilter(agent_name=StringFilter(eq="agent-b"), agent_version=StringFilter(eq="2")).matches(
            page.items[0]
        )

    async def test_030_leaves_agents_to_the_gateway_without_a_call_in_vain(
        self, connect: Open, world: NemoWorld
    ) -> None:
        simulator = nemo.create_app(world, "0.3")
        page = await listed(await connect(simulator), agent_name="agent-b")
        assert (names(page), page.total, len(simulator.calls)) == (["c", "b", "a"], None, 1)

    async def test_look_ups_use_the_new_path(self, connect: Open, world: NemoWorld, dialect: NemoDialect) -> None:
        simulator = nemo.create_app(world, dialect)
        adapter = await connect(simulator)
        assert set(await adapter.get_experiments(["a", "b", "nobody"])) == {"a", "b"}
        assert set(await adapter.get_experiments(["c"])) == {"c"}
        assert set(paths(simulator)) == {"/evaluations"}

    async def test_latency_and_scores_are_over_test_cases(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect
    ) -> None:
        """A missing or failed score counts as 0 (docs/vendors/nemo.md#numbers)."""
        found = (await listed(await connect(nemo.create_app(world, dialect)))).items[0]
        by_metric = {aggregate.metric: aggregate for aggregate in found.aggregates}
        score = by_metric[Metric(MetricKind.SCORE, "acc")]
        assert (score.mean, score.count) == (0.5, 2)
        assert {aggregate.population for aggregate in found.aggregates} == {AggregatePopulation.TEST_CASES}
        assert (COST in by_metric) is (dialect == "0.3")


class TestSessions:
    async def test_newest_first_is_one_call(self, connect: Open, world: NemoWorld, dialect: NemoDialect) -> None:
        simulator = nemo.create_app(world, dialect)
        page = await sessions(await connect(simulator), OrderDirection.DESC, limit=2)
        assert (ids(page), page.offset, page.next_hint, page.total) == (["s2", "s1"], 0, 2, 3)
        assert queries(simulator) == [{"page": "1", "page_size": "2", "sort": "-started_at"}]
        assert paths(simulator) == ["/evaluations/c/sessions"]

    async def test_so_is_oldest_first(self, connect: Open, world: NemoWorld, dialect: NemoDialect) -> None:
        simulator = nemo.create_app(world, dialect)
        page = await sessions(await connect(simulator), OrderDirection.ASC, limit=2)
        assert (ids(page), page.offset, page.next_hint, page.total) == (["s0", "s1"], 0, 2, 3)
        assert queries(simulator) == [{"page": "1", "page_size": "2", "sort": "started_at"}]

    @pytest.mark.parametrize(
        ("dialect", "field"), [("0.3", "test_case_id"), ("0.8", "test_case_name")], indirect=["dialect"]
    )
    async def test_a_test_case_is_pushed_under_its_name_in_the_release(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect, field: str
    ) -> None:
        simulator = nemo.create_app(world, dialect)
        page = await sessions(await connect(simulator), test_case_id="paris")
        assert (ids(page), page.total) == (["s0", "s2"], 2)
        assert [session.test_case_id for session in page.items] == ["paris", "paris"]
        assert queries(simulator)[0][f"filter[{field}]"] == "paris"

    async def test_several_statuses_are_never_sent(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect
    ) -> None:
        """The service accepts such a filter and does not apply it (docs/vendors/nemo.md#session-filters)."""
        simulator = nemo.create_app(world, dialect)
        wanted = frozenset({SessionStatus.ERROR, SessionStatus.CANCELLED})
        page = await sessions(await connect(simulator), statuses=wanted)
        assert (len(page.items), page.total) == (3, None)
        assert not any(name.startswith("filter") for name in queries(simulator)[0])

    async def test_the_session_id_is_the_conversation(
        self, connect: Open, world: NemoWorld, dialect: NemoDialect
    ) -> None:
        page = await sessions(await connect(nemo.create_app(world, dialect)))
        assert [session.conversation_id for session in page.items] == ["s0", "s1", "s2"]

    async def test_evaluators_that_failed_are_named_and_have_no_score(
        self, connect: Open, world: NemoWorld
    ) -> None:
        page = await sessions(await connect(nemo.create_app(world, "0.8")))
        failed = tuple(Score(evaluator, failed=True) for evaluator in ("acc", "tone"))
        assert page.items[2].scores == failed


class TestStudio:
    async def test_pages_of_experiments_and_sessions_are_linked(self, connect: Open, world: NemoWorld) -> None:
        adapter = await connect(nemo.create_app(world, "0.8"), "https://nemo.example")
        experiment = (await listed(adapter)).items[0]
        session = (await sessions(adapter)).items[0]
        prefix = "https://nemo.example/studio/workspaces/default"
        assert experiment.url == f"{prefix}/experiment/group-c/c"
        assert session.url == f"{prefix}/intake/sessions/s0?traceId=trace-s0&spanId=span-s0"

    async def test_the_source_link_is_no_page_of_the_studio(self, connect: Open, world: NemoWorld) -> None:
        world.experiments[0]["source_link"] = "https://git.example/run/1"
        adapter = await connect(nemo.create_app(world, "0.8"), "https://nemo.example")
        by_name = {found.ref: found.source_url for found in (await listed(adapter)).items}
        assert by_name == {"a": "https://git.example/run/1", "b": None, "c": None}

    async def test_the_base_url_serves_where_no_other_address_is_configured(
        self, connect: Open, world: NemoWorld
    ) -> None:
        experiment = (await listed(await connect(nemo.create_app(world, "0.8")))).items[0]
        assert experiment.url is not None
        assert experiment.url.startswith("http://127.0.0.1:")

    async def test_texts_are_escaped(self, connect: Open, world: NemoWorld) -> None:
        world.sessions["c"] = [nemo_session("a/b?c", trace_id="t&1", root_span_id=None)]
        session = (await sessions(await connect(nemo.create_app(world, "0.8"), "https://nemo.example/"))).items[0]
        expected = "https://nemo.example/studio/workspaces/default/intake/sessions/a%2Fb%3Fc?traceId=t%261"
        assert session.url == expected

    async def test_030_has_no_pages_of_sessions(self, connect: Open, world: NemoWorld) -> None:
        session = (await sessions(await connect(nemo.create_app(world, "0.3"), "https://nemo.example"))).items[0]
        assert session.url is None


class TestOutage:
    """While the telemetry store is down, evaluations look empty (docs/vendors/nemo.md#outage)."""

    async def test_the_readiness_shows_the_outage_in_one_call(self, connect: Open, world: NemoWorld) -> None:
        world.telemetry_down = True
        simulator = nemo.create_app(world, "0.8")
        page = await listed(await connect(simulator))
        assert paths(simulator) == ["/evaluations", "/health/ready"]
        errors = [found.figures_error.code for found in page.items if found.figures_error is not None]
        assert errors == [SourceErrorCode.UNAVAILABLE] * 3
        assert [found.session_count for found in page.items] == [None] * 3
        assert page.provenance.upstream_requests == 2

    async def test_a_ready_service_has_empty_evaluations(self, connect: Open) -> None:
        world = NemoWorld()
        world.add(nemo_experiment("empty"))
        simulator = nemo.create_app(world, "0.8")
        adapter = await connect(simulator)
        assert [found.session_count for found in (await listed(adapter)).items] == [0]
        await listed(adapter)
        assert paths(simulator) == ["/evaluations", "/health/ready", "/evaluations"]

    async def test_before_060_a_session_shows_the_outage(self, connect: Open, world: NemoWorld) -> None:
        world.telemetry_down = True
        simulator = nemo.create_app(world, "0.3")
        page = await listed(await connect(simulator))
        assert paths(simulator) == ["/evaluations", "/evaluations/c/sessions"]
        assert all(found.figures_error is not None for found in page.items)

    async def test_a_hidden_readiness_leaves_the_question_to_a_session(
        self, connect: Open, world: NemoWorld
    ) -> None:
        world.telemetry_down = True
        simulator = nemo.create_app(world, "0.8")
        simulator.faults.add(Fault("delay", seconds=0.0), Fault("status", status=404))
        page = await listed(await connect(simulator))
        assert paths(simulator) == ["/evaluations", "/health/ready", "/evaluations/c/sessions"]
        assert all(found.figures_error is not None for found in page.items)
        assert page.provenance.upstream_requests == 3

    async def test_a_check_reports_the_outage_as_degraded(self, connect: Open, world: NemoWorld) -> None:
        world.telemetry_down = True
        simulator = nemo.create_app(world, "0.8")
        health = await (await connect(simulator)).check()
        assert (health.status, health.experiment_count) == (SourceHealthStatus.DEGRADED, 3)
        assert health.last_error is not None
        assert "is not ready" in health.last_error.message
