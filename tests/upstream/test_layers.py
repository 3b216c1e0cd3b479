"""The layers of a call, each alone over a layer that the test controls, and the stack of all."""

import asyncio

import pytest

from tests.upstream.conftest import READ, SECRET
from tests.upstream.reading import POLICY, Clock, SharedMemory
from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceUnavailable
from tracegraph.upstream.authorized_calls import AuthorizedCalls
from tracegraph.upstream.cache.entries import CacheEntries, CacheStores
from tracegraph.upstream.cache.memory import MemoryStore
from tracegraph.upstream.cache.read_through import CacheFill
from tracegraph.upstream.client import compose
from tracegraph.upstream.counters import SourceCounters
from tracegraph.upstream.messages import CallState, UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import bypass_cache
from tracegraph.upstream.shared_calls import SharedCalls
from tracegraph.upstream.single_flight import SingleFlight

KEY = b"key"


class LastLayer:
    """Records the state of every call, and responds when the test lets it."""

    def __init__(self) -> None:
        self.states: list[CallState] = []
        self.asked, self.responds = asyncio.Event(), asyncio.Event()
        self.responds.set()
        self.error: SourceUnavailable | None = None

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        self.states.append(state)
        self.asked.set()
        await self.responds.wait()
        if self.error is not None:
            raise self.error
        return UpstreamResponse("vendor", call.kind, b"{}", FetchInfo(1))


@pytest.fixture
async def last() -> LastLayer:
    return LastLayer()


def entries(shared: SharedMemory | None = None) -> CacheEntries:
    clock = Clock()
    stores = CacheStores(MemoryStore(), shared, clock=clock, wall_clock=clock)
    found = CacheEntries.for_source("vendor", "http://vendor", POLICY, stores, SourceCounters())
    assert found is not None
    return found


def sharing(last: LastLayer, *, share: bool = True) -> SharedCalls:
    return SharedCalls(last, SingleFlight(), "vendor", SourceCounters(), limit_s=20.0, share=share)


class TestSharedCalls:
    async def test_equal_calls_share_one_call_of_the_next_layer(self, last: LastLayer) -> None:
        layer = sharing(last)
        replies = await asyncio.gather(*(layer.fetch(READ, CallState(KEY)) for _ in range(3)))
        assert len(last.states) == 1
        assert [reply.provenance.upstream_requests for reply in replies] == [1, 0, 0]

    async def test_calls_with_other_keys_share_nothing(self, last: LastLayer) -> None:
        layer = sharing(last)
        await asyncio.gather(*(layer.fetch(READ, CallState(key)) for key in (b"one", b"other")))
        assert [state.key for state in last.states] == [b"one", b"other"]

    async def test_a_call_that_bypasses_the_cache_joins_only_others_that_do(self, last: LastLayer) -> None:
        async def bypassing() -> UpstreamResponse:
            with bypass_cache():
                return await layer.fetch(READ, CallState(KEY))

        layer = sharing(last)
        await asyncio.gather(layer.fetch(READ, CallState(KEY)), bypassing(), bypassing())
        assert len(last.states) == 2

    async def test_without_sharing_every_call_reaches_the_next_layer(self, last: LastLayer) -> None:
        layer = sharing(last, share=False)
        await asyncio.gather(*(layer.fetch(READ, CallState(KEY)) for _ in range(3)))
        assert len(last.states) == 3

    async def test_a_refresh_is_joined_and_not_started_twice(self, last: LastLayer) -> None:
        layer = sharing(last)
        started = [layer.refresh(READ, KEY), layer.refresh(READ, KEY)]
        await layer.fetch(READ, CallState(KEY))
        assert (started, len(last.states)) == ([True, False], 1)

    async def test_the_call_is_cancelled_when_its_last_caller_leaves(self, last: LastLayer) -> None:
        last.responds.clear()
        layer = sharing(last)
        callers = [asyncio.create_task(layer.fetch(READ, CallState(KEY))) for _ in range(2)]
        await last.asked.wait()
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert layer.refresh(READ, KEY)
        last.responds.set()
        await layer.fetch(READ, CallState(KEY))
        assert len(last.states) == 2


class TestCacheFill:
    async def test_a_stored_reply_serves_another_process_without_a_call(self, last: LastLayer) -> None:
        shared = SharedMemory()
        one, other = CacheFill(last, entries(shared)), CacheFill(last, entries(shared))
        await one.fetch(READ, CallState(KEY))
        assert (await other.fetch(READ, CallState(KEY))).provenance.upstream_requests == 0
        assert len(last.states) == 1

    async def test_a_failure_is_not_stored(self, last: LastLayer) -> None:
        shared = SharedMemory()
        last.error = SourceUnavailable("vendor", "down")
        with pytest.raises(SourceUnavailable):
            await CacheFill(last, entries(shared)).fetch(READ, CallState(KEY))
        assert shared.values == {}


class TestAuthorizedCalls:
    async def test_the_next_layer_gets_the_headers(self, last: LastLayer) -> None:
        await AuthorizedCalls(last, {"authorization": SECRET}).fetch(READ, CallState())
        assert last.states[0].headers == {"authorization": SECRET.get_secret_value()}

    async def test_the_state_shows_no_secret(self, last: LastLayer) -> None:
        await AuthorizedCalls(last, {"authorization": SECRET}).fetch(READ, CallState())
        assert SECRET.get_secret_value() not in repr(last.states[0])


class TestStack:
    async def test_equal_reads_share_one_look_up_in_the_shared_store_and_one_call(self, last: LastLayer) -> None:
        shared = SharedMemory()
        stack = compose(last, {"authorization": SECRET}, entries(shared))
        await asyncio.gather(*(stack.fetch(READ, CallState()) for _ in range(3)))
        assert (shared.reads, len(last.states)) == (1, 1)
        assert last.states[0].headers == {"authorization": SECRET.get_secret_value()}

    async def test_a_cached_reply_reaches_no_layer_below(self, last: LastLayer) -> None:
        shared = SharedMemory()
        stack = compose(last, None, entries(shared))
        for _ in range(3):
            await stack.fetch(READ, CallState())
        assert (shared.reads, len(last.states)) == (1, 1)

    async def test_without_a_cache_every_call_reaches_the_pipeline(self, last: LastLayer) -> None:
        stack = compose(last, None, None)
        await asyncio.gather(*(stack.fetch(READ, CallState()) for _ in range(3)))
        assert len(last.states) == 3
