"""Retries: which reads, how often, and after which pause."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upstream.conftest import READ, Connect, failure
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceRateLimited,
    SourceResponseTooLarge,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault, FaultKind
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.request_scope import deadline
from tracegraph.upstream.resilience.retry import RetryBudget, RetryPolicy, is_worth_retrying, retry_after_s

PASSING = [408, 425, 429, 500, 502, 503, 504, 507, 508, 520, 524, 530]
LASTING = [300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 501, 505]


class TestAttempts:
    @pytest.mark.parametrize("status", PASSING)
    async def test_a_transient_failure_is_retried_until_success(
        self, upstream: Upstream, vendor: Simulator, status: int
    ) -> None:
        vendor.faults.add(Fault("status", status=status, times=2))
        reply = await upstream.fetch(READ)
        assert reply.body == b'{"things":[]}'
        assert reply.provenance.upstream_requests == len(vendor.calls) == 3

    @pytest.mark.parametrize("status", PASSING)
    async def test_a_persistent_failure_is_reported_after_the_last_attempt(
        self, upstream: Upstream, vendor: Simulator, status: int
    ) -> None:
        vendor.faults.add(Fault("status", status=status, times=None))
        error = await failure(upstream)
        assert (error.http_status, error.upstream_requests, len(vendor.calls)) == (status, 3, 3)

    @pytest.mark.parametrize("status", LASTING)
    async def test_a_4xx_status_is_not_retried(self, upstream: Upstream, vendor: Simulator, status: int) -> None:
        vendor.faults.add(Fault("status", status=status, times=None, body={}))
        error = await failure(upstream)
        assert (error.http_status, error.upstream_requests, len(vendor.calls)) == (status, 1, 1)

    @pytest.mark.parametrize("kind", ["reset", "truncate"])
    async def test_a_broken_connection_is_retried(
        self, upstream: Upstream, vendor: Simulator, kind: FaultKind
    ) -> None:
        vendor.faults.add(Fault(kind, times=2))
        reply = await upstream.fetch(READ)
        assert reply.provenance.upstream_requests == len(vendor.calls) == 3

    @pytest.mark.parametrize("call", [READ, UpstreamRequest("things", "/things", body={"wanted": "all"})])
    async def test_every_attempt_is_one_request(
        self, connect: Connect, vendor: Simulator, call: UpstreamRequest
    ) -> None:
        """The transport below repeats no request on a new connection."""
        once = await connect(vendor, attempts=1)
        vendor.faults.add(Fault("reset"))
        assert (await failure(once, call)).upstream_requests == len(vendor.calls) == 1

    @pytest.mark.parametrize("call", [READ, UpstreamRequest("things", "/things", body={"wanted": "all"})])
    async def test_a_request_on_a_kept_connection_that_closes_is_repeated_within_its_attempt(
        self, connect: Connect, vendor: Simulator, call: UpstreamRequest
    ) -> None:
        """Servers close kept connections at any time: that is no failure of the vendor."""
        once = await connect(vendor, attempts=1)
        await once.fetch(call)
        vendor.faults.add(Fault("reset"))
        assert (await once.fetch(call)).provenance.upstream_requests == 1
        assert len(vendor.calls) == 3
        vendor.faults.add(Fault("reset", times=2))
        assert (await failure(once, call)).upstream_requests == 1
        assert len(vendor.calls) == 5

    async def test_a_post_is_retried_with_its_body(self, upstream: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=503))
        reply = await upstream.fetch(UpstreamRequest("things", "/things", body={"wanted": ["a"]}))
        assert reply.provenance.upstream_requests == 2
        assert [call.body for call in vendor.calls] == [{"wanted": ["a"]}] * 2

    async def test_a_body_that_is_not_json_is_not_retried(self, upstream: Upstream, vendor: Simulator) -> None:
        """The decoder rejects the body; another attempt would return the same."""
        vendor.faults.add(Fault("html", times=None))
        assert (await upstream.fetch(READ)).provenance.upstream_requests == len(vendor.calls) == 1

    async def test_a_response_beyond_the_cap_is_not_retried(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("endless", times=None))
        error = await failure(await connect(vendor, max_response_bytes=10_000))
        assert (type(error), len(vendor.calls)) == (SourceResponseTooLarge, 1)


class TestPauses:
    async def test_retry_after_in_seconds_is_waited_for(self, upstream: Upstream, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", status=429, retry_after="1"))
        await upstream.fetch(READ)
        first, second = vendor.calls
        assert second.at - first.at > 0.95

    async def test_retry_after_as_a_date_is_waited_for(self, upstream: Upstream, vendor: Simulator) -> None:
        """A date has whole seconds: two seconds from now is between one and two away."""
        when = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        vendor.faults.add(Fault("status", status=503, retry_after=when))
        with deadline(30):
            await upstream.fetch(READ)
        first, second = vendor.calls
        assert second.at - first.at > 0.8

    @pytest.mark.parametrize("retry_after", ["30", "Fri, 01 Jan 2100 00:00:00 GMT"])
    async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(
        self, upstream: Upstream, vendor: Simulator, retry_after: str
    ) -> None:
        vendor.faults.add(Fault("status", status=429, retry_after=retry_after, times=None))
        async with asyncio.timeout(10):
            with deadline(15):
                error = await failure(upstream)
        assert (type(error), len(vendor.calls)) == (SourceRateLimited, 1)
        assert error.retry_after_s is not None
        assert error.retry_after_s > 20

    async def test_without_a_deadline_a_retry_after_beyond_a_minute_is_not_waited_for(
        self, upstream: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=429, retry_after="61", times=None))
        async with asyncio.timeout(10):
            assert type(await failure(upstream)) is SourceRateLimited
        assert len(vendor.calls) == 1

    @pytest.mark.parametrize("retry_after", ["soon", "-1", "", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"])
    async def test_an_unreadable_retry_after_is_ignored(
        self, upstream: Upstream, vendor: Simulator, retry_after: str
    ) -> None:
        vendor.faults.add(Fault("status", status=503, retry_after=retry_after))
        assert (await upstream.fetch(READ)).provenance.upstream_requests == 2

    async def test_a_pause_beyond_the_deadline_does_not_begin(self, connect: Connect, vendor: Simulator) -> None:
        """Pauses of up to a minute, and half a second left: one of the first failures is reported."""
        vendor.faults.add(Fault("status", status=503, times=None))
        slow = await connect(vendor, base_s=1e9)
        async with asyncio.timeout(10):
            with deadline(0.5):
                error = await failure(slow)
        assert error.upstream_requests == len(vendor.calls) <= 3

    @given(st.integers(1, 50), st.floats(0, 10), st.floats(0, 10), st.integers(0, 2**32))
    def test_pauses_grow_up_to_the_cap(self, attempt: int, base_s: float, cap_s: float, seed: int) -> None:
        random.seed(seed)
        pause = RetryPolicy(attempts=100, base_s=base_s, cap_s=cap_s).pause_s(SourceUnavailable("s", ""), attempt)
        assert pause is not None
        assert 0 <= pause <= min(cap_s, base_s * 2 ** (attempt - 1))

    @given(st.integers(1, 10), st.integers(1, 10))
    def test_there_is_no_pause_after_the_last_attempt(self, attempts: int, attempt: int) -> None:
        pause = RetryPolicy(attempts=attempts).pause_s(SourceUnavailable("s", ""), attempt)
        assert (pause is None) == (attempt >= attempts)

    def test_retry_after_is_the_minimum_pause(self) -> None:
        error = SourceRateLimited("s", "", http_status=429, retry_after_s=7.5)
        assert RetryPolicy(base_s=0.0).pause_s(error, 1) == 7.5


class TestRetryable:
    def test_an_unreachable_vendor_is_retryable(self) -> None:
        assert is_worth_retrying(SourceUnavailable("s", ""))

    def test_a_timeout_is_not_retryable(self) -> None:
        assert not is_worth_retrying(SourceTimeout("s", ""))

    @pytest.mark.parametrize(
        "kind", [SourceUnauthorized, SourceNotFound, SourceBadRequest, SourceBadResponse, SourceRateLimited]
    )
    def test_an_error_of_the_gateway_is_not_retryable(self, kind: type[SourceError]) -> None:
        assert not is_worth_retrying(kind("s", ""))

    @given(st.integers(100, 599))
    def test_only_the_number_of_a_status_decides(self, status: int) -> None:
        assert is_worth_retrying(SourceUnavailable("s", "", http_status=status)) == (
            status in (408, 425, 429) or (status >= 500 and status not in (501, 505))
        )


class TestBudget:
    EVENTS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=80)
    """Quarters of a second that pass, and whether a call begins then, or else a retry."""
    POLICIES = st.builds(
        RetryPolicy,
        budget_ratio=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
        budget_floor=st.integers(0, 4),
        budget_window_s=st.integers(1, 12).map(float),
    )

    @given(POLICIES, EVENTS)
    def test_retries_are_at_most_the_floor_and_a_share_of_the_calls(
        self, policy: RetryPolicy, events: list[tuple[int, bool]]
    ) -> None:
        """The window ends with any retry; a retry that fits is never rejected."""
        now = 0.0
        budget = RetryBudget(policy, lambda: now)
        calls, retries = list[float](), list[float]()
        for quarters, is_call in events:
            now += quarters / 4
            if is_call:
                budget.call()
                calls.append(now)
                continue
            recent = [sum(at > now - policy.budget_window_s for at in times) for times in (calls, retries)]
            fits = recent[1] + 1 <= policy.budget_floor + policy.budget_ratio * recent[0]
            assert budget.grant() == fits
            if fits:
                retries.append(now)

    @given(POLICIES, st.lists(st.booleans(), max_size=80))
    def test_within_one_window_the_budget_is_floor_plus_share(
        self, policy: RetryPolicy, history: list[bool]
    ) -> None:
        budget = RetryBudget(policy, lambda: 0.0)
        granted = 0
        for index, is_call in enumerate(history):
            if is_call:
                budget.call()
            else:
                granted += budget.grant()
            assert granted <= policy.budget_floor + policy.budget_ratio * sum(history[: index + 1])

    def test_a_single_retry_is_permitted(self) -> None:
        budget = RetryBudget(RetryPolicy())
        budget.call()
        assert budget.grant()


class TestRetryAfter:
    @given(st.integers(0, 10**9))
    def test_whole_seconds_are_themselves(self, seconds: int) -> None:
        assert retry_after_s(str(seconds)) == seconds

    @given(st.datetimes(datetime(2100, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_a_date_ahead_is_the_time_until_then(self, moment: datetime) -> None:
        moment = moment.replace(microsecond=0)
        before = (moment - datetime.now(UTC)).total_seconds()
        seconds_left = retry_after_s(format_datetime(moment, usegmt=True))
        assert seconds_left is not None
        assert (moment - datetime.now(UTC)).total_seconds() <= seconds_left <= before

    @given(st.datetimes(datetime(1970, 1, 1), datetime(2020, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_a_past_date_is_zero(self, moment: datetime) -> None:
        assert retry_after_s(format_datetime(moment, usegmt=True)) == 0

    @given(st.text() | st.from_regex(r"(\w+, )?\d{1,30} (Jan|Dec) \d{1,30} \d{1,20}:\d+:\d+ ([+-]\d{1,20}|GMT)"))
    def test_any_other_text_gives_none_or_a_number(self, text: str) -> None:
        seconds_left = retry_after_s(text)
        assert seconds_left is None or seconds_left >= 0

    def test_no_header_is_none(self) -> None:
        assert retry_after_s(None) is None
