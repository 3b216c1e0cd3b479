"""Compression of responses with gzip, for clients that accept gzip and bodies that are long enough.

The length of a compressed text reveals something about its content. An attacker may place chosen text beside a
secret, have both sent many times, and observe the lengths. Such an attacker can guess the secret (BREACH).
Therefore:

- The endpoint compresses data only. Responses with errors are sent as they are: errors repeat parts of the
  request.
- No response contains a credential, and no page of another site can make a browser send a query (`cross_origin`).
- Traces may hold both text of a stranger and secrets. Each compressed response therefore has a random length: its
  gzip header names a file, and the name is padding. A guess then costs very many responses. Where that is not
  enough, set `[server] compression = false`.
"""

from __future__ import annotations

import asyncio
import os
import zlib

MIN_COMPRESSED_BYTES = 2048
"""The shortest body that is compressed. A shorter body needs about as many packets either way."""
_LEVEL = 1
"""At level 1, 1 MB of JSON takes 5 ms and becomes 0.18 MB. At level 6, it takes 10 ms and becomes 0.17 MB."""
MAX_INLINE_BYTES = 65_536
"""The longest body that is compressed on the event loop, which delays other requests for at most 0.2 ms."""
_PADDING = b"-" * 127
_HEAD_WITH_NAME = b"\x1f\x8b\x08\x08" + bytes(5) + b"\xff"


async def deflate(body: bytes) -> bytes:
    """Return the compressed body, its checksum and its length: the content for `gzip_file`."""
    if len(body) <= MAX_INLINE_BYTES:
        return _deflate(body)
    return await asyncio.to_thread(_deflate, body)


def _deflate(body: bytes) -> bytes:
    trailer = zlib.crc32(body).to_bytes(4, "little") + (len(body) & 0xFFFFFFFF).to_bytes(4, "little")
    return zlib.compress(body, _LEVEL, -zlib.MAX_WBITS) + trailer


def gzip_file(content: bytes) -> bytes:
    """Return a gzip file (RFC 1952) of random length from a result of `deflate`."""
    return b"%b%b\0%b" % (_HEAD_WITH_NAME, _PADDING[: os.urandom(1)[0] & 127], content)
