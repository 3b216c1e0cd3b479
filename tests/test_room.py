"""Below `with_room` no depth of the stack is worse than another; a server runs there."""

import asyncio
import resource
import sys
from collections.abc import Callable

import pytest

from tracegraph.server.event_loop import HeadroomLoop, run_with_stack_headroom

LOOPS = 2000
DEPTHS = 200


def leaf() -> None:
    pass


leaf.__code__ = leaf.__code__.replace(co_stacksize=100)  # as large as the frame of a function that does something


def hot_loop() -> int:
    """Page faults of a loop of calls, run where it is called."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(LOOPS):
        leaf()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def at_depth(depth: int, call: Callable[[], int]) -> int:
    return call() if depth == 0 else at_depth(depth - 1, call)


def worst() -> int:
    """Of all depths: far more calls than a piece of the stack holds frames of."""
    return max(at_depth(depth, hot_loop) for depth in range(DEPTHS))


async def worst_in_a_task() -> int:
    return worst()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="3.13.1 and later may be mended")
def test_without_room_there_is_a_depth_at_which_every_call_costs_a_page() -> None:
    """Else the next test would show nothing."""
    assert worst() >= LOOPS


def test_with_room_no_depth_costs_any() -> None:
    assert run_with_stack_headroom(worst) < LOOPS / 100


def test_all_that_the_servers_loop_runs_has_room() -> None:
    with asyncio.Runner(loop_factory=HeadroomLoop) as runner:
        assert runner.run(worst_in_a_task()) < LOOPS / 100
