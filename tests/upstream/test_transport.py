"""Requests as bytes on the wire, and the parsing of responses."""

import asyncio
import gzip
import socket
import struct
import traceback
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import httpx
import pytest

from tests.upstream.conftest import READ, SECRET, Implementation
from tests.upstream.scripted_server import (
    UNTIL_IT_ENDS,
    WELL,
    Connected,
    HandledServer,
    ScriptedServer,
    connected_to,
    sent,
)
from tracegraph.errors import (
    SourceBadResponse,
    SourceError,
    SourceResponseTooLarge,
    SourceTimeout,
    SourceUnavailable,
)
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.pooled_transport import PooledTransport
from tracegraph.upstream.transport import Transport, TransportSettings

LAST = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"


@pytest.fixture
def connected(implementation: Implementation) -> Connected:
    return partial(connected_to, implementation=implementation)


pooled_alone = pytest.mark.parametrize("implementation", ["pooled"], indirect=True)


@pytest.mark.parametrize("response", [WELL, LAST, CHUNKED, UNTIL_IT_ENDS, EARLY_HINTS + WELL])
async def test_a_response_is_read_in_every_framing(connected: Connected, response: bytes) -> None:
    async with connected(ScriptedServer(response)) as transport:
        for _ in range(3):
            reply = await sent(transport)
            assert (reply.status, reply.body) == (200, b"{}")


async def test_a_response_may_have_no_body(connected: Connected) -> None:
    async with connected(ScriptedServer(b"HTTP/1.1 204 No Content\r\n\r\n")) as transport:
        for _ in range(2):
            assert (await sent(transport))[::2] == (204, b"")


@pytest.mark.parametrize(
    ("response", "connections"), [(WELL, 1), (CHUNKED, 1), (EARLY_HINTS + WELL, 1), (LAST, 4)]
)
async def test_a_connection_is_reused_unless_the_vendor_closes_it(
    connected: Connected, response: bytes, connections: int
) -> None:
    server = ScriptedServer(response)
    async with connected(server) as transport:
        for _ in range(4):
            await sent(transport)
    assert len(server.connections) == connections


@pytest.mark.parametrize(
    ("unfinished", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"0" * 50_000, SourceBadResponse),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nzzzz", SourceBadResponse),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n", SourceUnavailable),
        (b"no http at all\r\n\r\n", SourceUnavailable),
    ],
)
async def test_a_connection_with_an_unread_response_is_not_reused(
    connected: Connected, unfinished: bytes, kind: type[SourceError]
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
async def test_a_response_head_may_be_long(connected: Connected, response: bytes) -> None:
    async with connected(ScriptedServer(response)) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"


@pooled_alone
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
async def test_a_response_head_beyond_the_limit_is_reported(connected: Connected, response: bytes) -> None:
    server = ScriptedServer(response, WELL)
    async with connected(server) as transport:
        with pytest.raises(
            SourceBadResponse, match=r"a header of more than 65536 bytes, or .* 256 headers"
        ) as error:
            await sent(transport)
        assert "secret-of-the-vendor" not in "".join(traceback.format_exception(error.value))
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


_LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n%b\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "response",
    [
        _LONG % b"" + b"0" * 300_000,
        _LONG % b"" + b"0" * 30_000,
        _LONG % b"content-encoding: gzip\r\n" + b"0" * 300_000,
    ],
    ids=["too large", "truncated", "not gzip"],
)
async def test_an_error_holds_no_part_of_the_body(connected: Connected, response: bytes) -> None:
    """Errors may be remembered: beside a stale page, or in a cycle until the next garbage collection."""
    async with connected(ScriptedServer(response), max_response_bytes=200_000) as transport:
        with pytest.raises(SourceError) as raised:
            await sent(transport)
    error: BaseException = raised.value
    behind: list[BaseException] = []
    while (following := error.__cause__ or error.__context__) is not None:
        behind.append(following)
        error = following
    assert all(one.__traceback__ is None for one in behind)
    frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)]
    values = [
        value
        for frame in frames
        if frame.f_globals["__name__"].startswith("tracegraph")
        for value in frame.f_locals.values()
    ]
    assert not any(isinstance(value, bytes | bytearray | httpx.Response) for value in values)


async def test_a_connection_of_a_cancelled_call_is_not_reused(connected: Connected) -> None:
    server = ScriptedServer(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome of it", WELL)
    async with connected(server) as transport:
        call = asyncio.create_task(sent(transport))
        await server.is_asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


async def test_unsolicited_bytes_are_not_the_response_to_the_next_call(connected: Connected) -> None:
    stray = b'HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{"of": "another call"}'
    server = ScriptedServer(WELL)
    async with connected(server) as transport:
        await sent(transport)
        server.writers[0].write(stray)
        await asyncio.sleep(0.05)  # until the bytes have arrived
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


@pytest.mark.parametrize("encoding", [b"br", b"zstd"])
async def test_an_unsupported_content_encoding_is_rejected(connected: Connected, encoding: bytes) -> None:
    response = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: " + encoding + b"\r\ncontent-length: 4\r\n\r\n\x00\x01\x02\x03"
    )
    async with connected(ScriptedServer(response)) as transport:
        with pytest.raises(SourceError):
            await sent(transport)


async def test_a_request_has_exactly_these_lines(connected: Connected) -> None:
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
async def test_a_path_is_appended_to_the_base_url(connected: Connected, base: str, path: str, target: str) -> None:
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
async def test_no_call_can_become_two(
    connected: Connected, call: UpstreamRequest, headers: dict[str, str]
) -> None:
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


async def test_a_response_head_that_does_not_end_is_reported(connected: Connected) -> None:
    """The other limits of a head are those of httpx where its own transport is used."""
    server = ScriptedServer(headed(b"x-endless: " + b"a" * 1000 * KIB)[:-10], WELL)
    async with connected(server) as transport:
        with pytest.raises(SourceError):
            await sent(transport)


# -- kept connections ------------------------------------------------------------------------------------


async def test_a_connection_that_the_vendor_closed_while_idle_is_replaced(connected: Connected) -> None:
    server = ScriptedServer(WELL)
    async with connected(server) as transport:
        await sent(transport)
        server.writers[0].close()
        await server.writers[0].wait_closed()
        assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 2


def closing_after(*responses: bytes) -> HandledServer:
    """Send these bytes to the requests of each connection, and close it after the last ones."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            await writer.drain()

    return HandledServer(handle)


POST = UpstreamRequest("things", "/things", body={"wanted": "all"})


@pooled_alone
@pytest.mark.parametrize("call", [READ, POST])
async def test_a_request_that_meets_the_end_of_its_connection_is_sent_again(
    connected: Connected, call: UpstreamRequest
) -> None:
    server = closing_after(WELL, b"")
    async with connected(server) as transport:
        for _ in range(3):
            assert (await sent(transport, call)).body == b"{}"
    assert len(server.connections) == 3


async def test_a_request_is_not_sent_again_once_a_byte_of_the_response_came(connected: Connected) -> None:
    server = closing_after(WELL, b"H")
    async with connected(server) as transport:
        await sent(transport)
        with pytest.raises(SourceUnavailable):
            await sent(transport)
    assert len(server.connections) == 1


async def test_a_request_on_a_new_connection_is_not_sent_again(connected: Connected) -> None:
    server = closing_after(b"")
    async with connected(server) as transport:
        with pytest.raises(SourceUnavailable):
            await sent(transport)
    assert len(server.connections) == 1


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    is_closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WELL)
        await reader.read()
        is_closed.set()

    server = HandledServer(handle)
    pool = PooledTransport(keepalive_s=0.01)
    async with connected_to(server, http=pool) as transport, asyncio.timeout(10):
        await sent(transport)
        await is_closed.wait()


async def test_the_wait_for_a_connection_counts_toward_the_time_of_a_call(connected: Connected) -> None:
    server = ScriptedServer(b"", WELL)
    async with connected(server, max_connections=1) as transport:
        first = asyncio.create_task(sent(transport))
        await server.is_asked.wait()
        with pytest.raises(SourceTimeout):
            await transport.send(READ, {}, 0.1)
        assert len(server.requests) == 1
        first.cancel()
        await asyncio.wait([first])
        assert (await sent(transport)).body == b"{}"


# -- bodies ----------------------------------------------------------------------------------------------


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def in_members(data: bytes) -> bytes:
    return gzip.compress(data[:1000]) + gzip.compress(data[1000:])


def encoded(coding: bytes, body: bytes, *, framing: str = "length") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: " + coding + b"\r\n"
    if framing == "length":
        return head + b"content-length: %d\r\n\r\n" % len(body) + body
    blocks = [body[start : start + 7] for start in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks)
    return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


CODINGS = [(b"gzip", gzip.compress), (b"gzip", in_members), (b"deflate", zlib.compress), (b"deflate", raw_deflate)]
in_every_coding = pytest.mark.parametrize(
    ("coding", "compress"), CODINGS, ids=["gzip", "gzip in members", "deflate", "deflate without a header"]
)


@in_every_coding
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_compressed_body_is_decoded(
    connected: Connected, coding: bytes, compress: Callable[[bytes], bytes], framing: str
) -> None:
    body = bytes(range(256)) * 200
    server = ScriptedServer(encoded(coding, compress(body), framing=framing))
    async with connected(server) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == body
    assert len(server.connections) == 1


@in_every_coding
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_the_limit_counts_decoded_bytes_exactly(
    connected: Connected, coding: bytes, compress: Callable[[bytes], bytes], framing: str
) -> None:
    fits, too_large = (encoded(coding, compress(b"0" * size), framing=framing) for size in (50_000, 50_001))
    async with connected(ScriptedServer(fits, too_large), max_response_bytes=50_000) as transport:
        assert len((await sent(transport)).body) == 50_000
        with pytest.raises(SourceResponseTooLarge):
            await sent(transport)


@in_every_coding
async def test_a_compressed_body_that_ends_early_is_a_bad_response(
    connected: Connected, coding: bytes, compress: Callable[[bytes], bytes]
) -> None:
    async with connected(ScriptedServer(encoded(coding, compress(b"0123456789" * 300)[:-9]))) as transport:
        with pytest.raises(SourceBadResponse, match="does not decompress"):
            await sent(transport)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
async def test_a_compressed_body_may_be_empty(connected: Connected, coding: bytes) -> None:
    async with connected(ScriptedServer(encoded(coding, b""))) as transport:
        assert (await sent(transport)).body == b""


async def test_a_trailer_is_ignored(connected: Connected) -> None:
    response = CHUNKED[:-2] + b"x-checksum: 1\r\ncontent-encoding: br\r\n\r\n"
    server = ScriptedServer(response)
    async with connected(server) as transport:
        for _ in range(3):
            reply = await sent(transport)
            assert (reply.body, reply.headers.get("x-checksum")) == (b"{}", None)
    assert len(server.connections) == 1


@pooled_alone
async def test_a_trailer_beyond_the_limit_is_reported(connected: Connected) -> None:
    response = CHUNKED[:-2] + b"x-endless: " + b"a" * 1000 * KIB
    async with connected(ScriptedServer(response)) as transport:
        with pytest.raises(SourceBadResponse):
            await sent(transport)


async def test_several_interim_responses_may_precede_the_response(connected: Connected) -> None:
    server = ScriptedServer(b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY_HINTS * 3 + WELL)
    async with connected(server) as transport:
        for _ in range(2):
            reply = await sent(transport)
            assert (reply.status, reply.body, reply.headers.get("link")) == (200, b"{}", None)
    assert len(server.connections) == 1


async def test_http_1_0_may_keep_its_connection(connected: Connected) -> None:
    response = WELL.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n")
    async with connected(ScriptedServer(response)) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"


async def test_a_large_body_arrives_complete(connected: Connected) -> None:
    """It is larger than what a connection buffers."""
    body = bytes(range(256)) * 20_000
    server = ScriptedServer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    async with connected(server) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == body
    assert len(server.connections) == 1


@pytest.mark.parametrize("coding", [b"", b"content-encoding: gzip\r\n"])
async def test_a_body_may_end_with_its_connection(connected: Connected, coding: bytes) -> None:
    body = b"0123456789" * 30_000

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + coding + b"\r\n" + (gzip.compress(body) if coding else body))
        await writer.drain()

    async with connected(HandledServer(handle)) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == body


# -- when things go wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 20, 38, 43, 47, 50])
async def test_a_response_that_ends_early_is_unavailable(connected: Connected, cut: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED[:cut])
        await writer.drain()

    async with connected(HandledServer(handle)) as transport:
        with pytest.raises(SourceUnavailable):
            await sent(transport)


async def test_a_reset_within_a_body_is_unavailable(connected: Connected) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome of it")
        await writer.drain()
        linger = struct.pack("ii", 1, 0)  # makes the kernel send RST
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with connected(HandledServer(handle)) as transport:
        with pytest.raises(SourceUnavailable):
            await sent(transport)


async def test_a_response_is_parsed_from_single_bytes(connected: Connected) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            for byte in EARLY_HINTS + CHUNKED:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)

    server = HandledServer(handle)
    async with connected(server) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"
    assert len(server.connections) == 1


async def test_a_response_that_drips_ends_with_the_time_of_its_call(connected: Connected) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with connected(HandledServer(handle)) as transport:
        with pytest.raises(SourceTimeout, match=r"within 0\.2 s"):
            await transport.send(READ, {}, 0.2)


REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n{}"
LARGE = UpstreamRequest("things", "/things", body={"wanted": "0" * 20_000_000})


async def test_a_response_may_come_before_the_request_was_sent_completely(connected: Connected) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        await writer.drain()
        while await reader.read(1 << 20):
            pass

    async with connected(HandledServer(handle)) as transport:
        assert (await sent(transport, LARGE)).status == 413


@pooled_alone
async def test_a_vendor_that_reads_no_more_of_the_request_has_responded(connected: Connected) -> None:
    """The vendor could take the rest of the request for the next one. httpx sends all of it first."""
    is_done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        await is_done.wait()

    server = HandledServer(handle)
    async with connected(server) as transport:
        try:
            for _ in range(2):
                assert (await sent(transport, LARGE)).status == 413
        finally:
            is_done.set()
    assert len(server.connections) == 2


@pytest.mark.parametrize("call", [READ, POST])
async def test_concurrent_calls_get_their_own_responses(connected: Connected, call: UpstreamRequest) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                await reader.readexactly(len(call.content() or b""))
            target = head.split(b" ")[1]
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(target) + target)

    server = HandledServer(handle)
    async with connected(server, max_connections=5) as transport:
        calls = [replace(call, path=f"/{number}") for number in range(50)]
        replies = await asyncio.gather(*(sent(transport, each) for each in calls))
    assert [reply.body.decode() for reply in replies] == [each.path for each in calls]
    assert len(server.connections) == 5
