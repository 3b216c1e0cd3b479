"""A server that sends scripted bytes, and transports of both implementations to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import httpx

from tests.upstream.conftest import READ, SECRET
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.transport import RawResponse, Transport, TransportSettings

WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
UNTIL_IT_ENDS = b"HTTP/1.0 200 OK\r\n\r\n{}"

Connected = Callable[..., AbstractAsyncContextManager[Transport]]


class ScriptedServer:
    """A server that responds with the given bytes in their order, and repeats the last ones."""

    def __init__(self, *responses: bytes) -> None:
        self.responses = list(responses)
        self.requests: list[bytes] = []
        self.is_asked = asyncio.Event()
        self.connections: list[asyncio.Task[None]] = []
        self.writers: list[asyncio.StreamWriter] = []

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.connections.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            response = b""
            while response != UNTIL_IT_ENDS:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.is_asked.set()
                response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
                writer.write(response)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def connected_to(
    script: ScriptedServer | HandledServer,
    path: str = "",
    http: httpx.AsyncBaseTransport | None = None,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    **settings: Any,
) -> AsyncIterator[Transport]:
    server = await asyncio.start_server(script.connect, host, 0, ssl=tls)
    async with server:
        address = f"[{host}]" if ":" in host else host
        scheme = "http" if tls is None else "https"
        url = f"{scheme}://{address}:{server.sockets[0].getsockname()[1]}{path}"
        async with Transport("vendor", TransportSettings(url, **settings), http) as transport:
            yield transport
        await asyncio.gather(*script.connections)


async def sent(transport: Transport, call: UpstreamRequest = READ) -> RawResponse:
    return await transport.send(call, {"authorization": SECRET.get_secret_value()}, 10.0)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class HandledServer:
    """A server that runs a handler for each connection, and closes the connection when it returns."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections: list[asyncio.Task[None]] = []

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self.handler(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
