"""The NeMo adapter against a NeMo on loopback: its requests, and its results."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs
from tracegraph_nemo import open_adapter
from tracegraph_nemo.adapter import CAPABILITIES

from tests.adapters.conditions import equalities
from tests.adapters.conftest import Serve
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
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
from tracegraph.domain.models import Experiment, Session, SessionRef, SessionStatus
from tracegraph.errors import (
    ConfigurationError,
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceErrorCode,
    SourceNotFound,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

EXPERIMENTS = "/apis/intake/v2/workspaces/default/experiments"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
ASC = SessionOrder(direction=OrderDirection.ASC)

Open = Callable[..., Awaitable[Adapter]]


class Canned:
    """A vendor that gives prepared answers, the last of them from then on, and records its requests."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.requests: list[list[tuple[str, str]]] = []
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        self.requests.append(request.query_params.multi_items())
        self.paths.append(scope["raw_path"].decode())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if callable(answer):
            answer = answer(dict(request.query_params))
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        await Response(content, status, media_type="application/json")(scope, receive, send)


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Open]:
    """Opens the adapter on an application; keywords are the source's own settings."""
    async with AsyncExitStack() as stack:

        async def start(app: ASGIApp, **options: Any) -> Adapter:
            upstream = await serve(app, source="nemo-a")
            settings = SourceSettings("nemo-a", "nemo", {"release": "0.2"} | options)
            return await stack.enter_async_context(open_adapter(settings, upstream))

        yield start


def experiments(count: int) -> NemoWorld:
    world = NemoWorld()
    for number in range(count):
        world.add(nemo_experiment(f"e{number:04}", run_count=1, created_at=START + timedelta(minutes=number)))
    return world


def sessions(count: int, **fields: Any) -> NemoWorld:
    world = NemoWorld()
    rows = [
        nemo_session(f"s{number:04}", started_at=START + timedelta(minutes=number), **fields)
        for number in range(count)
    ]
    world.add(nemo_experiment("base"), rows)
    return world


def session_request(limit: int = 20, offset: int = 0, **fields: Any) -> SessionPageRequest:
    return SessionPageRequest(("base",), OffsetRequest(limit, offset), **({"order": ASC} | fields))


async def single_page(adapter: Adapter, request: SessionPageRequest) -> Page[Session]:
    (outcome,) = await adapter.list_sessions([request])
    if isinstance(outcome, SourceError):
        raise outcome
    return outcome


async def listed(
    adapter: Adapter, limit: int = 20, hint: int | str | None = 0, **conditions: Any
) -> Page[Experiment]:
    assert isinstance(hint, int)
    query = ExperimentQuery(ExperimentFilter(**equalities(conditions)))
    return await adapter.list_experiments(query, OffsetRequest(limit, hint))


def names(page: Page[Experiment]) -> list[str]:
    return [experiment.ref for experiment in page.items]


def ids(page: Page[Session]) -> list[str]:
    return [session.vendor_id for session in page.items]


def numbered(numbers: Sequence[int]) -> list[str]:
    return [f"s{number:04}" for number in numbers]


def run(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"experiment-{name}", "name": name, "dataset_name": "cases", **fields}


def list_body(rows: list[dict[str, Any]], total: int | None = None) -> dict[str, Any]:
    return {"data": rows, "pagination": {"total_results": len(rows) if total is None else total}}


def queries(simulator: Simulator) -> list[dict[str, str]]:
    return [{key: value for key, (value,) in call.query.items()} for call in simulator.calls]


class TestOpening:
    async def test_opening_makes_no_call(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(1))
        adapter = await connect(simulator)
        assert simulator.calls == []
        assert (adapter.name, adapter.vendor, adapter.capabilities) == ("nemo-a", "nemo", CAPABILITIES["0.2"])

    async def test_the_key_is_sent_as_bearer_and_the_workspace_is_in_the_path(self, connect: Open) -> None:
        world = NemoWorld(workspace="team a", token="s3cret")
        simulator = nemo.create_app(world)
        adapter = await connect(simulator, workspace="team a", api_key=SecretStr("s3cret"))
        assert (await adapter.check()).status is SourceHealthStatus.UP
        (call,) = simulator.calls
        assert call.headers["authorization"] == "Bearer s3cret"
        assert call.path == "/apis/intake/v2/workspaces/team a/experiments"

    async def test_without_a_key_no_credential_is_sent(self, connect: Open) -> None:
        simulator = nemo.create_app(NemoWorld(token="s3cret"))
        health = await (await connect(simulator)).check()
        assert isinstance(health.last_error, SourceUnauthorized)
        assert "authorization" not in simulator.calls[0].headers

    @pytest.mark.parametrize("workspace", ["", "..", "a/b"])
    async def test_a_workspace_that_is_no_name_is_refused_at_start(self, connect: Open, workspace: str) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.nemo-a\.workspace"):
            await connect(nemo.create_app(NemoWorld()), workspace=workspace)

    async def test_an_unknown_setting_is_refused_at_start(self, connect: Open) -> None:
        with pytest.raises(ConfigurationError, match=r"sources\.nemo-a\.page_url"):
            await connect(nemo.create_app(NemoWorld()), page_url="x")


class TestListExperiments:
    async def test_a_page_is_one_call_in_the_vendors_order(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(5))
        page = await listed(await connect(simulator), limit=2)
        assert queries(simulator) == [{"page": "1", "page_size": "2", "sort": "-created_at"}]
        assert names(page) == ["e0004", "e0003"]
        assert (page.offset, page.next_hint, page.total, page.provenance.upstream_requests) == (0, 2, 5, 1)

    async def test_reading_on_from_each_next_gives_every_row_once(self, connect: Open) -> None:
        adapter = await connect(nemo.create_app(experiments(11)))
        seen: list[str] = []
        hint: int | None = 0
        while hint is not None:
            page = await listed(adapter, limit=3, hint=hint)
            assert page.offset is not None
            assert page.offset <= hint
            seen += names(page)[hint - page.offset :]
            assert page.next_hint is None or isinstance(page.next_hint, int)
            hint = page.next_hint
        assert seen == [f"e{number:04}" for number in range(10, -1, -1)]

    async def test_an_offset_between_pages_is_read_from_a_larger_page(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(60))
        page = await listed(await connect(simulator), limit=20, hint=30)
        assert queries(simulator) == [{"page": "2", "page_size": "25", "sort": "-created_at"}]
        assert (page.offset, page.next_hint, len(page.items)) == (25, 50, 25)

    async def test_more_than_the_vendors_maximum_is_not_requested(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(1))
        await listed(await connect(simulator), limit=5000)
        assert queries(simulator)[0]["page_size"] == "1000"

    async def test_past_the_end_there_is_nothing_and_nothing_follows(self, connect: Open) -> None:
        page = await listed(await connect(nemo.create_app(experiments(3))), limit=2, hint=8)
        assert (list(page.items), page.next_hint, page.total) == ([], None, 3)

    @pytest.mark.parametrize(
        ("order", "sort"),
        [
            (ExperimentOrder(ExperimentOrderField.CREATED_AT, OrderDirection.ASC), "created_at"),
            (ExperimentOrder(ExperimentOrderField.CREATED_AT, OrderDirection.DESC), "-created_at"),
            (ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.ASC), "updated_at"),
            (ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.DESC), "-updated_at"),
            (ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.ASC), "created_at"),
            (ExperimentOrder(ExperimentOrderField.NAME, OrderDirection.DESC), "created_at"),
        ],
    )
    async def test_every_order_has_its_sort_parameter(
        self, connect: Open, order: ExperimentOrder, sort: str
    ) -> None:
        simulator = nemo.create_app(experiments(1))
        adapter = await connect(simulator)
        await adapter.list_experiments(ExperimentQuery(order=order), OffsetRequest(5))
        assert queries(simulator)[0]["sort"] == sort

    async def test_a_pushed_filter_has_the_vendors_count(self, connect: Open) -> None:
        world = experiments(4)
        world.experiments[1]["dataset_name"] = "capitals"
        simulator = nemo.create_app(world)
        page = await listed(
            await connect(simulator),
            dataset_name="capitals",
            group_id="experiment-group-default",
            agent_name="assistant",
            created_at=TimeRange(gte=START, lt=START + timedelta(minutes=2)),
        )
        assert queries(simulator) == [
            {
                "page": "1",
                "page_size": "20",
                "sort": "-created_at",
                "filter[agent_name]": "assistant",
                "filter[dataset_name]": "capitals",
                "filter[experiment_group_id]": "experiment-group-default",
                "filter[created_at][$gte]": "2026-05-01T12:00:00.000000Z",
                "filter[created_at][$lte]": "2026-05-01T12:01:59.999999Z",
            }
        ]
        assert (names(page), page.total) == (["e0001"], 1)

    async def test_a_condition_that_is_left_to_the_gateway_leaves_no_total(self, connect: Open) -> None:
        page = await listed(await connect(nemo.create_app(experiments(4))), name=StringFilter(contains="e"))
        assert (len(page.items), page.total) == (4, None)

    async def test_a_service_that_ignores_a_filter_gives_its_rows_but_no_total(self, connect: Open) -> None:
        adapter = await connect(Canned(list_body([run("a"), run("b")])))
        page = await listed(adapter, name=StringFilter(eq="b"))
        assert (names(page), page.total) == (["a", "b"], None)

    async def test_names_that_exclude_each_other_cause_no_call(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(2))
        page = await listed(await connect(simulator), refs=frozenset({"e0000"}), name=StringFilter(eq="e0001"))
        assert (list(page.items), page.next_hint, page.total, simulator.calls) == ([], None, 0, [])

    async def test_a_rejected_condition_on_the_agent_is_never_sent_again(self, connect: Open) -> None:
        """0.2.0 has lists of agents, and no filter on them (docs/vendors/nemo.md#releases, #filters)."""
        refused = (400, {"detail": "Unknown filter field 'agent_name'. Valid fields: [...]"})
        vendor = Canned(refused, list_body([run("a", agent_names=["x"]), run("b", agent_names=["y"])]))
        adapter = await connect(vendor)
        page = await listed(adapter, agent_name="x", dataset_name="cases")
        assert (names(page), page.total, page.provenance.upstream_requests) == (["a", "b"], None, 2)
        await listed(adapter, agent_version="2")
        frame = [("page", "1"), ("page_size", "20"), ("sort", "-created_at")]
        assert vendor.requests == [
            [*frame, ("filter[agent_name]", "x"), ("filter[dataset_name]", "cases")],
            [*frame, ("filter[dataset_name]", "cases")],
            frame,
        ]

    async def test_a_refusal_that_is_not_about_the_agent_stays_one(self, connect: Open) -> None:
        vendor = Canned((400, {"detail": "no"}), (400, {"detail": "no"}), list_body([]))
        adapter = await connect(vendor)
        with pytest.raises(SourceBadRequest) as failure:
            await listed(adapter, agent_name="x")
        assert failure.value.upstream_requests == 2
        await listed(adapter, agent_name="x")
        assert ("filter[agent_name]", "x") in vendor.requests[-1], "nothing was learnt about agents"

    async def test_without_a_total_a_full_page_goes_on_and_a_short_one_ends(self, connect: Open) -> None:
        """The contract does not require `pagination`."""
        adapter = await connect(Canned({"data": [run("a"), run("b")]}, {"data": [run("a")]}))
        full = await listed(adapter, limit=2)
        short = await listed(adapter, limit=2)
        assert (full.next_hint, full.total, short.next_hint) == (2, None, None)

    async def test_the_vendors_object_is_available_unchanged(self, connect: Open) -> None:
        adapter = await connect(Canned(list_body([run("a"), run("b", summary="theirs", pinned_at=None)])))
        page = await listed(adapter)
        assert page.items[1].raw is not None
        assert page.items[1].raw.decode() == run("b", summary="theirs", pinned_at=None)

    async def test_unreadable_values_are_logged_once_a_page_without_the_value(self, connect: Open) -> None:
        rows = [run("a", run_count="many"), run("b", run_count="many", created_at="soon")]
        adapter = await connect(Canned(list_body(rows)))
        with capture_logs() as logs:
            page = await listed(adapter)
        assert names(page) == ["a", "b"]
        assert [log for log in logs if log["event"] == "wire.unparsable"] == [
            {
                "event": "wire.unparsable",
                "log_level": "warning",
                "source": "nemo-a",
                "kind": "experiments",
                "fields": ["created_at", "run_count"],
                "count": 3,
            }
        ]


class TestReleasesAndRefusals:
    async def test_groups_in_place_of_experiments_point_to_the_setting(self, connect: Open) -> None:
        """0.4.0 and later (docs/vendors/nemo.md#releases)."""
        with pytest.raises(SourceNotFound, match=r"groups of experiments.* set sources\.nemo-a\.release"):
            await listed(await connect(nemo.create_app(experiments(2), "0.8")))

    async def test_a_release_without_experiments_points_to_the_setting(self, connect: Open) -> None:
        """0.3.0 calls them evaluations (docs/vendors/nemo.md#releases)."""
        adapter = await connect(nemo.create_app(sessions(1), "0.3"))
        message = (
            r"does not have the paths of NeMo 0\.2: check sources\.nemo-a\.base_url and sources\.nemo-a\.release"
        )
        with pytest.raises(SourceNotFound, match=message):
            await listed(adapter)
        with pytest.raises(SourceNotFound, match=message):
            await adapter.get_experiments(["base"])
        (answer,) = await adapter.list_sessions([session_request()])
        assert isinstance(answer, SourceNotFound)
        wanted = SessionRef("base", "s0000")
        assert isinstance((await adapter.get_sessions([wanted]))[wanted], SourceNotFound)

    async def test_an_unknown_workspace_points_to_the_setting(self, connect: Open) -> None:
        adapter = await connect(nemo.create_app(sessions(1)), workspace="nows")
        with pytest.raises(SourceNotFound, match=r"check sources\.nemo-a\.workspace"):
            await listed(adapter)
        wanted = SessionRef("base", "s0000")
        assert isinstance((await adapter.get_sessions([wanted]))[wanted], SourceNotFound)

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 7}', b'{"data": [{"name": "a"}]}', b""])
    async def test_an_answer_of_another_shape_is_a_bad_response(self, connect: Open, body: bytes) -> None:
        with pytest.raises(SourceBadResponse):
            await listed(await connect(Canned(body)))

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": [{"loc": []}]}', b""])
    async def test_a_404_with_another_detail_is_not_found(self, connect: Open, body: bytes) -> None:
        with pytest.raises(SourceNotFound, match="does not know the requested path"):
            await listed(await connect(Canned((404, body))))

    async def test_no_text_of_the_vendor_reaches_the_message(self, connect: Open) -> None:
        vendor = Canned((404, {"detail": "Workspace 'secret-project' not found"}))
        with pytest.raises(SourceNotFound) as failure:
            await listed(await connect(vendor))
        assert "secret-project" not in str(failure.value)


class TestGetExperiments:
    async def test_one_is_a_list_by_its_name(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(3))
        found = await (await connect(simulator)).get_experiments(["e0001"])
        assert queries(simulator) == [{"page": "1", "page_size": "1", "filter[name]": "e0001"}]
        assert [(ref, e.name) for ref, e in found.items() if isinstance(e, Experiment)] == [("e0001", "e0001")]

    async def test_several_are_one_call_and_unknown_ones_are_left_out(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(3))
        found = await (await connect(simulator)).get_experiments(["e0002", "nope", "e0000", "e0002"])
        assert queries(simulator) == [{"page": "1", "page_size": "3", "filter[name][$in]": "e0002,nope,e0000"}]
        assert set(found) == {"e0002", "e0000"}

    async def test_none_make_no_call(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(3))
        assert await (await connect(simulator)).get_experiments([]) == {}
        assert simulator.calls == []

    @pytest.mark.parametrize("ref", ["", "a,b", "{}", "[]", "a\x00b", "\ud800", "\n"])
    async def test_a_name_that_no_filter_can_write_is_unknown_without_a_call(
        self, connect: Open, ref: str
    ) -> None:
        simulator = nemo.create_app(experiments(3))
        assert await (await connect(simulator)).get_experiments([ref]) == {}
        assert simulator.calls == []

    @pytest.mark.parametrize("ref", ["../../v1/secrets", "a b", "ü", "a&page=2", "x" * 4000, "100%"])
    async def test_an_odd_name_is_requested_alone_and_reaches_no_other_path(self, connect: Open, ref: str) -> None:
        simulator = nemo.create_app(experiments(2))
        found = await (await connect(simulator)).get_experiments([ref, "e0000", "e0001"])
        assert set(found) == {"e0000", "e0001"}
        assert {call.path for call in simulator.calls} == {EXPERIMENTS}
        assert len(simulator.calls) <= 2

    async def test_names_with_signs_are_found(self, connect: Open) -> None:
        """`@`, `+` and `.` occur in names (docs/vendors/nemo.md#access)."""
        world = NemoWorld()
        for name in ("nightly@main", "tuned+v2", "a.b"):
            world.add(nemo_experiment(name), [nemo_session("s1")])
        adapter = await connect(nemo.create_app(world))
        assert set(await adapter.get_experiments(["nightly@main", "tuned+v2", "a.b"])) == {
            "nightly@main",
            "tuned+v2",
            "a.b",
        }
        assert set(await adapter.get_experiments(["tuned+v2"])) == {"tuned+v2"}
        (answer,) = await adapter.list_sessions([SessionPageRequest(("tuned+v2",), OffsetRequest(5))])
        assert isinstance(answer, Page)
        assert ids(answer) == ["s1"]

    async def test_long_lists_are_requested_in_urls_below_6_kb(self, connect: Open) -> None:
        vendor = Canned(lambda query: list_body([run(name) for name in query["filter[name][$in]"].split(",")]))
        refs = [f"experiment-with-a-long-name-{number:04}" for number in range(400)]
        assert set(await (await connect(vendor)).get_experiments(refs)) == set(refs)
        assert len(vendor.requests) == 3

    @pytest.mark.parametrize(
        "first",
        [
            pytest.param(list_body([run("other")]), id="ignores the condition"),
            pytest.param((400, {"detail": "bad filter"}), id="400"),
            pytest.param((422, {"detail": []}), id="422"),
        ],
    )
    async def test_a_service_without_name_lists_gets_one_call_for_each_name_from_then_on(
        self, connect: Open, first: Any
    ) -> None:
        vendor = Canned(first, lambda query: list_body([run(query["filter[name]"])]))
        adapter = await connect(vendor)
        assert set(await adapter.get_experiments(["a", "b"])) == {"a", "b"}
        assert set(await adapter.get_experiments(["c", "d"])) == {"c", "d"}
        assert len(vendor.requests) == 5

    async def test_a_service_that_ignores_the_name_is_an_error(self, connect: Open) -> None:
        found = await (await connect(Canned(list_body([run("other")])))).get_experiments(["a"])
        assert isinstance(found["a"], SourceBadResponse)

    async def test_a_repeated_row_does_not_displace_another_name(self, connect: Open) -> None:
        def answer(query: dict[str, str]) -> Any:
            several = "filter[name][$in]" in query
            return list_body([run("a"), run("a")] if several else [run(query["filter[name]"])])

        found = await (await connect(Canned(answer))).get_experiments(["a", "b"])
        assert set(found) == {"a", "b"}

    async def test_a_failure_is_reported_for_every_name(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(2))
        simulator.faults.add(Fault("status", status=503))
        found = await (await connect(simulator)).get_experiments(["e0000", "e0001"])
        assert {ref: type(error) for ref, error in found.items()} == {
            "e0000": SourceUnavailable,
            "e0001": SourceUnavailable,
        }

    async def test_one_that_fails_alone_leaves_the_others(self, connect: Open) -> None:
        def answer(query: dict[str, str]) -> Any:
            if "filter[name][$in]" in query:
                return 400, {"detail": "no"}
            return (500, {}) if query["filter[name]"] == "b" else list_body([run(query["filter[name]"])])

        found = await (await connect(Canned(answer))).get_experiments(["a", "b", "c"])
        assert isinstance(found["a"], Experiment)
        assert isinstance(found["b"], SourceUnavailable)
        assert isinstance(found["c"], Experiment)


class TestListSessions:
    async def test_a_page_is_one_call_in_the_vendors_order(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(5))
        page = await single_page(await connect(simulator), session_request(2))
        assert queries(simulator) == [{"page": "1", "page_size": "2"}]
        assert simulator.calls[0].path == f"{EXPERIMENTS}/base/sessions"
        assert ids(page) == numbered([0, 1])
        assert (page.offset, page.next_hint, page.total, page.provenance.upstream_requests) == (0, 2, 5, 1)

    async def test_the_last_page_ends_the_list(self, connect: Open) -> None:
        page = await single_page(await connect(nemo.create_app(sessions(5))), session_request(2, 4))
        assert (ids(page), page.offset, page.next_hint) == (numbered([4]), 4, None)

    async def test_a_status_and_a_test_case_are_pushed(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(3, status="error", test_case_id="paris"))
        wanted = SessionFilter(statuses=frozenset({SessionStatus.ERROR}), test_case_id=StringFilter(eq="paris"))
        page = await single_page(await connect(simulator), session_request(filter=wanted))
        assert queries(simulator) == [
            {
                "page": "1",
                "page_size": "20",
                "filter[status]": "error",
                "filter[test_case_id]": "paris",
            }
        ]
        assert page.total == 3

    async def test_several_statuses_are_left_to_the_gateway_and_leave_no_total(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(3))
        wanted = SessionFilter(statuses=frozenset({SessionStatus.ERROR, SessionStatus.SUCCESS}))
        page = await single_page(await connect(simulator), session_request(filter=wanted))
        assert queries(simulator) == [{"page": "1", "page_size": "20"}]
        assert (len(page.items), page.total) == (3, None)

    async def test_the_vendors_object_is_available_unchanged(self, connect: Open) -> None:
        page = await single_page(await connect(nemo.create_app(sessions(2))), session_request())
        assert page.items[1].raw is not None
        assert page.items[1].raw.decode()["root_span_id"] == "span-s0001"


def rows_of(numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {"session_id": f"s{number:04}", "started_at": (START + timedelta(minutes=number)).isoformat()}
        for number in numbers
    ]


class TestSeveralRequests:
    async def test_requests_are_answered_in_order_and_concurrently(self, connect: Open) -> None:
        world = NemoWorld()
        for name in "abc":
            world.add(nemo_experiment(name), [nemo_session(f"{name}1")])
        simulator = nemo.create_app(world)
        simulator.faults.add(Fault("delay", times=3, seconds=0.05))
        adapter = await connect(simulator)
        answers = await adapter.list_sessions([SessionPageRequest((name,), OffsetRequest(5)) for name in "cab"])
        assert [ids(page) for page in answers if isinstance(page, Page)] == [["c1"], ["a1"], ["b1"]]
        assert simulator.peak_in_flight == 3

    async def test_an_unknown_experiment_fails_only_its_own_request(self, connect: Open) -> None:
        adapter = await connect(nemo.create_app(sessions(1)))
        first, second = await adapter.list_sessions(
            [SessionPageRequest(("nope",), OffsetRequest(5)), session_request()]
        )
        assert isinstance(first, SourceNotFound)
        assert isinstance(second, Page)

    @pytest.mark.parametrize("ref", ["", ".", "..", "a/b", "../../../secrets", "\ud800", "x" * 2000])
    async def test_a_name_that_no_path_can_hold_is_unknown_without_a_call(self, connect: Open, ref: str) -> None:
        simulator = nemo.create_app(sessions(1))
        adapter = await connect(simulator)
        (answer,) = await adapter.list_sessions([SessionPageRequest((ref,), OffsetRequest(5))])
        assert isinstance(answer, SourceNotFound)
        assert await adapter.get_sessions([SessionRef(ref, "s0000")]) == {}
        assert simulator.calls == []

    @pytest.mark.parametrize("ref", ["a%2Fb", "a?b=c", "a#b", "a;b", "%2e%2e"])
    async def test_an_odd_name_is_one_segment_of_the_path(self, connect: Open, ref: str) -> None:
        world = NemoWorld()
        world.add(nemo_experiment(ref), [nemo_session("s1")])
        simulator = nemo.create_app(world)
        (answer,) = await (await connect(simulator)).list_sessions([SessionPageRequest((ref,), OffsetRequest(5))])
        assert isinstance(answer, Page)
        assert ids(answer) == ["s1"]
        assert simulator.calls[0].path == f"{EXPERIMENTS}/{ref}/sessions"

    async def test_a_telemetry_store_that_is_down_is_unavailable(self, connect: Open) -> None:
        world = sessions(3)
        world.telemetry_down = True
        adapter = await connect(nemo.create_app(world))
        (answer,) = await adapter.list_sessions([session_request()])
        assert isinstance(answer, SourceUnavailable)
        assert answer.retryable


class TestGetSessions:
    async def test_sessions_of_one_experiment_are_found_in_one_pass(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(50))
        wanted = [SessionRef("base", "s0003"), SessionRef("base", "s0042"), SessionRef("base", "nope")]
        found = await (await connect(simulator)).get_sessions(wanted)
        assert queries(simulator) == [{"page": "1", "page_size": "1000"}]
        assert {ref: session.vendor_id for ref, session in found.items() if isinstance(session, Session)} == {
            wanted[0]: "s0003",
            wanted[1]: "s0042",
        }

    async def test_the_pass_ends_where_all_are_found(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(2500))
        adapter = await connect(simulator)
        await adapter.get_sessions([SessionRef("base", "s0999")])
        assert len(simulator.calls) == 1
        found = await adapter.get_sessions([SessionRef("base", "s0001"), SessionRef("base", "s1500")])
        assert len(simulator.calls) == 3
        assert len(found) == 2
        assert await adapter.get_sessions([SessionRef("base", "nope")]) == {}
        assert len(simulator.calls) == 6

    async def test_experiments_are_scanned_separately_and_an_unknown_one_is_omitted(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(1))
        found = await (await connect(simulator)).get_sessions(
            [SessionRef("base", "s0000"), SessionRef("nope", "s0000"), SessionRef("base", "")]
        )
        assert set(found) == {SessionRef("base", "s0000")}
        assert len(simulator.calls) == 2

    async def test_a_failure_spares_what_was_found_before(self, connect: Open) -> None:
        simulator = nemo.create_app(sessions(1500))
        simulator.faults.add(Fault("delay", seconds=0.0), Fault("status", status=503))
        early, late = SessionRef("base", "s0000"), SessionRef("base", "s1400")
        found = await (await connect(simulator)).get_sessions([early, late])
        assert isinstance(found[early], Session)
        error = found[late]
        assert isinstance(error, SourceUnavailable)
        assert error.upstream_requests == 2

    async def test_a_look_up_reads_fifty_pages_at_most(self, connect: Open) -> None:
        vendor = Canned(list_body(rows_of(range(1000)), 10**9))
        early, never = SessionRef("base", "s0000"), SessionRef("base", "never")
        found = await (await connect(vendor)).get_sessions([early, never])
        assert len(vendor.requests) == 50
        assert isinstance(found[early], Session)
        error = found[never]
        assert isinstance(error, SourceBadRequest)
        assert "50000" in error.message


class TestCheck:
    async def test_a_service_that_answers_is_up_and_reports_its_experiment_count(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(3))
        before = datetime.now(UTC)
        health = await (await connect(simulator)).check()
        assert queries(simulator) == [{"page": "1", "page_size": "1"}] * 2
        assert [call.path for call in simulator.calls] == [EXPERIMENTS, f"{EXPERIMENTS}/e0002/sessions"]
        assert (health.status, health.experiment_count, health.last_error) == (SourceHealthStatus.UP, 3, None)
        assert health.checked_at is not None
        assert before <= health.checked_at <= datetime.now(UTC)

    async def test_a_service_that_fails_is_down_with_its_error(self, connect: Open) -> None:
        simulator = nemo.create_app(experiments(3))
        simulator.faults.add(Fault("html"))
        health = await (await connect(simulator)).check()
        assert health.status is SourceHealthStatus.DOWN
        assert health.last_error is not None
        assert health.last_error.code is SourceErrorCode.BAD_RESPONSE
        assert health.checked_at is not None

    async def test_a_service_with_more_experiments_than_it_lists_is_degraded(self, connect: Open) -> None:
        """It still answers look-ups and narrower lists."""
        adapter = await connect(nemo.create_app(experiments(1001)))
        health = await adapter.check()
        assert (health.status, health.experiment_count) == (SourceHealthStatus.DEGRADED, None)
        assert health.last_error is not None
        assert "1000" in health.last_error.message
        assert list(await adapter.get_experiments(["e0000"])) == ["e0000"]


async def test_every_method_may_be_called_at_the_same_time(connect: Open) -> None:
    adapter = await connect(nemo.create_app(sessions(3)))
    page, found, answers, session, health = await asyncio.gather(
        listed(adapter),
        adapter.get_experiments(["base"]),
        adapter.list_sessions([session_request(), session_request()]),
        adapter.get_sessions([SessionRef("base", "s0001")]),
        adapter.check(),
    )
    assert names(page) == list(found) == ["base"]
    assert [isinstance(answer, Page) for answer in answers] == [True, True]
    assert len(session) == 1
    assert health.status is SourceHealthStatus.UP
