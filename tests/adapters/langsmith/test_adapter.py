"""The LangSmith adapter against a LangSmith on loopback: opening, experiments, health, failures."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.testing import capture_logs
from tracegraph_langsmith import open_adapter
from tracegraph_langsmith.capabilities import capabilities_of
from tracegraph_langsmith.dialect import Dialect

from tests.adapters.conftest import Serve
from tests.adapters.langsmith.conftest import KEY, Connect
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import CursorRequest, ExperimentQuery, OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    StringFilter,
)
from tracegraph.domain.models import Experiment, ExperimentKind, SessionRef, SessionStatus
from tracegraph.errors import (
    ConfigurationError,
    SourceBadResponse,
    SourceError,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import TENANT, stable_uuid
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

STATS = "include_stats=true"
CAPABILITIES = capabilities_of(Dialect.V1, Dialect.V1)
NEWEST = "sort_by=start_time&sort_by_desc=true"
HOSTILE = ["", ".", "../runs", "a/b", "5", "\ud800", "x" * 5000, f"{stable_uuid('x')}&limit=1", "\u0661" * 36]


def fill(world: LangSmithWorld, count: int) -> list[str]:
    """Projects p0, p1, ..., each started an hour after the one before; their ids."""
    for number in range(count):
        world.add(langsmith_session(f"p{number}", start_time=EPOCH + timedelta(hours=number)))
    return [row["id"] for row in world.sessions]


def requested_queries(vendor: Simulator) -> list[str]:
    """The query strings of `GET /api/v1/sessions` that reached the vendor."""
    assert all((call.method, call.path) == ("GET", "/api/v1/sessions") for call in vendor.calls)
    return [urlencode(call.query, doseq=True) for call in vendor.calls]


def names(page: Page[Experiment]) -> list[str]:
    return [experiment.name for experiment in page.items]


def filtered(**conditions: Any) -> ExperimentQuery:
    return ExperimentQuery(ExperimentFilter(**conditions))


class TestOpening:
    async def test_it_makes_no_call(self, adapter: Adapter, vendor: Simulator) -> None:
        assert (adapter.name, adapter.vendor, adapter.capabilities) == ("ls", "langsmith", CAPABILITIES)
        assert vendor.calls == []

    async def test_without_a_key_it_is_refused_with_the_remedy(self, serve: Serve, vendor: Simulator) -> None:
        upstream = await serve(vendor)
        with pytest.raises(ConfigurationError, match=r"sources\.ls\.api_key is missing"):
            async with open_adapter(SourceSettings("ls", "langsmith", {}), upstream):
                pass

    @pytest.mark.parametrize("options", [{"tenant_id": "a\r\nX-Evil: b"}, {"tenant_id": ""}, {"workspace": "w"}])
    async def test_settings_that_cannot_be_used_are_refused(self, connect: Connect, options: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.ls\.(tenant_id|workspace)"):
            await connect(Starlette(), **options)

    async def test_every_call_carries_the_key_and_the_workspace(self, connect: Connect, vendor: Simulator) -> None:
        adapter = await connect(vendor, tenant_id=TENANT)
        await adapter.check()
        await adapter.list_sessions([SessionPageRequest((stable_uuid("p"),), CursorRequest(1))])
        assert len(vendor.calls) == 3
        for call in vendor.calls:
            assert call.headers["x-api-key"] == KEY
            assert call.headers["x-tenant-id"] == TENANT

    async def test_without_a_workspace_no_header_names_one(self, adapter: Adapter, vendor: Simulator) -> None:
        await adapter.check()
        assert "x-tenant-id" not in vendor.calls[0].headers


class TestCapabilities:
    def test_a_group_matches_nothing(self) -> None:
        assert not CAPABILITIES.may_match_experiments(ExperimentFilter(group_id=StringFilter(eq="g")))

    def test_nothing_is_an_agent_and_no_run_is_cancelled(self) -> None:
        agents = ExperimentFilter(kinds=frozenset({ExperimentKind.AGENT}))
        assert not CAPABILITIES.may_match_experiments(agents)
        cancelled = SessionFilter(statuses=frozenset({SessionStatus.CANCELLED}))
        assert not CAPABILITIES.may_match_sessions(cancelled)

    def test_an_unknown_status_may_occur(self) -> None:
        assert CAPABILITIES.may_match_sessions(SessionFilter(statuses=frozenset({SessionStatus.UNKNOWN})))


class TestListExperiments:
    async def test_a_page_is_one_call_with_stats_newest_first(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        fill(world, 3)
        page = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(20))
        assert names(page) == ["p2", "p1", "p0"]
        assert (page.offset, page.next_hint, page.total, page.provenance) == (0, None, None, FetchInfo(1))
        assert requested_queries(vendor) == [f"{STATS}&limit=20&offset=0&{NEWEST}"]

    async def test_it_goes_on_by_offset_until_a_page_is_not_full(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        fill(world, 5)
        first = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(2))
        second = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(2, 2))
        third = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(2, 4))
        assert [names(page) for page in (first, second, third)] == [["p4", "p3"], ["p2", "p1"], ["p0"]]
        assert [(page.offset, page.next_hint) for page in (first, second, third)] == [(0, 2), (2, 4), (4, None)]
        assert [call.query["offset"] for call in vendor.calls] == [["0"], ["2"], ["4"]]

    async def test_a_page_behind_the_end_ends_the_list(self, adapter: Adapter, world: LangSmithWorld) -> None:
        fill(world, 2)
        assert (await adapter.list_experiments(ExperimentQuery(), OffsetRequest(2))).next_hint == 2
        behind = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(2, 2))
        assert (behind.items, behind.offset, behind.next_hint) == ([], 2, None)

    @pytest.mark.parametrize(("limit", "sent"), [(1000, "100"), (100, "100"), (0, "1")])
    async def test_no_more_is_requested_than_the_vendor_gives(
        self, adapter: Adapter, vendor: Simulator, limit: int, sent: str
    ) -> None:
        await adapter.list_experiments(ExperimentQuery(), OffsetRequest(limit))
        assert vendor.calls[0].query["limit"] == [sent]

    @pytest.mark.parametrize(
        ("order", "sent"),
        [
            (ExperimentOrder(ExperimentOrderField.CREATED_AT, OrderDirection.ASC), ("start_time", "false")),
            (
                ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.DESC),
                ("last_run_start_time", "true"),
            ),
            (ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.ASC), ("start_time", "false")),
        ],
    )
    async def test_orders_are_the_vendors_columns_and_by_name_is_left_to_the_gateway(
        self, adapter: Adapter, vendor: Simulator, order: ExperimentOrder, sent: tuple[str, str]
    ) -> None:
        await adapter.list_experiments(ExperimentQuery(order=order), OffsetRequest(1))
        (call,) = vendor.calls
        assert (call.query["sort_by"], call.query["sort_by_desc"]) == ([sent[0]], [sent[1]])
        assert ExperimentOrderField.NAME not in CAPABILITIES.experiment_lists()[None].order_fields()

    @pytest.mark.parametrize(
        ("conditions", "pushed"),
        [
            ({"name": StringFilter(eq="p 1&limit=5")}, "&name=p+1%26limit%3D5"),
            ({"name": StringFilter(any_of=frozenset({"p1"}))}, "&name=p1"),
            ({"name": StringFilter(eq="p1", contains="P")}, "&name=p1"),
            ({"kinds": frozenset({ExperimentKind.PROJECT})}, "&reference_free=true"),
            ({"kinds": frozenset({ExperimentKind.EVALUATION})}, ""),
            ({"kinds": frozenset(ExperimentKind)}, ""),
            ({"name": StringFilter(contains="p")}, ""),
            ({"name": StringFilter(any_of=frozenset({"p1", "p2"}))}, ""),
            ({"name": StringFilter(eq="")}, ""),
            ({"dataset_version": "1", "agent_name": "a"}, ""),
        ],
    )
    async def test_only_conditions_that_the_vendor_surely_honours_are_pushed(
        self, adapter: Adapter, vendor: Simulator, conditions: Any, pushed: str
    ) -> None:
        page = await adapter.list_experiments(filtered(**conditions), OffsetRequest(5))
        assert requested_queries(vendor) == [f"{STATS}&limit=5&offset=0&{NEWEST}{pushed}"]
        assert page.total is None

    async def test_a_name_with_an_unpaired_surrogate_matches_nothing_without_a_call(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        page = await adapter.list_experiments(filtered(name=StringFilter(eq="\ud800")), OffsetRequest(5))
        assert (list(page.items), page.next_hint, vendor.calls) == ([], None, [])

    async def test_refs_come_in_one_page_whatever_the_limit(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        ids = fill(world, 5)
        wanted = frozenset({ids[0], ids[3], ids[4].upper(), "no-uuid"})
        page = await adapter.list_experiments(filtered(refs=wanted), OffsetRequest(1, 2))
        assert names(page) == ["p4", "p3", "p0"]
        assert (page.offset, page.next_hint) == (0, None)
        given = "".join(f"&id={one}" for one in sorted({ids[0], ids[3], ids[4]}))
        assert requested_queries(vendor) == [f"{STATS}&limit=100&offset=0&{NEWEST}{given}"]

    @pytest.mark.parametrize("refs", [[], HOSTILE])
    async def test_refs_with_impossible_ids_cost_no_call(
        self, adapter: Adapter, vendor: Simulator, refs: list[str]
    ) -> None:
        page = await adapter.list_experiments(filtered(refs=frozenset(refs)), OffsetRequest(5))
        assert (list(page.items), page.offset, page.next_hint, vendor.calls) == ([], 0, None, [])

    async def test_many_refs_take_a_call_a_hundred_and_come_in_the_requested_order(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        ids = fill(world, 150)
        world.sessions[7]["start_time"] = None
        page = await adapter.list_experiments(filtered(refs=frozenset(ids)), OffsetRequest(10))
        assert names(page) == [f"p{n}" for n in range(149, -1, -1) if n != 7] + ["p7"]
        assert page.provenance == FetchInfo(2)
        assert sorted(len(call.query["id"]) for call in vendor.calls) == [50, 100]

    async def test_many_refs_fail_as_one_with_all_the_calls_counted(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        ids = fill(world, 150)
        vendor.faults.add(Fault("status", status=503))
        with pytest.raises(SourceUnavailable) as caught:
            await adapter.list_experiments(filtered(refs=frozenset(ids)), OffsetRequest(10))
        assert caught.value.upstream_requests == len(vendor.calls) == 2

    async def test_every_row_has_its_figures_and_its_raw_object(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        world.add(langsmith_session("p", run_count=7, total_cost="0.5"), [langsmith_run("r")])
        (found,) = (await adapter.list_experiments(ExperimentQuery(), OffsetRequest(5))).items
        assert found.session_count == 7
        assert {aggregate.metric.name: aggregate.sum for aggregate in found.aggregates}["cost"] == 0.5
        assert found.raw is not None
        assert found.raw.decode()["run_count"] == 7
        assert found.raw.decode()["trace_tier"] == "longlived"


class TestGetExperiments:
    async def test_fifty_are_one_call(self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld) -> None:
        ids = fill(world, 60)[:50]
        found = await adapter.get_experiments(ids)
        assert list(found) == ids
        assert requested_queries(vendor) == [f"{STATS}&limit=100" + "".join(f"&id={one}" for one in ids)]

    async def test_a_hundred_and_fifty_are_two(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        ids = fill(world, 150)
        assert len(await adapter.get_experiments(ids)) == 150
        assert len(vendor.calls) == 2

    async def test_they_are_complete(self, adapter: Adapter, world: LangSmithWorld) -> None:
        (ref,) = fill(world, 1)
        found = (await adapter.get_experiments([ref]))[ref]
        assert isinstance(found, Experiment)
        assert (found.deferred, found.session_count) == (frozenset(), 0)

    async def test_each_is_found_under_the_requested_ref(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        (ref,) = fill(world, 1)
        found = await adapter.get_experiments([ref.upper(), ref])
        assert list(found) == [ref.upper(), ref]
        assert vendor.calls[0].query["id"] == [ref]

    async def test_one_that_the_vendor_does_not_know_is_left_out(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        (ref,) = fill(world, 1)
        assert list(await adapter.get_experiments([ref, stable_uuid("nobody")])) == [ref]

    async def test_an_id_that_is_no_uuid_is_unknown_without_a_call(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        assert await adapter.get_experiments(HOSTILE) == {}
        assert await adapter.get_experiments([]) == {}
        assert vendor.calls == []

    async def test_a_call_that_fails_fails_its_own_hundred(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        ids = fill(world, 150)
        vendor.faults.add(Fault("status", status=500))
        found = await adapter.get_experiments(ids)
        failed = [ref for ref in ids if isinstance(found[ref], SourceError)]
        assert failed in (ids[:100], ids[100:])


class TestHealth:
    async def test_it_is_up_after_three_small_calls(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        fill(world, 3)
        health = await adapter.check()
        assert (health.status, health.last_error, health.experiment_count) == (
            SourceHealthStatus.UP,
            None,
            None,
        )
        assert health.checked_at is not None
        assert health.checked_at.utcoffset() == timedelta(0)
        projects, runs, info = vendor.calls
        assert info.path == "/api/v1/info"
        assert (projects.method, projects.query) == ("GET", {"limit": ["1"]})
        assert (runs.path, runs.body["limit"]) == ("/api/v1/runs/query", 1)

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Fault("status", status=401), SourceUnauthorized),
            (Fault("status", status=503), SourceUnavailable),
            (Fault("html"), SourceBadResponse),
        ],
    )
    async def test_it_is_down_with_the_reason(
        self, adapter: Adapter, vendor: Simulator, fault: Fault, kind: type[SourceError]
    ) -> None:
        vendor.faults.add(fault)
        health = await adapter.check()
        assert health.status is SourceHealthStatus.DOWN
        assert isinstance(health.last_error, kind)
        assert health.checked_at is not None


class TestFailures:
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Fault("status", status=401), SourceUnauthorized),
            (Fault("status", status=403), SourceUnauthorized),
            (Fault("status", status=429, retry_after="7"), SourceRateLimited),
            (Fault("status", status=500), SourceUnavailable),
            (Fault("status", status=504), SourceTimeout),
            (Fault("html"), SourceBadResponse),
            (Fault("wrong_shape"), SourceBadResponse),
            (Fault("truncate"), SourceUnavailable),
            (Fault("redirect"), SourceBadResponse),
        ],
    )
    async def test_each_is_a_source_error_with_its_calls_and_without_the_key(
        self, adapter: Adapter, vendor: Simulator, fault: Fault, kind: type[SourceError]
    ) -> None:
        vendor.faults.add(fault, fault)
        with pytest.raises(SourceError) as caught:
            await adapter.list_experiments(ExperimentQuery(), OffsetRequest(5))
        (session,) = await adapter.list_sessions([SessionPageRequest((stable_uuid("p"),), CursorRequest(5))])
        for error in (caught.value, session):
            assert type(error) is kind
            assert error.upstream_requests == 1
            assert KEY not in str(error)

    async def test_a_rate_limit_says_when_to_come_again(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=429, retry_after="7"))
        (error,) = await adapter.list_sessions([SessionPageRequest((stable_uuid("p"),), CursorRequest(5))])
        assert isinstance(error, SourceRateLimited)
        assert error.retry_after_s == 7

    async def test_the_error_for_an_organizations_key_without_workspace_says_to_set_tenant_id(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        world.org_scoped_key = True
        with capture_logs() as logs, pytest.raises(SourceUnauthorized, match="set tenant_id") as caught:
            await (await connect(vendor)).list_experiments(ExperimentQuery(), OffsetRequest(1))
        assert (caught.value.http_status, caught.value.upstream_requests) == (403, 1)
        assert {log["reference"] for log in logs} == {caught.value.reference}
        health = await (await connect(vendor, tenant_id=TENANT)).check()
        assert health.status is SourceHealthStatus.UP

    async def test_a_row_without_id_costs_itself(self, connect: Connect) -> None:
        rows = [langsmith_session("p"), {"name": "nobody"}, langsmith_session("q")]
        app = Starlette(routes=[Route("/api/v1/sessions", lambda _: JSONResponse(rows))])
        page = await (await connect(app)).list_experiments(ExperimentQuery(), OffsetRequest(3))
        assert [one.name for one in page.items] == ["p", "q"]
        assert (page.skipped, page.next_hint) == ((1,), 3)

    async def test_rows_none_of_which_has_an_id_fail_their_page(self, connect: Connect) -> None:
        app = Starlette(routes=[Route("/api/v1/sessions", lambda _: JSONResponse([{"name": "nobody"}, None]))])
        with pytest.raises(SourceBadResponse):
            await (await connect(app)).list_experiments(ExperimentQuery(), OffsetRequest(5))

    async def test_a_secret_is_not_in_the_adapters_messages(self, serve: Serve, vendor: Simulator) -> None:
        upstream = await serve(vendor)
        settings = SourceSettings("ls", "langsmith", {"api_key": SecretStr("hush")})
        async with open_adapter(settings, upstream) as adapter:
            assert "hush" not in repr(vars(adapter))

    async def test_get_sessions_fails_for_each_ref(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=503))
        refs = [SessionRef(stable_uuid("p"), stable_uuid(str(n))) for n in range(2)]
        found = await adapter.get_sessions(refs)
        assert [type(found[ref]) for ref in refs] == [SourceUnavailable, SourceUnavailable]
