"""During a telemetry outage NeMo lists experiments as if none had run: the adapter reports no zeros.

See docs/vendors/nemo.md#outage.
"""

from collections.abc import Sequence

import pytest
from tracegraph_nemo.adapter import NemoAdapter
from tracegraph_nemo.client import NemoClient

from tests.adapters.conftest import Serve
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page
from tracegraph.adapter.protocol import SourceHealthStatus
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceErrorCode
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> NemoWorld:
    """Two experiments with a session each, and one without."""
    world = NemoWorld()
    for name in ("a", "b"):
        world.add(nemo_experiment(name), [nemo_session(f"{name}1", evaluator_scores={"accuracy": 1.0})])
    world.add(nemo_experiment("empty"))
    return world


@pytest.fixture
def simulator(world: NemoWorld) -> Simulator:
    return nemo.create_app(world)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def adapter(serve: Serve, simulator: Simulator, clock: Clock) -> NemoAdapter:
    return NemoAdapter(
        "nemo-a", NemoClient(await serve(simulator, source="nemo-a"), "default", None), "0.2", clock=clock
    )


async def listed(adapter: NemoAdapter) -> Page[Experiment]:
    return await adapter.list_experiments(ExperimentQuery(), OffsetRequest(10))


def paths(simulator: Simulator) -> list[str]:
    return [call.path.rpartition("/experiments")[2] for call in simulator.calls]


def doubted(experiments: Sequence[Experiment]) -> list[tuple[int | None, SourceErrorCode | None]]:
    return [
        (one.session_count, None if one.figures_error is None else one.figures_error.code) for one in experiments
    ]


async def test_a_page_on_which_an_experiment_has_runs_costs_no_further_call(
    adapter: NemoAdapter, simulator: Simulator
) -> None:
    found = await listed(adapter)
    assert sorted(one.session_count or 0 for one in found.items) == [0, 1, 1]
    assert paths(simulator) == [""]


async def test_zeros_of_a_store_that_is_down_are_unknown_and_the_rows_stand(
    world: NemoWorld, adapter: NemoAdapter, simulator: Simulator
) -> None:
    world.telemetry_down = True
    found = await listed(adapter)
    assert {one.name for one in found.items} == {"a", "b", "empty"}
    assert doubted(found.items) == [(None, SourceErrorCode.UNAVAILABLE)] * 3
    assert [call.query["page_size"] for call in simulator.calls[1:]] == [["1"]]
    assert found.provenance.upstream_requests == 2


async def test_zeros_are_reported_again_as_soon_as_the_store_is_back(
    world: NemoWorld, adapter: NemoAdapter
) -> None:
    world.telemetry_down = True
    await listed(adapter)
    world.telemetry_down = False
    assert [one.figures_error for one in (await listed(adapter)).items] == [None] * 3


async def test_experiments_by_name_are_verified_together_with_one_call(
    world: NemoWorld, adapter: NemoAdapter, simulator: Simulator
) -> None:
    world.telemetry_down = True
    found = await adapter.get_experiments(["a", "b", "nope"])
    assert (
        doubted([one for one in found.values() if isinstance(one, Experiment)])
        == [(None, SourceErrorCode.UNAVAILABLE)] * 2
    )
    assert len(paths(simulator)) == 2


async def test_a_confirmed_empty_response_is_not_verified_again_for_half_a_minute(
    world: NemoWorld, adapter: NemoAdapter, simulator: Simulator, clock: Clock
) -> None:
    world.sessions.clear()
    for _ in range(3):
        assert doubted((await listed(adapter)).items) == [(0, None)] * 3
        clock.now += 10
    assert len(paths(simulator)) == 4
    await listed(adapter)
    assert len(paths(simulator)) == 6


async def test_the_confirmation_of_one_response_does_not_apply_to_another(
    world: NemoWorld, adapter: NemoAdapter
) -> None:
    await adapter.get_experiments(["empty"])
    world.telemetry_down = True
    assert doubted((await listed(adapter)).items) == [(None, SourceErrorCode.UNAVAILABLE)] * 3


@pytest.mark.parametrize(("status", "believed"), [(429, False), (500, False), (404, True), (401, True)])
async def test_only_a_retryable_failure_of_the_second_call_indicates_an_outage(
    world: NemoWorld, adapter: NemoAdapter, simulator: Simulator, status: int, *, believed: bool
) -> None:
    """A release without the path, or a credential that may not read sessions, would else never show a zero."""
    world.sessions.clear()
    path = nemo.PREFIX.format(workspace="default") + "/"
    simulator.faults.add(Fault("status", path=path, status=status, times=None))
    found = await listed(adapter)
    assert [one.session_count for one in found.items] == [0 if believed else None] * 3


async def test_an_experiment_whose_sessions_fail_by_themselves_leaves_the_others_their_zeros(
    world: NemoWorld, adapter: NemoAdapter, simulator: Simulator
) -> None:
    world.sessions.clear()
    simulator.faults.add(Fault("status", path=nemo.PREFIX.format(workspace="default") + "/", status=500))
    found = await listed(adapter)
    assert [one.session_count for one in found.items] == [None, 0, 0]


async def test_check_calls_a_service_without_its_store_degraded(world: NemoWorld, adapter: NemoAdapter) -> None:
    assert (await adapter.check()).status is SourceHealthStatus.UP
    world.telemetry_down = True
    health = await adapter.check()
    assert (health.status, health.experiment_count) == (SourceHealthStatus.DEGRADED, 3)
    assert health.last_error is not None
    assert health.last_error.code is SourceErrorCode.UNAVAILABLE
