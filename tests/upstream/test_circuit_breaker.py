"""The circuit breaker against a plain model of its docstring."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracegraph.domain.calls import CircuitState
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerPolicy, is_failure

POLICY = CircuitBreakerPolicy(failure_rate=0.5, min_calls=4, window_s=10.0, pause_s=5.0)
CALL = UpstreamRequest("things", "/things")


class Circuit(RuleBasedStateMachine):
    """Calls begin and end in any order and with any outcome while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = CircuitBreaker(POLICY, lambda: self.now)
        self.in_flight: list[tuple[int, int]] = []
        """Calls: the result of `before_call`, and the model's number of the era in which they began."""
        self.era = 0
        self.outcomes: list[tuple[float, bool]] = []
        self.timeouts_in_a_row = 0
        self.opened_at: float | None = None
        self.probe: tuple[int, int] | None = None

    def expected(self) -> CircuitState:
        if self.opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self.now < self.opened_at + POLICY.pause_s else CircuitState.HALF_OPEN

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.75, 5.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_begins(self) -> None:
        state = self.expected()
        passes = state is CircuitState.CLOSED or (state is CircuitState.HALF_OPEN and self.probe is None)
        retry_after_s = self.breaker.retry_after_s()
        assert (retry_after_s is None) == passes
        if retry_after_s is not None:
            assert 0 < retry_after_s <= POLICY.pause_s
            return
        call = (self.breaker.before_call(), self.era)
        self.in_flight.append(call)
        if state is CircuitState.HALF_OPEN:
            self.probe = call

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 50), failed=st.sampled_from([True, True, False, None]), timed_out=st.booleans())
    def a_call_ends(self, which: int, failed: bool | None, timed_out: bool) -> None:  # noqa: FBT001 - outcomes
        call = self.in_flight.pop(which % len(self.in_flight))
        timed_out = timed_out and failed is True
        changed = self.breaker.after_call(call[0], failed=failed, timed_out=timed_out)
        assert changed == self.model_call_ends(call, failed, timed_out)

    def model_call_ends(self, call: tuple[int, int], failed: bool | None, timed_out: bool) -> bool:  # noqa: FBT001
        if call[1] != self.era:
            return False
        if call is self.probe:
            self.probe = None
            return failed is not None and self.turn(opens=failed)
        if failed is None:
            return False
        self.outcomes.append((self.now, failed))
        self.timeouts_in_a_row = self.timeouts_in_a_row + 1 if timed_out else 0
        recent = [failed for at, failed in self.outcomes if at > self.now - POLICY.window_s]
        too_much = failed and len(recent) >= POLICY.min_calls and sum(recent) >= POLICY.failure_rate * len(recent)
        return (too_much or self.timeouts_in_a_row == POLICY.timeouts_in_a_row) and self.turn(opens=True)

    def turn(self, *, opens: bool) -> bool:
        self.opened_at = self.now if opens else None
        self.outcomes.clear()
        self.timeouts_in_a_row = 0
        self.era += 1
        return True

    @invariant()
    def the_state_is_the_models(self) -> None:
        assert self.breaker.state is self.expected()


TestCircuit = Circuit.TestCase


def test_a_disabled_breaker_never_opens() -> None:
    breaker = CircuitBreaker(CircuitBreakerPolicy(enabled=False, min_calls=1))
    for _ in range(100):
        breaker.after_call(breaker.before_call(), failed=True, timed_out=True)
    assert (breaker.state, breaker.retry_after_s()) == (CircuitState.CLOSED, None)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (SourceTimeout("s", ""), True),
        (SourceTimeout("s", "", http_status=504), True),
        (SourceUnavailable("s", ""), True),
        (SourceUnavailable("s", "", http_status=500), True),
        (SourceUnavailable("s", "", http_status=503), True),
        (SourceBadResponse("s", "", http_status=200), True),
        (SourceBadResponse("s", "", http_status=302), True),
        (SourceUnauthorized("s", "", http_status=401), False),
        (SourceUnauthorized("s", "", http_status=403), False),
        (SourceNotFound("s", "", http_status=404), False),
        (SourceTimeout("s", "", http_status=408), False),
        (SourceBadRequest("s", "", http_status=413), False),
        (SourceBadRequest("s", "", http_status=422), False),
        (SourceRateLimited("s", "", http_status=429), False),
    ],
)
def test_which_errors_count_as_failures_of_the_vendor(error: SourceError, *, counts: bool) -> None:
    assert is_failure(error, CALL, had_fair_time=True) is counts


def test_a_timeout_after_too_short_a_time_counts_neither_way() -> None:
    assert is_failure(SourceTimeout("s", ""), CALL, had_fair_time=False) is None
    assert is_failure(SourceUnavailable("s", ""), CALL, had_fair_time=False) is True


def test_an_expected_status_is_no_failure() -> None:
    call = UpstreamRequest("things", "/things", expected_statuses=frozenset({503}))
    assert is_failure(SourceUnavailable("s", "", http_status=503), call, had_fair_time=True) is False


def test_a_500_for_a_batch_counts_neither_way() -> None:
    call = UpstreamRequest("things", "/things", is_batch=True)
    assert is_failure(SourceUnavailable("s", "", http_status=500), call, had_fair_time=True) is None
    assert is_failure(SourceUnavailable("s", "", http_status=503), call, had_fair_time=True) is True
