"""The request scope: what a block sets holds within it, and what calls record reaches the surrounding blocks."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tracegraph.errors import SourceBadResponse, SourceError, SourceTimeout
from tracegraph.upstream.request_scope import (
    bypass_cache,
    bypasses_cache,
    collect_stale_errors,
    count_calls,
    count_request,
    current_dependencies,
    deadline,
    detached_context,
    earlier_timeout,
    mark_uncacheable,
    operation_scope,
    pass_through_credential,
    record_stale_reply,
    register_current_task,
    register_task,
    remaining_s,
    remember_timeout,
    response_scope,
    time_share,
)

_LONG_S = 1_000_000.0
_SECONDS = st.floats(1, 1000)
_TIMEOUT = SourceTimeout("nemo", "too late")


def _remaining_s() -> float:
    return remaining_s(_LONG_S)


def _stale_error() -> SourceError:
    return SourceBadResponse("nemo", "unreadable")


class TestDeadline:
    async def test_without_a_deadline_all_the_wanted_time_remains(self) -> None:
        assert _remaining_s() == _LONG_S

    @given(st.lists(_SECONDS, min_size=1, max_size=4))
    def test_of_nested_blocks_the_earliest_deadline_holds(self, seconds: list[float]) -> None:
        async def innermost(rest: list[float]) -> float:
            if not rest:
                return _remaining_s()
            with deadline(rest[0]):
                return await innermost(rest[1:])

        assert asyncio.run(innermost(seconds)) == pytest.approx(min(seconds), abs=0.5)

    async def test_the_deadline_ends_with_its_block(self) -> None:
        with deadline(5):
            pass

        assert _remaining_s() == _LONG_S

    @pytest.mark.parametrize(("rounds_below", "share_s"), [(0, 60), (1, 30), (2, 20)])
    async def test_a_time_share_divides_the_remaining_time_by_the_rounds(
        self, rounds_below: int, share_s: float
    ) -> None:
        with deadline(60), time_share(rounds_below):
            assert _remaining_s() == pytest.approx(share_s, abs=0.5)

    async def test_a_time_share_without_a_deadline_sets_none(self) -> None:
        with time_share(3):
            assert _remaining_s() == _LONG_S

    async def test_a_passed_deadline_leaves_no_time(self) -> None:
        with deadline(0):
            assert _remaining_s() == 0


class TestCounts:
    @given(st.lists(st.integers(0, 3), max_size=5))
    def test_a_block_counts_its_requests_and_those_of_the_blocks_within(self, nested: list[int]) -> None:
        def block(rest: list[int]) -> int:
            with count_calls() as meter:
                for _ in range(rest[0] if rest else 0):
                    count_request()
                if rest:
                    block(rest[1:])
            assert meter.requests == sum(rest)
            return meter.requests

        assert block(nested) == sum(nested)

    def test_a_surrounding_block_counts_on_after_the_block_within(self) -> None:
        with count_calls() as outer:
            with count_calls() as inner:
                count_request()
            count_request()

        assert (inner.requests, outer.requests) == (1, 2)

    async def test_requests_of_a_started_task_count(self) -> None:
        async def call() -> None:
            count_request()

        with count_calls() as meter:
            await asyncio.create_task(call())

        assert meter.requests == 1

    def test_requests_outside_a_block_are_not_counted(self) -> None:
        with count_calls() as meter:
            pass
        count_request()

        assert meter.requests == 0


class TestStaleErrors:
    def test_a_surrounding_block_collects_the_errors_of_the_block_within(self) -> None:
        first, second, third = _stale_error(), _stale_error(), _stale_error()
        with collect_stale_errors() as outer:
            record_stale_reply(first)
            with collect_stale_errors() as inner:
                record_stale_reply(second)
            record_stale_reply(third)

        assert inner == [second]
        assert outer == [first, second, third]

    async def test_an_operation_collects_the_errors_of_its_blocks(self) -> None:
        error = _stale_error()
        with operation_scope(1) as stale, collect_stale_errors():
            record_stale_reply(error)

        assert stale == [error]

    def test_an_error_outside_a_block_is_dropped(self) -> None:
        record_stale_reply(_stale_error())

        with collect_stale_errors() as errors:
            pass
        assert errors == []


class TestOperation:
    async def test_registered_tasks_are_cancelled_when_the_operation_ends(self) -> None:
        async def last_for_ever() -> None:
            register_current_task()
            await asyncio.Event().wait()

        with operation_scope(1):
            registered = register_task(asyncio.create_task(asyncio.Event().wait()))
            itself = asyncio.create_task(last_for_ever())
            other = asyncio.create_task(asyncio.sleep(0, "done"))
            await asyncio.sleep(0)
        await asyncio.wait([registered, itself, other])

        assert registered.cancelled()
        assert itself.cancelled()
        assert other.result() == "done"

    async def test_a_task_registered_outside_an_operation_goes_on(self) -> None:
        task = register_task(asyncio.create_task(asyncio.sleep(0, "done")))

        assert await task == "done"

    async def test_the_first_timeout_of_a_source_is_remembered_within_the_operation(self) -> None:
        with operation_scope(1):
            remember_timeout("nemo", _TIMEOUT)
            remember_timeout("nemo", SourceTimeout("nemo", "again"))
            assert earlier_timeout("nemo") is _TIMEOUT
            assert earlier_timeout("meibel") is None
        assert earlier_timeout("nemo") is None

    @pytest.mark.parametrize("error", [_stale_error(), SourceTimeout("nemo", "408", http_status=408)])
    async def test_a_response_of_the_vendor_is_no_timeout(self, error: SourceError) -> None:
        with operation_scope(1):
            remember_timeout("nemo", error)
            assert earlier_timeout("nemo") is None

    async def test_an_earlier_deadline_stays(self) -> None:
        with deadline(5), operation_scope(60):
            assert _remaining_s() <= 5


class TestResponse:
    def test_credentials_hold_within_the_block(self) -> None:
        key = SecretStr("k")
        with response_scope({"nemo": key}):
            assert pass_through_credential("nemo") is key
            assert pass_through_credential("meibel") is None
        assert pass_through_credential("nemo") is None

    @given(st.lists(st.booleans(), max_size=4))
    def test_a_block_within_a_bypass_bypasses_too(self, enabled: list[bool]) -> None:
        def innermost(rest: list[bool]) -> bool:
            if not rest:
                return bypasses_cache()
            with bypass_cache(rest[0]):
                return innermost(rest[1:])

        assert innermost(enabled) == any(enabled)
        assert not bypasses_cache()

    def test_each_response_has_its_own_dependencies(self) -> None:
        with response_scope() as outer:
            with response_scope() as inner:
                mark_uncacheable()
            assert current_dependencies() is outer

        assert (inner.valid_until < 0, outer.valid_until < 0) == (True, False)
        assert current_dependencies() is None


class TestFields:
    async def test_a_block_changes_no_other_field(self) -> None:
        key = SecretStr("k")
        with response_scope({"nemo": key}) as dependencies, operation_scope(60) as stale, count_calls() as meter:
            with deadline(5), bypass_cache(), time_share(1):
                count_request()
                record_stale_reply(error := _stale_error())
                remember_timeout("nemo", _TIMEOUT)
                assert pass_through_credential("nemo") is key
                assert current_dependencies() is dependencies
            assert not bypasses_cache()
            assert _remaining_s() == pytest.approx(60, abs=0.5)
            assert earlier_timeout("nemo") is _TIMEOUT
        assert (meter.requests, stale) == (1, [error])

    async def test_a_started_task_keeps_the_fields_of_its_block(self) -> None:
        async def later() -> bool:
            await asyncio.sleep(0)
            return bypasses_cache()

        with bypass_cache():
            task = asyncio.create_task(later())

        assert await task
        assert not bypasses_cache()


class TestDetachedContext:
    async def test_its_deadline_replaces_an_earlier_one(self) -> None:
        with deadline(1):
            context = detached_context(60)

        assert context.run(_remaining_s) == pytest.approx(60, abs=0.5)

    async def test_it_inherits_the_other_fields(self) -> None:
        with count_calls() as meter, bypass_cache():
            context = detached_context(60)
            context.run(count_request)

            assert context.run(bypasses_cache)
        assert meter.requests == 1

    async def test_without_inheritance_it_has_a_deadline_only(self) -> None:
        with count_calls() as meter, bypass_cache():
            context = detached_context(60, inherit=False)
            context.run(count_request)

            assert not context.run(bypasses_cache)
        assert meter.requests == 0
        assert context.run(_remaining_s) == pytest.approx(60, abs=0.5)
