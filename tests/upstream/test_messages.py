"""IDs as segments of a path, and requests as they arrive at the vendor."""

from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from tests.upstream.conftest import Connect
from tracegraph.upstream.messages import UpstreamRequest, path_segment
from tracegraph.upstream.transport import Transport, TransportSettings

UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
TEXTS = st.text() | st.text(st.characters(codec="utf-8")) | st.text("./\\%2eEfF?#;:@&=+ \r\n\0ax")


class Listening:
    """Records the target of every request as received, and responds with an empty object."""

    def __init__(self) -> None:
        self.targets: list[tuple[bytes, bytes]] = []
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.targets.append((scope["raw_path"], scope["query_string"]))
        self.headers.append(dict(scope["headers"]))
        while (await receive()).get("more_body"):
            pass
        head = [(b"content-length", b"2"), (b"set-cookie", b"session=everybodys; Path=/")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"{}"})


def target_of(call: UpstreamRequest) -> str:
    """Return the target between method and version in the request line."""
    request = Transport("vendor", TransportSettings("http://vendor"))._request(call, {})
    target: bytes = request.extensions["target"]
    return target.decode()


@given(TEXTS)
def test_a_segment_decodes_to_exactly_its_text(text: str) -> None:
    segment = path_segment(text)
    if segment is not None:
        assert unquote(segment, errors="strict") == text
        assert set(segment) <= UNRESERVED
        assert segment not in {".", ".."}


@given(TEXTS, TEXTS)
def test_two_texts_never_share_a_segment(one: str, other: str) -> None:
    segments = {path_segment(one), path_segment(other)} - {None}
    assert one == other or None in {path_segment(one), path_segment(other)} or len(segments) == 2


@given(TEXTS)
def test_every_url_library_parses_a_segment_as_one_segment(text: str) -> None:
    segment = path_segment(text)
    if segment is not None:
        target = target_of(UpstreamRequest("things", f"/v2/{segment}/sessions"))
        assert target == f"/v2/{segment}/sessions"
        for read in (httpx.URL(f"http://vendor{target}").raw_path.decode(), urlsplit(target).path):
            assert [unquote(part) for part in read.split("/")] == ["", "v2", text, "sessions"]


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"))] * 2), min_size=1))
def test_every_url_library_parses_a_query_as_its_parameters(query: list[tuple[str, str]]) -> None:
    target = target_of(UpstreamRequest("things", "/things", query))
    assert parse_qsl(urlsplit(target).query, keep_blank_values=True) == query
    read = httpx.URL(f"http://vendor{target}")
    assert sorted(read.params.multi_items()) == sorted(query)  # it groups the values of a name
    assert (read.path, read.fragment) == ("/things", "")


@pytest.mark.parametrize(
    "text", ["", ".", "..", "/", "a/b", "../x", "\\", "a\\b", "\0", "a\nb", "\r", "\x7f", "\ud800", "x" * 1025]
)
def test_an_invalid_resource_name_has_no_segment(text: str) -> None:
    assert path_segment(text) is None


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_only_dots_slashes_control_characters_and_length_make_a_name_invalid(text: str) -> None:
    named = text not in {".", ".."} and len(text) <= 1024
    named = named and not any(letter in "/\\\x7f" or letter < " " for letter in text)
    assert (path_segment(text) is not None) == named


async def test_a_segment_arrives_unchanged(connect: Connect) -> None:
    listening = Listening()
    upstream = await connect(listening)
    texts = ["a+b@c", "%2e%2e", "%2F", "a b", "é", "日本", "a;b:c", "?x=1", "#f", "&=", "...", "'\"<>", "*"]
    for text in texts:
        await upstream.fetch(UpstreamRequest("things", f"/v2/{path_segment(text)}/sessions"))
    parts = [path.decode().split("/") for path, _ in listening.targets]
    assert [(head, version, unquote(some), tail) for head, version, some, tail in parts] == [
        ("", "v2", text, "sessions") for text in texts
    ]


async def test_a_query_arrives_with_its_values_order_and_repetitions(connect: Connect) -> None:
    listening = Listening()
    upstream = await connect(listening)
    query = [("id", "b"), ("id", "a"), ("filter[name]", "a&b=c#d+e %"), ("empty", ""), ("é", "日本\r\n")]
    await upstream.fetch(UpstreamRequest("things", "/things", query))
    ((_, raw),) = listening.targets
    assert parse_qsl(raw.decode(), keep_blank_values=True) == query


async def test_a_call_carries_the_credential_and_the_user_agent(connect: Connect) -> None:
    listening = Listening()
    upstream = await connect(listening)
    await upstream.fetch(UpstreamRequest("things", "/things"))
    await upstream.fetch(UpstreamRequest("things", "/things", body={}))
    for headers in listening.headers:
        assert headers[b"authorization"] == b"s3cret-of-the-tests"
        assert headers[b"user-agent"] == b"tracegraph"
        assert headers[b"accept"] == b"application/json"
        assert b"x-absent" not in headers
    assert [headers.get(b"content-type") for headers in listening.headers] == [None, b"application/json"]


async def test_cookies_are_not_stored(connect: Connect) -> None:
    """Callers must not share a session of the vendor."""
    listening = Listening()
    upstream = await connect(listening)
    for _ in range(3):
        await upstream.fetch(UpstreamRequest("things", "/things"))
    assert [headers.get(b"cookie") for headers in listening.headers] == [None] * 3
