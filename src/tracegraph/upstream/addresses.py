"""Open a TCP connection to a host with several addresses, without a long wait for one that does not respond."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

_ATTEMPT_DELAY_S = 0.25
"""The pause before the next address is tried beside the previous ones (RFC 8305, "Happy Eyeballs")."""

_AddressInfo = tuple[int, int, int, str, Any]


async def open_socket(host: str, port: int) -> socket.socket:
    """Return a connected socket to the first address of the host that accepts.

    uvloop's `create_connection` tries one address after the other, so a network without IPv6 routes would take up
    the whole time of a call.

    Raises:
        OSError: The host has no address, or none accepts. The error is the one of the first address.
    """
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting = deque(_families_in_turn(infos))
    attempts: list[asyncio.Task[socket.socket]] = []
    winner: socket.socket | None = None
    try:
        while winner is None:
            if waiting:
                attempts.append(asyncio.create_task(_connected(waiting.popleft())))
            running = [attempt for attempt in attempts if not attempt.done()]
            if running:
                delay_s = _ATTEMPT_DELAY_S if waiting else None
                await asyncio.wait(running, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
            winner = next((each.result() for each in attempts if each.done() and not each.exception()), None)
            if winner is None and not waiting and all(each.done() for each in attempts):
                return attempts[0].result()  # raises
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(lambda done: _close_unless(winner, done))
    return winner


async def _connected(info: _AddressInfo) -> socket.socket:
    family, kind, protocol, _, address = info
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.settimeout(0)
        await asyncio.get_running_loop().sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _close_unless(winner: socket.socket | None, attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and not attempt.exception() and attempt.result() is not winner:
        attempt.result().close()


def _families_in_turn(infos: Sequence[_AddressInfo]) -> list[_AddressInfo]:
    """Return the addresses in their order, but with the families in turn."""
    first = [info for info in infos if info[0] == infos[0][0]]
    other = [info for info in infos if info[0] != infos[0][0]]
    return [info for info in chain.from_iterable(zip_longest(first, other)) if info is not None]
