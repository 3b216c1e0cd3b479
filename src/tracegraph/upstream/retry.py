"""Whether a failed read is worth repeating, and how long to wait before."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tracegraph.errors import SourceError, SourceTimeout, SourceUnavailable

_RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter: after try n, 0 to `base_s` * 2^(n-1), at most `cap_s`."""

    attempts: int = 3
    base_s: float = 0.2
    cap_s: float = 5.0

    def pause_s(self, error: SourceError, attempt: int) -> float | None:
        """Seconds to wait after the try number `attempt` (1 is the first); None when it was the last."""
        if attempt >= self.attempts or not is_worth_retrying(error):
            return None
        jitter = random.uniform(0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))  # noqa: S311 - no secret
        return jitter if error.retry_after_s is None else max(jitter, error.retry_after_s)


def is_worth_retrying(error: SourceError) -> bool:
    """True for what passes: a broken connection, a busy or restarting vendor."""
    if error.http_status is not None:
        return error.http_status in _RETRYABLE_STATUSES
    return isinstance(error, SourceUnavailable | SourceTimeout)


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
