"""The kinds of hostile requests: each a function from a number to the bytes of one request.

Equal numbers give equal bytes, so that what is refused again can be told from what is refused for the first time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

Make = Callable[[int], bytes]
_COMMENT = "# %d\n"


@dataclass(frozen=True, slots=True)
class Keys:
    """What stands in the Authorization header: a good key, one that nobody has, and a forged token."""

    good: str
    unknown: str
    forged: str


def post(key: str, body: bytes, *more: bytes) -> bytes:
    """A POST to the endpoint, with further header lines."""
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
    """A POST that asks to run a document."""
    return post(key, orjson.dumps({"query": text, "variables": variables}))


def kinds(keys: Keys) -> Mapping[str, Make]:
    """Every kind by its name."""
    return {**_bodies(keys.good), **_documents(keys.good), **_strangers(keys)}


def _bodies(key: str) -> Mapping[str, Make]:
    """Requests that are no GraphQL request."""
    bomb = zlib.compress(b" " * 10_000_000)
    lines = b"\r\n".join(b"x-%d: 1" % number for number in range(7000))
    good = '{"query": "query($n: Int) { experiments(first: $n) { totalCount } }", "variables": {"n": %s, "m": %d}}'
    return {
        "null": lambda _: post(key, b"null"),
        "a number": lambda number: post(key, b"%d" % number),
        "a list": lambda number: post(key, b'["x%d"]' % number),
        "bad UTF-8": lambda number: post(key, b'{"query": "\xff%d"}' % number),
        "JSON 100,000 deep": lambda number: post(key, b'{"%d": ' % number + b"[" * 100_000),
        "a body of 1.1 MB": lambda number: post(key, b'{"query": "%07d' % number + b" " * 1_100_000 + b'"}'),
        "a body of 10 MB": lambda number: post(key, b'{"query": "%07d' % number + b" " * 10_000_000 + b'"}'),
        "a header of 64 kB": lambda number: post(key, b"%d" % number, b"x-long: " + b"x" * 65_536),
        "7,000 headers": lambda number: post(key, b"%d" % number, lines),
        "a deflate bomb": lambda _: post(key, bomb, b"content-encoding: deflate"),
        "one name twice": lambda number: post(key, b'{"query": "{ a%d }", "query": "{ b }"}' % number),
        "one name twice, at the end of 30,000": lambda number: post(
            key, b'{"query": "{ a }", "variables": {%s"x%d": 1, "x%d": 2}}' % (_names(30_000), number, number)
        ),
        "a lone surrogate": lambda number: post(key, b'{"query": "\\ud800%d"}' % number),
        "1e400": lambda number: post(key, (good % ("1e400", number)).encode()),
        "variables of the wrong type": lambda number: post(key, (good % ('[{"a": 1}]', number)).encode()),
    }


def _names(count: int) -> bytes:
    return b"".join(b'"n%d": 1, ' % number for number in range(count))


def _documents(key: str) -> Mapping[str, Make]:
    """Documents made to cost. A comment makes each a new text."""

    def kind(text: str) -> Make:
        return lambda number: query(key, _COMMENT % number + text)

    return {
        "circular fragments": kind("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
        "fragments that double 40 times": kind(_doubling(40)),
        "50,000 aliases": kind("{" + "".join(f"a{number}: __typename " for number in range(50_000)) + "}"),
        "10,000 directives": kind("{ sources { name " + "@skip(if: false) " * 10_000 + "} }"),
        "300 directives": kind("{ sources { name " + "@skip(if: false) " * 300 + "} }"),
        "fields 30,000 deep": kind("{ sources " * 30_000 + "}" * 30_000),
        "fields 300 deep": kind("{ sources " * 300 + "{ name " + "}" * 301),
        "a cost of millions": kind(
            "{ experiments(first: 1000) { nodes { sessions(first: 1000) { nodes { id } } } } }"
        ),
        "1,900 tokens, wrong fields": kind("{" + " ".join(f"x{number}" for number in range(1900)) + "}"),
        "1,900 tokens, right fields": kind(
            "{" + "sources { id name vendor capabilities { sessionOrders } } " * 170 + "}"
        ),
        "450 variables": kind("query(" + " ".join(f"$a{n}: Int" for n in range(450)) + ") { sources { name } }"),
        "a small document": lambda number: query(key, f"{{ a{number}: sources {{ name }} }}"),
        "no document": lambda number: query(key, f"{{ sources {number}"),
    }


def _doubling(times: int) -> str:
    body = "a: experiments {{ nodes {{ source {{ ...F{0} }} }} }} b: name ...F{0}"
    fragments = (f"fragment F{n} on Source {{ {body.format(n + 1)} }}" for n in range(times))
    return "{ sources { ...F0 } } " + " ".join(fragments) + f" fragment F{times} on Source {{ name }}"


def _strangers(keys: Keys) -> Mapping[str, Make]:
    """Requests without a right to ask."""
    text = b'{"query": "{ sources { name } }"}'
    return {
        "a wrong key": lambda number: post(f"{keys.unknown[:-8]}{number:08}", text),
        "a forged token": lambda _: post(keys.forged, text),
        "a wrong key and 1 MB": lambda number: post(keys.unknown, b"%07d" % number + b" " * 1_000_000),
    }
