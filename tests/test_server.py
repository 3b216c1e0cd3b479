"""The end of a server: what runs too long is answered with 503, and what nobody reads is broken off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tracegraph.config.settings import LimitSettings, ServerSettings, Settings
from tracegraph.server.graceful import Server
from tracegraph.server.reload import Reloadable
from tracegraph.server.run import config_of, listen

HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n"
Route_ = Callable[[Request], Awaitable[Response]]


async def hangs(request: Request) -> Response:
    """Waits for what never comes."""
    await request.body()
    await asyncio.Event().wait()
    return PlainTextResponse("")


async def begins_and_hangs(_: Request) -> Response:
    """Answers a part."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"part"
        await asyncio.Event().wait()

    return StreamingResponse(parts())


async def answers_much(_: Request) -> Response:
    """More than the system buffers for a client that does not read."""
    return Response(b"x" * 50_000_000)


def server(endpoint: Route_) -> Server:
    """A server that gives requests in flight a moment."""
    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    app.state.settings = Settings(server=ServerSettings(drain_s=0), limits=LimitSettings(deadline_s=0.1))
    running = Reloadable(app)
    return Server(config_of(running, "tracegraph.server.event_loop:HeadroomLoop"), running, margin_s=0.1)


async def end_with(endpoint: Route_, sent: bytes) -> bytes:
    """What a client that has sent this gets when the server ends; the server has ended then."""
    ending = server(endpoint)
    with listen("127.0.0.1", 0) as opened:
        address = opened.getsockname()
        serving = asyncio.create_task(ending.serve([opened]))
        while not ending.started:  # noqa: ASYNC110 - uvicorn tells it by an attribute only
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(sent)
        while not ending.server_state.connections:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # the request is in
        ending.end()
        await serving
        try:
            return await reader.read()
        except ConnectionResetError:
            return b"reset"
        finally:
            writer.close()


@pytest.mark.parametrize("body", [b"12345", b"123"], ids=["the vendors hang", "the body does not come"])
async def test_what_runs_too_long_is_answered_with_503_as_json(body: bytes) -> None:
    head, _, content = (await end_with(hangs, HEAD + body)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in head
    assert b"retry-after: 1" in head
    assert b'"code":"SHUTTING_DOWN"' in content


async def test_an_answer_that_has_begun_is_broken_off_without_its_end() -> None:
    answer = await end_with(begins_and_hangs, HEAD + b"12345")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"4\r\npart\r\n"), "the last chunk would say that this is all"


async def test_a_client_that_does_not_read_keeps_no_server_alive() -> None:
    assert await end_with(answers_much, HEAD + b"12345")


async def test_a_connection_without_a_request_keeps_no_server_alive() -> None:
    assert await end_with(hangs, b"") == b""
