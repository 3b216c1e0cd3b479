"""Runs the simulators as real HTTP servers on loopback, in the caller's event loop or in a thread."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tracegraph.simulators.core.faults import TRANSPORT

_HOST = "127.0.0.1"


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the connection's transport in every request's state, for `Faults` to close."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


@asynccontextmanager
async def running(app: ASGIApp, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve an application on loopback while the block runs, and yield its URL: http, or https with `tls`.

    Port 0 takes a free one. Requests in flight at the end are aborted, and nothing of the server outlives the
    block. Without `tls`, https clients fail in the handshake. With `certificates.self_signed()`, they get an
    untrusted certificate.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        timeout_keep_alive=75,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    # uvicorn's Server polls ten times a second and handles signals; its protocol needs neither.
    server = await loop.create_server(lambda: _Protocol(config, state, {}), _HOST, port, ssl=tls)
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://{_HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        await _stop(server, state)


async def _stop(server: asyncio.Server, state: ServerState) -> None:
    server.close()
    for connection in list(state.connections):
        cast("_Protocol", connection).transport.abort()
    if state.tasks:
        # Closed connections end tasks that wait for their client. Others, such as a delay, are cancelled.
        _, late = await asyncio.wait(list(state.tasks), timeout=0.05)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    await server.wait_closed()
    await asyncio.sleep(0)  # aborted transports close their sockets in the next iteration


@contextmanager
def serving(apps: Sequence[ASGIApp], ports: Sequence[int] | None = None) -> Iterator[list[str]]:
    """Serve applications from a thread with its own event loop, for callers without one, and yield the URLs."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, list[str]]] = Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(apps, ports or [0] * len(apps), started)),
        name="simulated-vendors",
        daemon=True,
    )
    thread.start()
    loop, stop, urls = started.result()
    try:
        yield urls
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _serve(
    apps: Sequence[ASGIApp],
    ports: Sequence[int],
    started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, list[str]]]",
) -> None:
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        try:
            urls = [
                await stack.enter_async_context(running(app, port)) for app, port in zip(apps, ports, strict=True)
            ]
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result((asyncio.get_running_loop(), stop, urls))
        await stop.wait()
