"""Whether a failed read is worth repeating, and how long to wait before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

from tracegraph.errors import SourceError, SourceUnavailable
from tracegraph.upstream.resilience.sliding_window import SlidingWindowCounter

_RETRYABLE_4XX = frozenset({408, 425, 429})
"""Not 409: a conflict is with what the vendor holds, which asking again does not change."""


_LASTING_5XX = frozenset({501, 505})
"""What the vendor does not implement, and a version of HTTP that it does not speak."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter: after try n, 0 to `base_s` * 2^(n-1), at most `cap_s`.

    And a budget, so that a source in trouble is not asked three times as often as one that is well: of the last
    `budget_window_s` seconds, at most `budget_floor` retries and `budget_ratio` for every call that was begun.
    """

    attempts: int = 3
    base_s: float = 0.2
    cap_s: float = 5.0
    budget_ratio: float = 0.2
    budget_floor: int = 3
    budget_window_s: float = 10.0

    def pause_s(self, error: SourceError, attempt: int) -> float | None:
        """Seconds to wait after the try number `attempt` (1 is the first); None when it was the last."""
        if attempt >= self.attempts or not is_worth_retrying(error):
            return None
        jitter = random.uniform(0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))  # noqa: S311 - no secret
        return jitter if error.retry_after_s is None else max(jitter, error.retry_after_s)


class RetryBudget:
    """One source's retries: whenever one is granted, those of the window are at most floor + ratio * calls."""

    __slots__ = ("_calls", "_clock", "_policy", "_retries")

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._calls = SlidingWindowCounter(policy.budget_window_s)
        self._retries = SlidingWindowCounter(policy.budget_window_s)

    def call(self) -> None:
        """A call begins: its first try."""
        self._calls.add(self._clock())

    def grant(self) -> bool:
        """Whether one more retry fits; if so, it is counted."""
        policy, now = self._policy, self._clock()
        allowed = policy.budget_floor + policy.budget_ratio * self._calls.count(now)
        if self._retries.count(now) + 1 > allowed:
            return False
        self._retries.add(now)
        return True


def is_worth_retrying(error: SourceError) -> bool:
    """True for what passes: a broken connection, a busy or restarting vendor or proxy in front of it.

    Of statuses these are 408, 425, 429 and every 5xx but 501 and 505. Not a try that ran out of its time: a second
    one would take as much of the request's time again.
    """
    status = error.http_status
    if status is not None:
        return status in _RETRYABLE_4XX or (500 <= status <= 599 and status not in _LASTING_5XX)
    return isinstance(error, SourceUnavailable)


def retry_after_s(header: str | None) -> float | None:
    """Retry-After in seconds, given as seconds or as an HTTP date; None when absent or unreadable."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # no date, or one far beyond the calendar
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
