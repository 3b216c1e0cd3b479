"""The kinds of hostile requests: the bytes of one request, with a placeholder for a number that makes it unique.

The bytes are built once and sent in two parts around the number, so that the sender uses less CPU than the
gateway.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

_NUMBER = b"#NUMBER#"


@dataclass(frozen=True, slots=True)
class Kind:
    """A request without its number, if it has one."""

    begin: bytes
    end: bytes | None

    @classmethod
    def from_request(cls, request: bytes) -> Kind:
        """Return the kind of a request in which `#NUMBER#` stands for eight digits."""
        begin, number, end = request.partition(_NUMBER)
        return cls(begin, end if number else None)

    def request(self, number: int) -> tuple[bytes, ...]:
        """Return the request in parts. Equal numbers give equal requests."""
        return (self.begin,) if self.end is None else (self.begin, b"%08d" % number, self.end)


@dataclass(frozen=True, slots=True)
class Keys:
    """Authorization credentials: a valid key, an unknown key and a forged token."""

    good: str
    unknown: str
    forged: str


def post(key: str, body: bytes, *more: bytes) -> bytes:
    """Return a POST to the endpoint, with further header lines."""
    head = (
        b"POST /graphql HTTP/1.1",
        b"host: gateway",
        b"content-type: application/json",
        b"authorization: Bearer " + key.encode(),
        b"content-length: %d" % len(body),
        *more,
    )
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def query(key: str, text: str, variables: object = None) -> bytes:
    """Return a POST with a GraphQL document."""
    return post(key, orjson.dumps({"query": text, "variables": variables}))


def kinds(keys: Keys) -> Mapping[str, Kind]:
    """Return every kind by its name."""
    requests = {**_bodies(keys.good), **_documents(keys.good), **_unauthorized(keys)}
    return {name: Kind.from_request(request) for name, request in requests.items()}


def _bodies(key: str) -> Mapping[str, bytes]:
    """Return requests that are not GraphQL requests."""
    bomb = zlib.compress(b" " * 10_000_000)
    lines = b"\r\n".join(b"x-%d: 1" % number for number in range(7000))
    names = b"".join(b'"n%d": 1, ' % number for number in range(30_000))
    text = b"query($n: Int) { experiments(first: $n) { totalCount } }"
    by_first = b'{"query": "' + text + b'", "variables": {"m": "#NUMBER#", "n": '
    return {
        "null": post(key, b"null"),
        "a number": post(key, b"1#NUMBER#"),
        "a list": post(key, b'["#NUMBER#"]'),
        "bad UTF-8": post(key, b'{"query": "\xff#NUMBER#"}'),
        "JSON 100,000 deep": post(key, b'{"#NUMBER#": ' + b"[" * 100_000),
        "a body of 1.1 MB": post(key, b'{"query": "#NUMBER#' + b" " * 1_100_000 + b'"}'),
        "a body of 10 MB": post(key, b'{"query": "#NUMBER#' + b" " * 10_000_000 + b'"}'),
        "a header of 64 kB": post(key, b"#NUMBER#", b"x-long: " + b"x" * 65_536),
        "7,000 headers": post(key, b"#NUMBER#", lines),
        "a deflate bomb": post(key, bomb, b"content-encoding: deflate"),
        "one name twice": post(key, b'{"query": "{ a#NUMBER# }", "query": "{ b }"}'),
        "30,000 names": post(key, b'{"query": "{ a }", "variables": {' + names + b'"#NUMBER#": 1}}'),
        "a lone surrogate": post(key, b'{"query": "\\ud800#NUMBER#"}'),
        "1e400": post(key, by_first + b"1e400}}"),
        "a variable of the wrong type": post(key, by_first + b'[{"a": 1}]}}'),
    }


def _documents(key: str) -> Mapping[str, bytes]:
    """Return expensive documents. A comment makes each document a new text."""
    texts = {
        "circular fragments": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "fragments that double 40 times": (_doubling(40)),
        "50,000 aliases": ("{" + "".join(f"a{number}: __typename " for number in range(50_000)) + "}"),
        "10,000 directives": ("{ sources { name " + "@skip(if: false) " * 10_000 + "} }"),
        "300 directives": ("{ sources { name " + "@skip(if: false) " * 300 + "} }"),
        "fields 30,000 deep": "{ sources " * 30_000 + "}" * 30_000,
        "fields 300 deep": "{ sources " * 300 + "{ name " + "}" * 301,
        "a cost of millions": (
            "{ experiments(first: 1000) { nodes { sessions(first: 1000) { nodes { id } } } } }"
        ),
        "1,900 tokens, wrong fields": ("{" + " ".join(f"x{number}" for number in range(1900)) + "}"),
        "1,900 tokens, right fields": (
            "{" + "sources { id name vendor capabilities { sessionOrders } } " * 170 + "}"
        ),
        "450 variables": ("query(" + " ".join(f"$a{n}: Int" for n in range(450)) + ") { sources { name } }"),
        "a small document": "{ sources { name } }",
        "no document": "{ sources",
    }
    return {name: query(key, "##NUMBER#\n" + text) for name, text in texts.items()}


def _doubling(times: int) -> str:
    body = "a: experiments {{ nodes {{ source {{ ...F{0} }} }} }} b: name ...F{0}"
    fragments = (f"fragment F{n} on Source {{ {body.format(n + 1)} }}" for n in range(times))
    return "{ sources { ...F0 } } " + " ".join(fragments) + f" fragment F{times} on Source {{ name }}"


def _unauthorized(keys: Keys) -> Mapping[str, bytes]:
    """Return requests without a valid credential."""
    text = b'{"query": "{ sources { name } }"}'
    return {
        "a wrong key": post(keys.unknown[:-8] + _NUMBER.decode(), text),
        "a forged token": post(keys.forged, text),
        "a wrong key and 1 MB": post(keys.unknown, b"#NUMBER#" + b" " * 1_000_000),
    }
