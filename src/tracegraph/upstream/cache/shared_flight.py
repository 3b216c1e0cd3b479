"""Single flight over several processes: for a cold key one process calls, and the others wait for its entry.

A process claims a key in the shared store before it calls. The claim ends after the entry is written, after a
failed call, or by itself after the time of one attempt. A process that waits in vain makes the call itself: a
claim never costs rows.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tracegraph.upstream.cache.entries import SharedStore
from tracegraph.upstream.request_scope import remaining_s

T = TypeVar("T")


POLL_INTERVAL_S = 0.02
"""The time between two looks for the entry of another process."""


_MAX_WAIT_SHARE = 0.5
"""The part of the time of a request that it waits for another process. The rest is for a call of its own."""


_CLAIM_SCRIPT = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'MINE' end
return 'TAKEN'
"""


async def claimed_or_found(
    store: SharedStore, key: bytes, limit_s: float, look: Callable[[], Awaitable[T | None]]
) -> tuple[T | None, str | None]:
    """Claim a key, or wait for the entry of the process that has claimed it.

    Args:
        store: The store that all processes share.
        key: The key of the entry.
        limit_s: The time of one attempt, after which a claim ends.
        look: Returns the entry once the other process has written it, else None.

    Returns:
        The entry, or None where the caller makes the call; and the token of the claim that it releases, or None.
    """
    token = secrets.token_hex(8)
    wait_s = min(limit_s, _MAX_WAIT_SHARE * remaining_s(limit_s))
    ends_at = asyncio.get_running_loop().time() + wait_s
    while True:
        reply = await store.run(_CLAIM_SCRIPT, _claim_key(key), token, str(max(int(limit_s * 1000), 1)))
        if reply in {b"MINE", "MINE"}:
            return await look(), token  # another process may have written it since this one looked
        if reply not in {b"TAKEN", "TAKEN"} or asyncio.get_running_loop().time() >= ends_at:
            return None, None
        await asyncio.sleep(POLL_INTERVAL_S)
        found = await look()
        if found is not None:
            return found, None


def _claim_key(key: bytes) -> str:
    return f"claim:{key.hex()}"
