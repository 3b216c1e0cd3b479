"""With stack headroom no depth of the stack causes page faults, and a server runs with headroom."""

import asyncio
import resource
import sys
from collections.abc import Callable

import pytest

from tracegraph.server.event_loop import ServerLoop
from tracegraph.server.stack_headroom import needs_headroom, run_with_stack_headroom

LOOPS = 2000
DEPTHS = 200


def leaf() -> None:
    pass


leaf.__code__ = leaf.__code__.replace(co_stacksize=100)  # as large as the frame of a typical function


def hot_loop() -> int:
    """Return the page faults of a loop of calls at the current stack depth."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(LOOPS):
        leaf()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def at_depth(depth: int, call: Callable[[], int]) -> int:
    return call() if depth == 0 else at_depth(depth - 1, call)


def worst() -> int:
    """Return the maximum over all depths, which exceed the frames of a stack chunk by far."""
    return max(at_depth(depth, hot_loop) for depth in range(DEPTHS))


async def worst_in_a_task() -> int:
    return worst()


@pytest.mark.parametrize(
    ("version", "needed"),
    [
        ((3, 11, 7), True), ((3, 12, 99), True), ((3, 13, 0), True), ((3, 13, 12), True), ((3, 13, 13), False),
        ((3, 14, 3), True), ((3, 14, 4), False), ((3, 15, 0), False),
    ],
)  # fmt: skip
def test_headroom_is_only_for_versions_without_the_fix(version: tuple[int, int, int], needed: bool) -> None:  # noqa: FBT001
    assert needs_headroom(version) is needed


@pytest.mark.skipif(not needs_headroom(sys.version_info[:3]), reason="this version of Python has the fix")
def test_without_headroom_every_call_at_some_depth_costs_a_page_fault() -> None:
    """Otherwise the next test would prove nothing."""
    assert worst() >= LOOPS


def test_with_headroom_no_depth_costs_page_faults() -> None:
    assert run_with_stack_headroom(worst) < LOOPS / 100


def test_the_servers_loop_runs_with_stack_headroom() -> None:
    with asyncio.Runner(loop_factory=ServerLoop) as runner:
        assert runner.run(worst_in_a_task()) < LOOPS / 100
