"""Bytes that are HTTP, nearly HTTP or nothing of the kind: none hurts the process, and none gets a 500.

`make test-fuzz` makes many more; plain runs make the same few each time.
"""

import os
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.http.watched import WatchedGateway, watched_gateway
from tracegraph.server.http_protocol import MOST_BYTES, MOST_HEADERS

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="there is no /proc to see a process's memory in"
)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
ANSWERED_WITHIN_S = 20.0
MAYBE_ANSWERED_WITHIN_S = 0.1
"""Of what may be but the beginning of a request. An answer that comes later is not looked at, that is all."""

LINE = b"POST /graphql HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
TYPE = b"Content-Type: application/json\r\n"
QUERY = b'{"query": "{ __typename }"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def length(body: bytes, more: int = 0) -> bytes:
    return b"Content-Length: %d\r\n" % (len(body) + more)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedGateway]:
    with watched_gateway(tmp_path_factory.mktemp("gateway"), "[limits]\nbody_timeout_s = 1") as opened:
        yield opened


def exchanged(gateway: WatchedGateway, sent: bytes, within_s: float = ANSWERED_WITHIN_S) -> bytes:
    """The first bytes that come back, or none when the connection is closed without."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=within_s) as connection:
        try:
            connection.sendall(sent)
            return connection.recv(65_536)
        except (TimeoutError, ConnectionError):
            return b""


def status(answer: bytes) -> int:
    version, code, _ = answer.split(b" ", 2)
    assert version == b"HTTP/1.1"
    return int(code)


NO_HTTP = {
    "a TLS hello": bytes.fromhex("16030100ca010000c60303") + bytes(32),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET /graphql HTTP/9.9\r\n\r\n",
    "no method": b" /graphql HTTP/1.1\r\n\r\n",
    "an unknown method": b"FETCH /graphql HTTP/1.1\r\n\r\n",
    "NUL in the target": b"GET /gra\0phql HTTP/1.1\r\n\r\n",
    "NUL in a header": LINE + b"X-A: a\0b\r\n\r\n",
    "a header without a colon": LINE + HOST + b"nonsense\r\n\r\n",
    "a space before the colon": LINE + HOST + b"X-A : 1\r\n\r\n",
    "a folded header first": LINE + b" X-A: 1\r\n\r\n",
    "a length that is no number": LINE + HOST + TYPE + b"Content-Length: many\r\n\r\n",
    "a negative length": LINE + HOST + TYPE + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": LINE + HOST + TYPE + b"Content-Length: +5\r\n\r\n",
    "a length beyond all bounds": LINE + HOST + TYPE + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two lengths": LINE + HOST + TYPE + length(QUERY) + length(QUERY, 5) + b"\r\n" + QUERY,
    "a length and chunks": LINE + HOST + TYPE + CHUNKED + length(QUERY) + b"\r\n0\r\n\r\n",
    "chunks that are not the last coding": LINE + HOST + TYPE + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP.keys())
def test_what_is_no_http_is_400_with_a_graphql_error(gateway: WatchedGateway, sent: bytes) -> None:
    answer = exchanged(gateway, sent)
    assert status(answer) == 400
    assert answer.endswith(
        b'{"errors":[{"message":"That is not HTTP/1.1.","extensions":{"code":"BAD_USER_INPUT"}}]}'
    )


BROKEN_CHUNKS = [b"z\r\n", b"-1\r\n", b"0x5\r\n", b"f" * 17 + b"\r\n", b"5\r\nabcdefgh\r\n", b"1b" + b";" * 70_000]


@pytest.mark.parametrize("chunk", BROKEN_CHUNKS, ids=lambda chunk: repr(chunk[:20]))
def test_broken_chunks_end_the_connection_with_a_4xx(gateway: WatchedGateway, chunk: bytes) -> None:
    answer = exchanged(gateway, LINE + HOST + TYPE + CHUNKED + b"\r\n" + chunk)
    assert status(answer) in {400, 408}


HEADS = {
    "one header": LINE + HOST + b"X-A: " + b"x" * MOST_BYTES + b"\r\n\r\n",
    "one name": LINE + HOST + b"X" * MOST_BYTES + b": 1\r\n\r\n",
    "many headers": LINE + HOST + b"".join(b"X-%d: 1\r\n" % index for index in range(MOST_HEADERS)) + b"\r\n",
    "the target": b"GET /graphql?query=" + b"x" * MOST_BYTES + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a header that does not end": LINE + HOST + b"X-A: " + b"x" * MOST_BYTES * 8,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_head_of_64_kb_or_a_hundred_headers_is_431(gateway: WatchedGateway, head: bytes) -> None:
    answer = exchanged(gateway, head)
    assert status(answer) == 431
    assert b"more than 100 headers, or 65536 bytes of them" in answer


def test_a_shorter_head_is_passed_over_in_whatever_pieces_and_on_a_connection_of_many(
    gateway: WatchedGateway,
) -> None:
    head = LINE + HOST + TYPE + b"X-A: " + b"x" * 60_000 + b"\r\n" + length(QUERY) + b"\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=ANSWERED_WITHIN_S) as connection:
        for size in (1 << 20, 30_000, 7001):
            whole = head + QUERY
            for start in range(0, len(whole), size):
                connection.sendall(whole[start : start + size])
            answer = b""
            while not answer.endswith(b'{"data":{"__typename":"Query"}}'):
                answer += connection.recv(65_536)
            assert status(answer) == 200


def test_heads_that_never_end_are_not_kept(gateway: WatchedGateway) -> None:
    endless = b"".join(b"X-%d: 1\r\n" % index for index in range(100_000))
    with gateway.watched():
        for line in (LINE + HOST, LINE + HOST + b"X-A: ", b"GET /"):
            answer = exchanged(gateway, line + (endless if line.endswith(b"\n") else b"x" * len(endless)) * 20)
            assert answer == b"" or status(answer) == 431


def test_a_deflate_bomb_is_not_opened(gateway: WatchedGateway) -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    with gateway.watched():
        for coding in (b"deflate", b"gzip", b"br, deflate"):
            head = LINE + HOST + TYPE + b"Content-Encoding: " + coding + b"\r\n" + length(bomb) + b"\r\n"
            assert status(exchanged(gateway, head + bomb)) == 415
        head = LINE + HOST + TYPE + b"Transfer-Encoding: deflate, chunked\r\n\r\n"
        assert status(exchanged(gateway, head + b"%x\r\n" % len(bomb) + bomb + b"\r\n0\r\n\r\n")) in {400, 413}


# -- made up ---------------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="latin-1"), max_size=20).map(lambda text: text.encode("latin-1"))
methods = st.sampled_from([b"POST"] * 4 + [b"GET"] * 2 + [b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b""])
targets = (
    st.sampled_from(
        [
            *[b"/graphql"] * 4,
            b"/graphql?query={__typename}",
            b"/graphql?query=%ff%00&variables=%7b%22a%22:1e400%7d",
            b'/graphql?query={a}&extensions={"persistedQuery":{"version":1,"sha256Hash":"%ud800"}}',
            b"http://localhost/graphql",
            b"http://evil.example/metrics",
            b"//graphql",
            b"/graphql/../metrics",
            b"/playground/..%2f..%2fetc/passwd",
            b"/playground/\xff",
            b"/healthz",
            b"/readyz",
            b"/metrics",
            b"*",
        ]
    )
    | words
)
headers = st.sampled_from(
    [
        HOST,
        b"Host: localhost:99999999\r\n",
        b"Host: [::1\r\n",
        b"Host: evil.example\r\n",
        TYPE,
        b"Content-Type: application/json; charset=utf-7\r\n",
        b"Content-Type: ;;=;\r\n",
        b"Accept: application/graphql-response+json;q=nan, */*;q=1e400\r\n",
        b"Accept: text/html\r\n",
        b"Authorization: Bearer \xff\r\n",
        b"Authorization: Bearer a.b.c\r\n",
        b"Origin: null\r\n",
        b"Cookie: a=b\r\n",
        b"Cache-Control: no-cache\r\n",
        b"X-Deadline-Ms: 1\r\n",
        b"X-Deadline-Ms: 1e9\r\n",
        b"traceparent: 00-\xff-0-0\r\n",
        b"baggage: =;=,\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Connection: close\r\n",
        b"Content-Encoding: gzip\r\n",
    ]
) | st.tuples(words, words).map(b": ".join).map(lambda header: header + b"\r\n")
bodies = st.sampled_from(
    [
        QUERY,
        b"null",
        b'["x"]',
        b"[" * 100_000,
        b'{"query": "\\ud800"}',
        b'{"query": "{ __typename }", "variables": {"a": 1e400}}',
        b'{"query": "{ __typename }", "operationName": "\\u0000"}',
        b'{"query": "query($a: Int) { experiments(first: $a) { totalCount } }", "variables": {"a": 1e400}}',
        b"{" * 100_000,
        zlib.compress(bytes(1_000_000)),
    ]
) | st.binary(max_size=50)


@st.composite
def framed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A header that says where the body ends, rightly or not, and the body as it is sent."""
    body = draw(bodies)
    match draw(st.sampled_from(["right", "right", "right", "wrong", "chunked", "broken", "none"])):
        case "right":
            return length(body), body
        case "wrong":
            return length(body, draw(st.integers(-len(body), 100))), body
        case "chunked":
            return CHUNKED, b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        case "broken":
            return CHUNKED, draw(st.sampled_from(BROKEN_CHUNKS)) + body
        case _:
            return b"", body


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One, of which a piece may be missing, doubled or replaced."""
    framing, body = draw(framed())
    given_headers = draw(st.lists(headers, max_size=4))
    if draw(st.integers(0, 3)):
        others = [header for header in given_headers if not header.startswith((b"Host", b"Content-Type"))]
        given_headers = [*others, HOST, TYPE]
    version = draw(st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b""]))
    line = b" ".join([draw(methods), draw(targets), version]) + b"\r\n"
    whole = line + b"".join(draw(st.permutations([*given_headers, framing]))) + b"\r\n" + body
    start, end = sorted((draw(st.integers(0, len(whole))), draw(st.integers(0, len(whole)))))
    match draw(st.sampled_from([*["whole"] * 4, "cut", "without", "doubled", "replaced"])):
        case "cut":
            return whole[:end]
        case "without":
            return whole[:start] + whole[end:]
        case "doubled":
            return whole[:end] + whole[start:]
        case "replaced":
            return whole[:start] + draw(words) + whole[end:]
        case _:
            return whole


@pytest.mark.parametrize("examples", [200, pytest.param(EXAMPLES * 3, marks=pytest.mark.slow)])
def test_nothing_that_is_made_up_gets_a_500_or_does_harm(gateway: WatchedGateway, examples: int) -> None:
    statuses: set[int] = set()

    @seed(SEED)
    @settings(
        max_examples=examples,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(sent=requests())
    def send(sent: bytes) -> None:
        answer = exchanged(gateway, sent, MAYBE_ANSWERED_WITHIN_S)
        if answer:
            statuses.add(status(answer))
            assert status(answer) < 500
            assert b"Internal error" not in answer

    with gateway.watched():
        send()
    assert {200, 400, 421} <= statuses
