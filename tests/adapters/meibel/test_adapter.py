"""The Meibel adapter against a Meibel on loopback: its requests, their number and their results."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs
from tracegraph_meibel import open_adapter
from tracegraph_meibel.adapter import CAPABILITIES
from tracegraph_meibel.lookup import MAX_SCAN_PAGES

from tests.adapters.conftest import Serve
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    Score,
    ScoreText,
    Session,
    SessionRef,
    SessionStatus,
    TokenUsage,
    TurnScore,
)
from tracegraph.errors import (
    ConfigurationError,
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.federation.completion import (
    CompletedList,
    experiment_look_up,
    lacking_fields,
    lacks_any,
    with_details,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session

BY_NAME = ExperimentQuery(order=ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.DESC))
OLDEST_FIRST = ExperimentQuery(order=ExperimentOrder(direction=OrderDirection.ASC))
PAGE = OffsetRequest(10)


async def completed_page(adapter: Adapter, query: ExperimentQuery, request: PageRequest) -> Page[Experiment]:
    """A page as the gateway orders it: with the fields that the query needs."""
    capabilities = CAPABILITIES.experiment_lists()[None]
    fetch = partial(adapter.list_experiments, query)
    lacking = lacking_fields(query, capabilities)
    look_up = experiment_look_up(adapter)
    return await CompletedList(adapter.name, fetch, look_up, capabilities, lacks_any(lacking)).fetch(request)


HOSTILE_IDS = ["", ".", "..", "a1/sessions", "../sessions/s1", "..\\agents", "a\x00b", "\ud800", "x" * 2000]


@pytest.fixture
def world() -> MeibelWorld:
    """Three agents made one day after the other; the second has three sessions."""
    world = MeibelWorld()
    for number in (1, 2, 3):
        world.add(meibel_agent(f"a{number}", created_at=EPOCH + timedelta(days=number)))
    world.sessions["a2"] = [
        meibel_session(f"s{number}", start_time=EPOCH + timedelta(minutes=number), duration_s=number)
        for number in (1, 2, 3)
    ]
    return world


@pytest.fixture
def vendor(world: MeibelWorld) -> Simulator:
    return meibel.create_app(world)


Connect = Callable[..., Any]


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Connect]:
    """Opens the adapter on any server, with the options given."""
    async with AsyncExitStack() as stack:

        async def connected(app: Any, **options: Any) -> Adapter:
            upstream = await serve(app, path="/v2", source="mb")
            settings = SourceSettings("mb", "meibel", {"api_key": SecretStr("mb_simulated")} | options)
            return await stack.enter_async_context(open_adapter(settings, upstream))

        yield connected


@pytest.fixture
async def adapter(connect: Connect, vendor: Simulator) -> Adapter:
    opened: Adapter = await connect(vendor)
    return opened


def requested_urls(vendor: Simulator) -> list[str]:
    """The URL of every request that reached the vendor."""
    return [
        f"{call.path.removeprefix('/v2')}?{urlencode(call.query, doseq=True)}".removesuffix("?")
        for call in vendor.calls
    ]


def canned(routes: dict[str, Any], statuses: dict[str, int] | None = None) -> Starlette:
    """A server that knows these paths and gives these answers; bytes are given as they are."""

    def answer(path: str) -> Callable[[Request], Response]:
        body, status = routes[path], (statuses or {}).get(path, 200)
        return lambda _: Response(body, status) if isinstance(body, bytes) else JSONResponse(body, status)

    return Starlette(routes=[Route(f"/v2{path}", answer(path)) for path in routes])


def deleted(agent_id: str) -> Fault:
    """The vendor's own answer for an agent that it does not know."""
    body = {"code": "not_found", "message": "Agent not found"}
    return Fault("status", path=f"/v2/agents/{agent_id}", status=404, body=body)


def ids(page: Page[Any]) -> list[str]:
    return [item.vendor_id for item in page.items]


def failed(outcome: object) -> SourceError:
    assert isinstance(outcome, SourceError)
    return outcome


async def complete(adapter: Adapter, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
    """The sessions with all details."""
    return await with_details(adapter, await adapter.get_sessions(refs), frozenset({"input", "scores"}))


def page_of(outcome: Page[Session] | SourceError) -> Page[Session]:
    assert isinstance(outcome, Page)
    return outcome


async def sessions(
    adapter: Adapter, agent: str = "a2", page: PageRequest = PAGE, **conditions: Any
) -> Page[Session]:
    request = SessionPageRequest((agent,), page, SessionFilter(**conditions))
    return page_of((await adapter.list_sessions([request]))[0])


class TestOpening:
    async def test_makes_no_call(self, adapter: Adapter, vendor: Simulator) -> None:
        assert (adapter.name, adapter.vendor) == ("mb", "meibel")
        assert adapter.capabilities is CAPABILITIES
        assert vendor.calls == []

    async def test_without_a_key_is_refused_with_the_keys_name(self, connect: Connect) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.mb\.api_key cannot be used"):
            await connect(canned({}), api_key="no reference")

    async def test_with_an_unheard_of_setting_is_refused(self, connect: Connect) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.mb\.workspace is not a setting.*scores"):
            await connect(canned({}), workspace="default")

    async def test_sends_the_key_as_meibels_own_header(self, adapter: Adapter, vendor: Simulator) -> None:
        await adapter.check()
        assert vendor.calls[0].headers["meibel-api-key"] == "mb_simulated"
        assert "authorization" not in vendor.calls[0].headers


class TestCheck:
    async def test_is_a_cheap_call_for_an_agent_and_one_for_its_sessions(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        health = await adapter.check()
        assert (health.status, health.experiment_count) == (SourceHealthStatus.UP, 3)
        assert health.checked_at is not None
        assert health.checked_at.tzinfo is UTC
        assert requested_urls(vendor) == [
            "/agents?offset=0&limit=1",
            "/agents/a3/sessions?offset=0&limit=1&sort_by=start_time&sort_order=desc",
        ]

    async def test_of_a_refused_key_is_down_with_the_reason(self, connect: Connect, vendor: Simulator) -> None:
        health = await (await connect(vendor, api_key=SecretStr("wrong"))).check()
        assert health.status is SourceHealthStatus.DOWN
        assert isinstance(health.last_error, SourceUnauthorized)


class TestListingAgents:
    async def test_is_one_call_whatever_its_rows_lack(self, adapter: Adapter, vendor: Simulator) -> None:
        page = await adapter.list_experiments(ExperimentQuery(), PAGE)
        assert page.items[0].deferred == {"created_at", "metadata", "models", "session_count"}
        assert page.provenance == FetchInfo(len(vendor.calls)) == FetchInfo(1)

    async def test_by_creation_is_one_call_and_one_for_each_agents_creation(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        page = await completed_page(adapter, ExperimentQuery(), PAGE)
        assert ids(page) == ["a3", "a2", "a1"]
        assert page.items[0].created_at == EPOCH + timedelta(days=3)
        assert {item.deferred for item in page.items} == {frozenset({"session_count"})}
        assert (page.offset, page.next_hint, page.total) == (0, None, 3)
        assert page.provenance == FetchInfo(4)
        first, *others = requested_urls(vendor)
        assert first == "/agents?offset=0&limit=10&sort_by=created_at&sort_order=desc"
        assert sorted(others) == ["/agents/a1", "/agents/a2", "/agents/a3"]

    async def test_oldest_first_is_the_vendors_ascending_order(self, adapter: Adapter, vendor: Simulator) -> None:
        page = await adapter.list_experiments(OLDEST_FIRST, PAGE)
        assert ids(page) == ["a1", "a2", "a3"]
        assert requested_urls(vendor)[0] == "/agents?offset=0&limit=10&sort_by=created_at&sort_order=asc"

    async def test_needs_no_further_call_where_the_list_has_the_creation_time(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator
    ) -> None:
        world.created_at_in_summary = True
        page = await completed_page(adapter, ExperimentQuery(), PAGE)
        assert page.items[0].created_at == EPOCH + timedelta(days=3)
        assert page.items[0].deferred == {"metadata", "models", "session_count"}
        assert len(vendor.calls) == 1

    async def test_in_another_order_is_one_call_in_a_lasting_order(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        page = await adapter.list_experiments(BY_NAME, PAGE)
        assert ids(page) == ["a1", "a2", "a3"]
        assert page.items[0].deferred == {"created_at", "metadata", "models", "session_count"}
        assert requested_urls(vendor) == ["/agents?offset=0&limit=10&sort_by=created_at&sort_order=asc"]

    async def test_filtered_by_creation_fetches_it_in_any_order(self, adapter: Adapter, vendor: Simulator) -> None:
        query = ExperimentQuery(ExperimentFilter(created_at=TimeRange(gte=EPOCH)), BY_NAME.order)
        page = await completed_page(adapter, query, PAGE)
        assert all(item.created_at for item in page.items)
        assert len(vendor.calls) == 4

    async def test_pages_by_offset(self, adapter: Adapter, vendor: Simulator) -> None:
        first = await adapter.list_experiments(BY_NAME, OffsetRequest(2))
        second = await adapter.list_experiments(BY_NAME, OffsetRequest(2, 2))
        assert (ids(first), first.offset, first.next_hint) == (["a1", "a2"], 0, 2)
        assert (ids(second), second.offset, second.next_hint) == (["a3"], 2, None)
        assert requested_urls(vendor)[1] == "/agents?offset=2&limit=2&sort_by=created_at&sort_order=asc"

    async def test_goes_on_where_the_server_gave_fewer_rows_than_requested(
        self, adapter: Adapter, world: MeibelWorld
    ) -> None:
        world.max_rows = 2
        page = await adapter.list_experiments(BY_NAME, PAGE)
        assert (ids(page), page.next_hint) == (["a1", "a2"], 2)

    async def test_past_the_end_is_empty_and_ends(self, adapter: Adapter) -> None:
        page = await adapter.list_experiments(BY_NAME, OffsetRequest(10, 30))
        assert (ids(page), page.offset, page.next_hint) == ([], 30, None)

    async def test_requests_at_most_a_hundred(self, adapter: Adapter, vendor: Simulator) -> None:
        await adapter.list_experiments(BY_NAME, OffsetRequest(500))
        assert vendor.calls[0].query["limit"] == ["100"]

    @pytest.mark.parametrize(
        "condition",
        [{"name": StringFilter(eq="A1")}, {"refs": frozenset({"a1"})}, {"agent_name": "a1"}],
        ids=["name", "refs", "agent_name"],
    )
    async def test_leaves_every_filter_to_the_gateway_and_then_has_no_total(
        self, adapter: Adapter, vendor: Simulator, condition: dict[str, Any]
    ) -> None:
        page = await adapter.list_experiments(ExperimentQuery(ExperimentFilter(**condition), BY_NAME.order), PAGE)
        assert (len(page.items), page.total) == (3, None)
        assert requested_urls(vendor) == ["/agents?offset=0&limit=10&sort_by=created_at&sort_order=asc"]

    async def test_of_kind_agent_is_all_of_them(self, adapter: Adapter) -> None:
        kinds = ExperimentFilter(kinds=frozenset({ExperimentKind.AGENT, ExperimentKind.PROJECT}))
        assert (await adapter.list_experiments(ExperimentQuery(kinds, BY_NAME.order), PAGE)).total == 3

    async def test_keeps_the_vendors_objects(self, adapter: Adapter) -> None:
        listed = (await adapter.list_experiments(BY_NAME, PAGE)).items[1]
        complete = (await completed_page(adapter, OLDEST_FIRST, PAGE)).items[1]
        assert listed.raw is not None
        assert complete.raw is not None
        assert (listed.raw.decode()["id"], listed.raw.decode()["tool_count"]) == ("a2", 0)
        assert (complete.raw.decode()["id"], complete.raw.decode()["tags"]) == ("a2", [])

    async def test_without_a_total_ends_with_a_short_page(self, connect: Connect) -> None:
        adapter = await connect(canned({"/agents": {"data": [{"id": "a1"}, {"id": "a2"}]}}))
        assert (await adapter.list_experiments(BY_NAME, OffsetRequest(3))).next_hint is None
        full = await adapter.list_experiments(BY_NAME, OffsetRequest(2))
        assert (full.next_hint, full.total) == (2, None)


class TestAgentsThatChangeMeanwhile:
    async def test_one_that_was_deleted_before_its_creation_was_read_is_dropped(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/agents/a2", status=404))
        page = await completed_page(adapter, ExperimentQuery(), PAGE)
        assert ids(page) == ["a3", "a1"]
        assert page.provenance == FetchInfo(4)

    async def test_a_page_of_which_all_were_deleted_gives_way_to_the_next(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(*(deleted(one) for one in ("a3", "a2")))
        page = await completed_page(adapter, ExperimentQuery(), OffsetRequest(2))
        assert (ids(page), page.offset, page.next_hint) == (["a1"], 2, None)
        assert page.provenance == FetchInfo(5)

    async def test_one_whose_creation_cannot_be_read_is_left_out_and_the_page_says_why(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/agents/a2", status=503, times=None))
        page = await completed_page(adapter, ExperimentQuery(), PAGE)
        assert ids(page) == ["a3", "a1"]
        assert isinstance(page.error, SourceUnavailable)
        assert page.provenance == FetchInfo(8), "list, 3 details, another's; list, 1 detail, another's"

    async def test_one_whose_details_come_at_the_second_try_is_there(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/agents/a2", status=503))
        page = await completed_page(adapter, ExperimentQuery(), PAGE)
        assert (ids(page), page.error) == (["a3", "a2", "a1"], None)
        assert page.provenance == FetchInfo(7)

    async def test_creations_that_cannot_be_read_at_all_fail_the_page_with_all_its_calls_counted(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/agents/", status=503, times=None))
        with pytest.raises(SourceUnavailable) as failure:
            await completed_page(adapter, ExperimentQuery(), PAGE)
        assert failure.value.upstream_requests == 4

    async def test_a_failure_on_the_way_counts_the_pages_before_it(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(*(deleted(one) for one in ("a3", "a2")))
        vendor.faults.add(Fault("status", path="/v2/agents/a1", status=500))
        with pytest.raises(SourceUnavailable) as failure:
            await completed_page(adapter, ExperimentQuery(), OffsetRequest(2))
        assert failure.value.upstream_requests == 5


class TestGettingAgents:
    async def test_is_one_call_each_and_complete(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator
    ) -> None:
        world.agents[0] |= {"tags": ["billing"], "fallback_models": ["small"]}
        found = await adapter.get_experiments(["a1", "a3", "a1"])
        one = found["a1"]
        assert isinstance(one, Experiment)
        assert set(found) == {"a1", "a3"}
        assert (one.name, one.agent_name, one.models) == ("A1", "a1", ("gpt-4.1-mini", "small"))
        assert one.metadata == {"tags": ["billing"]}
        assert one.deferred == {"session_count"}
        assert sorted(requested_urls(vendor)) == ["/agents/a1", "/agents/a3"]

    async def test_leaves_out_an_unknown_one(self, adapter: Adapter) -> None:
        assert set(await adapter.get_experiments(["a1", "nobody"])) == {"a1"}

    async def test_has_a_failed_one_as_its_error_and_the_others_stand(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/agents/a1", status=429))
        found = await adapter.get_experiments(["a1", "a2"])
        assert isinstance(found["a1"], SourceRateLimited)
        assert isinstance(found["a2"], Experiment)

    @pytest.mark.parametrize("ref", HOSTILE_IDS)
    async def test_an_id_that_cannot_be_one_is_unknown_without_a_call(
        self, adapter: Adapter, vendor: Simulator, ref: str
    ) -> None:
        assert await adapter.get_experiments([ref]) == {}
        assert vendor.calls == []

    @pytest.mark.parametrize("ref", ["a?limit=1", "a#b", "a b", "ä", "%2e%2e", "a%2Fsessions", "a;b", "a&b=c"])
    async def test_an_id_is_one_segment_of_the_path_whatever_it_holds(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator, ref: str
    ) -> None:
        world.add(meibel_agent(ref))
        found = await adapter.get_experiments([ref])
        assert set(found) == {ref}
        assert [(call.path_class, call.query) for call in vendor.calls] == [("/v2/agents/{agent_id}", {})]

    async def test_of_nothing_is_no_call(self, adapter: Adapter, vendor: Simulator) -> None:
        assert await adapter.get_experiments([]) == {}
        assert vendor.calls == []


class TestListingSessions:
    async def test_is_one_call_newest_first(self, adapter: Adapter, vendor: Simulator) -> None:
        page = await sessions(adapter)
        assert ids(page) == ["s3", "s2", "s1"]
        assert (page.offset, page.next_hint, page.total, page.provenance) == (0, None, 3, FetchInfo(1))
        assert requested_urls(vendor) == [
            "/agents/a2/sessions?offset=0&limit=10&sort_by=start_time&sort_order=desc"
        ]

    async def test_gives_each_session_with_the_values_of_its_row(self, adapter: Adapter) -> None:
        one = (await sessions(adapter)).items[1]
        assert (one.source, one.experiment_ref, one.vendor_id) == ("mb", "a2", "s2")
        assert (one.status, one.vendor_status) == (SessionStatus.SUCCESS, "COMPLETED")
        assert one.started_at == EPOCH + timedelta(minutes=2)
        assert one.latency_ms == 2000.0
        assert one.tokens == TokenUsage(input=100, output=20, total=120)
        assert (one.agent_name, one.agent_version, one.message_count) == ("a2", "1", 2)
        assert one.deferred == {"input", "output", "scores", "score_texts", "turn_scores"}
        assert one.raw is not None
        assert one.raw.decode()["session_id"] == "s2"

    async def test_defers_no_scores_when_none_are_to_be_read(self, connect: Connect, vendor: Simulator) -> None:
        adapter = await connect(vendor, scores=False)
        assert (await sessions(adapter)).items[0].deferred == {"input", "output"}

    async def test_oldest_first_is_the_vendors_ascending_order(self, adapter: Adapter, vendor: Simulator) -> None:
        request = SessionPageRequest(("a2",), PAGE, order=SessionOrder(direction=OrderDirection.ASC))
        assert ids(page_of((await adapter.list_sessions([request]))[0])) == ["s1", "s2", "s3"]
        assert vendor.calls[0].query["sort_order"] == ["asc"]

    async def test_pages_by_offset_until_the_total(self, adapter: Adapter, world: MeibelWorld) -> None:
        world.max_rows = 2
        first = await sessions(adapter)
        second = await sessions(adapter, page=OffsetRequest(10, 2))
        assert (ids(first), first.next_hint) == (["s3", "s2"], 2)
        assert (ids(second), second.offset, second.next_hint) == (["s1"], 2, None)

    async def test_reads_an_answer_of_the_contract_and_one_of_the_newer_service_alike(
        self, adapter: Adapter, world: MeibelWorld
    ) -> None:
        newer = await sessions(adapter)
        world.echo_paging = False
        assert await sessions(adapter) == newer

    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (SessionStatus.RUNNING, "RUNNING"),
            (SessionStatus.SUCCESS, "COMPLETED"),
            (SessionStatus.ERROR, "FAILED"),
        ],
    )
    async def test_of_a_status_that_is_one_word_are_counted_by_the_vendor(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator, status: SessionStatus, word: str
    ) -> None:
        world.sessions["a1"] = [meibel_session(f"x{other}", status=other) for other in ("FAILED", "RUNNING")]
        world.sessions["a1"].append(meibel_session("xCOMPLETED"))
        page = await sessions(adapter, "a1", statuses=frozenset({status}))
        assert (ids(page), page.total) == ([f"x{word}"], 1)
        assert requested_urls(vendor) == [
            f"/agents/a1/sessions?offset=0&limit=10&sort_by=start_time&sort_order=desc&status={word}"
        ]

    @pytest.mark.parametrize(
        "condition",
        [
            {"statuses": frozenset({SessionStatus.CANCELLED})},
            {"statuses": frozenset({SessionStatus.UNKNOWN})},
            {"statuses": frozenset({SessionStatus.SUCCESS, SessionStatus.ERROR})},
            {"started_at": TimeRange(gte=EPOCH)},
        ],
        ids=["two words", "any other word", "several", "a time range"],
    )
    async def test_of_any_other_condition_are_left_to_the_gateway_without_a_total(
        self, adapter: Adapter, vendor: Simulator, condition: dict[str, Any]
    ) -> None:
        page = await sessions(adapter, **condition)
        assert (len(page.items), page.total) == (3, None)
        assert "status" not in vendor.calls[0].query

    async def test_of_a_status_and_another_condition_push_the_status_and_have_no_total(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        page = await sessions(
            adapter, statuses=frozenset({SessionStatus.SUCCESS}), started_at=TimeRange(gte=EPOCH)
        )
        assert page.total is None
        assert vendor.calls[0].query["status"] == ["COMPLETED"]

    async def test_the_total_of_a_server_that_ignores_the_status_is_dropped(self, connect: Connect) -> None:
        rows = [meibel_session("s1", status="FAILED"), meibel_session("s2")]
        adapter = await connect(canned({"/agents/a1/sessions": {"data": rows, "total": 2}}))
        page = await sessions(adapter, "a1", statuses=frozenset({SessionStatus.ERROR}))
        assert (len(page.items), page.total) == (2, None)

    async def test_answers_every_request_in_order_and_each_fails_alone(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/agents/a1/", status=500))
        broken, unknown, found = await adapter.list_sessions(
            [SessionPageRequest((agent,), PAGE) for agent in ("a1", "nobody", "a2")]
        )
        assert isinstance(broken, SourceUnavailable)
        assert isinstance(unknown, SourceNotFound)
        assert ids(page_of(found)) == ["s3", "s2", "s1"]
        assert len(vendor.calls) == 3

    async def test_requests_concurrently(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("delay", times=3, seconds=0.1))
        await adapter.list_sessions([SessionPageRequest((agent,), PAGE) for agent in ("a1", "a2", "a3")])
        assert vendor.peak_in_flight == 3

    @pytest.mark.parametrize("ref", HOSTILE_IDS)
    async def test_of_an_id_that_cannot_be_one_are_not_found_without_a_call(
        self, adapter: Adapter, vendor: Simulator, ref: str
    ) -> None:
        (outcome,) = await adapter.list_sessions([SessionPageRequest((ref,), PAGE)])
        assert isinstance(outcome, SourceNotFound)
        assert vendor.calls == []

    async def test_of_several_agents_at_once_are_refused(self, adapter: Adapter) -> None:
        (outcome,) = await adapter.list_sessions([SessionPageRequest(("a1", "a2"), PAGE)])
        assert isinstance(outcome, SourceBadRequest)

    async def test_of_an_agent_without_any_are_an_empty_page_that_ends(self, adapter: Adapter) -> None:
        page = await sessions(adapter, "a1")
        assert (ids(page), page.next_hint, page.total) == ([], None, 0)


class TestGettingSessions:
    @pytest.fixture
    def world(self, world: MeibelWorld) -> MeibelWorld:
        """The second session was talked through and scored."""
        world.messages["s2"] = [
            {"role": "user", "message": "what is owed?", "signal_id": None, "timestamp": None},
            {"role": "assistant", "message": "12.50", "signal_id": "x", "timestamp": None},
        ]
        world.jobs = [
            meibel_job("s2", "correctness", 8, agent_name="a2", explanation="the sum is right"),
            meibel_job("s2", "observed_consistency", 0.75, agent_name="a2"),
            meibel_job("s2", "faithfulness", None, agent_name="a2"),
            meibel_job("s3", "correctness", 4, agent_name="a2"),
        ]
        return world

    async def test_are_found_in_the_list_alone(self, adapter: Adapter, vendor: Simulator) -> None:
        """What takes further calls is deferred: it fails by itself."""
        one = (await adapter.get_sessions([SessionRef("a2", "s2")]))[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert (one.input, one.scores) == (None, ())
        assert one.deferred == {"input", "output", "scores", "score_texts", "turn_scores"}
        assert [call.path for call in vendor.calls] == ["/v2/agents/a2/sessions"]

    async def test_of_one_agent_is_its_list_a_call_for_each_and_one_for_all_scores(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        found = await complete(adapter, [SessionRef("a2", "s2"), SessionRef("a2", "s3")])
        one = found[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert one.started_at == EPOCH + timedelta(minutes=2)
        assert (one.input, one.output) == ("what is owed?", "12.50")
        assert one.scores == (
            Score("correctness", 8.0, explanation="the sum is right"),
            Score("observed_consistency", 0.75),
        )
        assert one.deferred == frozenset()
        assert set(found) == {SessionRef("a2", "s2"), SessionRef("a2", "s3")}
        first, *others = requested_urls(vendor)
        assert first == "/agents/a2/sessions?offset=0&limit=100&sort_by=start_time&sort_order=desc"
        assert sorted(others) == [
            "/confidence-scoring/jobs?agent_name=a2",
            "/sessions/s2",
            "/sessions/s3",
        ]

    async def test_have_the_scores_of_each_turn_and_explanations(self, adapter: Adapter) -> None:
        one = (await complete(adapter, [SessionRef("a2", "s2")]))[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert one.turn_scores == (
            TurnScore(1, "correctness", 8.0, "the sum is right"),
            TurnScore(1, "observed_consistency", 0.75),
        )
        assert one.score_texts == {"correctness": ScoreText(None, "the sum is right")}

    async def test_of_one_session_requests_only_its_scores(self, adapter: Adapter, vendor: Simulator) -> None:
        await complete(adapter, [SessionRef("a2", "s2")])
        assert "/confidence-scoring/jobs?agent_name=a2&agent_session_id=s2" in requested_urls(vendor)

    async def test_reads_no_scores_when_none_are_to_be_read(self, connect: Connect, vendor: Simulator) -> None:
        adapter = await connect(vendor, scores=False)
        one = (await complete(adapter, [SessionRef("a2", "s2")]))[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert (one.input, one.scores, one.deferred) == ("what is owed?", (), frozenset())
        assert len(vendor.calls) == 2

    async def test_reads_on_until_the_last_one_wanted_and_no_further(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator
    ) -> None:
        world.max_rows = 1
        assert set(await adapter.get_sessions([SessionRef("a2", "s2")])) == {SessionRef("a2", "s2")}
        pages = [call.query["offset"] for call in vendor.calls if call.path.endswith("/a2/sessions")]
        assert pages == [["0"], ["1"]]

    async def test_leaves_out_unknown_sessions_and_those_of_unknown_agents(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        refs = [SessionRef("a2", "nothing"), SessionRef("nobody", "s2"), SessionRef("a1", "s2")]
        assert await adapter.get_sessions(refs) == {}
        assert len(vendor.calls) == 3

    async def test_of_several_agents_are_requested_from_each_agent(
        self, adapter: Adapter, world: MeibelWorld
    ) -> None:
        world.sessions["a1"] = [meibel_session("t1")]
        world.jobs.append(meibel_job("t1", "correctness", 1, agent_name="a1"))
        found = await complete(adapter, [SessionRef("a2", "s3"), SessionRef("a1", "t1")])
        assert {ref: one.scores for ref, one in found.items() if isinstance(one, Session)} == {
            SessionRef("a2", "s3"): (Score("correctness", 4.0),),
            SessionRef("a1", "t1"): (Score("correctness", 1.0),),
        }

    async def test_reads_the_agents_name_when_no_row_contains_it(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator
    ) -> None:
        world.sessions["a2"][1]["agent_name"] = None
        one = (await complete(adapter, [SessionRef("a2", "s2")]))[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert len(one.scores) == 2
        assert "/agents/a2" in requested_urls(vendor)

    @pytest.mark.parametrize(
        ("lacking", "message"),
        [
            ("/sessions/s1", "not serve details of sessions"),
            ("/confidence-scoring/jobs", r"set sources\.mb\.scores"),
        ],
    )
    async def test_from_a_server_that_lacks_a_path_are_not_found(
        self, connect: Connect, lacking: str, message: str
    ) -> None:
        rows = [meibel_session("s1", agent_name="a1")]
        routes: dict[str, Any] = {
            "/agents/a1/sessions": {"data": rows, "total": 1},
            "/sessions/s1": {"messages": []},
            "/confidence-scoring/jobs": [],
        }
        del routes[lacking]
        adapter = await connect(canned(routes))
        one = (await complete(adapter, [SessionRef("a1", "s1")]))[SessionRef("a1", "s1")]
        assert type(one) is SourceNotFound
        assert re.search(message, one.message)

    async def test_that_was_deleted_after_it_was_listed_has_neither_input_nor_output(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        gone = {"code": "not_found", "message": "Session not found"}
        vendor.faults.add(Fault("status", path="/v2/sessions/s2", status=404, body=gone))
        one = (await complete(adapter, [SessionRef("a2", "s2")]))[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert (one.input, one.output, one.deferred) == (None, None, frozenset())
        assert one.tokens == TokenUsage(input=100, output=20, total=120)

    async def test_whose_detail_fails_is_its_error_and_the_others_stand(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", path="/v2/sessions/s2", status=503))
        found = await complete(adapter, [SessionRef("a2", "s2"), SessionRef("a2", "s3")])
        assert isinstance(found[SessionRef("a2", "s2")], SourceUnavailable)
        assert isinstance(found[SessionRef("a2", "s3")], Session)

    async def test_whose_scores_fail_are_their_error(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", path="/v2/confidence-scoring", status=429))
        found = await complete(adapter, [SessionRef("a2", "s2")])
        assert isinstance(found[SessionRef("a2", "s2")], SourceRateLimited)

    async def test_whose_list_fails_are_its_error_unless_found_before(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator
    ) -> None:
        world.max_rows = 2
        vendor.faults.add(Fault("delay", path="/v2/agents/a2", seconds=0))
        vendor.faults.add(Fault("status", path="/v2/agents/a2", status=500))
        found = await adapter.get_sessions([SessionRef("a2", "s1"), SessionRef("a2", "s3")])
        lost = failed(found[SessionRef("a2", "s1")])
        assert isinstance(lost, SourceUnavailable)
        assert lost.upstream_requests == 2
        assert isinstance(found[SessionRef("a2", "s3")], Session)

    async def test_beyond_the_limit_of_a_look_up_is_an_error_that_names_the_limit(
        self, adapter: Adapter, world: MeibelWorld, vendor: Simulator
    ) -> None:
        world.max_rows = 1
        world.sessions["a1"] = [meibel_session(f"t{number}") for number in range(MAX_SCAN_PAGES + 1)]
        found = await adapter.get_sessions([SessionRef("a1", "nothing")])
        lost = failed(found[SessionRef("a1", "nothing")])
        assert isinstance(lost, SourceBadRequest)
        assert f"at most the newest {MAX_SCAN_PAGES * 100} sessions of an agent" in lost.message
        assert lost.upstream_requests == len(vendor.calls) == MAX_SCAN_PAGES

    async def test_a_list_that_repeats_rows_is_read_again_for_those_that_it_left_out(
        self, adapter: Adapter, world: MeibelWorld
    ) -> None:
        """The vendor promises no order among sessions of one start, so pages may overlap and miss."""
        world.max_rows, world.shuffle_ties = 10, True
        world.sessions["a1"] = [meibel_session(f"t{number}") for number in range(40)]
        refs = [SessionRef("a1", f"t{number}") for number in range(40)]
        assert set(await adapter.get_sessions(refs)) == set(refs)

    @pytest.mark.parametrize("some_id", HOSTILE_IDS)
    async def test_by_ids_that_cannot_be_one_are_unknown_and_reach_no_other_path(
        self, adapter: Adapter, vendor: Simulator, some_id: str
    ) -> None:
        refs = [SessionRef(some_id, "s1"), SessionRef("a2", some_id)]
        assert await adapter.get_sessions(refs) == {}
        assert {call.path for call in vendor.calls} == {"/v2/agents/a2/sessions"}

    async def test_keeps_the_list_rows_object(self, adapter: Adapter) -> None:
        one = (await adapter.get_sessions([SessionRef("a2", "s2")]))[SessionRef("a2", "s2")]
        assert isinstance(one, Session)
        assert one.raw is not None
        assert one.raw.decode()["start_time"] == "2026-11-01T09:02:00Z"

    async def test_of_nothing_is_no_call(self, adapter: Adapter, vendor: Simulator) -> None:
        assert await adapter.get_sessions([]) == {}
        assert vendor.calls == []


class TestUnusableResponses:
    @pytest.mark.parametrize(
        "body",
        [
            b"<html>Sign in</html>",
            b"",
            b"[]",
            b"null",
            b"{}",
            b'{"data": null, "total": 0}',
            b'{"data": [null], "total": 1}',
            b'{"data": [null, {"name": "no id"}], "total": 2}',
        ],
    )
    async def test_fail_the_list_of_agents(self, connect: Connect, body: bytes) -> None:
        adapter = await connect(canned({"/agents": body}))
        with pytest.raises(SourceBadResponse) as failure:
            await adapter.list_experiments(BY_NAME, PAGE)
        assert failure.value.upstream_requests == 1
        assert "Sign in" not in failure.value.message

    @pytest.mark.parametrize(
        "row",
        [
            {"status": "COMPLETED", "start_time": "2026-11-20T12:00:00Z"},
            {"session_id": "s1", "start_time": "soon"},
        ],
        ids=["no id", "no start"],
    )
    async def test_fail_the_list_of_sessions(self, connect: Connect, row: dict[str, Any]) -> None:
        adapter = await connect(canned({"/agents/a1/sessions": {"data": [row], "total": 1}}))
        (outcome,) = await adapter.list_sessions([SessionPageRequest(("a1",), PAGE)])
        assert isinstance(outcome, SourceBadResponse)

    async def test_values_that_cannot_be_read_are_none_and_reported_once_for_the_page(
        self, connect: Connect
    ) -> None:
        rows = [
            meibel_session("s1", end_time="soon", messages_count=-1),
            meibel_session("s2", end_time="later", token_usage={"prompt_tokens": "many"}),
        ]
        adapter = await connect(canned({"/agents/a1/sessions": {"data": rows, "total": -2}}))
        with capture_logs() as logs:
            page = await sessions(adapter, "a1")
        assert (ids(page), page.total, page.next_hint) == (["s1", "s2"], None, None)
        assert [(one.ended_at, one.latency_ms) for one in page.items] == [(None, None)] * 2
        assert logs == [
            {
                "event": "wire.unparsable",
                "log_level": "warning",
                "source": "mb",
                "kind": "sessions",
                "count": 5,
                "fields": ["end_time", "messages_count", "token_usage", "total"],
            }
        ]

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, SourceUnauthorized),
            (403, SourceUnauthorized),
            (404, SourceNotFound),
            (422, SourceBadRequest),
            (429, SourceRateLimited),
            (500, SourceUnavailable),
            (504, SourceTimeout),
        ],
    )
    async def test_statuses_become_errors_with_our_messages(
        self, connect: Connect, status: int, error: type[SourceError]
    ) -> None:
        body = {"code": "odd", "message": "key mb_simulated refused at https://api.meibel.ai/v2/agents"}
        adapter = await connect(canned({"/agents": body}, {"/agents": status}))
        with pytest.raises(error) as failure:
            await adapter.list_experiments(BY_NAME, PAGE)
        assert failure.value.http_status == status
        assert "mb_simulated" not in str(failure.value)
        assert "meibel.ai" not in str(failure.value)

    async def test_scores_that_are_no_json_are_the_sessions_error(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("html", path="/v2/confidence-scoring"))
        found = await complete(adapter, [SessionRef("a2", "s2")])
        assert isinstance(found[SessionRef("a2", "s2")], SourceBadResponse)


class TestTimesOfTheList:
    async def test_are_utc_even_when_the_vendor_leaves_the_zone_out(self, connect: Connect) -> None:
        rows = [meibel_session("s1", start_time="2026-11-20T12:00:00")]
        adapter = await connect(canned({"/agents/a1/sessions": {"data": rows, "total": 1}}))
        assert (await sessions(adapter, "a1")).items[0].started_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
