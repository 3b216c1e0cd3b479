"""The law of a rate, by a clock that is handed in: never more than so many calls in any stretch of its length."""

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.calls import RateLimit
from tracegraph.upstream.resilience.rate_limit import MAX_PAUSE_S, SlidingWindowLimit

LIMITS = st.builds(RateLimit, st.integers(1, 5), st.integers(1, 20).map(float))
MOMENTS = st.lists(st.integers(0, 10).map(lambda quarters: quarters / 4), max_size=60)
"""Seconds that pass before somebody wants to call; quarters, so that sums are exact."""


def made(window: SlidingWindowLimit, gaps: list[float]) -> list[float]:
    """When calls are made by somebody who calls whenever the window is open at such moments."""
    now, times = 0.0, []
    for gap in gaps:
        now += gap
        if window.delay_s(now) == 0:
            window.add(now)
            times.append(now)
    return times


@given(LIMITS, MOMENTS)
def test_no_stretch_of_its_length_holds_more_calls_than_the_limit(limit: RateLimit, gaps: list[float]) -> None:
    """A stretch that begins with a call is as full as any: so every call is looked at as the first of one."""
    times = made(SlidingWindowLimit(limit), gaps)
    for first in times:
        assert sum(first <= time < first + limit.per_s for time in times) <= limit.calls


@given(LIMITS, MOMENTS)
def test_a_call_that_fits_is_never_kept_waiting(limit: RateLimit, gaps: list[float]) -> None:
    """The limit is used to the full: closed means that the last stretch is full."""
    window, now, times = SlidingWindowLimit(limit), 0.0, list[float]()
    for gap in gaps:
        now += gap
        recent = sum(now - limit.per_s < time for time in times)
        assert (window.delay_s(now) == 0) == (recent < limit.calls)
        if recent < limit.calls:
            window.add(now)
            times.append(now)


@given(LIMITS, MOMENTS, st.integers(0, 20))
def test_the_turn_that_is_foretold_is_the_turn_that_comes(limit: RateLimit, gaps: list[float], ahead: int) -> None:
    """Whoever has so many others before him is told the very moment, however long the line."""
    window = SlidingWindowLimit(limit)
    now = sum(gaps)
    made(window, gaps)
    foretold = now + window.delay_s(now, ahead)
    for _ in range(ahead):
        now += window.delay_s(now)
        window.add(now)
    assert now + window.delay_s(now) == foretold


@given(MOMENTS, st.integers(0, 400).map(float))
def test_a_pause_lets_nothing_pass_and_has_an_end(gaps: list[float], pause_s: float) -> None:
    window = SlidingWindowLimit(None)
    window.pause(0.0, pause_s)
    assert window.delay_s(0.0) == min(pause_s, MAX_PAUSE_S)
    assert all(time >= min(pause_s, MAX_PAUSE_S) for time in made(window, gaps))
    window.pause(0.0, 1.0)
    assert window.delay_s(0.0) == max(1.0, min(pause_s, MAX_PAUSE_S)), "a longer pause stays"
