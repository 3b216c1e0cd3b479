"""What stands between a call and its source's connections: circuit, turns, deadline, retries."""

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
from tracegraph.upstream.messages import AttemptState, UpstreamRequest, UpstreamResponse, response_to
from tracegraph.upstream.request_scope import count_request, is_fair_time, remaining_s
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerPolicy, is_failure
from tracegraph.upstream.resilience.failing_calls import FailingCalls
from tracegraph.upstream.resilience.rate_limit import LimitPolicy
from tracegraph.upstream.resilience.retry import RetryBudget, RetryPolicy
from tracegraph.upstream.resilience.scheduler import RequestScheduler
from tracegraph.upstream.transport import Transport

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


_LONGEST_WAIT_S = 60.0
"""Where there is no deadline, for a turn or before a retry."""


_GRAVITY = (CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN)


@dataclass(frozen=True, slots=True)
class ResiliencePolicy:
    """How one source is treated."""

    retry: RetryPolicy = RetryPolicy()
    breaker: CircuitBreakerPolicy = CircuitBreakerPolicy()
    limits: LimitPolicy = LimitPolicy()


class ResiliencePipeline:
    """One source's.

    Every class of calls has a circuit and a rate of its own; all share the connections and the retry budget.
    """

    def __init__(
        self,
        transport: Transport,
        policy: ResiliencePolicy = ResiliencePolicy(),
        clock: Callable[[], float] = monotonic,
        tracing: Tracing | None = None,
    ) -> None:
        self.source = transport.source
        self.counters = SourceCounters()
        self._transport = transport
        self._policy = policy
        self._clock = clock
        self._tracing = tracing
        self._budget = RetryBudget(policy.retry, clock)
        self._turns = RequestScheduler(self.source, transport.settings.max_connections, policy.limits.rates, clock)
        self._circuits: dict[str, CircuitBreaker] = {}
        self._failing = defaultdict[str, FailingCalls](partial(FailingCalls, policy.breaker.window_s, clock))
        self._opened_by: dict[str, SourceErrorCode] = {}

    def limit(self, documented: Mapping[str, RateLimit]) -> None:
        """The rates that the vendor documents, for the classes that the policy does not name."""
        self._turns.limit(documented)

    @property
    def circuits(self) -> Mapping[str, CircuitState]:
        """The state of every circuit, by class of call."""
        return {kind: circuit.state for kind, circuit in self._circuits.items()}

    @property
    def circuit(self) -> CircuitState:
        """The gravest state of any circuit."""
        return max(self.circuits.values(), key=_GRAVITY.index, default=CircuitState.CLOSED)

    async def attempts(
        self, call: UpstreamRequest, headers: dict[str, str], tries: AttemptState
    ) -> UpstreamResponse:
        """The vendor's own answer; a read that failed for a passing reason is repeated while that may help.

        Raises SourceError with the number of calls that were made: the vendor's own failure, also when a retry
        of it could not be made.
        """
        self._budget.call()
        for attempt in count(1):
            try:
                return await self._attempt(call, headers, tries)
            except SourceError as error:
                told = self._told(error, tries)
                told.upstream_requests = tries.made
                pause_s = None if told is not error else self._pause_s(call, error, attempt, tries)
                if pause_s is None:
                    report_failure(self.source, call, told, headers)
                    raise told.with_traceback(None) from told.__cause__  # which would hold the body that failed
                tries.failure = told
            await asyncio.sleep(pause_s)
        raise AssertionError("count() does not end")

    def _told(self, error: SourceError, tries: AttemptState) -> SourceError:
        """The error; or what the try before it came to, when this one was not made or had no time left."""
        before = tries.failure
        if before is None:
            return error
        had_no_time = isinstance(error, SourceTimeout) and error.http_status is None and self._left_s(tries) <= 0
        return before if had_no_time or tries.made == before.upstream_requests else error

    def _left_s(self, tries: AttemptState) -> float:
        """For how long somebody waits and may."""
        patience_s = tries.patience_ends_at - asyncio.get_running_loop().time()
        return max(0.0, min(patience_s, remaining_s(_LONGEST_WAIT_S)))

    def _pause_s(
        self, call: UpstreamRequest, error: SourceError, attempt: int, tries: AttemptState
    ) -> float | None:
        """Seconds until the next try, None when there is none."""
        if error.http_status in call.expects:
            return None
        pause_s = self._policy.retry.pause_s(error, attempt)
        if pause_s is None or pause_s >= self._left_s(tries):
            return None
        counters = self.counters[call.kind]
        if not self._budget.grant():
            counters.over_budget += 1
            return None
        counters.retries += 1
        return pause_s

    async def _attempt(
        self, call: UpstreamRequest, headers: dict[str, str], tries: AttemptState
    ) -> UpstreamResponse:
        circuit = self._circuits.get(call.kind)
        if circuit is None:
            circuit = self._circuits[call.kind] = CircuitBreaker(self._policy.breaker, self._clock)
        sent = tries.made
        try:
            self._refuse_if_open(circuit, call)
            if not self._turns.take(call.kind):
                await self._wait(call, tries)
            try:
                self._refuse_if_open(circuit, call)  # others may have failed while this one waited
                return await self._send(circuit, call, headers, tries)
            finally:
                self._turns.give_back()
        except SourceError as error:
            if tries.made == sent:
                self.counters[call.kind].not_sent[error.code] += 1
            raise

    def _refuse_if_open(self, circuit: CircuitBreaker, call: UpstreamRequest) -> None:
        wait_s = circuit.refused_for_s()
        if wait_s is not None:
            raise SourceCircuitOpen(
                self.source,
                f"Source {self.source!r} is not asked for another {wait_s:.1f} s: too many calls like this one "
                f"failed lately, the last with {self._opened_by[call.kind].value}.",
                retry_after_s=wait_s,
            )

    async def _wait(self, call: UpstreamRequest, tries: AttemptState) -> None:
        began, counters = self._clock(), self.counters[call.kind]
        counters.waits += 1
        try:
            await self._turns.wait(call.kind, self._left_s(tries))
        finally:
            counters.wait_s += self._clock() - began

    async def _send(
        self, circuit: CircuitBreaker, call: UpstreamRequest, headers: dict[str, str], tries: AttemptState
    ) -> UpstreamResponse:
        """One request, and what its outcome means for the circuit."""
        timeout_s = self._transport.settings.timeout_s
        allowed_s = remaining_s(timeout_s)
        if allowed_s <= 0:
            raise SourceTimeout(self.source, f"Source {self.source!r} was not asked: the request's time was over.")
        period, began, counters = circuit.enter(), self._clock(), self.counters[call.kind]
        tries.made += 1
        count_request()
        failed, failure, timed_out = None, None, False
        try:
            if self._tracing is None:
                reply = await self._answer(call, headers, allowed_s, tries)
            else:
                with self._tracing.request(self.source, call.kind, call.method, tries.made, headers) as traced:
                    reply = await self._answer(call, traced, allowed_s, tries)
        except SourceError as error:
            counters.failed[error.code] += 1
            failed = is_failure(error, call, had_fair_time=is_fair_time(allowed_s, timeout_s))
            failure = error.code
            timed_out = bool(failed) and isinstance(error, SourceTimeout) and error.http_status is None
            raise
        except asyncio.CancelledError:
            if tries.expired and is_fair_time(self._clock() - began, timeout_s):
                failed, failure, timed_out = True, SourceErrorCode.TIMEOUT, True
                counters.failed[failure] += 1
            else:
                counters.abandoned += 1
            raise
        else:
            failed = False
            return reply
        finally:
            counters.took(self._clock() - began)
            if failed is not None:
                failed = self._failing[call.kind].outcome(call, failed=failed)
            if circuit.leave(period, failed=failed, timed_out=timed_out):
                self._circuit_changed(call.kind, failure if failed else None)

    async def _answer(
        self, call: UpstreamRequest, headers: dict[str, str], allowed_s: float, tries: AttemptState
    ) -> UpstreamResponse:
        raw = await self._transport.send(call, headers, allowed_s)
        if 200 <= raw.status < 300:
            return response_to(call, self.source, raw.body, FetchInfo(tries.made))
        error = error_for_status(self.source, raw.status, raw.headers, raw.body)
        if raw.status == 429:
            if error.retry_after_s is None:
                error.retry_after_s = self._policy.limits.backoff_s
            self._turns.pause(call.kind, error.retry_after_s)
        raise error

    def _circuit_changed(self, kind: str, failure: SourceErrorCode | None) -> None:
        if failure is not None:
            self._opened_by[kind] = failure
        report_circuit(self.source, kind, failure)
