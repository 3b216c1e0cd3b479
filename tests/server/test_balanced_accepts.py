"""One accept loop: several connections per iteration, and a balanced share where processes share a socket."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from tracegraph.server.event_loop import MAX_ACCEPTS_PER_ITERATION, BalancedServer, ServerLoop, SharedSocketLoop
from tracegraph.server.listening import listen

_CLIENTS = 20


class _GreetingProtocol(asyncio.Protocol):
    """Counts the connections of a server, and sends "hello" on each."""

    def __init__(self) -> None:
        self.count = 0
        self.without_delay: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.count += 1
        accepted: socket.socket = transport.get_extra_info("socket")
        self.without_delay.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        cast("asyncio.Transport", transport).write(b"hello")


class _CountingSocket(socket.socket):
    """Counts the connections that are accepted in each iteration of the loop."""

    bursts: list[int]
    is_new = True

    def accept(self) -> tuple[socket.socket, Any]:
        accepted = super().accept()
        if self.is_new:
            self.bursts.append(0)
            self.is_new = False
            asyncio.get_running_loop().call_soon(setattr, self, "is_new", True)  # noqa: FBT003 - a value
        self.bursts[-1] += 1
        return accepted


@pytest.fixture
def loop() -> Iterator[SharedSocketLoop]:
    loop = SharedSocketLoop()
    yield loop
    loop.close()


@pytest.fixture(params=[ServerLoop, SharedSocketLoop], ids=["alone", "shared"])
def any_loop(request: pytest.FixtureRequest) -> Iterator[ServerLoop]:
    loop: ServerLoop = request.param()
    yield loop
    loop.close()


async def _server(loop: ServerLoop, opened: socket.socket) -> tuple[BalancedServer, _GreetingProtocol]:
    protocol = _GreetingProtocol()
    return await loop.create_server(lambda: protocol, sock=opened.dup(), backlog=100), protocol


async def _greeted(opened: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(*opened.getsockname())
    assert await reader.readexactly(5) == b"hello"
    writer.close()


def test_two_servers_on_one_socket_accept_a_balanced_share(loop: SharedSocketLoop) -> None:
    async def run() -> None:
        with listen("127.0.0.1", 0) as opened:
            (first, by_first), (second, by_second) = await _server(loop, opened), await _server(loop, opened)
            await asyncio.gather(*(_greeted(opened) for _ in range(_CLIENTS)))
            first.close()
            second.close()
        assert by_first.count + by_second.count == _CLIENTS
        assert min(by_first.count, by_second.count) >= _CLIENTS // 4

    loop.run_until_complete(run())


def test_a_single_server_accepts_all_connections_and_sends_small_responses_at_once(any_loop: ServerLoop) -> None:
    async def run() -> None:
        with listen("127.0.0.1", 0) as opened:
            (first, by_first), (second, by_second) = (
                await _server(any_loop, opened),
                await _server(any_loop, opened),
            )
            second.close()
            await asyncio.gather(*(_greeted(opened) for _ in range(_CLIENTS)))
            first.close()
        assert (by_first.count, by_second.count) == (_CLIENTS, 0)
        assert all(by_first.without_delay)

    any_loop.run_until_complete(run())


def test_a_busy_server_accepts_several_connections_in_one_iteration(any_loop: ServerLoop) -> None:
    """Otherwise a flood of connections would delay others by one iteration per connection."""

    async def run() -> list[int]:
        with listen("127.0.0.1", 0) as opened, ExitStack() as clients:
            counting = _CountingSocket(fileno=opened.dup().detach())
            counting.bursts = []
            protocol = _GreetingProtocol()
            server = await any_loop.create_server(lambda: protocol, sock=counting, backlog=100)
            await _greeted(opened)
            for _ in range(_CLIENTS):
                clients.enter_context(socket.create_connection(opened.getsockname()))
            while protocol.count <= _CLIENTS:
                time.sleep(0.005)  # noqa: ASYNC251 - the loop is busy for several pauses in each iteration
                await asyncio.sleep(0)
            server.close()
        return counting.bursts

    assert 1 < max(any_loop.run_until_complete(run())) <= MAX_ACCEPTS_PER_ITERATION


def test_tls_is_refused(loop: SharedSocketLoop) -> None:
    with listen("127.0.0.1", 0) as opened, pytest.raises(ValueError, match="does not support TLS"):
        loop.run_until_complete(
            loop.create_server(asyncio.Protocol, sock=opened, backlog=1, ssl=object())  # type: ignore[arg-type]
        )
