"""The URLs of a vendor that a page may link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.urls import http_url

GOOD = [
    "https://git.example/run/1",
    "http://localhost:8080/x?y=1#z",
    "HTTPS://Git.Example/",
    "https://[2001:db8::1]:8443/a",
    "https://müller.example/größe",
    "https://git.example/@user/a%20b;c=d,e'(f)",
    "https://git.example/" + "x" * 2000,
]
HOSTILE = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript://git.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://git.example/",
    "ws://git.example/",
    "view-source:https://git.example/",
    "blob:https://git.example/1",
    "//git.example/x",
    "/runs/1",
    "git.example/x",
    "",
    " ",
    "https:",
    "https://",
    "https:///x",
    "https:/git.example",
    "https:git.example",
    "https://?x",
    "https://#x",
    "https://:443/",
    "https://git.example:0/",
    "https://git.example:99999/",
    "https://git.example:x/",
    "https://[broken",
    "https://user:pass@git.example/",
    "https://token@git.example/",
    "https://good.example@evil.example/",
    "https://good.example:443@evil.example/",
    "https://good.example\\@evil.example/",
    "https://good.example\\evil.example/",
    "https:\\\\evil.example",
    "https://git.example/a b",
    " https://git.example/",
    "https://git.example/\n",
    "https://git.example/\r\nSet-Cookie: a=b",
    "https://git.example/\t",
    "https://git.exa\tmple/",
    "https://git.example/\x00",
    "https://git.example/\x7f",
    "https://git.example/\u202egnp.exe",
    "https://git.example/\u200b",
    "https://git.example/\u00a0",
    "https://git.example/\u2028",
    "https://git.example/\ud800",
    "https://git.example%00.evil.example/",
    'https://git.example/"onmouseover="alert(1)',
    "https://git.example/<script>",
    "https://git.example/" + "x" * 2048,
]


@pytest.mark.parametrize("address", GOOD)
def test_a_page_may_link_an_absolute_http_address(address: str) -> None:
    assert http_url(address) == address


@pytest.mark.parametrize("address", HOSTILE)
def test_a_page_may_link_nothing_else(address: str) -> None:
    assert http_url(address) is None


def test_no_url_is_none() -> None:
    assert http_url(None) is None


@given(st.text())
def test_any_text_is_a_link_as_it_stands_or_none(text: str) -> None:
    found = http_url(text)
    assert found in {None, text}
    assert found is None or found.casefold().startswith(("http://", "https://"))
