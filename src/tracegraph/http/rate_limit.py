"""How much one principal asks: requests and cost in any minute, here or in Redis for several processes.

Each is a bucket that is full at first and fills again within a minute, kept as one number: the moment at which it
will be full again. So a request needs one read and one write, which a short script makes one step in Redis.
A moment that is more than a minute ahead is from before Redis's clock was set back: that bucket begins anew.
A Redis that does not answer leaves each process to count for itself, and no request waits for it any longer.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from tracegraph.errors import RateLimited
from tracegraph.http.auth.principal import Principal
from tracegraph.upstream.cache.read_through import SharedStore

_PERIOD_S = 60.0


_MOST_BUCKETS = 10_000


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
    """Buckets in this process; the one that was used longest ago goes first when there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, seconds: float) -> float:
        """Take what flows in within `seconds`; else how long to wait for it, in seconds."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + seconds
        wait_s = full_at - now - _PERIOD_S
        if wait_s > _ROUNDING_S:
            return wait_s
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > _MOST_BUCKETS:
            self._full_at.popitem(last=False)
        return 0.0


_ROUNDING_S = 1e-6


class RateLimiter:
    """The rates of all principals."""

    def __init__(self, shared: SharedStore | None = None, buckets: InMemoryGCRA | None = None) -> None:
        self._shared = shared
        self._buckets = InMemoryGCRA() if buckets is None else buckets

    async def count_request(self, principal: Principal) -> None:
        """One more request. Raises RateLimited."""
        await self._count(principal, "requests", principal.allowance.requests_per_minute, 1)

    async def count_cost(self, principal: Principal, cost: int) -> None:
        """What a request costs, before it is run. Raises RateLimited."""
        await self._count(principal, "cost", principal.allowance.cost_per_minute, cost)

    async def _count(self, principal: Principal, what: str, per_minute: int | None, amount: int) -> None:
        if per_minute is None:
            return
        # What costs more than a whole minute's is let in when the bucket is full, rather than never.
        seconds = _PERIOD_S * min(amount, per_minute) / per_minute
        wait_s = await self._take(f"{what}:{principal.id}", seconds)
        if wait_s > 0:
            raise _too_much(what, per_minute, math.ceil(wait_s))

    async def _take(self, name: str, seconds: float) -> float:
        if self._shared is not None:
            # The names of callers stay out of Redis.
            key = "rate:" + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            wait_s = _seconds(
                await self._shared.run(_GCRA_SCRIPT, key, f"{seconds:.9f}", f"{_PERIOD_S + _ROUNDING_S}")
            )
            if wait_s is not None:
                return wait_s
        return self._buckets.take(name, seconds)


def _seconds(answer: object) -> float | None:
    """The script's answer; None when it is not one."""
    try:
        wait_s = float(answer) if isinstance(answer, bytes | str) else math.nan
    except ValueError:
        return None
    return wait_s if 0 <= wait_s <= _PERIOD_S else None


def _too_much(what: str, per_minute: int, wait_s: int) -> RateLimited:
    message = f"You may ask {per_minute} {what} per minute: ask again in {wait_s} s."
    if what == "cost":
        message = (
            f"You may ask for queries that cost {per_minute} per minute: ask again in {wait_s} s, or for less."
        )
    return RateLimited(message, wait_s)
