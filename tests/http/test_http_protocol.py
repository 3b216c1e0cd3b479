"""Limits for a request's head: beyond them the client gets a GraphQL error, and the connection closes."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.server import ServerState

from tracegraph.server.http_protocol import MAX_HEAD_BYTES, MAX_HEADERS
from tracegraph.server.run import build_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEGIN = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
END = b"connection: close\r\n\r\n"


async def count_headers(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(request.scope["headers"])))


async def echo(request: Request) -> Response:
    return Response(b"<" + await request.body() + b">")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int]:
    """Serve with the protocol of `tracegraph serve`."""
    config = build_server(
        Starlette(routes=[Route("/", count_headers), Route("/echo", echo, methods=["POST"])])
    ).config
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    protocol = config.http_protocol_class
    server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)  # type: ignore[call-arg]
    yield server.sockets[0].getsockname()[1]
    server.close()


async def answer(port: int, *pieces: bytes) -> bytes:
    """Return all received bytes until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)  # so that each piece arrives separately
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


def assert_refused(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in head
    (error,) = json.loads(body)["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def headers(count: int) -> bytes:
    return b"".join(b"x-%d: 1\r\n" % index for index in range(count))


async def test_as_many_headers_as_the_bound_are_taken(port: int) -> None:
    assert (await answer(port, BEGIN + headers(MAX_HEADERS - 2) + END)).endswith(b"\r\n\r\n%d" % MAX_HEADERS)


@pytest.mark.parametrize("more", [1, 7000])
async def test_more_headers_are_refused(port: int, more: int) -> None:
    assert_refused(await answer(port, BEGIN + headers(MAX_HEADERS - 2 + more) + END))


async def test_the_bound_is_each_requests_own(port: int) -> None:
    several = (BEGIN + headers(90) + b"\r\n") * 5 + BEGIN + headers(90) + END
    assert (await answer(port, several)).count(b"HTTP/1.1 200 ") == 6


@pytest.mark.parametrize(
    "begin", [BEGIN + b"x-long: ", BEGIN + b"x-long", b"GET /?"], ids=["value", "name", "address"]
)
async def test_a_head_without_an_end_is_refused(port: int, begin: bytes) -> None:
    pieces = [b"x" * 8192] * (MAX_HEAD_BYTES // 8192 + 1)
    assert_refused(await answer(port, begin, *pieces))


async def test_a_long_body_is_no_head(port: int) -> None:
    pieces = [b"x" * MAX_HEAD_BYTES] * 3
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (3 * MAX_HEAD_BYTES)
    assert b"HTTP/1.1 200 " in await answer(port, head, *pieces, BEGIN + END)


UPGRADE = BEGIN + b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"upgrade: websocket\r\nconnection: upgrade\r\n",
        b"Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n",
        b"upgrade: websocket\r\nconnection: upgrade\r\nconnection: keep-alive\r\n",
        b"upgrade: h2c\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
    ],
)
async def test_a_websocket_gets_426_with_a_remedy_and_no_line_in_the_log(
    port: int, caplog: pytest.LogCaptureFixture, lines: bytes
) -> None:
    head, _, body = (await answer(port, UPGRADE + lines + b"\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 ")
    assert b"\r\nupgrade: HTTP/1.1" in head  # RFC 9110, 15.5.22
    assert b"\r\nconnection: upgrade, close" in head
    (error,) = json.loads(body)["errors"]
    assert "send queries by POST" in error["message"]
    assert caplog.records == []


async def test_the_response_to_a_websocket_waits_for_earlier_responses(port: int) -> None:
    upgrade = UPGRADE + b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    got = await answer(port, BEGIN + b"\r\n" + upgrade)
    assert got.index(b"HTTP/1.1 200 ") < got.index(b"HTTP/1.1 426 ")


OFFER = (
    b"POST /echo HTTP/1.1\r\nhost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"HTTP2-Settings: AAMAAABk\r\n"
)
SIZED, CHUNKED = OFFER + b"content-length: 7\r\n\r\n", OFFER + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [SIZED + b"{hello}"],
        [SIZED, b"{hello}"],
        [SIZED[:40], SIZED[40:] + b"{hel", b"lo}"],
        [CHUNKED + b"7\r\n{hello}\r\n0\r\n\r\n"],
        [CHUNKED, b"7\r\n{hello}\r\n", b"0\r\n\r\n"],
        [SIZED.replace(b"h2c", b"websocket"), b"{hello}"],
    ],
    ids=["at once", "head first", "in pieces", "chunks at once", "chunks later", "no GET"],
)
async def test_a_body_behind_the_offer_of_another_protocol_is_read(port: int, pieces: list[bytes]) -> None:
    assert (await answer(port, *pieces, BEGIN + END)).count(b"\r\n\r\n<{hello}>HTTP/1.1 200 OK") == 1


async def test_a_body_behind_the_offer_of_another_protocol_is_no_request_of_its_own(port: int) -> None:
    inner = BEGIN + b"\r\n"
    head = OFFER + b"content-length: %d\r\n\r\n" % len(inner)
    for pieces in ([head + inner], [head, inner]):
        assert (await answer(port, *pieces, BEGIN + END)).count(b"HTTP/1.1 200 ") == 2


async def test_each_of_many_offers_in_one_piece_gets_a_response(port: int) -> None:
    got = await answer(port, (SIZED + b"{hello}") * 300 + BEGIN + END)
    assert (got.count(b"<{hello}>"), got.count(b"HTTP/1.1 200 ")) == (300, 301)


@pytest.mark.parametrize(
    "request_",
    [
        BEGIN + b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABk\r\n\r\n",
        SIZED + b"{hello}",
        BEGIN + b"upgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.0\r\nupgrade: websocket\r\nconnection: upgrade, keep-alive\r\n\r\n",
    ],
    ids=["h2c", "h2c with a body", "no connection", "HTTP/1.0"],
)
async def test_any_other_upgrade_is_ignored_without_a_line_in_the_log(
    port: int, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    """Java's client offers h2c with its first request."""
    got = await answer(port, request_, BEGIN + END)
    assert got.count(b" 200 OK") == (1 if b"HTTP/1.0" in request_ else 2)
    assert caplog.records == []


async def test_input_that_is_no_http_is_refused_without_a_line_of_the_server(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """`http.refused` reports it, a limited number of times (tests/http/test_request_log.py)."""
    assert (await answer(port, b"\x00\x01\x02\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert caplog.records == []
