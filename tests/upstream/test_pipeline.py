"""The resilience pipeline over real HTTP, with exact counts of calls."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from tests.gateway import eventually
from tests.upstream.conftest import READ, Connect, failure
from tracegraph.domain.calls import CircuitState, RateLimit
from tracegraph.errors import SourceCircuitOpen, SourceError, SourceRateLimited, SourceTimeout, SourceUnavailable
from tracegraph.simulators.core.faults import Fault, FaultKind
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import deadline
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.rate_limit import LimitPolicy

OTHER = UpstreamRequest("others", "/things")
OPENS_AFTER_4 = CircuitBreakerPolicy(min_calls=4, pause_s=60.0)
HALF_OPENS_SOON = CircuitBreakerPolicy(min_calls=4, pause_s=1.0)


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
    async def test_a_vendor_that_keeps_failing_is_not_called(
        self, connect: Connect, vendor: Simulator, kind: FaultKind
    ) -> None:
        vendor.faults.add(Fault(kind, times=None))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        await failures(upstream, 4)
        rejected = await failures(upstream, 20)
        assert kinds(rejected) == [SourceCircuitOpen] * 20
        assert len(vendor.calls) == 4
        assert {error.upstream_requests for error in rejected} == {0}
        assert all(error.retryable and error.retry_after_s and error.retry_after_s <= 60 for error in rejected)
        assert upstream.pipeline.worst_circuit_state is CircuitState.OPEN
        assert upstream.pipeline.counters["things"].not_sent[SourceCircuitOpen.code] == 20

    async def test_an_unreadable_response_counts_as_a_failure(self, connect: Connect, vendor: Simulator) -> None:
        def unreadable(_: UpstreamResponse) -> None:
            raise SourceUnavailable("vendor", "It cannot be read.")

        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        for _ in range(4):
            await failure(upstream, UpstreamRequest("things", "/things", read=unreadable))
        assert (type(await failure(upstream)), len(vendor.calls)) == (SourceCircuitOpen, 4)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429])
    async def test_a_4xx_status_leaves_the_circuit_closed(
        self, connect: Connect, vendor: Simulator, status: int
    ) -> None:
        vendor.faults.add(Fault("status", status=status, times=None, body={}))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        await failures(upstream, 12)
        assert (len(vendor.calls), upstream.pipeline.worst_circuit_state) == (12, CircuitState.CLOSED)

    async def test_each_class_of_calls_has_its_own_circuit(self, connect: Connect, vendor: Simulator) -> None:
        """A vendor may fail for one class of calls only."""
        vendor.faults.add(Fault("status", status=503, times=4))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        await failures(upstream, 4)
        assert type(await failure(upstream)) is SourceCircuitOpen
        await upstream.fetch(OTHER)
        assert upstream.pipeline.circuits == {"things": CircuitState.OPEN, "others": CircuitState.CLOSED}

    async def test_after_the_pause_a_successful_probe_closes_the_circuit(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        """Other calls are rejected until the probe has succeeded, however many arrive at once."""
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

    async def test_a_failed_probe_opens_the_circuit_again(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=503, times=None))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        await failures(upstream, 4)
        assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
        errors = await failures(upstream, 3)
        assert kinds(errors) == [SourceUnavailable, SourceCircuitOpen, SourceCircuitOpen]
        assert len(vendor.calls) == 5

    async def test_a_cancelled_probe_leaves_the_probe_to_the_next_call(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=503, times=4), Fault("hang"))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        await failures(upstream, 4)
        assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
        cancelled = asyncio.create_task(upstream.fetch(READ))
        assert await eventually(lambda: len(vendor.calls) == 5)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        await upstream.fetch(READ)
        assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED

    async def test_a_client_with_a_short_deadline_does_not_open_the_circuit(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang", times=12))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        for _ in range(12):
            with deadline(0.05):
                assert type(await failure(upstream)) is SourceTimeout
        assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED

    async def test_three_consecutive_timeouts_open_the_circuit(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("hang", times=None))
        upstream = await connect(vendor, attempts=1, timeout_s=0.1)
        assert kinds(await failures(upstream, 4)) == [SourceTimeout] * 3 + [SourceCircuitOpen]

    async def test_a_response_resets_the_count_of_timeouts(self, connect: Connect, vendor: Simulator) -> None:
        upstream = await connect(vendor, attempts=1, timeout_s=1.0)
        for _ in range(2):
            vendor.faults.add(Fault("hang", times=2))
            assert kinds(await failures(upstream, 2)) == [SourceTimeout] * 2
            await upstream.fetch(READ)
        assert upstream.pipeline.worst_circuit_state is CircuitState.CLOSED

    async def test_a_504_of_the_vendor_is_not_counted_as_a_timeout(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=504, times=None))
        upstream = await connect(vendor, attempts=1, breaker=OPENS_AFTER_4)
        assert kinds(await failures(upstream, 5)) == [SourceTimeout] * 4 + [SourceCircuitOpen]

    async def test_opening_and_closing_are_logged_once(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=503, times=4))
        upstream = await connect(vendor, attempts=1, breaker=HALF_OPENS_SOON)
        with capture_logs() as logs:
            await failures(upstream, 6)
            assert await eventually(lambda: upstream.pipeline.worst_circuit_state is CircuitState.HALF_OPEN)
            await upstream.fetch(READ)
        changes = [(line["log_level"], line["event"]) for line in logs if "circuit" in line["event"]]
        assert changes == [("warning", "upstream.circuit_opened"), ("info", "upstream.circuit_closed")]
        rejected = [line for line in logs if line["event"] == "upstream.not_sent"]
        assert [line["log_level"] for line in rejected] == ["info", "info"]


class TestConnections:
    async def test_a_wait_in_vain_for_a_connection_is_reported_and_is_no_failure_of_the_vendor(
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

    async def test_permits_are_granted_in_order_of_arrival(self, connect: Connect, vendor: Simulator) -> None:
        upstream = await connect(vendor, max_connections=1)
        calls = [
            UpstreamRequest(kind, "/things", [("n", str(n))])
            for n, kind in enumerate(["a", "b", "a", "c", "b", "a"])
        ]
        await all_at_once(upstream, calls)
        assert [call.query["n"] for call in vendor.calls] == [[str(n)] for n in range(6)]
        assert upstream.pipeline.counters["a"].waits == 2


class TestRate:
    async def test_calls_stay_within_the_rate_in_order_of_arrival(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        limits = LimitPolicy({"things": RateLimit(3, 0.5)})
        upstream = await connect(vendor, limits=limits)
        calls = [UpstreamRequest("things", "/things", [("n", str(n))]) for n in range(9)]
        await all_at_once(upstream, calls)
        assert sorted(int(call.query["n"][0]) for call in vendor.calls) == list(range(9))
        waves = [sorted(int(call.query["n"][0]) for call in vendor.calls[at : at + 3]) for at in (0, 3, 6)]
        assert waves == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
        assert vendor.calls[8].at - vendor.calls[0].at > 0.9, "three windows begin"
        assert upstream.pipeline.counters["things"].waits == 6

    async def test_a_call_without_a_permit_in_time_is_rejected_at_once_and_not_sent(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        upstream = await connect(vendor, limits=LimitPolicy({"things": RateLimit(2, 600.0)}))
        async with asyncio.timeout(20):
            with deadline(300):
                outcomes = await all_at_once(upstream, [READ] * 6)
        assert kinds(outcomes) == [UpstreamResponse] * 2 + [SourceRateLimited] * 4
        assert len(vendor.calls) == 2
        rejected = outcomes[-1]
        assert isinstance(rejected, SourceRateLimited)
        assert (rejected.upstream_requests, rejected.http_status) == (0, None)
        assert rejected.retry_after_s is not None
        assert 500 < rejected.retry_after_s <= 600

    async def test_a_waiting_class_does_not_delay_another(self, connect: Connect, vendor: Simulator) -> None:
        """This holds even with one connection: a call that waits for its rate holds no connection."""
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

    async def test_the_configured_rate_overrides_the_documented_one(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        upstream = await connect(vendor, limits=LimitPolicy({"things": RateLimit(3, 600.0)}))
        upstream.pipeline.set_documented_rates({"things": RateLimit(1, 600.0), "others": RateLimit(1, 600.0)})
        with deadline(60):
            outcomes = await all_at_once(upstream, [READ, READ, OTHER, OTHER])
        assert kinds(outcomes) == [UpstreamResponse, UpstreamResponse, UpstreamResponse, SourceRateLimited]

    async def test_a_429_pauses_calls_for_the_time_of_its_retry_after(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        """The pause applies to that class for all callers; a call that cannot wait that long fails at once."""
        vendor.faults.add(Fault("status", status=429, retry_after="120"))
        upstream = await connect(vendor, attempts=1)
        with deadline(60):
            first = await failure(upstream)
            assert (type(first), first.http_status, first.upstream_requests) == (SourceRateLimited, 429, 1)
            others = await failures(upstream, 5)
            await upstream.fetch(OTHER)
        assert {(type(error), error.http_status, error.upstream_requests) for error in others} == {
            (SourceRateLimited, None, 0)
        }
        assert len(vendor.calls) == 2

    async def test_a_429_rejects_waiting_calls_that_cannot_start_in_time(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=429, retry_after="120"))
        upstream = await connect(vendor, attempts=1, max_connections=1)
        async with asyncio.timeout(20):
            with deadline(60):
                outcomes = await all_at_once(upstream, [READ] * 5)
        assert kinds(outcomes) == [SourceRateLimited] * 5
        assert len(vendor.calls) == 1

    async def test_a_429_without_retry_after_pauses_for_the_default(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=429))
        upstream = await connect(vendor, attempts=2, limits=LimitPolicy(backoff_s=0.4))
        await upstream.fetch(READ)
        first, second = vendor.calls
        assert second.at - first.at > 0.35

    async def test_a_cancelled_waiter_leaves_its_permit_to_the_next(
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
    async def test_retries_stay_within_the_budget(self, connect: Connect, vendor: Simulator) -> None:
        """Twenty calls with three attempts each: twenty first ones, the floor of three, a fifth of the calls."""
        vendor.faults.add(Fault("status", status=503, times=None))
        upstream = await connect(vendor, breaker=CircuitBreakerPolicy(enabled=False))
        errors = await failures(upstream, 20)
        assert len(vendor.calls) == sum(error.upstream_requests for error in errors) == 20 + 3 + 4
        counters = upstream.pipeline.counters["things"]
        assert (counters.sent, counters.retries) == (27, 7)

    async def test_a_retry_that_is_not_sent_reports_the_vendors_failure(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=503, times=None))
        upstream = await connect(vendor, breaker=CircuitBreakerPolicy(min_calls=1, pause_s=60.0))
        error = await failure(upstream)
        assert (type(error), error.http_status, error.upstream_requests) == (SourceUnavailable, 503, 1)
        assert type(await failure(upstream)) is SourceCircuitOpen

    async def test_a_retry_that_times_out_reports_the_vendors_failure(
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
    async def test_an_expected_status_is_no_warning_and_is_not_retried(
        self, upstream: Upstream, vendor: Simulator, status: int
    ) -> None:
        vendor.faults.add(Fault("status", status=status, times=None, body={}))
        with capture_logs() as logs:
            error = await failure(
                upstream, UpstreamRequest("things", "/things", expected_statuses=frozenset({status}))
            )
        assert (error.http_status, len(vendor.calls)) == (status, 1)
        assert {line["log_level"] for line in logs} == {"debug"}


async def test_calls_waits_and_failures_are_counted(connect: Connect, vendor: Simulator) -> None:
    vendor.faults.add(Fault("status", status=503))
    upstream = await connect(vendor)
    await upstream.fetch(READ)
    await upstream.fetch(OTHER)
    things, others = upstream.pipeline.counters["things"], upstream.pipeline.counters["others"]
    assert (things.sent, things.retries, dict(things.failed)) == (2, 1, {SourceUnavailable.code: 1})
    assert (others.sent, others.retries, dict(others.failed)) == (1, 0, {})
    assert sum(things.durations.counts) == 2
    assert 0 < things.durations.sum_s < 60
