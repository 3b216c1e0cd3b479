"""Which failed reads are retried, and after which pause."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

from tracegraph.errors import SourceError, SourceUnavailable
from tracegraph.upstream.resilience.sliding_window import SlidingWindowCounter
from tracegraph.upstream.statuses import rule_for


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, and a budget of retries.

    The pause after attempt n is 0 to `base_s` * 2^(n-1) seconds, at most `cap_s`. The budget keeps retries from
    multiplying the load on a failing source. In the last `budget_window_s` seconds it permits `budget_floor`
    retries, and `budget_ratio` for every call.
    """

    attempts: int = 3
    base_s: float = 0.2
    cap_s: float = 5.0
    budget_ratio: float = 0.2
    budget_floor: int = 3
    budget_window_s: float = 10.0

    def pause_s(self, error: SourceError, attempt: int) -> float | None:
        """Return the seconds to wait after attempt number `attempt` (the first is 1), None after the last."""
        if attempt >= self.attempts or not is_worth_retrying(error):
            return None
        jitter = random.uniform(0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))  # noqa: S311 - no secret
        return jitter if error.retry_after_s is None else max(jitter, error.retry_after_s)


class RetryBudget:
    """The retry budget of one source: in its window, at most floor + ratio * calls retries."""

    __slots__ = ("_calls", "_clock", "_policy", "_retries")

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._calls = SlidingWindowCounter(policy.budget_window_s)
        self._retries = SlidingWindowCounter(policy.budget_window_s)

    def call(self) -> None:
        """Count a call at its first attempt."""
        self._calls.add(self._clock())

    def grant(self) -> bool:
        """Return whether one more retry fits the budget; if so, count the retry."""
        policy, now = self._policy, self._clock()
        allowed = policy.budget_floor + policy.budget_ratio * self._calls.count(now)
        if self._retries.count(now) + 1 > allowed:
            return False
        self._retries.add(now)
        return True


def is_worth_retrying(error: SourceError) -> bool:
    """Return whether the failure is transient: a broken connection, a busy or restarting vendor or proxy.

    The retryable statuses are 408, 425, 429 and every 5xx but 501 and 505. A timeout is not retried: a second
    attempt could take as much of the request's time again.
    """
    if error.http_status is not None:
        return rule_for(error.http_status).is_retryable
    return isinstance(error, SourceUnavailable)


def retry_after_s(header: str | None) -> float | None:
    """Return Retry-After in seconds, from seconds or an HTTP date; None when absent or unreadable."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # not a date, or a date beyond the calendar
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
