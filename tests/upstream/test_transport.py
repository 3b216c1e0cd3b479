"""Requests as bytes on the wire, and the parsing of responses."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.upstream.conftest import READ, SECRET
from tracegraph.errors import SourceBadResponse, SourceError, SourceUnavailable
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.transport import RawResponse, Transport, TransportSettings

WELL = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
LAST = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
UNTIL_IT_ENDS = b"HTTP/1.0 200 OK\r\n\r\n{}"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"


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
async def connected(script: ScriptedServer, path: str = "", **settings: int) -> AsyncIterator[Transport]:
    server = await asyncio.start_server(script.connect, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
        async with Transport("vendor", TransportSettings(url, **settings)) as transport:  # type: ignore[arg-type]
            yield transport
        await asyncio.gather(*script.connections)


async def sent(transport: Transport, call: UpstreamRequest = READ) -> RawResponse:
    return await transport.send(call, {"authorization": SECRET.get_secret_value()}, 10.0)


@pytest.mark.parametrize("response", [WELL, LAST, CHUNKED, UNTIL_IT_ENDS, EARLY_HINTS + WELL])
async def test_a_response_is_read_in_every_framing(response: bytes) -> None:
    async with connected(ScriptedServer(response)) as transport:
        for _ in range(3):
            reply = await sent(transport)
            assert (reply.status, reply.body) == (200, b"{}")


async def test_a_response_may_have_no_body() -> None:
    async with connected(ScriptedServer(b"HTTP/1.1 204 No Content\r\n\r\n")) as transport:
        for _ in range(2):
            assert (await sent(transport))[::2] == (204, b"")


@pytest.mark.parametrize(
    ("response", "connections"), [(WELL, 1), (CHUNKED, 1), (EARLY_HINTS + WELL, 1), (LAST, 4)]
)
async def test_a_connection_is_reused_unless_the_vendor_closes_it(response: bytes, connections: int) -> None:
    server = ScriptedServer(response)
    async with connected(server) as transport:
        for _ in range(4):
            await sent(transport)
    assert len(server.connections) == connections


@pytest.mark.parametrize(
    ("unfinished", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"0" * 100_000, SourceBadResponse),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nzzzz", SourceBadResponse),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno number", SourceUnavailable),
        (b"no http at all\r\n\r\n", SourceUnavailable),
    ],
)
async def test_a_connection_with_an_unread_response_is_not_reused(
    unfinished: bytes, kind: type[SourceError]
) -> None:
    server = ScriptedServer(unfinished, WELL)
    async with connected(server, max_response_bytes=5000) as transport:
        with pytest.raises(kind):
            await sent(transport)
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


def headed(*headers: bytes, reason: bytes = b"OK") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 200 " + reason + b"\r\n" + lines + b"content-length: 2\r\n\r\n{}"


KIB = 1024
A_POLICY = b"content-security-policy: frame-ancestors " + b"https://a.example " * 520


@pytest.mark.parametrize(
    "response",
    [
        headed(A_POLICY),
        headed(b"x-long: " + b"a" * 60 * KIB),
        headed(*[b"x-%d: " % number + b"a" * 20 * KIB for number in range(4)]),
        headed(*[b"x-%d: " % number + b"a" * 300 for number in range(240)]),
        headed(b"x-" + b"n" * 30 * KIB + b": a"),
        headed(reason=b"O" * 60 * KIB),
        EARLY_HINTS[:-2] + A_POLICY + b"\r\n\r\n" + WELL,
    ],
    ids=["a policy of 9 kB", "one long", "four long", "many", "a long name", "a long reason", "a long 103"],
)
async def test_a_response_head_may_be_long(response: bytes) -> None:
    async with connected(ScriptedServer(response)) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"


@pytest.mark.parametrize(
    "response",
    [
        headed(b"x-long: " + b"secret-of-the-vendor" * 4 * KIB),
        headed(*[b"x-%d: a" % number for number in range(300)]),
        headed(b"x-" + b"n" * 70 * KIB + b": a"),
        headed(reason=b"O" * 70 * KIB),
        headed(b"x-endless: " + b"a" * 1000 * KIB)[:-10],
    ],
    ids=["one too long", "too many", "a name too long", "a reason too long", "a head that does not end"],
)
async def test_a_response_head_beyond_the_limit_is_reported(response: bytes) -> None:
    server = ScriptedServer(response, WELL)
    async with connected(server) as transport:
        with pytest.raises(
            SourceBadResponse, match=r"a header of more than 65536 bytes, or .* 256 headers"
        ) as error:
            await sent(transport)
        assert "secret-of-the-vendor" not in "".join(traceback.format_exception(error.value))
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


async def test_a_connection_of_a_cancelled_call_is_not_reused() -> None:
    server = ScriptedServer(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome of it", WELL)
    async with connected(server) as transport:
        call = asyncio.create_task(sent(transport))
        await server.is_asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


async def test_unsolicited_bytes_are_not_the_response_to_the_next_call() -> None:
    stray = b'HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{"of": "another call"}'
    server = ScriptedServer(WELL)
    async with connected(server) as transport:
        await sent(transport)
        server.writers[0].write(stray)
        await asyncio.sleep(0.05)  # until the bytes have arrived
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


@pytest.mark.parametrize("encoding", [b"br", b"zstd"])
async def test_an_unsupported_content_encoding_is_rejected(encoding: bytes) -> None:
    response = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: " + encoding + b"\r\ncontent-length: 4\r\n\r\n\x00\x01\x02\x03"
    )
    async with connected(ScriptedServer(response)) as transport:
        with pytest.raises(SourceError):
            await sent(transport)


async def test_a_request_has_exactly_these_lines() -> None:
    server = ScriptedServer(WELL)
    async with connected(server) as transport:
        port = transport.settings.base_url.rpartition(":")[2]
        await sent(transport, UpstreamRequest("things", "/things", [("page", "1"), ("q", "a b&c")]))
    assert server.requests == [
        f"GET /things?page=1&q=a+b%26c HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: tracegraph\r\n"
        f"accept: application/json\r\naccept-encoding: gzip, deflate\r\nauthorization: {SECRET.get_secret_value()}"
        "\r\n\r\n".encode()
    ]


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [
        ("", "", "/"),
        ("/", "", "/"),
        ("", "/a", "/a"),
        ("/v2", "/a%2Fb", "/v2/a%2Fb"),
        ("/v 2/é", "/a", "/v%202/%C3%A9/a"),
        ("/keys?of=us", "", "/keys?of=us"),
    ],
)
async def test_a_path_is_appended_to_the_base_url(base: str, path: str, target: str) -> None:
    server = ScriptedServer(WELL)
    async with connected(server, base) as transport:
        await sent(transport, UpstreamRequest("things", path))
    assert server.requests[0].split(b" ")[1].decode() == target


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://vendor.example", "vendor.example"),
        ("https://vendor.example:443", "vendor.example"),
        ("https://vendor.example:8443", "vendor.example:8443"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_host_header_follows_the_standard(base_url: str, host: str) -> None:
    request = Transport("vendor", TransportSettings(base_url))._request(READ, {})
    assert request.headers["host"] == host


@pytest.mark.parametrize(
    ("call", "headers"),
    [
        (UpstreamRequest("things", "/things HTTP/1.1\r\nx-evil: 1\r\n\r\n"), {}),
        (UpstreamRequest("things", "/a b"), {}),
        (UpstreamRequest("things", "/a\nb"), {}),
        (READ, {"authorization": "one\r\nx-evil: 1"}),
        (READ, {"authorization": "one\n"}),
    ],
)
async def test_no_call_can_become_two(call: UpstreamRequest, headers: dict[str, str]) -> None:
    server = ScriptedServer(WELL)
    async with connected(server) as transport:
        with pytest.raises(ValueError, match="must be"):
            await transport.send(call, headers, 10.0)
    assert server.requests == []


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".invalid"])
async def test_an_invalid_host_name_is_unreachable(host: str) -> None:
    async with Transport("vendor", TransportSettings(f"http://{host}")) as transport:
        with pytest.raises(SourceUnavailable):
            await sent(transport)
