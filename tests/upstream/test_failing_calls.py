"""A call that fails because of its object says nothing about its vendor."""

import asyncio
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.upstream.conftest import READ, Connect, failure
from tests.upstream.reading import Clock
from tracegraph.domain.calls import CircuitState
from tracegraph.errors import SourceUnavailable
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.failing_calls import FailingCalls

ONE, OTHER, THIRD = (replace(READ, query=[("id", number)]) for number in ("1", "2", "3"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_failure_of_each_call_counts(clock: Clock) -> None:
    calls = FailingCalls(30.0, clock)
    assert [calls.record(call, failed=True) for call in (ONE, OTHER, THIRD)] == [True] * 3


def test_every_failure_counts_while_no_call_succeeds(clock: Clock) -> None:
    calls = FailingCalls(30.0, clock)
    calls.record(OTHER, failed=False)
    assert [calls.record(ONE, failed=True) for _ in range(5)] == [True] * 5


def test_a_repeated_failure_does_not_count_while_other_calls_succeed(clock: Clock) -> None:
    calls = FailingCalls(30.0, clock)
    calls.record(ONE, failed=True)
    calls.record(OTHER, failed=False)
    assert [calls.record(ONE, failed=True) for _ in range(3)] == [None] * 3


def test_a_repeated_failure_counts_after_a_window_without_success(clock: Clock) -> None:
    calls = FailingCalls(30.0, clock)
    calls.record(ONE, failed=True)
    calls.record(OTHER, failed=False)
    clock.now += 30
    assert calls.record(ONE, failed=True) is True


def test_a_failure_after_a_success_of_the_same_call_counts(clock: Clock) -> None:
    calls = FailingCalls(30.0, clock)
    for _ in range(3):
        assert calls.record(ONE, failed=True) is True
        assert calls.record(ONE, failed=False) is False


async def test_one_failing_object_does_not_open_the_circuit_for_the_others(connect: Connect) -> None:
    async def answer(request: Request) -> JSONResponse:
        return JSONResponse({}, 500 if request.query_params["id"] == "1" else 200)

    upstream = await connect(Starlette(routes=[Route("/things", answer)]), breaker=CircuitBreakerPolicy())
    for _ in range(20):
        error, *replies = await asyncio.gather(
            failure(upstream, ONE), upstream.fetch(OTHER), upstream.fetch(THIRD)
        )
        assert type(error) is SourceUnavailable
        assert [reply.body for reply in replies] == [b"{}"] * 2
    assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED


async def test_a_vendor_that_fails_for_all_objects_opens_the_circuit(connect: Connect) -> None:
    async def answer(_: Request) -> JSONResponse:
        return JSONResponse({}, 500)

    upstream = await connect(Starlette(routes=[Route("/things", answer)]), breaker=CircuitBreakerPolicy())
    for _ in range(5):
        await asyncio.gather(*(failure(upstream, call) for call in (ONE, OTHER, THIRD)))
    assert upstream.pipeline.worst_circuit_state is CircuitState.OPEN
