"""Rate limits per principal: requests and query cost per minute, in this process or in Redis.

The algorithm is GCRA. A bucket is full at first and refills within a minute. Its state is one number: the time at
which the bucket is full again. A request needs one read and one write, which a script makes atomic in Redis.
A time more than a minute ahead is from before Redis's clock was set back: such a bucket starts full.
While Redis does not respond, each process counts for itself, and requests do not wait for Redis.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from hashlib import blake2b

from tracegraph.domain.lru import LRU
from tracegraph.errors import RateLimited
from tracegraph.http.auth.principal import Principal
from tracegraph.upstream.cache.entries import SharedStore

_PERIOD_S = 60.0
"""The time in which an empty bucket refills."""


MAX_BUCKETS = 10_000
"""The number of buckets in this process. Beyond it the least recently used bucket is removed."""


_GCRA_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local takes, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') or 0, now)
if before > now + period then before = now end
local full_at = before + takes
local wait = full_at - now - period
if wait > 0 then return tostring(wait) end
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + 1)
return '0'
"""


class InMemoryGCRA:
    """GCRA buckets in the memory of this process, as an LRU of bounded size."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at = LRU[str, float](MAX_BUCKETS)

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, seconds: float) -> float:
        """Take the amount that refills within `seconds` and return 0, or return the seconds to wait for it."""
        now = self._clock()
        full_at = max(self._full_at.get(key) or now, now) + seconds
        wait_s = full_at - now - _PERIOD_S
        if wait_s > _ROUNDING_S:
            return wait_s
        self._full_at.put(key, full_at)
        return 0.0


_ROUNDING_S = 1e-6


class RateLimiter:
    """Limits the requests and the query cost of each principal."""

    def __init__(self, shared: SharedStore | None = None, buckets: InMemoryGCRA | None = None) -> None:
        self._shared = shared
        self._buckets = InMemoryGCRA() if buckets is None else buckets

    async def count_request(self, principal: Principal) -> None:
        """Count one request.

        Raises:
            RateLimited: The principal has used up its requests.
        """
        await self._count(principal, "requests", principal.quota.requests_per_minute, 1)

    async def count_cost(self, principal: Principal, cost: int) -> None:
        """Count the cost of an operation, before the operation runs.

        Raises:
            RateLimited: The principal has used up its cost.
        """
        await self._count(principal, "cost", principal.quota.cost_per_minute, cost)

    async def _count(self, principal: Principal, unit: str, per_minute: int | None, amount: int) -> None:
        if per_minute is None:
            return
        # An amount above the limit is allowed when the bucket is full. Otherwise it would never be allowed.
        seconds = _PERIOD_S * min(amount, per_minute) / per_minute
        wait_s = await self._take(f"{unit}:{principal.id}", seconds)
        if wait_s > 0:
            raise _rate_limited(unit, per_minute, math.ceil(wait_s))

    async def _take(self, name: str, seconds: float) -> float:
        if self._shared is not None:
            # The hash keeps the names of callers out of Redis.
            key = "rate:" + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            wait_s = _parse_wait(
                await self._shared.run(_GCRA_SCRIPT, key, f"{seconds:.9f}", f"{_PERIOD_S + _ROUNDING_S}")
            )
            if wait_s is not None:
                return wait_s
        return self._buckets.take(name, seconds)


def _parse_wait(reply: object) -> float | None:
    """Return the script's reply in seconds, or None when the reply is invalid."""
    try:
        wait_s = float(reply) if isinstance(reply, bytes | str) else math.nan
    except ValueError:
        return None
    return wait_s if 0 <= wait_s <= _PERIOD_S else None


def _rate_limited(unit: str, per_minute: int, wait_s: int) -> RateLimited:
    message = f"The limit is {per_minute} {unit} per minute: send the request again in {wait_s} s."
    if unit == "cost":
        message = (
            f"The limit is a query cost of {per_minute} per minute: send the query again in {wait_s} s, or send a "
            "cheaper one."
        )
    return RateLimited(message, wait_s)
