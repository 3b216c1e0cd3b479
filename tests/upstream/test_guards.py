"""What stands between a call and the vendor, over real HTTP and by exact counts of calls."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from tests.gateway import eventually
from tests.upstream.conftest import READ, Connect, failure
from tracegraph.domain.calls import CircuitState, RateLimit
from tracegraph.errors import SourceCircuitOpen, SourceError, SourceRateLimited, SourceTimeout, SourceUnavailable
from tracegraph.simulators.core.faults import Fault, Kind
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import deadline
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy

OTHER = UpstreamRequest("others", "/things")
OPENS_AFTER_4 = CircuitBreakerPolicy(min_calls=4, pause_s=60.0)
HALF_OPENS_SOON = CircuitBreakerPolicy(min_calls=4, pause_s=0.2)


async def failures(upstream: Upstream, count: int) -> list[SourceError]:
    return [await failure(upstream) for _ in range(count)]


def kinds(outcomes: Sequence[UpstreamResponse | BaseException]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


async def all_at_once(
    upstream: Upstream, calls: Sequence[UpstreamRequest]
) -> list[UpstreamResponse | BaseException]:
    return await asyncio.gather(*(upstream.fetch(call) for call in calls), return_exceptions=True)


class TestCircuit:
    @pytest.mark.parametrize("kind", ["status", "reset", "truncate", "redirect"])
    async def test_a_vendor_that_keeps_failing_is_left_alone(
        self, connect: Connect, vendor: Simulator, kind: Kind
    ) -> None:
        vendor.faults.add(Fault(kind, times=None))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        await failures(upstream, 4)
        refused = await failures(upstream, 20)
        assert kinds(refused) == [SourceCircuitOpen] * 20
        assert len(vendor.calls) == 4
        assert {error.upstream_requests for error in refused} == {0}
        assert all(error.retryable and error.retry_after_s and error.retry_after_s <= 60 for error in refused)
        assert upstream.pipeline.worst_circuit_state is CircuitState.OPEN
        assert upstream.pipeline.counters["things"].not_sent[SourceCircuitOpen.code] == 20

    async def test_an_answer_that_cannot_be_read_counts(self, connect: Connect, vendor: Simulator) -> None:
        def unreadable(_: UpstreamResponse) -> None:
            raise SourceUnavailable("vendor", "It cannot be read.")

        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        for _ in range(4):
            await failure(upstream, UpstreamRequest("things", "/things", read=unreadable))
        assert (type(await failure(upstream)), len(vendor.calls)) == (SourceCircuitOpen, 4)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429])
    async def test_refusals_leave_it_closed(self, connect: Connect, vendor: Simulator, status: int) -> None:
        vendor.faults.add(Fault("status", status=status, times=None, body={}))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        await failures(upstream, 12)
        assert (len(vendor.calls), upstream.pipeline.worst_circuit_state) == (12, CircuitState.CLOSED)

    async def test_each_class_of_calls_has_its_own(self, connect: Connect, vendor: Simulator) -> None:
        """A vendor whose one part is down still answers for the others."""
        vendor.faults.add(Fault("status", status=503, times=4))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        await failures(upstream, 4)
        assert type(await failure(upstream)) is SourceCircuitOpen
        await upstream.fetch(OTHER)
        assert upstream.pipeline.circuits == {"things": CircuitState.OPEN, "others": CircuitState.CLOSED}

    async def test_after_a_pause_one_call_tries_and_closes_it(self, connect: Connect, vendor: Simulator) -> None:
        """However many come at the same moment: the others are refused until it has answered."""
        vendor.faults.add(Fault("status", status=503, times=4))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        await failures(upstream, 4)
        assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
        vendor.faults.add(Fault("delay", seconds=0.2))
        outcomes = await all_at_once(upstream, [READ] * 10)
        assert kinds(outcomes) == [UpstreamResponse] + [SourceCircuitOpen] * 9
        assert len(vendor.calls) == 5
        await all_at_once(upstream, [READ] * 10)
        assert (len(vendor.calls), upstream.pipeline.worst_circuit_state) == (15, CircuitState.CLOSED)

    async def test_a_try_that_fails_opens_it_again(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=503, times=None))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        await failures(upstream, 4)
        assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
        found = await failures(upstream, 3)
        assert kinds(found) == [SourceUnavailable, SourceCircuitOpen, SourceCircuitOpen]
        assert len(vendor.calls) == 5

    async def test_a_try_that_was_given_up_leaves_the_next_one_its_turn(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=503, times=4), Fault("hang"))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        await failures(upstream, 4)
        assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
        given_up = asyncio.create_task(upstream.fetch(READ))
        assert await eventually(lambda: len(vendor.calls) == 5)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await upstream.fetch(READ)
        assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED

    async def test_a_client_in_a_hurry_does_not_open_it_for_the_others(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang", times=12))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        for _ in range(12):
            with deadline(0.05):
                assert type(await failure(upstream)) is SourceTimeout
        assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED

    async def test_three_calls_in_a_row_that_ran_out_of_their_time_open_it(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang", times=None))
        upstream = await connect(vendor, attempts=1, timeout_s=0.1)
        assert kinds(await failures(upstream, 4)) == [SourceTimeout] * 3 + [SourceCircuitOpen]

    async def test_an_answer_in_between_begins_the_count_of_them_anew(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        upstream = await connect(vendor, attempts=1, timeout_s=0.3)
        for _ in range(3):
            vendor.faults.add(Fault("hang", times=2))
            assert kinds(await failures(upstream, 2)) == [SourceTimeout] * 2
            await upstream.fetch(READ)
        assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED

    async def test_a_gateway_of_the_vendor_that_gave_up_waiting_is_no_call_that_ran_out(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=504, times=None))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        assert kinds(await failures(upstream, 5)) == [SourceTimeout] * 4 + [SourceCircuitOpen]

    async def test_opening_and_closing_are_told_once(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=503, times=4))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        with capture_logs() as logs:
            await failures(upstream, 6)
            assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
            await upstream.fetch(READ)
        told = [(one["log_level"], one["event"]) for one in logs if "circuit" in one["event"]]
        assert told == [("warning", "upstream.circuit_opened"), ("info", "upstream.circuit_closed")]
        refused = [one for one in logs if one["event"] == "upstream.not_asked"]
        assert [one["log_level"] for one in refused] == ["info", "info"]


class TestConnections:
    async def test_waiting_for_one_in_vain_is_told_as_what_it_is_and_does_not_count_against_the_vendor(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang"))
        upstream = await connect(vendor, max_connections=1, timeout_s=60.0, attempts=1, breaker=OPENS_AFTER_4)
        holding = asyncio.create_task(upstream.fetch(READ))
        assert await eventually(lambda: len(vendor.calls) == 1)
        with deadline(0.3):
            errors = await asyncio.gather(*(failure(upstream) for _ in range(8)))
        assert {(type(error), error.upstream_requests) for error in errors} == {(SourceTimeout, 0)}
        assert "connections" in errors[0].message
        assert (len(vendor.calls), upstream.pipeline.worst_circuit_state) == (1, CircuitState.CLOSED)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await upstream.fetch(READ)

    async def test_who_came_first_is_served_first(self, connect: Connect, vendor: Simulator) -> None:
        upstream = await connect(vendor, max_connections=1)
        calls = [
            UpstreamRequest(kind, "/things", [("n", str(n))])
            for n, kind in enumerate(["a", "b", "a", "c", "b", "a"])
        ]
        await all_at_once(upstream, calls)
        assert [call.query["n"] for call in vendor.calls] == [[str(n)] for n in range(6)]
        assert upstream.pipeline.counters["a"].waits == 2


class TestRate:
    async def test_no_more_calls_than_the_rate_and_in_order_of_arrival(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        limits = LimitPolicy({"things": RateLimit(3, 0.5)})
        upstream = await connect(vendor, limits=limits)
        calls = [UpstreamRequest("things", "/things", [("n", str(n))]) for n in range(9)]
        await all_at_once(upstream, calls)
        assert sorted(int(call.query["n"][0]) for call in vendor.calls) == list(range(9))
        waves = [sorted(int(call.query["n"][0]) for call in vendor.calls[at : at + 3]) for at in (0, 3, 6)]
        assert waves == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
        assert vendor.calls[8].at - vendor.calls[0].at > 0.9, "three stretches begin"
        assert upstream.pipeline.counters["things"].waits == 6

    async def test_a_call_that_gets_no_turn_in_time_is_refused_at_once_and_not_made(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        upstream = await connect(vendor, limits=LimitPolicy({"things": RateLimit(2, 600.0)}))
        async with asyncio.timeout(20):
            with deadline(300):
                outcomes = await all_at_once(upstream, [READ] * 6)
        assert kinds(outcomes) == [UpstreamResponse] * 2 + [SourceRateLimited] * 4
        assert len(vendor.calls) == 2
        refused = outcomes[-1]
        assert isinstance(refused, SourceRateLimited)
        assert (refused.upstream_requests, refused.http_status) == (0, None)
        assert refused.retry_after_s is not None
        assert 500 < refused.retry_after_s <= 600

    async def test_one_class_that_waits_does_not_hold_up_another(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        """Not even where there is one connection only: who waits for the rate holds none."""
        upstream = await connect(vendor, max_connections=1, limits=LimitPolicy({"things": RateLimit(1, 600.0)}))
        await upstream.fetch(READ)
        waiting = asyncio.create_task(upstream.fetch(READ))
        with deadline(20):
            await all_at_once(upstream, [OTHER] * 5)
        assert len(vendor.calls) == 6
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def test_the_star_is_one_rate_for_all_others(self, connect: Connect, vendor: Simulator) -> None:
        limits = LimitPolicy({"things": RateLimit(1, 600.0), "*": RateLimit(2, 600.0)})
        upstream = await connect(vendor, limits=limits)
        with deadline(60):
            outcomes = await all_at_once(upstream, [READ, READ, OTHER, UpstreamRequest("third", "/things"), OTHER])
        assert kinds(outcomes) == [
            UpstreamResponse,
            SourceRateLimited,
            UpstreamResponse,
            UpstreamResponse,
            SourceRateLimited,
        ]

    async def test_what_is_configured_wins_over_what_is_documented(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        upstream = await connect(vendor, limits=LimitPolicy({"things": RateLimit(3, 600.0)}))
        upstream.pipeline.limit({"things": RateLimit(1, 600.0), "others": RateLimit(1, 600.0)})
        with deadline(60):
            outcomes = await all_at_once(upstream, [READ, READ, OTHER, OTHER])
        assert kinds(outcomes) == [UpstreamResponse, UpstreamResponse, UpstreamResponse, SourceRateLimited]

    async def test_a_vendor_that_asks_for_fewer_calls_gets_none_for_the_time_that_it_names(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        """Of that class, from anyone; and whoever cannot wait so long hears so without a call."""
        vendor.faults.add(Fault("status", status=429, retry_after="120"))
        upstream = await connect(vendor, attempts=1)
        with deadline(60):
            first = await failure(upstream)
            assert (type(first), first.http_status, first.upstream_requests) == (SourceRateLimited, 429, 1)
            others = await failures(upstream, 5)
            await upstream.fetch(OTHER)
        assert {(type(one), one.http_status, one.upstream_requests) for one in others} == {
            (SourceRateLimited, None, 0)
        }
        assert len(vendor.calls) == 2

    async def test_a_429_tells_those_who_wait_already(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=429, retry_after="120"))
        upstream = await connect(vendor, attempts=1, max_connections=1)
        async with asyncio.timeout(20):
            with deadline(60):
                outcomes = await all_at_once(upstream, [READ] * 5)
        assert kinds(outcomes) == [SourceRateLimited] * 5
        assert len(vendor.calls) == 1

    async def test_one_that_names_no_time_is_given_the_default(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=429))
        upstream = await connect(vendor, attempts=2, limits=LimitPolicy(backoff_s=0.4))
        await upstream.fetch(READ)
        first, second = vendor.calls
        assert second.at - first.at > 0.35

    async def test_one_that_goes_away_while_it_waits_leaves_its_turn_to_the_next(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        upstream = await connect(vendor, limits=LimitPolicy({"things": RateLimit(1, 0.3)}))
        await upstream.fetch(READ)
        leaving = asyncio.create_task(upstream.fetch(READ))
        staying = asyncio.create_task(upstream.fetch(READ))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await staying
        assert len(vendor.calls) == 2


class TestRetries:
    async def test_retries_end_with_their_budget(self, connect: Connect, vendor: Simulator) -> None:
        """Twenty calls that would be tried three times: twenty, the floor of three, and a fifth of the calls."""
        vendor.faults.add(Fault("status", status=503, times=None))
        upstream = await connect(vendor, breaker=CircuitBreakerPolicy(enabled=False))
        errors = await failures(upstream, 20)
        assert len(vendor.calls) == sum(error.upstream_requests for error in errors) == 20 + 3 + 4
        counters = upstream.pipeline.counters["things"]
        assert (counters.sent, counters.retries) == (27, 7)

    async def test_a_retry_that_cannot_be_made_leaves_the_vendors_own_failure(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=503, times=None))
        upstream = await connect(vendor, breaker=CircuitBreakerPolicy(min_calls=1, pause_s=60.0))
        error = await failure(upstream)
        assert (type(error), error.http_status, error.upstream_requests) == (SourceUnavailable, 503, 1)
        assert type(await failure(upstream)) is SourceCircuitOpen

    async def test_a_retry_that_runs_out_of_time_leaves_the_vendors_own_failure(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=503), Fault("hang"))
        upstream = await connect(vendor, timeout_s=60.0)
        async with asyncio.timeout(20):
            with deadline(1.0):
                error = await failure(upstream)
        assert (type(error), error.http_status, error.upstream_requests) == (SourceUnavailable, 503, 2)


class TestExpected:
    @pytest.mark.parametrize("status", [404, 413, 503])
    async def test_an_expected_refusal_is_no_warning_and_is_not_tried_again(
        self, upstream: Upstream, vendor: Simulator, status: int
    ) -> None:
        vendor.faults.add(Fault("status", status=status, times=None, body={}))
        with capture_logs() as logs:
            error = await failure(
                upstream, UpstreamRequest("things", "/things", expected_statuses=frozenset({status}))
            )
        assert (error.http_status, len(vendor.calls)) == (status, 1)
        assert {one["log_level"] for one in logs} == {"debug"}


async def test_what_happened_is_counted(connect: Connect, vendor: Simulator) -> None:
    vendor.faults.add(Fault("status", status=503))
    upstream = await connect(vendor)
    await upstream.fetch(READ)
    await upstream.fetch(OTHER)
    things, others = upstream.pipeline.counters["things"], upstream.pipeline.counters["others"]
    assert (things.sent, things.retries, dict(things.failed)) == (2, 1, {SourceUnavailable.code: 1})
    assert (others.sent, others.retries, dict(others.failed)) == (1, 0, {})
    assert sum(things.durations.counts) == 2
    assert 0 < things.durations.sum_s < 60
