"""Several processes on one listening socket: each takes its part of the connections."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import cast

import pytest

from tracegraph.server.event_loop import BalancedServer, SharedSocketLoop
from tracegraph.server.run import listen

_CLIENTS = 20


class _Taken(asyncio.Protocol):
    """Counts the connections that a server took, and says hello on each."""

    def __init__(self) -> None:
        self.count = 0
        self.without_delay: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.count += 1
        taken: socket.socket = transport.get_extra_info("socket")
        self.without_delay.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        cast("asyncio.Transport", transport).write(b"hello")


@pytest.fixture
def loop() -> Iterator[SharedSocketLoop]:
    loop = SharedSocketLoop()
    yield loop
    loop.close()


async def _server(loop: SharedSocketLoop, opened: socket.socket) -> tuple[BalancedServer, _Taken]:
    taken = _Taken()
    return await loop.create_server(lambda: taken, sock=opened.dup(), backlog=100), taken


async def _greeted(opened: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(*opened.getsockname())
    assert await reader.readexactly(5) == b"hello"
    writer.close()


def test_of_connections_that_come_at_once_none_of_two_servers_takes_most(loop: SharedSocketLoop) -> None:
    async def run() -> None:
        with listen("127.0.0.1", 0) as opened:
            (one, by_one), (other, by_other) = await _server(loop, opened), await _server(loop, opened)
            await asyncio.gather(*(_greeted(opened) for _ in range(_CLIENTS)))
            one.close()
            other.close()
        assert by_one.count + by_other.count == _CLIENTS
        assert min(by_one.count, by_other.count) >= _CLIENTS // 4

    loop.run_until_complete(run())


def test_one_that_is_left_alone_takes_them_all_and_sends_small_answers_at_once(loop: SharedSocketLoop) -> None:
    async def run() -> None:
        with listen("127.0.0.1", 0) as opened:
            (one, by_one), (other, by_other) = await _server(loop, opened), await _server(loop, opened)
            other.close()
            await asyncio.gather(*(_greeted(opened) for _ in range(_CLIENTS)))
            one.close()
        assert (by_one.count, by_other.count) == (_CLIENTS, 0)
        assert all(by_one.without_delay)

    loop.run_until_complete(run())


def test_a_busy_one_takes_several_in_one_turn_of_its_loop(loop: SharedSocketLoop) -> None:
    """Else a flood of connections would keep others waiting for as many turns as there are connections."""

    async def run() -> list[int]:
        with listen("127.0.0.1", 0) as opened, ExitStack() as clients:
            server, taken = await _server(loop, opened)
            await _greeted(opened)
            for _ in range(_CLIENTS):
                clients.enter_context(socket.create_connection(opened.getsockname()))
            time.sleep(0.02)  # noqa: ASYNC251 - the loop is busy
            counts = []
            while taken.count <= _CLIENTS:
                await asyncio.sleep(0)
                counts.append(taken.count + len(server._opening))
            server.close()
        return counts

    counts = loop.run_until_complete(run())
    most = max(later - earlier for earlier, later in pairwise([1, *counts]))
    assert 1 < most <= 8


def test_it_refuses_to_speak_tls(loop: SharedSocketLoop) -> None:
    with listen("127.0.0.1", 0) as opened, pytest.raises(ValueError, match="in front"):
        loop.run_until_complete(
            loop.create_server(asyncio.Protocol, sock=opened, backlog=1, ssl=object())  # type: ignore[arg-type]
        )
