"""The rates of one source over all processes: a sliding window and the pauses after a 429, in the shared store.

Redis's clock dates the calls, so that the processes need no common clock. A script makes each step atomic, so that
the limit is exact. Without an answer of Redis, each process keeps its share of the limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic
from typing import Any, Protocol

from tracegraph.domain.calls import RateLimit
from tracegraph.upstream.resilience.rate_limit import MAX_PAUSE_S, SlidingWindowLimit

_TAKE_SCRIPT = """
local pause = redis.call('PTTL', KEYS[1] .. ':pause')
if pause > 0 then return tostring(pause / 1000) end
local calls, period = tonumber(ARGV[1]), tonumber(ARGV[2])
if calls == 0 then return '0' end
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local first = tonumber(redis.call('LINDEX', KEYS[1], -calls) or '')
if first and first > now then redis.call('DEL', KEYS[1])
elseif first and first + period > now then return string.format('%.6f', first + period - now) end
redis.call('RPUSH', KEYS[1], string.format('%.6f', now))
redis.call('LTRIM', KEYS[1], -calls, -1)
redis.call('PEXPIRE', KEYS[1], math.ceil(period * 1000) + 1000)
return '0'
"""
"""Take one call, or return the seconds to wait. A call of the future is from before the clock was set back."""


_PAUSE_SCRIPT = """
local key, seconds = KEYS[1] .. ':pause', tonumber(ARGV[1])
if redis.call('PTTL', key) < seconds * 1000 then redis.call('SET', key, '1', 'PX', math.ceil(seconds * 1000)) end
return '0'
"""


class ScriptStore(Protocol):
    """The part of the shared store that runs scripts. It never raises."""

    async def run(self, script: str, key: str, *arguments: str) -> Any:
        """Return the result of a Lua script for the key, None when the store fails."""
        ...


class SharedRates:
    """The rates of one source. Without a store, and while the store fails, the share of this process counts."""

    def __init__(
        self,
        source: str,
        base_url: str,
        store: ScriptStore | None,
        copies: int = 1,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Create the rates.

        Args:
            source: The configured name of the source.
            base_url: Its base URL.
            store: The store that all processes share, or None.
            copies: The number of processes among which a limit is divided without the store.
            clock: The clock of this process in seconds, which must not go back.
        """
        self._prefix = f"{source}\n{base_url}\n"
        self._store = store
        self._copies = copies
        self._clock = clock
        self._own: dict[str, SlidingWindowLimit] = {}

    @property
    def is_needed(self) -> bool:
        """Whether other processes may call the vendor too."""
        return self._store is not None or self._copies > 1

    async def take(self, kind: str, limit: RateLimit | None) -> float:
        """Take one call and return 0, or return the seconds after which to try again.

        Args:
            kind: The kind of call, or the name of the kinds that share a rate.
            limit: The rate of all processes together, None without one.
        """
        own, wait_s = self._share(kind, limit), None
        if self._store is not None:
            calls, per_s = (0, 0.0) if limit is None else (limit.calls, limit.per_s)
            wait_s = _parse_wait(await self._store.run(_TAKE_SCRIPT, self._key(kind), str(calls), f"{per_s:.6f}"))
        now = self._clock()
        if wait_s is None:
            wait_s = max(own.delay_s(now), 0.0)
        if wait_s == 0:
            own.add(now)
        return wait_s

    async def pause(self, kind: str, seconds: float) -> None:
        """Pause the kind for all processes."""
        if self._store is not None:
            await self._store.run(_PAUSE_SCRIPT, self._key(kind), f"{min(seconds, MAX_PAUSE_S):.3f}")

    def _share(self, kind: str, limit: RateLimit | None) -> SlidingWindowLimit:
        """Return the window of this process, with its share of the limit."""
        own = self._own.get(kind)
        if own is None:
            own = self._own[kind] = SlidingWindowLimit(None if limit is None else share_of(limit, self._copies))
        return own

    def _key(self, kind: str) -> str:
        # The hash keeps addresses of vendors out of Redis.
        return "vendor-rate:" + blake2b((self._prefix + kind).encode(), digest_size=16).hexdigest()


def share_of(limit: RateLimit, copies: int) -> RateLimit:
    """Return the share of one of `copies` processes, which together keep the limit in every window."""
    if limit.calls >= copies:
        return RateLimit(limit.calls // copies, limit.per_s)
    return RateLimit(1, limit.per_s * math.ceil(copies / limit.calls))


def _parse_wait(reply: object) -> float | None:
    """Return the script's reply in seconds, or None when it is no time that the script returns."""
    try:
        wait_s = float(reply) if isinstance(reply, bytes | str) else math.nan
    except ValueError:
        return None
    return wait_s if 0 <= wait_s < math.inf else None
