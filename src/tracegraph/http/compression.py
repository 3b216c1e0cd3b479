"""Compressed answers: gzip, where the client asks for it and it is worth its time.

The length of a compressed text says something about its content. Someone who can put chosen text beside a secret,
have both sent again and again, and see the lengths, can guess the secret (BREACH). So:

- Only data is compressed. An answer with errors and a refusal are not: these repeat what the request said.
- No credential stands in an answer, and no page of another site can have a browser send a query (`browsers`).
- Traces may hold both what a stranger wrote and what is secret. Hence each compressed answer has a random length:
  its gzip header names a file, and the name is padding. A guess then costs very many answers. Where that is not
  enough, `[server] compression = false`.
"""

from __future__ import annotations

import asyncio
import os
import zlib

WORTH_BYTES = 2048
"""A shorter answer is not compressed: it takes about as many packets either way."""
_LEVEL = 1
"""1 MB of JSON takes 5 ms and becomes 0.18 MB; with level 6 it takes 10 ms and becomes 0.17 MB."""
_AT_ONCE_BYTES = 65_536
"""A longer answer is compressed in a thread, so that it holds up no other request for more than 0.2 ms."""
_PADDING = b"-" * 127
_HEAD_WITH_NAME = b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff"


async def compressed(body: bytes) -> bytes:
    """What `gzip_file` makes a file of: the compressed body, its checksum and its length."""
    if len(body) <= _AT_ONCE_BYTES:
        return _compressed(body)
    return await asyncio.to_thread(_compressed, body)


def _compressed(body: bytes) -> bytes:
    checks = zlib.crc32(body).to_bytes(4, "little") + (len(body) & 0xFFFFFFFF).to_bytes(4, "little")
    return zlib.compress(body, _LEVEL, -zlib.MAX_WBITS) + checks


def gzip_file(content: bytes) -> bytes:
    """A gzip file (RFC 1952) of a random length, from what `compressed` gave."""
    return b"%b%b\0%b" % (_HEAD_WITH_NAME, _PADDING[: os.urandom(1)[0] & 127], content)
