"""The shutdown of a server: late requests get 503, and the server aborts connections without a reader."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tracegraph.config.settings import LimitSettings, ServerSettings, Settings
from tracegraph.server.graceful import Server
from tracegraph.server.listening import listen
from tracegraph.server.reload import Reloadable
from tracegraph.server.run import build_uvicorn_config

HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n"
Route_ = Callable[[Request], Awaitable[Response]]


async def hangs(request: Request) -> Response:
    """Wait for an event that never occurs."""
    await request.body()
    await asyncio.Event().wait()
    return PlainTextResponse("")


async def begins_and_hangs(_: Request) -> Response:
    """Send a part of a response, and then wait."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"part"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


async def answers_much(_: Request) -> Response:
    """Send more than the system buffers for a client that does not read."""
    return Response(b"x" * 50_000_000)


def server(endpoint: Route_) -> Server:
    """Create a server with a short grace period for requests in flight."""
    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    app.state.settings = Settings(server=ServerSettings(drain_s=0), limits=LimitSettings(deadline_s=0.1))
    running = Reloadable(app)
    return Server(build_uvicorn_config(running, "tracegraph.server.event_loop:ServerLoop"), running, grace_s=0.1)


async def end_with(endpoint: Route_, sent: bytes) -> bytes:
    """Shut down a server after these bytes, and return the bytes that the client receives."""
    ending = server(endpoint)
    with listen("127.0.0.1", 0) as opened:
        address = opened.getsockname()
        serving = asyncio.create_task(ending.serve([opened]))
        while not ending.started:  # noqa: ASYNC110 - uvicorn has only an attribute for this
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(sent)
        while not ending.server_state.connections:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # the server has received the request
        ending.end()
        await serving
        try:
            return await reader.read()
        except ConnectionResetError:
            return b"reset"
        finally:
            writer.close()


@pytest.mark.parametrize("body", [b"12345", b"123"], ids=["the vendors hang", "the body does not come"])
async def test_a_request_that_runs_too_long_gets_503_as_json(body: bytes) -> None:
    head, _, content = (await end_with(hangs, HEAD + body)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in head
    assert b"retry-after: 1" in head
    assert b'"code":"SHUTTING_DOWN"' in content


async def test_a_response_that_has_started_is_aborted_without_its_last_chunk() -> None:
    answer = await end_with(begins_and_hangs, HEAD + b"12345")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"4\r\npart\r\n"), "a last chunk would mark the response as complete"


async def test_a_client_that_does_not_read_does_not_delay_the_shutdown() -> None:
    assert await end_with(answers_much, HEAD + b"12345")


async def test_an_idle_connection_does_not_delay_the_shutdown() -> None:
    assert await end_with(hangs, b"") == b""
