"""Which of LangSmith's interfaces the adapter uses, and how it follows a deployment that drops one."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from tests.adapters.langsmith.conftest import Connect
from tests.adapters.langsmith.v2 import (
    INFO,
    RUNS_V1,
    RUNS_V2,
    SESSIONS_V1,
    SESSIONS_V2,
    add_project,
    pages_of,
    paths,
    request,
    seconds,
)
from tracegraph.adapter import ExperimentQuery, Paging, SourceHealthStatus
from tracegraph.domain.filters import OrderDirection, SessionOrder, SessionOrderField
from tracegraph.domain.models import ExperimentKind, Session, SessionRef
from tracegraph.errors import ConfigurationError, SourceError, SourceNotFound, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment, Dialect
from tracegraph.simulators.langsmith.world import LangSmithWorld

OLDEST_FIRST = SessionOrder(direction=OrderDirection.ASC)


@pytest.fixture
def deployment() -> Deployment:
    """Today's cloud: both dialects."""
    return Deployment.of("both")


@pytest.fixture
def vendor(world: LangSmithWorld, deployment: Deployment) -> Simulator:
    return langsmith.create_app(world, deployment)


def become(deployment: Deployment, dialect: Dialect, **fields: Any) -> None:
    """Change a running deployment."""
    vars(deployment).update(vars(Deployment.of(dialect)), **fields)


class TestTheChoice:
    @pytest.mark.parametrize("dialect", ["v1", "both", "v2"])
    async def test_the_flags_of_the_deployment_decide_and_v2_is_preferred(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment, dialect: Any
    ) -> None:
        become(deployment, dialect)
        p = add_project(world, "p", [1, 2])
        adapter = await connect(vendor, api="auto")
        (page,) = await pages_of(adapter, request(p))
        assert (seconds(page), page.provenance.upstream_requests) == ([2, 1], 2)
        assert paths(vendor) == [INFO, RUNS_V1 if dialect == "v1" else RUNS_V2]

    async def test_it_is_asked_for_once(self, connect: Connect, vendor: Simulator, world: LangSmithWorld) -> None:
        p = add_project(world, "p", [1])
        adapter = await connect(vendor, api="auto")
        await pages_of(adapter, request(p))
        await pages_of(adapter, request(p))
        await adapter.get_experiments([p])
        assert paths(vendor) == [INFO, RUNS_V2, RUNS_V2, SESSIONS_V2]

    @pytest.mark.parametrize(("api", "path"), [("v1", RUNS_V1), ("v2", RUNS_V2)])
    async def test_a_setting_fixes_it(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, api: str, path: str
    ) -> None:
        p = add_project(world, "p", [1])
        await pages_of(await connect(vendor, api=api), request(p))
        assert paths(vendor) == [path]

    async def test_another_setting_is_refused(self, connect: Connect) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.ls\.api "):
            await connect(Starlette(), api="v3")

    @pytest.mark.parametrize(("status", "paths_of_first"), [(404, [RUNS_V1]), (410, [RUNS_V1]), (403, [RUNS_V2])])
    async def test_without_the_path_the_deployment_is_older_than_v2_and_if_it_is_refused_v2_is_first(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, status: int, paths_of_first: list[str]
    ) -> None:
        p = add_project(world, "p", [1])
        vendor.faults.add(Fault("status", path=INFO, status=status, body={}, times=None))
        (page,) = await pages_of(await connect(vendor, api="auto"), request(p))
        assert seconds(page) == [1]
        assert paths(vendor) == [INFO, *paths_of_first]

    @pytest.mark.parametrize("status", [404, 501])
    async def test_a_deployment_of_v2_without_that_path_is_found(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment, status: int
    ) -> None:
        become(deployment, "v2")
        p = add_project(world, "p", [1])
        vendor.faults.add(Fault("status", path=INFO, status=status, body={}, times=None))
        adapter = await connect(vendor, api="auto")
        for _ in range(2):
            (page,) = await pages_of(adapter, request(p))
            assert seconds(page) == [1]
        assert paths(vendor) == [INFO, RUNS_V1, SESSIONS_V1, RUNS_V2, RUNS_V2]

    @pytest.mark.parametrize("status", [404, 403, 501])
    async def test_a_deployment_of_v1_that_does_not_tell_its_backends_is_found(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment, status: int
    ) -> None:
        become(deployment, "v1", without_v2=501)
        p = add_project(world, "p", [1])
        vendor.faults.add(Fault("status", path=INFO, status=status, body={}, times=None))
        adapter = await connect(vendor, api="auto")
        (page,) = await pages_of(adapter, request(p))
        assert seconds(page) == [1]
        assert page.provenance.upstream_requests == len(vendor.calls)
        vendor.calls.clear()
        await pages_of(adapter, request(p))
        assert paths(vendor) == [RUNS_V1]

    async def test_a_vendor_that_fails_is_asked_again(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        p = add_project(world, "p", [1])
        adapter = await connect(vendor, api="auto")
        vendor.faults.add(Fault("status", path=INFO, status=503, body={}))
        (outcome,) = await adapter.list_sessions([request(p)])
        assert isinstance(outcome, SourceUnavailable)
        assert paths(vendor) == [INFO]
        await pages_of(adapter, request(p))
        assert paths(vendor) == [INFO, INFO, RUNS_V2]


class TestFollowing:
    async def test_a_deployment_that_drops_v1_is_followed(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment
    ) -> None:
        become(deployment, "v1")
        p, q = add_project(world, "p", [1]), add_project(world, "q", [2])
        adapter = await connect(vendor, api="auto")
        await pages_of(adapter, request(p), request(q))
        become(deployment, "v2")
        vendor.calls.clear()
        with capture_logs() as logs:
            of_p, of_q = await pages_of(adapter, request(p), request(q))
        assert (seconds(of_p), seconds(of_q)) == ([1], [2])
        assert of_p.provenance.upstream_requests + of_q.provenance.upstream_requests == len(vendor.calls)
        changes = [line for line in logs if line["event"] == "langsmith.dialect_changed"]
        assert [(line["part"], line["dialect"]) for line in changes] == [("runs", "v2")]
        vendor.calls.clear()
        await pages_of(adapter, request(p))
        assert paths(vendor) == [RUNS_V2]

    async def test_so_are_look_ups_of_sessions(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment
    ) -> None:
        become(deployment, "v1")
        p = add_project(world, "p", [1])
        ref = SessionRef(p, world.runs[p][0]["id"])
        adapter = await connect(vendor, api="auto")
        before = (await adapter.get_sessions([ref]))[ref]
        become(deployment, "v2")
        after = (await adapter.get_sessions([ref]))[ref]
        assert isinstance(before, Session)
        assert isinstance(after, Session)
        assert before.started_at == after.started_at

    @pytest.mark.parametrize("status", [404, 501])
    async def test_a_deployment_that_loses_v2_is_followed(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment, status: Any
    ) -> None:
        p = add_project(world, "p", [1])
        adapter = await connect(vendor, api="auto")
        await pages_of(adapter, request(p))
        await adapter.get_experiments([p])
        become(deployment, "v1", without_v2=status)
        (page,) = await pages_of(adapter, request(p))
        assert seconds(page) == [1]
        found = await adapter.get_experiments([p])
        assert not isinstance(found[p], SourceError)

    async def test_a_token_of_the_lost_interface_goes_on_by_the_start_of_the_run_before_it(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment
    ) -> None:
        become(deployment, "v1")
        p = add_project(world, "p", [1, 2, 3])
        adapter = await connect(vendor, api="auto")
        (first,) = await pages_of(adapter, request(p, limit=2))
        become(deployment, "v2")
        capabilities = adapter.capabilities.session_list(None)
        (second,) = await pages_of(adapter, request(p, page=capabilities.next_page(2, first.next_hint or "")))
        assert seconds(first) + seconds(second) == [3, 2, 1]

    async def test_a_list_that_was_planned_oldest_first_keeps_its_order(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment
    ) -> None:
        """v2 has no such order. Requests that come later are planned without it."""
        become(deployment, "v1")
        p = add_project(world, "p", [3, 1, 2])
        adapter = await connect(vendor, api="auto")
        await pages_of(adapter, request(p))
        ascending = (SessionOrderField.STARTED_AT, OrderDirection.ASC)
        assert ascending in adapter.capabilities.session_list(None).orders
        become(deployment, "v2")
        (page,) = await pages_of(adapter, request(p, order=OLDEST_FIRST))
        assert (seconds(page), page.next_hint) == ([1, 2, 3], None)
        assert ascending not in adapter.capabilities.session_list(None).orders

    @pytest.mark.parametrize("api", ["auto", "v1"])
    async def test_without_any_run_query_it_fails_and_never_says_no_rows(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment, api: str
    ) -> None:
        become(deployment, "v2")
        p, q = add_project(world, "p", [1]), add_project(world, "q", [1])
        if api == "auto":
            become(deployment, "v1", v1_runs=False)
        adapter = await connect(vendor, api=api)
        for refs in ([p], [p, q]):
            for outcome in await adapter.list_sessions([request(ref) for ref in refs]):
                assert type(outcome) is SourceNotFound
        health = await adapter.check()
        assert health.status is SourceHealthStatus.DOWN

    async def test_tracer_sessions_are_read_by_v1_where_v2_lacks_them(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, deployment: Deployment
    ) -> None:
        become(deployment, "v2", v2_lists=False)
        p = add_project(world, "p", [1])
        adapter = await connect(vendor, api="auto")
        lists = adapter.capabilities.experiment_lists()[None]
        page = await adapter.list_experiments(ExperimentQuery(), lists.first_page(5))
        assert [row.ref for row in page.items] == [p]
        assert paths(vendor) == [INFO, SESSIONS_V2, SESSIONS_V1]
        await pages_of(adapter, request(p))
        assert paths(vendor)[3:] == [RUNS_V2]


class TestCapabilities:
    async def test_until_the_dialect_is_known_they_are_those_of_v2(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        capabilities = (await connect(vendor, api="auto")).capabilities
        assert capabilities.experiment_lists()[None].paging is Paging.CURSOR
        assert capabilities.session_list(None).page_max == 1000
        assert capabilities.session_list(None).orders == {(SessionOrderField.STARTED_AT, OrderDirection.DESC)}
        assert ExperimentKind.AGENT in capabilities.kinds
        assert vendor.calls == []

    async def test_those_of_v1_follow(
        self, connect: Connect, vendor: Simulator, deployment: Deployment, world: LangSmithWorld
    ) -> None:
        become(deployment, "v1")
        adapter = await connect(vendor, api="auto")
        await pages_of(adapter, request(add_project(world, "p", [1])))
        assert adapter.capabilities.experiment_lists()[None].paging is Paging.OFFSET
        assert adapter.capabilities.session_list(None).page_max == 100
        assert ExperimentKind.AGENT not in adapter.capabilities.kinds

    async def test_a_list_begun_as_v2_goes_on_in_v1(
        self, connect: Connect, vendor: Simulator, deployment: Deployment, world: LangSmithWorld
    ) -> None:
        become(deployment, "v1")
        for name in "abc":
            add_project(world, name, [])
        adapter = await connect(vendor, api="auto")
        lists = adapter.capabilities.experiment_lists()[None]
        first = await adapter.list_experiments(ExperimentQuery(), lists.first_page(2))
        assert isinstance(first.next_hint, str)
        second = await adapter.list_experiments(ExperimentQuery(), lists.next_page(2, first.next_hint))
        assert len({row.ref for row in (*first.items, *second.items)}) == 3
        assert second.next_hint is None


class TestTheCheck:
    @pytest.mark.parametrize("dialect", ["v1", "v2"])
    async def test_it_tells_the_interface_and_the_version(
        self, connect: Connect, vendor: Simulator, deployment: Deployment, world: LangSmithWorld, dialect: Any
    ) -> None:
        become(deployment, dialect)
        add_project(world, "p", [1])
        health = await (await connect(vendor, api="auto")).check()
        assert health.status is SourceHealthStatus.UP
        assert (health.interface, health.version) == (dialect, deployment.version)

    async def test_it_finds_that_a_deployment_has_v2_by_now(
        self, connect: Connect, vendor: Simulator, deployment: Deployment, world: LangSmithWorld
    ) -> None:
        become(deployment, "v1")
        p = add_project(world, "p", [1])
        adapter = await connect(vendor, api="auto")
        await pages_of(adapter, request(p))
        become(deployment, "both")
        await adapter.check()
        vendor.calls.clear()
        await pages_of(adapter, request(p))
        assert paths(vendor) == [RUNS_V2]

    async def test_a_deprecated_path_is_logged_once_and_noticed(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        p = add_project(world, "p", [1])
        adapter = await connect(vendor, api="v1")
        with capture_logs() as logs:
            await pages_of(adapter, request(p))
            await pages_of(adapter, request(p))
            health = await adapter.check()
        deprecated = [line for line in logs if line["event"] == "vendor.deprecated"]
        assert [(line["path"], line["sunset"]) for line in deprecated] == [(RUNS_V1, "2027-01-31")]
        assert health.notices == (f"LangSmith calls {RUNS_V1} deprecated and removes it on 2027-01-31.",)

    @pytest.mark.parametrize(
        ("headers", "notice"),
        [
            ({"Deprecation": "true"}, f"LangSmith calls {RUNS_V1} deprecated."),
            ({"Deprecation": "@1785456000", "Sunset": "soon"}, f"LangSmith calls {RUNS_V1} deprecated."),
            (
                {"Deprecation": "true", "Sunset": "2027-01-31"},
                f"LangSmith calls {RUNS_V1} deprecated and removes it on 2027-01-31.",
            ),
            ({"Deprecation": "false", "Sunset": "2027-01-31"}, None),
            ({}, None),
        ],
    )
    async def test_only_a_date_of_the_vendor_is_repeated(
        self, connect: Connect, world: LangSmithWorld, headers: dict[str, str], notice: str | None
    ) -> None:
        p = add_project(world, "p", [1])

        async def query(_: Request) -> Response:
            return JSONResponse({"runs": [], "cursors": {}}, headers=headers)

        adapter = await connect(Starlette(routes=[Route(RUNS_V1, query, methods=["POST"])]), api="v1")
        await pages_of(adapter, request(p))
        health = await adapter.check()
        assert health.notices == (() if notice is None else (notice,))
