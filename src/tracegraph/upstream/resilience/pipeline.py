"""The resilience pipeline between a call and the transport of its source: circuit, permits, deadline, retries."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

from tracegraph.domain.calls import CircuitState, FetchInfo, RateLimit
from tracegraph.errors import SourceCircuitOpen, SourceError, SourceErrorCode, SourceTimeout
from tracegraph.upstream.counters import SourceCounters
from tracegraph.upstream.errors import error_for_status, report_circuit, report_failure
from tracegraph.upstream.messages import CallState, UpstreamRequest, UpstreamResponse, response_to
from tracegraph.upstream.request_scope import count_request, is_fair_time, remaining_s
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerPolicy, is_failure
from tracegraph.upstream.resilience.failing_calls import FailingCalls
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryBudget, RetryPolicy
from tracegraph.upstream.resilience.scheduler import RequestScheduler
from tracegraph.upstream.resilience.shared_rate import SharedRates
from tracegraph.upstream.transport import Transport

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


_MAX_WAIT_S = 60.0
"""The longest wait for a permit or a retry where there is no deadline."""


_SEVERITY = (CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN)


@dataclass(frozen=True, slots=True)
class ResiliencePolicy:
    """The resilience settings of one source."""

    retry: RetryPolicy = RetryPolicy()
    breaker: CircuitBreakerPolicy = CircuitBreakerPolicy()
    limits: LimitPolicy = LimitPolicy()


class ResiliencePipeline:
    """The pipeline of one source.

    Every kind of call has its own circuit and rate; all kinds share the connections and the retry budget.
    """

    def __init__(
        self,
        transport: Transport,
        policy: ResiliencePolicy = ResiliencePolicy(),
        clock: Callable[[], float] = monotonic,
        tracing: Tracing | None = None,
        rates: SharedRates | None = None,
    ) -> None:
        self.source = transport.source
        self.base_url = transport.settings.base_url
        self.counters = SourceCounters()
        self._transport = transport
        self._policy = policy
        self._clock = clock
        self._tracing = tracing
        self._rates = rates if rates is not None and rates.is_needed else None
        self._budget = RetryBudget(policy.retry, clock)
        self._scheduler = RequestScheduler(
            self.source, transport.settings.max_connections, policy.limits.rates, clock
        )
        self._circuits: dict[str, CircuitBreaker] = {}
        self._failing = defaultdict[str, FailingCalls](partial(FailingCalls, policy.breaker.window_s, clock))
        self._opened_by: dict[str, SourceErrorCode] = {}

    def set_documented_rates(self, documented: Mapping[str, RateLimit]) -> None:
        """Set the vendor's documented rates for the kinds that the policy does not name."""
        self._scheduler.set_rates(documented)

    @property
    def rate_limits(self) -> Mapping[str, RateLimit]:
        """The configured or documented rate of every kind of call that has one."""
        return self._scheduler.rates

    @property
    def rate_headroom(self) -> Mapping[str, float]:
        """The free part of every rate, from 0 to 1, by kind of call."""
        return self._scheduler.headroom

    @property
    def circuits(self) -> Mapping[str, CircuitState]:
        """The state of every circuit, by kind of call."""
        return {kind: circuit.state for kind, circuit in self._circuits.items()}

    @property
    def worst_circuit_state(self) -> CircuitState:
        """The most severe state of any circuit."""
        return max(self.circuits.values(), key=_SEVERITY.index, default=CircuitState.CLOSED)

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Return the vendor's reply; retry transient failures while a retry may help.

        Args:
            call: The call.
            state: The headers of the credential, and the attempts so far for the waiters.

        Raises:
            SourceError: With the number of requests sent. When a retry was not sent, it is the error of the
                attempt before.
        """
        self._budget.call()
        for attempt in count(1):
            try:
                return await self._attempt(call, state)
            except SourceError as error:
                reported = self._error_to_report(error, state)
                reported.upstream_requests = state.sent
                pause_s = None if reported is not error else self._pause_s(call, error, attempt, state)
                if pause_s is None:
                    report_failure(self.source, call, reported, state.headers)
                    raise reported.with_traceback(
                        None
                    ) from reported.__cause__  # the traceback would reference the failed body
                state.failure = reported
            await asyncio.sleep(pause_s)
        raise AssertionError("count() does not end")

    def _error_to_report(self, error: SourceError, state: CallState) -> SourceError:
        """Return the error, or the previous one when this attempt was not sent or had no time left."""
        before = state.failure
        if before is None:
            return error
        had_no_time = isinstance(error, SourceTimeout) and error.http_status is None and self._left_s(state) <= 0
        return before if had_no_time or state.sent == before.upstream_requests else error

    def _left_s(self, state: CallState) -> float:
        """Return the seconds until the deadline of the request or of the last waiter."""
        waiters_left_s = state.waiters_deadline - asyncio.get_running_loop().time()
        return max(0.0, min(waiters_left_s, remaining_s(_MAX_WAIT_S)))

    def _pause_s(self, call: UpstreamRequest, error: SourceError, attempt: int, state: CallState) -> float | None:
        """Return the seconds until the next attempt, None when there is none."""
        if error.http_status in call.expected_statuses:
            return None
        pause_s = self._policy.retry.pause_s(error, attempt)
        if pause_s is None or pause_s >= self._left_s(state):
            return None
        counters = self.counters[call.kind]
        if not self._budget.grant():
            counters.over_budget += 1
            return None
        counters.retries += 1
        return pause_s

    async def _attempt(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        circuit = self._circuits.get(call.kind)
        if circuit is None:
            circuit = self._circuits[call.kind] = CircuitBreaker(self._policy.breaker, self._clock)
        sent_before = state.sent
        try:
            self._raise_if_open(circuit, call)
            await self._permit(call, state)
            try:
                self._raise_if_open(circuit, call)  # other calls may have failed during the wait
                return await self._send(circuit, call, state)
            finally:
                self._scheduler.release()
        except SourceError as error:
            if state.sent == sent_before:
                self.counters[call.kind].not_sent[error.code] += 1
            raise

    def _raise_if_open(self, circuit: CircuitBreaker, call: UpstreamRequest) -> None:
        wait_s = circuit.retry_after_s()
        if wait_s is not None:
            raise SourceCircuitOpen(
                self.source,
                f"Source {self.source!r} is not called for another {wait_s:.1f} s: too many calls of this kind "
                f"failed recently, the last with {self._opened_by[call.kind].value}.",
                retry_after_s=wait_s,
            )

    async def _permit(self, call: UpstreamRequest, state: CallState) -> None:
        """Wait for a connection and the rate, in this process and over all processes."""
        if not self._scheduler.try_acquire(call.kind):
            await self._acquire(call, state)
        while self._rates is not None:
            try:
                delay_s = await self._rates.take(*self._scheduler.rate_class(call.kind))
            except BaseException:
                self._scheduler.release()
                raise
            if delay_s <= 0:
                return
            self._scheduler.hand_back(call.kind, delay_s)
            await self._acquire(call, state, first=True)

    async def _acquire(self, call: UpstreamRequest, state: CallState, *, first: bool = False) -> None:
        began, counters = self._clock(), self.counters[call.kind]
        counters.waits += not first
        try:
            await self._scheduler.acquire(call.kind, self._left_s(state), first=first)
        finally:
            counters.wait_s += self._clock() - began

    async def _send(self, circuit: CircuitBreaker, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Send one request, and record its outcome in the circuit."""
        timeout_s = self._transport.settings.timeout_s
        allowed_s = remaining_s(timeout_s)
        if allowed_s <= 0:
            raise SourceTimeout(
                self.source, f"Source {self.source!r} was not called: the deadline of the request has passed."
            )
        generation, began, counters = circuit.before_call(), self._clock(), self.counters[call.kind]
        _count_sent(state)
        failed, failure, timed_out = None, None, False
        try:
            if self._tracing is None:
                reply = await self._exchange(call, state.headers, allowed_s, state)
            else:
                span = self._tracing.request(self.source, call.kind, call.method, state.sent, state.headers)
                with span as headers:
                    reply = await self._exchange(call, headers, allowed_s, state)
        except SourceError as error:
            counters.failed[error.code] += 1
            failed = is_failure(error, call, had_fair_time=is_fair_time(allowed_s, timeout_s))
            failure = error.code
            timed_out = bool(failed) and isinstance(error, SourceTimeout) and error.http_status is None
            raise
        except asyncio.CancelledError:
            if state.timed_out and is_fair_time(self._clock() - began, timeout_s):
                failed, failure, timed_out = True, SourceErrorCode.TIMEOUT, True
                counters.failed[failure] += 1
            else:
                counters.abandoned += 1
            raise
        else:
            failed = False
            return reply
        finally:
            counters.observe(self._clock() - began)
            if failed is not None:
                failed = self._failing[call.kind].record(call, failed=failed)
            if circuit.after_call(generation, failed=failed, timed_out=timed_out):
                self._circuit_changed(call.kind, failure if failed else None)

    async def _exchange(
        self, call: UpstreamRequest, headers: dict[str, str], allowed_s: float, state: CallState
    ) -> UpstreamResponse:
        raw = await self._transport.send(call, headers, allowed_s, on_resend=partial(_count_sent, state))
        if 200 <= raw.status < 300:
            return response_to(call, self.source, raw.body, FetchInfo(state.sent), raw.headers)
        error = error_for_status(self.source, raw.status, raw.headers, raw.body)
        if raw.status == 429:
            if error.retry_after_s is None:
                error.retry_after_s = self._policy.limits.backoff_s
            self._scheduler.pause(call.kind, error.retry_after_s)
            if self._rates is not None:
                await self._rates.pause(self._scheduler.rate_class(call.kind)[0], error.retry_after_s)
        raise error

    def _circuit_changed(self, kind: str, failure: SourceErrorCode | None) -> None:
        if failure is not None:
            self._opened_by[kind] = failure
        report_circuit(self.source, kind, failure)


def _count_sent(state: CallState) -> None:
    state.sent += 1
    count_request()
