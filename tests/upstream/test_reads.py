"""Reads of one source: shared while under way, kept while fresh, refreshed early, older when the vendor fails."""

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
from tracegraph.upstream.cache.dependencies import collect_dependencies
from tracegraph.upstream.cache.keys import CacheKeys
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import LenientDecoder
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.raw import decode
from tracegraph.upstream.request_scope import bypass_cache, collect_stale_errors, deadline
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy
from tracegraph.upstream.resilience.timeouts import remembered_timeouts

SHAPED = replace(READ, read=partial(decode, wire=LenientDecoder(dict[str, list[int]])))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def way(upstream: Upstream, clock: Clock) -> Upstream:
    return reading(upstream, clock)


def requests(reply: UpstreamResponse) -> int:
    return reply.provenance.upstream_requests


async def in_flight(vendor: Simulator, count: int = 1) -> None:
    assert await eventually(lambda: vendor.in_flight == count)


class TestSharing:
    async def test_equal_reads_at_one_moment_are_one_call_that_its_first_asker_reports(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", seconds=0.2))
        replies = await asyncio.gather(*(way.fetch(READ) for _ in range(100)))
        assert len(vendor.calls) == 1
        assert [requests(reply) for reply in replies] == [1] + [0] * 99
        assert {reply.body for reply in replies} == {b'{"things":[]}'}

    async def test_what_is_read_of_the_answer_is_read_once(self, way: Upstream) -> None:
        replies = await asyncio.gather(*(way.fetch(SHAPED) for _ in range(3)))
        assert replies[0].value == {"things": []}
        assert all(reply.value is replies[0].value for reply in replies)

    async def test_without_a_cache_reads_are_shared_and_nothing_is_kept(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        way = reading(upstream, clock, kept=False)
        await asyncio.gather(*(way.fetch(READ) for _ in range(10)))
        assert len(vendor.calls) == 1
        await way.fetch(READ)
        assert len(vendor.calls) == 2

    async def test_sharing_can_be_switched_off(self, upstream: Upstream, vendor: Simulator, clock: Clock) -> None:
        way = reading(upstream, clock, replace(POLICY, share=False), kept=False)
        replies = await asyncio.gather(*(way.fetch(READ) for _ in range(10)))
        assert len(vendor.calls) == sum(map(requests, replies)) == 10

    async def test_other_questions_and_other_credentials_are_calls_of_their_own(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        other = way.with_credential({"authorization": SecretStr("another")})
        question = UpstreamRequest("things", "/things", [("page", "2")])
        await asyncio.gather(way.fetch(READ), other.fetch(READ), way.fetch(question))
        assert len(vendor.calls) == 3

    async def test_an_error_is_shared_but_no_asker_can_change_it_for_another(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=404, times=None))
        errors = await asyncio.gather(*(failure(way) for _ in range(3)))
        assert [type(error) for error in errors] == [SourceNotFound] * 3
        assert [error.upstream_requests for error in errors] == [1, 0, 0]
        assert len({id(error) for error in errors}) == 3
        assert len({error.reference for error in errors}) == len({error.message for error in errors}) == 1
        assert len(vendor.calls) == 1

    async def test_an_asker_with_little_time_goes_alone(self, way: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(Fault("delay", seconds=0.5))

        async def hurried() -> SourceError:
            with deadline(0.1):
                return await failure(way)

        late, patient = await asyncio.gather(hurried(), way.fetch(READ))
        assert (type(late), late.upstream_requests) == (SourceTimeout, 1)
        assert (patient.body, requests(patient), len(vendor.calls)) == (b'{"things":[]}', 0, 1)

    async def test_an_asker_that_is_cancelled_leaves_the_call_to_the_others(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", seconds=0.5))
        first, second = asyncio.create_task(way.fetch(READ)), asyncio.create_task(way.fetch(READ))
        await in_flight(vendor)
        first.cancel()
        assert (await second).body == b'{"things":[]}'
        assert (first.cancelled(), len(vendor.calls)) == (True, 1)

    async def test_a_call_that_nobody_waits_for_any_more_is_cancelled(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang"))
        askers = [asyncio.create_task(way.fetch(READ)) for _ in range(3)]
        await in_flight(vendor)
        for asker in askers:
            asker.cancel()
        await in_flight(vendor, 0)  # the vendor saw the connection close
        assert requests(await way.fetch(READ)) == 1
        assert len(vendor.calls) == 2

    async def test_an_asker_whose_time_is_over_makes_no_call(self, way: Upstream, vendor: Simulator) -> None:
        with deadline(0):
            error = await failure(way)
        assert (type(error), error.upstream_requests, vendor.calls) == (SourceTimeout, 0, [])

    async def test_a_last_asker_whose_time_runs_out_counts_every_try(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        vendor.faults.add(Fault("status", status=503), Fault("hang", times=None))
        way = reading(await connect(vendor, timeout_s=60.0, attempts=2, base_s=0.0), clock)
        with deadline(1.0):
            assert (await failure(way)).upstream_requests == len(vendor.calls) == 2

    async def test_a_call_that_let_everyones_time_pass_counts_for_the_circuit_and_one_that_they_left_does_not(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        vendor.faults.add(Fault("hang", times=None))
        slow = reading(await connect(vendor, timeout_s=60.0, breaker=CircuitBreakerPolicy(min_calls=2)), clock)
        for _ in range(2):
            asker = asyncio.create_task(slow.fetch(READ))
            await in_flight(vendor)
            await asyncio.sleep(1.1)
            asker.cancel()
            await in_flight(vendor, 0)
        assert slow.pipeline.worst_circuit_state is CircuitState.CLOSED
        for _ in range(2):
            with deadline(1.1):
                assert type(await failure(slow)) is SourceTimeout
        assert await eventually(lambda: slow.pipeline.worst_circuit_state is CircuitState.OPEN)
        assert type(await failure(slow)) is SourceCircuitOpen

    async def test_an_older_answer_stands_in_at_once_while_the_circuit_is_open(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        way = reading(await connect(vendor, attempts=1, breaker=CircuitBreakerPolicy(min_calls=2)), clock)
        await way.fetch(READ)
        clock.now += 50
        vendor.faults.add(Fault("status", status=503, times=None))
        while way.pipeline.worst_circuit_state is CircuitState.CLOSED:
            await way.fetch(READ)
        calls = len(vendor.calls)
        reply = await way.fetch(READ)
        assert (type(reply.provenance.stale), requests(reply), len(vendor.calls)) == (SourceCircuitOpen, 0, calls)


class TestKeeping:
    async def test_an_answer_is_kept_while_it_is_fresh(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        assert requests(await way.fetch(READ)) == 1
        clock.now += 9.9
        assert requests(await way.fetch(READ)) == 0
        clock.now += 0.1
        assert requests(await way.fetch(READ)) == 1
        assert len(vendor.calls) == 2

    async def test_kinds_of_calls_may_be_fresh_for_longer_or_not_at_all(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        way = reading(upstream, clock, replace(POLICY, ttl_by_kind={"lasting": 60.0, "fleeting": 0.0}))
        lasting, fleeting = (
            UpstreamRequest("lasting", "/things", [("a", "1")]),
            UpstreamRequest("fleeting", "/things", [("b", "1")]),
        )
        for _ in range(2):
            await way.fetch(lasting)
            await way.fetch(fleeting)
            clock.now += 50
        assert len(vendor.calls) == 3

    async def test_past_the_cache_is_the_vendors_present_answer_which_is_kept(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        await way.fetch(READ)
        with bypass_cache():
            assert requests(await way.fetch(READ)) == 1
        assert requests(await way.fetch(READ)) == 0
        assert len(vendor.calls) == 2

    async def test_past_the_cache_does_not_wait_for_a_call_that_was_begun_within(
        self, way: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", seconds=0.3))
        within = asyncio.create_task(way.fetch(READ))
        await in_flight(vendor)
        with bypass_cache():
            assert [requests(one) for one in await asyncio.gather(way.fetch(READ), way.fetch(READ))] == [1, 0]
        assert requests(await within) == 1
        assert len(vendor.calls) == 2

    @pytest.mark.parametrize("fault", [Fault("status", status=500, times=3), Fault("wrong_shape"), Fault("html")])
    async def test_a_failure_is_not_kept(self, way: Upstream, vendor: Simulator, fault: Fault) -> None:
        vendor.faults.add(fault)
        with pytest.raises((SourceUnavailable, SourceBadResponse)):
            await way.fetch(SHAPED)
        assert (await way.fetch(SHAPED)).value == {"things": []}


class TestEarlyRefresh:
    async def test_a_hot_answer_is_asked_for_again_before_it_is_too_old_by_one_call_beside_its_readers(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        await way.fetch(READ)  # read again: hot
        clock.now += 8.5
        vendor.faults.add(Fault("delay", seconds=0.2))
        replies = await asyncio.gather(*(way.fetch(READ) for _ in range(50)))
        assert sum(map(requests, replies)) == 0
        assert await eventually(lambda: len(vendor.calls) == 2 and not vendor.in_flight)
        clock.now += 5.0  # past the first answer's time
        assert requests(await way.fetch(READ)) == 0
        assert len(vendor.calls) == 2

    async def test_an_answer_that_nobody_read_again_is_not(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        clock.now += 9.0
        await way.fetch(READ)
        await asyncio.sleep(0.05)
        assert len(vendor.calls) == 1

    async def test_who_comes_when_it_is_too_old_waits_for_the_refresh_under_way(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        await way.fetch(READ)
        clock.now += 9.0
        vendor.faults.add(Fault("delay", seconds=0.3))
        await way.fetch(READ)
        clock.now += 2.0
        assert requests(await way.fetch(READ)) == 0
        assert len(vendor.calls) == 2

    async def test_a_refresh_that_fails_is_tried_once_and_hurts_nobody(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        await way.fetch(READ)
        clock.now += 9.0
        vendor.faults.add(Fault("status", status=404, times=None))
        for _ in range(5):
            assert (await way.fetch(READ)).provenance.stale is None
            assert await eventually(lambda: not vendor.in_flight)
        assert await eventually(lambda: len(vendor.calls) == 2)

    async def test_a_refresh_ends_when_the_gateway_does(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        assert way.cache is not None
        await way.fetch(READ)
        await way.fetch(READ)
        clock.now += 9.0
        vendor.faults.add(Fault("hang"))
        await way.fetch(READ)
        await in_flight(vendor)
        await way.cache.stores.flights.close()
        await in_flight(vendor, 0)


class TestStale:
    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (Fault("status", status=500, times=3), "UNAVAILABLE"),
            (Fault("status", status=429, times=3), "RATE_LIMITED"),
            (Fault("status", status=504, times=3), "TIMEOUT"),
            (Fault("reset", times=3), "UNAVAILABLE"),
            (Fault("redirect"), "BAD_RESPONSE"),
            (Fault("wrong_shape"), "BAD_RESPONSE"),
            (Fault("html"), "BAD_RESPONSE"),
        ],
        ids=lambda value: value.kind + str(value.status) if isinstance(value, Fault) else value,
    )
    async def test_an_older_answer_stands_in_for_a_failure_and_says_why(
        self, way: Upstream, vendor: Simulator, clock: Clock, fault: Fault, code: str
    ) -> None:
        await way.fetch(SHAPED)
        clock.now += 100
        vendor.faults.add(fault)
        calls = len(vendor.calls)
        with collect_stale_errors() as gathered:
            reply = await way.fetch(SHAPED)
        assert (reply.value, requests(reply)) == ({"things": []}, len(vendor.calls) - calls)
        assert reply.provenance.stale is not None
        assert reply.provenance.stale.code.value == code
        assert gathered == [reply.provenance.stale]

    async def test_every_asker_of_a_shared_failure_gets_it_and_one_reports_the_calls(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("status", status=503, times=None))
        replies = await asyncio.gather(*(way.fetch(READ) for _ in range(3)))
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
    async def test_what_the_vendor_means_stands(
        self, way: Upstream, vendor: Simulator, clock: Clock, status: int, kind: type[SourceError]
    ) -> None:
        """A key that was taken back shows nothing any more, and what was deleted is gone."""
        await way.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("status", status=status))
        assert type(await failure(way)) is kind

    async def test_the_window_ends(self, way: Upstream, vendor: Simulator, clock: Clock) -> None:
        await way.fetch(READ)
        clock.now += 110
        vendor.faults.add(Fault("status", status=503, times=None))
        assert type(await failure(way)) is SourceUnavailable

    async def test_past_the_cache_a_failure_is_a_failure(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("status", status=503, times=None))
        with bypass_cache():
            assert type(await failure(way)) is SourceUnavailable

    async def test_an_asker_whose_time_runs_out_gets_the_older_answer(
        self, way: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        await way.fetch(READ)
        clock.now += 100
        vendor.faults.add(Fault("hang"))
        with deadline(0.1):
            reply = await way.fetch(READ)
        assert (type(reply.provenance.stale), requests(reply)) == (SourceTimeout, 1)


class TestTimeoutsOfARequest:
    """A request waits once for a source that ran out of its time, where older answers are kept."""

    OTHER = replace(READ, query=[("page", "2")])
    HANG = Fault("hang", times=None)

    @pytest.fixture
    async def way(self, connect: Connect, vendor: Simulator, clock: Clock) -> Upstream:
        """It holds answers to both reads, which are not fresh any more."""
        way = reading(await connect(vendor, timeout_s=0.1), clock, replace(POLICY, timeout_s=0.1))
        await way.fetch(READ)
        await way.fetch(self.OTHER)
        clock.now += 100
        return way

    async def test_the_next_older_answer_stands_in_without_a_call(self, way: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(self.HANG)
        with remembered_timeouts(), collect_stale_errors() as gathered:
            await way.fetch(READ)
            calls = len(vendor.calls)
            reply = await way.fetch(self.OTHER)
        assert (type(reply.provenance.stale), requests(reply), len(vendor.calls)) == (SourceTimeout, 0, calls)
        assert [type(error) for error in gathered] == [SourceTimeout] * 2

    async def test_another_request_asks_the_vendor(self, way: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(self.HANG)
        with remembered_timeouts():
            await way.fetch(READ)
        vendor.faults.clear()
        with remembered_timeouts():
            assert (await way.fetch(self.OTHER)).provenance.stale is None

    async def test_what_no_older_answer_can_stand_in_for_is_asked(self, way: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(self.HANG)
        with remembered_timeouts():
            await way.fetch(READ)
            vendor.faults.clear()
            reply = await way.fetch(replace(READ, query=[("page", "3")]))
            with bypass_cache():
                present = await way.fetch(self.OTHER)
        assert (reply.provenance.stale, present.provenance.stale) == (None, None)

    @pytest.mark.parametrize("fault", [Fault("status", status=504, times=3), Fault("reset", times=3)])
    async def test_a_failure_that_came_in_time_says_nothing_about_the_next_call(
        self, way: Upstream, vendor: Simulator, fault: Fault
    ) -> None:
        vendor.faults.add(fault)
        with remembered_timeouts():
            assert (await way.fetch(READ)).provenance.stale is not None
            assert (await way.fetch(self.OTHER)).provenance.stale is None

    async def test_nor_does_a_time_too_short_for_any_vendor(self, way: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(self.HANG)
        with remembered_timeouts():
            with deadline(0.05):
                assert (await way.fetch(READ)).provenance.stale is not None
            vendor.faults.clear()
            assert (await way.fetch(self.OTHER)).provenance.stale is None

    async def test_an_answer_that_another_copy_of_the_gateway_got_meanwhile_is_used(
        self, connect: Connect, vendor: Simulator, clock: Clock
    ) -> None:
        shared, policy = SharedMemory(), replace(POLICY, timeout_s=0.1)
        way = reading(await connect(vendor, timeout_s=0.1), clock, policy, shared)
        other = reading(await connect(vendor), clock, policy, shared)
        for read in (READ, self.OTHER):
            await way.fetch(read)
        clock.now += 100
        await other.fetch(self.OTHER)
        vendor.faults.add(self.HANG)
        with remembered_timeouts():
            await way.fetch(READ)
            calls = len(vendor.calls)
            reply = await way.fetch(self.OTHER)
        assert (reply.provenance.stale, len(vendor.calls)) == (None, calls)


class TestCopiesOfTheGateway:
    async def test_what_one_asked_another_finds(self, upstream: Upstream, vendor: Simulator, clock: Clock) -> None:
        store = SharedMemory()
        one, other = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        assert requests(await one.fetch(SHAPED)) == 1
        assert [requests(await other.fetch(SHAPED)) for _ in range(2)] == [0, 0]
        assert (len(vendor.calls), store.asked) == (1, 2)  # the second time from its own memory

    async def test_fresh_is_counted_from_when_the_vendor_answered(self, upstream: Upstream, clock: Clock) -> None:
        store = SharedMemory()
        one, other = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        await one.fetch(READ)
        clock.now += 6
        await other.fetch(READ)
        clock.now += 6
        assert requests(await other.fetch(READ)) == 1

    async def test_an_answer_that_is_not_fresh_there_stands_in(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        one, other = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        await one.fetch(READ)
        clock.now += 50
        vendor.faults.add(Fault("status", status=503, times=None))
        assert (await other.fetch(READ)).provenance.stale is not None

    async def test_an_early_refresh_takes_what_another_has_refreshed(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        one, other = reading(upstream, clock, shared=store), reading(upstream, clock, shared=store)
        for way in (one, other, other):
            await way.fetch(READ)
        clock.now += 9
        with bypass_cache():
            await one.fetch(READ)
        await other.fetch(READ)
        assert await eventually(lambda: store.asked == 3)
        clock.now += 5
        assert requests(await other.fetch(READ)) == 0
        assert (len(vendor.calls), store.asked) == (2, 3)

    @pytest.mark.parametrize("garbage", [b"", b"\x80\x04\x95garbage", b"TGC1" + bytes(100)])
    async def test_garbage_there_is_no_answer(self, upstream: Upstream, clock: Clock, garbage: bytes) -> None:
        store = SharedMemory()
        way = reading(upstream, clock, shared=store)
        await way.fetch(READ)
        store.values = dict.fromkeys(store.values, garbage)
        assert requests(await reading(upstream, clock, shared=store).fetch(READ)) == 1

    async def test_an_entry_that_another_version_could_read_and_this_one_cannot_is_no_answer(
        self, upstream: Upstream, vendor: Simulator, clock: Clock
    ) -> None:
        store = SharedMemory()
        vendor.faults.add(Fault("wrong_shape"))
        await reading(upstream, clock, shared=store).fetch(READ)
        reply = await reading(upstream, clock, shared=store).fetch(SHAPED)
        assert (reply.value, requests(reply)) == ({"things": []}, 1)


class TestAWallClockThatIsSet:
    """By an hour, back or forth, while ten seconds are fresh."""

    @pytest.mark.parametrize("set_by_s", [-3600, 3600])
    @pytest.mark.parametrize("is_shared", [False, True])
    async def test_ages_in_memory_go_on_as_before(
        self, upstream: Upstream, clock: Clock, set_by_s: float, *, is_shared: bool
    ) -> None:
        wall, store = Clock(), SharedMemory() if is_shared else None
        way = reading(upstream, clock, shared=store, wall_clock=wall)
        await way.fetch(READ)
        wall.now += set_by_s
        clock.now += 9.9
        assert requests(await way.fetch(READ)) == 0
        clock.now += 0.2
        assert requests(await way.fetch(READ)) == 1

    @pytest.mark.parametrize("set_by_s", [-3600, 3600])
    async def test_a_shared_answer_of_before_is_not_used(
        self, upstream: Upstream, vendor: Simulator, clock: Clock, set_by_s: float
    ) -> None:
        """Its age cannot be known: an hour ahead it is from the future, an hour ago it is too old."""
        wall, store = Clock(), SharedMemory()
        await reading(upstream, clock, shared=store, wall_clock=wall).fetch(READ)
        wall.now += set_by_s
        other = reading(upstream, clock, shared=store, wall_clock=wall)
        vendor.faults.add(Fault("status", status=503, times=None))
        with pytest.raises(SourceUnavailable):
            await other.fetch(READ)

    async def test_copies_share_answers_again_after_it(self, upstream: Upstream, clock: Clock) -> None:
        wall, store = Clock(), SharedMemory()
        one, other = [reading(upstream, clock, shared=store, wall_clock=wall) for _ in range(2)]
        await one.fetch(READ)
        wall.now -= 3600
        clock.now += 11
        assert [requests(await way.fetch(READ)) for way in (one, other, one)] == [1, 0, 0]

    async def test_an_answer_of_ours_does_not_come_back_younger_from_the_store(
        self, upstream: Upstream, clock: Clock
    ) -> None:
        wall, store = Clock(), SharedMemory()
        way = reading(upstream, clock, shared=store, wall_clock=wall)
        await way.fetch(READ)
        clock.now += 12
        wall.now += 12 - 4
        assert requests(await way.fetch(READ)) == 1

    async def test_processes_that_run_for_different_times_share_answers(
        self, upstream: Upstream, clock: Clock
    ) -> None:
        wall, store, started_later = Clock(), SharedMemory(), Clock(5.0)
        await reading(upstream, clock, shared=store, wall_clock=wall).fetch(READ)
        wall.now += 6
        other = reading(upstream, started_later, shared=store, wall_clock=wall)
        assert requests(await other.fetch(READ)) == 0
        started_later.now += 3.9
        assert requests(await other.fetch(READ)) == 0
        started_later.now += 0.2
        wall.now += 4.1
        assert requests(await other.fetch(READ)) == 1


async def test_counters_tell_hits_misses_older_answers_and_shared_calls(
    way: Upstream, vendor: Simulator, clock: Clock
) -> None:
    assert way.cache is not None
    await asyncio.gather(way.fetch(READ), way.fetch(READ))
    await way.fetch(READ)
    clock.now += 50
    vendor.faults.add(Fault("status", status=503, times=None))
    await way.fetch(READ)
    counted = way.cache.counters["things"]
    assert (counted.cache_hits, counted.cache_misses, counted.cache_stale, counted.shared) == (1, 2, 1, 1)


def test_the_ring_of_a_way_is_that_of_its_credential(way: Upstream) -> None:
    assert way.cache is not None
    alone = CacheKeys("vendor", "http://vendor", {"authorization": "s3cret-of-the-tests"})
    assert way.cache.keys.key(READ) == alone.key(READ)


async def test_where_nothing_is_kept_and_nothing_shared_every_call_is_the_vendors(
    upstream: Upstream, vendor: Simulator, clock: Clock
) -> None:
    way = reading(upstream, clock, replace(POLICY, share=False), kept=False)
    with collect_dependencies() as read:
        await asyncio.gather(way.fetch(READ), way.fetch(READ))
    assert (way.cache, len(vendor.calls)) == (None, 2)
    assert not read.is_valid(MemoryStore(), clock())
