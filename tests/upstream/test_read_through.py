"""The read-through cache: single flight, freshness, early refresh, stale replies."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from pydantic import SecretStr

from tests.gateway import eventually
from tests.upstream.conftest import READ, Connect, failure
from tests.upstream.reading import POLICY, Clock, SharedMemory, reading
from tracegraph.domain.calls import CircuitState
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceCircuitOpen,
    SourceError,
    SourceNotFound,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.cache.keys import CacheKeys
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import LenientDecoder
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.raw import decode
from tracegraph.upstream.request_scope import (
    bypass_cache,
    collect_stale_errors,
    deadline,
    operation_scope,
    response_scope,
)
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy

SHAPED = replace(READ, read=partial(decode, wire=LenientDecoder(dict[str, list[int]])))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(upstream: Upstream, clock: Clock) -> Upstream:
    return reading(upstream, clock)


def requests(reply: UpstreamResponse) -> int:
    return reply.provenance.upstream_requests


async def in_flight(vendor: Simulator, count: int = 1) -> None:
    assert await eventually(lambda: vendor.in_flight == count)


class TestSharing:
    async def test_equal_concurrent_reads_share_one_call_that_the_first_waiter_reports(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", seconds=0.2))
        replies = await asyncio.gather(*(client.fetch(READ) for _ in range(100)))
        assert len(vendor.calls) == 1
        assert [requests(reply) for reply in replies] == [1] + [0] * 99
        assert {reply.body for reply in replies} == {b'{"things":[]}'}

    async def test_a_shared_response_is_decoded_once(self, client: Upstream) -> None:
        replies = await asyncio.gather(*(client.fetch(SHAPED) for _ in range(3)))
        assert replies[0].value == {"things": []}
        assert all(reply.value is replies[0].value for reply in replies)

    async def test_without_a_cache_reads_are_shared_and_nothing_is_cached(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        client = reading(upstream, clock, cached=False)
        await asyncio.gather(*(client.fetch(READ) for _ in range(10)))
        assert len(vendor.calls) == 1
        await client.fetch(READ)
        assert len(vendor.calls) == 2

    async def test_sharing_can_be_switched_off(self, upstream: Upstream, vendor: Simulator, clock: Clock) -> None:
        client = reading(upstream, clock, replace(POLICY, share=False), cached=False)
        replies = await asyncio.gather(*(client.fetch(READ) for _ in range(10)))
        assert len(vendor.calls) == sum(map(requests, replies)) == 10

    async def test_other_requests_and_other_credentials_are_separate_calls(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        second = client.with_credential({"authorization": SecretStr("another")})
        other_request = UpstreamRequest("things", "/things", [("page", "2")])
        await asyncio.gather(client.fetch(READ), second.fetch(READ), client.fetch(other_request))
        assert len(vendor.calls) == 3

    async def test_an_error_is_shared_but_no_waiter_can_change_it_for_another(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=404, times=None))
        errors = await asyncio.gather(*(failure(client) for _ in range(3)))
        assert [type(error) for error in errors] == [SourceNotFound] * 3
        assert [error.upstream_requests for error in errors] == [1, 0, 0]
        assert len({id(error) for error in errors}) == 3
        assert len({error.reference for error in errors}) == len({error.message for error in errors}) == 1
        assert len(vendor.calls) == 1

    async def test_a_waiter_with_a_short_deadline_leaves_alone(self, client: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(Fault("delay", seconds=2.0))

        async def hurried() -> SourceError:
            with deadline(0.7):
                return await failure(client)

        late, patient = await asyncio.gather(hurried(), client.fetch(READ))
        assert (type(late), late.upstream_requests) == (SourceTimeout, 1)
        assert (patient.body, requests(patient), len(vendor.calls)) == (b'{"things":[]}', 0, 1)

    async def test_a_cancelled_waiter_leaves_the_call_to_the_others(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", seconds=0.5))
        first, second = asyncio.create_task(client.fetch(READ)), asyncio.create_task(client.fetch(READ))
        await in_flight(vendor)
        first.cancel()
        assert (await second).body == b'{"things":[]}'
        assert (first.cancelled(), len(vendor.calls)) == (True, 1)

    async def test_a_call_without_waiters_is_cancelled(self, client: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(Fault("hang"))
        waiters = [asyncio.create_task(client.fetch(READ)) for _ in range(3)]
        await in_flight(vendor)
        for waiter in waiters:
            waiter.cancel()
        await in_flight(vendor, 0)  # the vendor saw the connection close
        assert requests(await client.fetch(READ)) == 1
        assert len(vendor.calls) == 2

    async def test_a_caller_after_its_deadline_makes_no_call(self, client: Upstream, vendor: Simulator) -> None:
        with deadline(0):
            error = await failure(client)
        assert (type(error), error.upstream_requests, vendor.calls) == (SourceTimeout, 0, [])

    async def test_a_last_waiter_that_times_out_counts_every_attempt(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        vendor.faults.add(Fault("status", status=503), Fault("hang", times=None))
        client = reading(await connect(vendor, timeout_s=60.0, attempts=2, base_s=0.0), clock)
        with deadline(1.0):
            assert (await failure(client)).upstream_requests == len(vendor.calls) == 2

    async def test_a_timeout_of_all_waiters_counts_for_the_circuit_and_their_departure_does_not(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        vendor.faults.add(Fault("hang", times=None))
        slow = reading(await connect(vendor, timeout_s=60.0, breaker=CircuitBreakerPolicy(min_calls=2)), clock)
        for _ in range(2):
            waiter = asyncio.create_task(slow.fetch(READ))
            await in_flight(vendor)
            await asyncio.sleep(1.1)
            waiter.cancel()
            await in_flight(vendor, 0)
        assert slow.pipeline.worst_circuit_state is CircuitState.CLOSED
        for _ in range(2):
            with deadline(1.1):
                assert type(await failure(slow)) is SourceTimeout
        assert await eventually(lambda: slow.pipeline.worst_circuit_state is CircuitState.OPEN)
        assert type(await failure(slow)) is SourceCircuitOpen

    async def test_a_stale_reply_is_returned_at_once_while_the_circuit_is_open(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        client = reading(await connect(vendor, attempts=1, breaker=CircuitBreakerPolicy(min_calls=2)), clock)
        await client.fetch(READ)
        clock.now += 50
        vendor.faults.add(Fault("status", status=503, times=None))
        while client.pipeline.worst_circuit_state is CircuitState.CLOSED:
            await client.fetch(READ)
        calls = len(vendor.calls)
        reply = await client.fetch(READ)
        assert (type(reply.provenance.stale), requests(reply), len(vendor.calls)) == (SourceCircuitOpen, 0, calls)


class TestCaching:
    async def test_a_reply_is_cached_while_it_is_fresh(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        assert requests(await client.fetch(READ)) == 1
        clock.now += 9.9
        assert requests(await client.fetch(READ)) == 0
        clock.now += 0.1
        assert requests(await client.fetch(READ)) == 1
        assert len(vendor.calls) == 2

    async def test_kinds_of_calls_may_be_fresh_for_longer_or_not_at_all(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        client = reading(upstream, clock, replace(POLICY, ttl_by_kind={"lasting": 60.0, "fleeting": 0.0}))
        lasting, fleeting = (
            UpstreamRequest("lasting", "/things", [("a", "1")]),
            UpstreamRequest("fleeting", "/things", [("b", "1")]),
        )
        for _ in range(2):
            await client.fetch(lasting)
            await client.fetch(fleeting)
            clock.now += 50
        assert len(vendor.calls) == 3

    async def test_a_read_that_bypasses_the_cache_caches_the_vendors_current_reply(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        await client.fetch(READ)
        with bypass_cache():
            assert requests(await client.fetch(READ)) == 1
        assert requests(await client.fetch(READ)) == 0
        assert len(vendor.calls) == 2

    async def test_a_read_that_bypasses_the_cache_does_not_join_a_cached_read(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", seconds=0.3))
        within = asyncio.create_task(client.fetch(READ))
        await in_flight(vendor)
        with bypass_cache():
            assert [requests(reply) for reply in await asyncio.gather(client.fetch(READ), client.fetch(READ))] == [
                1,
                0,
            ]
        assert requests(await within) == 1
        assert len(vendor.calls) == 2

    @pytest.mark.parametrize("fault", [Fault("status", status=500, times=3), Fault("wrong_shape"), Fault("html")])
    async def test_a_failure_is_not_cached(self, client: Upstream, vendor: Simulator, fault: Fault) -> None:
        vendor.faults.add(fault)
        with pytest.raises((SourceUnavailable, SourceBadResponse)):
            await client.fetch(SHAPED)
        assert (await client.fetch(SHAPED)).value == {"things": []}


class TestEarlyRefresh:
    async def test_a_hot_entry_is_refreshed_by_one_background_call_before_it_expires(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        await client.fetch(READ)  # read again: hot
        clock.now += 8.5
        vendor.faults.add(Fault("delay", seconds=0.2))
        replies = await asyncio.gather(*(client.fetch(READ) for _ in range(50)))
        assert sum(map(requests, replies)) == 0
        assert await eventually(lambda: len(vendor.calls) == 2 and not vendor.in_flight)
        clock.now += 5.0  # after the expiry of the first reply
        assert requests(await client.fetch(READ)) == 0
        assert len(vendor.calls) == 2

    async def test_an_entry_that_was_read_once_is_not_refreshed(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        clock.now += 9.0
        await client.fetch(READ)
        await asyncio.sleep(0.05)
        assert len(vendor.calls) == 1

    async def test_a_read_of_an_expired_entry_joins_the_refresh_in_flight(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        await client.fetch(READ)
        clock.now += 9.0
        vendor.faults.add(Fault("delay", seconds=0.3))
        await client.fetch(READ)
        clock.now += 2.0
        assert requests(await client.fetch(READ)) == 0
        assert len(vendor.calls) == 2

    async def test_a_failed_refresh_is_not_repeated_and_affects_no_reader(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        await client.fetch(READ)
        clock.now += 9.0
        vendor.faults.add(Fault("status", status=404, times=None))
        for _ in range(5):
            assert (await client.fetch(READ)).provenance.stale is None
            assert await eventually(lambda: not vendor.in_flight)
        assert await eventually(lambda: len(vendor.calls) == 2)

    async def test_a_refresh_ends_with_the_gateway(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        assert client.cache is not None
        await client.fetch(READ)
        await client.fetch(READ)
        clock.now += 9.0
        vendor.faults.add(Fault("hang"))
        await client.fetch(READ)
        await in_flight(vendor)
        await client.cache.stores.flights.close()
        await in_flight(vendor, 0)


class TestStale:
    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (Fault("status", status=500, times=3), "UNAVAILABLE"),
            (Fault("status", status=429, times=3), "RATE_LIMITED"),
            (Fault("status", status=504, times=3), "TIMEOUT"),
            (Fault("reset", times=4), "UNAVAILABLE"),  # the first attempt sends its request twice
            (Fault("redirect"), "BAD_RESPONSE"),
            (Fault("wrong_shape"), "BAD_RESPONSE"),
            (Fault("html"), "BAD_RESPONSE"),
        ],
        ids=lambda value: value.kind + str(value.status) if isinstance(value, Fault) else value,
    )
    async def test_a_stale_reply_replaces_a_failure_and_holds_the_reason(
        self, client: Upstream, vendor: Simulator, clock: Clock, fault: Fault, code: str
    ) -> None:
        await client.fetch(SHAPED)
        clock.now += 100
        vendor.faults.add(fault)
        calls = len(vendor.calls)
        with collect_stale_errors() as errors:
            reply = await client.fetch(SHAPED)
        assert (reply.value, requests(reply)) == ({"things": []}, len(vendor.calls) - calls)
        assert reply.provenance.stale is not None
        assert reply.provenance.stale.code.value == code
        assert errors == [reply.provenance.stale]

    async def test_every_waiter_of_a_shared_failure_gets_the_stale_reply_and_one_reports_the_calls(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("status", status=503, times=None))
        replies = await asyncio.gather(*(client.fetch(READ) for _ in range(3)))
        assert [requests(reply) for reply in replies] == [3, 0, 0]
        assert all(reply.provenance.stale for reply in replies)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, SourceBadRequest),
            (401, SourceUnauthorized),
            (403, SourceUnauthorized),
            (404, SourceNotFound),
            (413, SourceBadRequest),
        ],
    )
    async def test_a_definitive_error_is_not_replaced(
        self, client: Upstream, vendor: Simulator, clock: Clock, status: int, kind: type[SourceError]
    ) -> None:
        """A withdrawn key must not see old data, and a deleted object is gone."""
        await client.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("status", status=status))
        assert type(await failure(client)) is kind

    async def test_the_stale_window_ends(self, client: Upstream, vendor: Simulator, clock: Clock) -> None:
        await client.fetch(READ)
        clock.now += 110
        vendor.faults.add(Fault("status", status=503, times=None))
        assert type(await failure(client)) is SourceUnavailable

    async def test_a_read_that_bypasses_the_cache_gets_no_stale_reply(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("status", status=503, times=None))
        with bypass_cache():
            assert type(await failure(client)) is SourceUnavailable

    async def test_a_waiter_that_times_out_gets_the_stale_reply(
        self, client: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await client.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("hang"))
        with deadline(0.1):
            reply = await client.fetch(READ)
        assert (type(reply.provenance.stale), requests(reply)) == (SourceTimeout, 1)


class TestTimeoutsOfARequest:
    """A request waits once for a source that timed out, where stale replies exist."""

    OTHER = replace(READ, query=[("page", "2")])
    HANG = Fault("hang", times=None)

    @pytest.fixture
    async def client(self, connect: Connect, vendor: Simulator, clock: Clock) -> Upstream:
        """The client, with expired entries for both reads."""
        client = reading(await connect(vendor, timeout_s=2), clock, replace(POLICY, timeout_s=2))
        await client.fetch(READ)
        await client.fetch(self.OTHER)
        clock.now += 100
        return client

    async def test_the_next_stale_reply_is_returned_without_a_call(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(self.HANG)
        with operation_scope(60), collect_stale_errors() as errors:
            await client.fetch(READ)
            calls = len(vendor.calls)
            reply = await client.fetch(self.OTHER)
        assert (type(reply.provenance.stale), requests(reply), len(vendor.calls)) == (SourceTimeout, 0, calls)
        assert [type(error) for error in errors] == [SourceTimeout] * 2

    async def test_another_request_calls_the_vendor(self, client: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(self.HANG)
        with operation_scope(60):
            await client.fetch(READ)
        vendor.faults.clear()
        with operation_scope(60):
            assert (await client.fetch(self.OTHER)).provenance.stale is None

    async def test_a_read_without_a_stale_entry_calls_the_vendor(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(self.HANG)
        with operation_scope(60):
            await client.fetch(READ)
            vendor.faults.clear()
            reply = await client.fetch(replace(READ, query=[("page", "3")]))
            with bypass_cache():
                present = await client.fetch(self.OTHER)
        assert (reply.provenance.stale, present.provenance.stale) == (None, None)

    @pytest.mark.parametrize("fault", [Fault("status", status=504, times=3), Fault("reset", times=4)])
    async def test_a_failure_in_time_does_not_suppress_the_next_call(
        self, client: Upstream, vendor: Simulator, fault: Fault
    ) -> None:
        vendor.faults.add(fault)
        with operation_scope(60):
            assert (await client.fetch(READ)).provenance.stale is not None
            assert (await client.fetch(self.OTHER)).provenance.stale is None

    async def test_a_timeout_after_too_short_a_time_does_not_suppress_the_next_call(
        self, client: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(self.HANG)
        with operation_scope(60):
            with deadline(0.05):
                assert (await client.fetch(READ)).provenance.stale is not None
            vendor.faults.clear()
            assert (await client.fetch(self.OTHER)).provenance.stale is None

    async def test_a_newer_entry_of_another_process_is_used(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        shared, policy = SharedMemory(), replace(POLICY, timeout_s=2)
        client = reading(await connect(vendor, timeout_s=2), clock, policy, shared)
        second = reading(await connect(vendor), clock, policy, shared)
        for read in (READ, self.OTHER):
            await client.fetch(read)
        clock.now += 100
        await second.fetch(self.OTHER)
        vendor.faults.add(self.HANG)
        with operation_scope(60):
            await client.fetch(READ)
            calls = len(vendor.calls)
            reply = await client.fetch(self.OTHER)
        assert (reply.provenance.stale, len(vendor.calls)) == (None, calls)


class TestSharedStore:
    async def test_a_reply_to_one_process_is_cached_for_another(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        first, second = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        assert requests(await first.fetch(SHAPED)) == 1
        assert [requests(await second.fetch(SHAPED)) for _ in range(2)] == [0, 0]
        assert (len(vendor.calls), store.reads) == (1, 2)  # the second read is from its own memory

    async def test_freshness_counts_from_the_vendors_response(self, upstream: Upstream, clock: Clock) -> None:
        store = SharedMemory()
        first, second = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        await first.fetch(READ)
        clock.now += 6
        await second.fetch(READ)
        clock.now += 6
        assert requests(await second.fetch(READ)) == 1

    async def test_a_stale_shared_entry_replaces_a_failure(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        first, second = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        await first.fetch(READ)
        clock.now += 50
        vendor.faults.add(Fault("status", status=503, times=None))
        assert (await second.fetch(READ)).provenance.stale is not None

    async def test_an_early_refresh_uses_the_refresh_of_another_process(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        first, second = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        for client in (first, second, second):
            await client.fetch(READ)
        clock.now += 9
        with bypass_cache():
            await first.fetch(READ)
        await second.fetch(READ)
        assert await eventually(lambda: store.reads == 3)
        clock.now += 5
        assert requests(await second.fetch(READ)) == 0
        assert (len(vendor.calls), store.reads) == (2, 3)

    @pytest.mark.parametrize("garbage", [b"", b"\x80\x04\x95garbage", b"TGC1" + bytes(100)])
    async def test_garbage_in_the_shared_store_is_ignored(
        self, upstream: Upstream, clock: Clock, garbage: bytes
    ) -> None:
        store = SharedMemory()
        client = reading(upstream, clock, shared=store)
        await client.fetch(READ)
        store.values = dict.fromkeys(store.values, garbage)
        assert requests(await reading(upstream, clock, shared=store).fetch(READ)) == 1

    async def test_a_shared_entry_that_this_version_cannot_read_is_ignored(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        vendor.faults.add(Fault("wrong_shape"))
        await reading(upstream, clock, shared=store).fetch(READ)
        reply = await reading(upstream, clock, shared=store).fetch(SHAPED)
        assert (reply.value, requests(reply)) == ({"things": []}, 1)


class TestChangedWallClock:
    """The wall clock is set by an hour, back or forth, while the freshness is ten seconds."""

    @pytest.mark.parametrize("set_by_s", [-3600, 3600])
    @pytest.mark.parametrize("is_shared", [False, True])
    async def test_ages_in_memory_are_unaffected(
        self, upstream: Upstream, clock: Clock, set_by_s: float, *, is_shared: bool
    ) -> None:
        wall, store = Clock(), SharedMemory() if is_shared else None
        client = reading(upstream, clock, shared=store, wall_clock=wall)
        await client.fetch(READ)
        wall.now += set_by_s
        clock.now += 9.9
        assert requests(await client.fetch(READ)) == 0
        clock.now += 0.2
        assert requests(await client.fetch(READ)) == 1

    @pytest.mark.parametrize("set_by_s", [-3600, 3600])
    async def test_an_earlier_shared_entry_is_not_used(
        self, upstream: Upstream, vendor: Simulator, clock: Clock, set_by_s: float
    ) -> None:
        """Its age is unknown: after an hour back it is from the future, after an hour forth it is too old."""
        wall, store = Clock(), SharedMemory()
        await reading(upstream, clock, shared=store, wall_clock=wall).fetch(READ)
        wall.now += set_by_s
        second = reading(upstream, clock, shared=store, wall_clock=wall)
        vendor.faults.add(Fault("status", status=503, times=None))
        with pytest.raises(SourceUnavailable):
            await second.fetch(READ)

    async def test_processes_share_entries_again_afterwards(self, upstream: Upstream, clock: Clock) -> None:
        wall, store = Clock(), SharedMemory()
        first, second = [reading(upstream, clock, shared=store, wall_clock=wall) for _ in range(2)]
        await first.fetch(READ)
        wall.now -= 3600
        clock.now += 11
        assert [requests(await client.fetch(READ)) for client in (first, second, first)] == [1, 0, 0]

    async def test_our_own_entry_does_not_return_younger_from_the_store(
        self, upstream: Upstream, clock: Clock
    ) -> None:
        wall, store = Clock(), SharedMemory()
        client = reading(upstream, clock, shared=store, wall_clock=wall)
        await client.fetch(READ)
        clock.now += 12
        wall.now += 12 - 4
        assert requests(await client.fetch(READ)) == 1

    async def test_processes_with_different_uptimes_share_entries(self, upstream: Upstream, clock: Clock) -> None:
        wall, store, started_later = Clock(), SharedMemory(), Clock(5.0)
        await reading(upstream, clock, shared=store, wall_clock=wall).fetch(READ)
        wall.now += 6
        second = reading(upstream, started_later, shared=store, wall_clock=wall)
        assert requests(await second.fetch(READ)) == 0
        started_later.now += 3.9
        assert requests(await second.fetch(READ)) == 0
        started_later.now += 0.2
        wall.now += 4.1
        assert requests(await second.fetch(READ)) == 1


async def test_hits_misses_stale_replies_and_shared_calls_are_counted(
    client: Upstream, vendor: Simulator, clock: Clock
) -> None:
    assert client.cache is not None
    await asyncio.gather(client.fetch(READ), client.fetch(READ))
    await client.fetch(READ)
    clock.now += 50
    vendor.faults.add(Fault("status", status=503, times=None))
    await client.fetch(READ)
    counted = client.cache.counters["things"]
    assert (counted.cache_hits, counted.cache_misses, counted.cache_stale, counted.shared) == (1, 2, 1, 1)


def test_an_upstream_has_the_keys_of_its_credential(client: Upstream) -> None:
    assert client.cache is not None
    alone = CacheKeys("vendor", "http://vendor", {"authorization": "s3cret-of-the-tests"})
    assert client.cache.keys.key(READ) == alone.key(READ)


async def test_without_cache_and_sharing_every_read_calls_the_vendor(
    upstream: Upstream, vendor: Simulator, clock: Clock
) -> None:
    client = reading(upstream, clock, replace(POLICY, share=False), cached=False)
    with response_scope() as read:
        await asyncio.gather(client.fetch(READ), client.fetch(READ))
    assert (client.cache, len(vendor.calls)) == (None, 2)
    assert not read.is_valid(MemoryStore(), clock())
