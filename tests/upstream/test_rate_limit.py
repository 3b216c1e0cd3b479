"""Properties of the rate limit with an injected clock: no window holds more calls than the limit."""

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.calls import RateLimit
from tracegraph.upstream.resilience.rate_limit import MAX_PAUSE_S, SlidingWindowLimit

LIMITS = st.builds(RateLimit, st.integers(1, 5), st.integers(1, 20).map(float))
MOMENTS = st.lists(st.integers(0, 10).map(lambda quarters: quarters / 4), max_size=60)
"""Seconds before the next attempted call; quarters, so that sums are exact."""


def made(window: SlidingWindowLimit, gaps: list[float]) -> list[float]:
    """Return the times of the calls of a caller that calls whenever the window permits."""
    now, times = 0.0, []
    for gap in gaps:
        now += gap
        if window.delay_s(now) == 0:
            window.add(now)
            times.append(now)
    return times


@given(LIMITS, MOMENTS)
def test_no_window_holds_more_calls_than_the_limit(limit: RateLimit, gaps: list[float]) -> None:
    """A window that begins with a call is as full as any, so each call is checked as the first of a window."""
    times = made(SlidingWindowLimit(limit), gaps)
    for first in times:
        assert sum(first <= time < first + limit.per_s for time in times) <= limit.calls


@given(LIMITS, MOMENTS)
def test_a_call_within_the_limit_never_waits(limit: RateLimit, gaps: list[float]) -> None:
    """The limit is used fully: a delay means that the last window is full."""
    window, now, times = SlidingWindowLimit(limit), 0.0, list[float]()
    for gap in gaps:
        now += gap
        recent = sum(now - limit.per_s < time for time in times)
        assert (window.delay_s(now) == 0) == (recent < limit.calls)
        if recent < limit.calls:
            window.add(now)
            times.append(now)


@given(LIMITS, MOMENTS, st.integers(0, 20))
def test_the_predicted_delay_is_exact(limit: RateLimit, gaps: list[float], queued: int) -> None:
    """The delay behind any number of queued calls is exact, however long the queue."""
    window = SlidingWindowLimit(limit)
    now = sum(gaps)
    made(window, gaps)
    predicted = now + window.delay_s(now, queued)
    for _ in range(queued):
        now += window.delay_s(now)
        window.add(now)
    assert now + window.delay_s(now) == predicted


@given(MOMENTS, st.integers(0, 400).map(float))
def test_a_pause_permits_no_call_and_ends(gaps: list[float], pause_s: float) -> None:
    window = SlidingWindowLimit(None)
    window.pause(0.0, pause_s)
    assert window.delay_s(0.0) == min(pause_s, MAX_PAUSE_S)
    assert all(time >= min(pause_s, MAX_PAUSE_S) for time in made(window, gaps))
    window.pause(0.0, 1.0)
    assert window.delay_s(0.0) == max(1.0, min(pause_s, MAX_PAUSE_S)), "a longer pause stays"
