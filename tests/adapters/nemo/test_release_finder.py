"""The adapter finds the release of its NeMo with the first call, and follows a service that is replaced.

See docs/vendors/nemo.md#releases.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from tracegraph_nemo.adapter import CAPABILITIES, NemoAdapter
from tracegraph_nemo.client import NemoClient
from tracegraph_nemo.releases import RELEASES, release_of

from tests.adapters.conditions import equalities
from tests.adapters.conftest import Serve
from tests.worlds import minutes
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealthStatus
from tracegraph.domain.filters import ExperimentFilter, OrderDirection, SessionOrder
from tracegraph.domain.models import Experiment, Session, SessionRef
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceUnauthorized, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.app import NemoSimulator
from tracegraph.simulators.nemo.releases import NemoDialect
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

WORKSPACE = "/apis/intake/v2/workspaces/default"
EVERY_RELEASE = pytest.mark.parametrize(("dialect", "release"), [("0.2", "0.2"), ("0.3", "0.3"), ("0.8", "0.6")])


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Hidden:
    """A proxy that answers these paths itself, and passes the others on."""

    def __init__(self, app: ASGIApp, **answers: Any) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].rpartition("/")[2].replace("-", "_")
        if name not in self._answers:
            await self._app(scope, receive, send)
            return
        status, body = self._answers[name]
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        await Response(content, status, media_type="application/json")(scope, receive, send)


class Held:
    """A service whose version comes when the test lets it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/cluster-info":
            self.asked.set()
            await self.answer.wait()
        await self._app(scope, receive, send)


Open = Callable[..., Awaitable[NemoAdapter]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(serve: Serve, clock: Clock) -> Open:
    """Opens the adapter on an application, without a configured release unless one is named."""

    async def opened(app: ASGIApp, release: Any = "auto") -> NemoAdapter:
        client = NemoClient(await serve(app, source="nemo-a"), "default", None)
        return NemoAdapter("nemo-a", client, release, clock=clock)

    return opened


def simulated(dialect: NemoDialect, sessions: int = 3) -> NemoSimulator:
    """One experiment, with so many sessions."""
    world = NemoWorld()
    rows = [nemo_session(f"s{number}", started_at=minutes(number)) for number in range(sessions)]
    world.add(nemo_experiment("base", dataset_name="capitals"), rows)
    return nemo.create_app(world, dialect)


def paths(simulator: NemoSimulator) -> list[str]:
    return [call.path.removeprefix(WORKSPACE) for call in simulator.calls]


async def listed(adapter: NemoAdapter, **conditions: Any) -> Page[Experiment]:
    return await adapter.list_experiments(
        ExperimentQuery(ExperimentFilter(**equalities(conditions))), OffsetRequest(10)
    )


async def sessions(
    adapter: NemoAdapter, limit: int = 10, offset: int = 0, direction: OrderDirection = OrderDirection.DESC
) -> Page[Session]:
    request = SessionPageRequest(("base",), OffsetRequest(limit, offset), order=SessionOrder(direction=direction))
    (outcome,) = await adapter.list_sessions([request])
    if isinstance(outcome, SourceError):
        raise outcome
    return outcome


def names(page: Page[Experiment]) -> Sequence[str]:
    return [experiment.ref for experiment in page.items]


def ids(page: Page[Session]) -> Sequence[str]:
    return [session.vendor_id for session in page.items]


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "release"),
        [
            ("0.1.2", "0.2"),
            ("0.2.0", "0.2"),
            ("0.3.0", "0.3"),
            ("0.4.0", "0.4"),
            ("0.5.1", "0.4"),
            ("0.6.0", "0.6"),
            ("0.8.1", "0.6"),
            ("0.10.0", "0.6"),
            ("v0.11.0rc1", "0.6"),
            ("1.0", "0.6"),
        ],
    )
    def test_a_version_has_the_interface_of_the_highest_release_up_to_it(self, version: str, release: str) -> None:
        found = release_of(version)
        assert found is not None
        assert found.name == release

    @pytest.mark.parametrize("version", ["", "dev", "latest", "main-1.2"])
    def test_another_text_is_no_version(self, version: str) -> None:
        assert release_of(version) is None


class TestFirstCall:
    async def test_opening_makes_no_call_and_declares_the_newest_release(self, connect: Open) -> None:
        simulator = simulated("0.2")
        adapter = await connect(simulator)
        assert simulator.calls == []
        assert adapter.capabilities is CAPABILITIES["0.6"]

    @EVERY_RELEASE
    async def test_the_version_costs_one_call_once(
        self, connect: Open, dialect: NemoDialect, release: Any
    ) -> None:
        simulator = simulated(dialect)
        adapter = await connect(simulator)
        first, second = await listed(adapter), await listed(adapter)
        assert paths(simulator).count("/cluster-info") == 1
        assert (first.provenance.upstream_requests, second.provenance.upstream_requests) == (2, 1)
        assert adapter.capabilities is CAPABILITIES[release]

    async def test_calls_at_the_same_time_share_one_search_and_count_it_once(self, connect: Open) -> None:
        simulator = simulated("0.8")
        adapter = await connect(simulator)
        pages = await asyncio.gather(*(listed(adapter) for _ in range(5)))
        assert paths(simulator).count("/cluster-info") == 1
        assert sum(page.provenance.upstream_requests for page in pages) == len(simulator.calls) == 6

    async def test_a_failed_search_fails_the_calls_that_wait_and_not_the_next_one(self, connect: Open) -> None:
        simulator = simulated("0.8")
        simulator.faults.add(Fault("status", status=503))
        adapter = await connect(simulator)
        outcomes = await asyncio.gather(*(listed(adapter) for _ in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [SourceUnavailable] * 3
        assert names(await listed(adapter)) == ["base"]

    async def test_a_caller_that_leaves_does_not_end_the_search_of_the_others(self, connect: Open) -> None:
        simulator = simulated("0.8")
        held = Held(simulator)
        adapter = await connect(held)
        leaving, staying = asyncio.create_task(listed(adapter)), asyncio.create_task(listed(adapter))
        await held.asked.wait()
        leaving.cancel()
        held.answer.set()
        assert names(await staying) == ["base"]
        assert paths(simulator).count("/cluster-info") == 1

    @EVERY_RELEASE
    async def test_every_operation_works_as_the_first_one(
        self, connect: Open, dialect: NemoDialect, release: Any
    ) -> None:
        del release
        assert names(await listed(await connect(simulated(dialect)))) == ["base"]
        assert list(await (await connect(simulated(dialect))).get_experiments(["base"])) == ["base"]
        assert ids(await sessions(await connect(simulated(dialect)))) == ["s2", "s1", "s0"]
        wanted = SessionRef("base", "s1")
        assert list(await (await connect(simulated(dialect))).get_sessions([wanted])) == [wanted]
        assert (await (await connect(simulated(dialect))).check()).status is SourceHealthStatus.UP


class TestHiddenVersion:
    """A proxy may pass on only /apis."""

    @pytest.mark.parametrize(
        "answer", [(404, {"detail": "Not Found"}), (403, b""), (401, b""), (200, b"<html>"), (200, {"a": 1})]
    )
    @pytest.mark.parametrize(("dialect", "release"), [("0.2", "0.2"), ("0.3", "0.3"), ("0.8", "0.4")])
    async def test_the_paths_decide(
        self, connect: Open, dialect: NemoDialect, release: Any, answer: tuple[int, Any]
    ) -> None:
        simulator = simulated(dialect)
        adapter = await connect(Hidden(simulator, cluster_info=answer))
        assert names(await listed(adapter)) == ["base"]
        assert adapter.capabilities is CAPABILITIES[release]
        assert (adapter.interface, adapter.version) == (f"Intake {release}", None)

    @pytest.mark.parametrize(("dialect", "release"), [("0.2", "0.2"), ("0.3", "0.3"), ("0.8", "0.4")])
    async def test_a_version_that_is_no_number_lets_the_paths_decide(
        self, connect: Open, dialect: NemoDialect, release: Any
    ) -> None:
        """The real 0.2.0 from PyPI states `dev` (docs/vendors/nemo.md#releases)."""
        stated = (200, {"platform_version": "dev", "revision": "dev"})
        adapter = await connect(Hidden(simulated(dialect), cluster_info=stated))
        assert names(await listed(adapter)) == ["base"]
        assert (adapter.interface, adapter.version) == (f"Intake {release}", "dev")

    async def test_a_404_that_is_not_of_the_service_decides_nothing(self, connect: Open) -> None:
        everything = {"cluster_info": (404, b"<html>"), "evaluations": (404, b"<html>")}
        adapter = await connect(Hidden(simulated("0.2"), **everything))
        with pytest.raises(SourceNotFound, match="does not know the requested path"):
            await listed(adapter)
        assert adapter.interface is None

    async def test_a_rejected_credential_is_reported_as_such(self, connect: Open) -> None:
        simulator = simulated("0.8")
        simulator.faults.add(Fault("status", status=401, times=None))
        with pytest.raises(SourceUnauthorized):
            await listed(await connect(simulator))


class TestConfiguredRelease:
    @EVERY_RELEASE
    async def test_it_is_taken_without_a_call(self, connect: Open, dialect: NemoDialect, release: Any) -> None:
        simulator = simulated(dialect)
        adapter = await connect(simulator, release)
        assert adapter.capabilities is CAPABILITIES[release]
        await listed(adapter)
        assert len(simulator.calls) == 1

    async def test_it_is_never_doubted(self, connect: Open) -> None:
        simulator = simulated("0.8")
        adapter = await connect(simulator, "0.2")
        with pytest.raises(SourceNotFound, match=r"set sources\.nemo-a\.release"):
            await listed(adapter)
        assert paths(simulator) == ["/experiments"]


class TestReplacedService:
    """The gateway runs on while NeMo is upgraded, or downgraded."""

    @pytest.mark.parametrize(("before", "after"), [("0.2", "0.3"), ("0.2", "0.8"), ("0.3", "0.2"), ("0.8", "0.2")])
    async def test_the_next_list_is_read_from_the_new_release(
        self, connect: Open, before: NemoDialect, after: NemoDialect
    ) -> None:
        simulator = simulated(before)
        adapter = await connect(simulator)
        await listed(adapter)
        simulator.dialect = after
        simulator.calls.clear()
        page = await listed(adapter)
        assert names(page) == ["base"]
        assert page.provenance.upstream_requests == len(simulator.calls)
        assert adapter.version == simulator_version(after)

    @pytest.mark.parametrize(("before", "after"), [("0.2", "0.8"), ("0.8", "0.2")])
    async def test_so_are_the_next_sessions(self, connect: Open, before: NemoDialect, after: NemoDialect) -> None:
        simulator = simulated(before)
        adapter = await connect(simulator)
        await sessions(adapter)
        simulator.dialect = after
        assert ids(await sessions(adapter)) == ["s2", "s1", "s0"]
        wanted = SessionRef("base", "s1")
        simulator.dialect = before
        assert list(await adapter.get_sessions([wanted])) == [wanted]

    async def test_a_check_notices_a_release_with_the_same_paths(self, connect: Open, clock: Clock) -> None:
        simulator = simulated("0.3")
        adapter = await connect(simulator)
        await listed(adapter)
        simulator.dialect = "0.8"
        assert (await adapter.check()).version == "0.3.0"
        clock.now += 60
        assert (await adapter.check()).version == "0.8.1"
        assert adapter.capabilities is CAPABILITIES["0.6"]

    async def test_a_look_up_does_not_take_groups_for_unknown_experiments(
        self, connect: Open, clock: Clock
    ) -> None:
        """The path /experiments has groups from 0.4.0 on: none of that name is no answer."""
        simulator = simulated("0.2")
        adapter = await connect(simulator)
        await listed(adapter)
        simulator.dialect = "0.8"
        clock.now += 60
        assert list(await adapter.get_experiments(["base"])) == ["base"]

    async def test_a_filter_that_groups_do_not_have_leads_to_the_new_release(
        self, connect: Open, clock: Clock
    ) -> None:
        simulator = simulated("0.2")
        adapter = await connect(simulator)
        await listed(adapter)
        simulator.dialect = "0.8"
        clock.now += 60
        assert names(await listed(adapter, dataset_name="capitals")) == ["base"]

    async def test_an_empty_list_of_a_service_that_was_not_replaced_stands(
        self, connect: Open, clock: Clock
    ) -> None:
        simulator = simulated("0.2")
        adapter = await connect(simulator)
        await listed(adapter)
        clock.now += 60
        assert names(await listed(adapter, dataset_name="nothing")) == []
        assert await adapter.get_experiments(["nobody"]) == {}
        assert paths(simulator).count("/cluster-info") == 2

    async def test_a_rejected_filter_of_a_service_that_was_not_replaced_is_an_error(
        self, connect: Open, clock: Clock
    ) -> None:
        simulator = simulated("0.2")
        adapter = await connect(simulator)
        await listed(adapter)
        clock.now += 60
        simulator.calls.clear()
        simulator.faults.add(Fault("status", status=400))
        with pytest.raises(SourceBadRequest) as failure:
            await listed(adapter)
        assert failure.value.upstream_requests == len(simulator.calls) == 2

    async def test_a_path_that_was_never_there_is_searched_again_after_half_a_minute(
        self, connect: Open, clock: Clock
    ) -> None:
        simulator = simulated("0.8")
        adapter = await connect(Hidden(simulator, evaluations=(404, {"detail": "Not Found"})))
        for _ in range(3):
            with pytest.raises(SourceNotFound):
                await listed(adapter)
        assert paths(simulator).count("/cluster-info") == 1
        clock.now += 30
        with pytest.raises(SourceNotFound) as failure:
            await listed(adapter)
        assert paths(simulator).count("/cluster-info") == 2
        assert failure.value.upstream_requests == 2


class TestNewestFirstBeforeTheReleaseIsKnown:
    """The capabilities of the newest release let the gateway request an order that 0.2.0 does not have."""

    async def test_the_page_comes_from_the_end(self, connect: Open) -> None:
        simulator = simulated("0.2", sessions=7)
        adapter = await connect(simulator)
        page = await sessions(adapter, limit=3)
        assert ids(page) == ["s6"]
        assert (page.offset, page.next_hint, page.total) == (0, 1, 7)
        assert page.provenance.upstream_requests == len(simulator.calls) == 3

    async def test_pages_follow_one_another_to_the_start(self, connect: Open) -> None:
        adapter = await connect(simulated("0.2", sessions=7))
        found: list[str] = []
        hint: Any = 0
        while hint is not None:
            page = await sessions(adapter, limit=3, offset=hint)
            found += ids(page)
            hint = page.next_hint
        assert found == [f"s{number}" for number in reversed(range(7))]

    async def test_no_sessions_are_an_empty_page(self, connect: Open) -> None:
        page = await sessions(await connect(simulated("0.2", sessions=0)))
        assert (ids(page), page.offset, page.next_hint) == ([], 0, None)


class TestHealth:
    @EVERY_RELEASE
    async def test_a_check_names_the_interface_and_the_version(
        self, connect: Open, dialect: NemoDialect, release: str
    ) -> None:
        health = await (await connect(simulated(dialect))).check()
        assert (health.interface, health.version) == (f"Intake {release}", simulator_version(dialect))

    async def test_a_check_of_a_service_that_does_not_respond_names_none(self, connect: Open) -> None:
        simulator = simulated("0.8")
        simulator.faults.add(Fault("status", status=503, times=None))
        health = await (await connect(simulator)).check()
        assert (health.status, health.interface, health.version) == (SourceHealthStatus.DOWN, None, None)


def simulator_version(dialect: NemoDialect) -> str:
    return {"0.2": "0.2.0", "0.3": "0.3.0", "0.8": "0.8.1"}[dialect]


def test_the_releases_are_in_their_order() -> None:
    assert list(RELEASES) == ["0.2", "0.3", "0.4", "0.6"]
