"""Read the body of a response: decompress it, and stop at a limit of decoded bytes."""

from __future__ import annotations

import zlib
from typing import Any

import httpx

ACCEPT_ENCODING = "gzip, deflate"
"""The content codings that `read_body` decodes."""


_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class BodyTooLargeError(Exception):
    """A decoded body exceeds its limit."""


class UndecodableBodyError(Exception):
    """A body is not in its content coding, or its coding is not supported."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the decoded body of a response, and close the response's stream.

    Args:
        response: The response with its stream unread.
        limit: The most decoded bytes.

    Raises:
        BodyTooLargeError: The decoded body has more bytes. No more than one byte beyond the limit is decoded.
        UndecodableBodyError: The body cannot be decoded.
        httpx.TransportError: The connection failed.
    """
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("The transport must return an asynchronous stream.")
    blocks: list[bytes] = []
    try:
        decoder = _decoder(_content_coding(response.headers), limit)
        if isinstance(stream, httpx.ByteStream):  # all bytes are there, as for most responses of the pool
            blocks.append(decoder.decode(b"".join(stream)))
        else:
            async for chunk in stream:
                blocks.append(decoder.decode(chunk))  # noqa: PERF401 - an error in between must clear the list
        decoder.finish()
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)
    except zlib.error:
        raise UndecodableBodyError from None
    finally:
        blocks.clear()  # the traceback of an error keeps this frame, and with it the blocks
        await stream.aclose()


def _content_coding(headers: httpx.Headers) -> bytes:
    """Return the content coding in lower case. `headers.get` takes 3 us to find that there is none."""
    for name, value in headers.raw:
        if len(name) == len(b"content-encoding") and name.lower() == b"content-encoding":
            return value.strip().lower()
    return b""


def _decoder(coding: bytes, limit: int) -> _Decoder:
    if coding in {b"", b"identity"}:
        return _Decoder(limit)
    if coding in {b"gzip", b"x-gzip"}:
        return _Inflater(limit, is_gzip=True)
    if coding == b"deflate":
        return _Inflater(limit, is_gzip=False)
    raise UndecodableBodyError


class _Decoder:
    """Counts the bytes of a body without a coding."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def decode(self, chunk: bytes) -> bytes:
        """Return the decoded bytes of a chunk."""
        self._left -= len(chunk)
        if self._left < 0:
            raise BodyTooLargeError
        return chunk

    def finish(self) -> None:
        """Check that the body is complete."""


class _Inflater(_Decoder):
    """Decodes gzip, also of several members, and deflate with or without the header of zlib."""

    def __init__(self, limit: int, *, is_gzip: bool) -> None:
        super().__init__(limit)
        self._is_gzip = is_gzip
        self._member: Any = None  # the type of zlib's decompressors has no public name

    def decode(self, chunk: bytes) -> bytes:
        """Return the decoded bytes of a chunk."""
        decoded: list[bytes] = []
        while chunk:
            if self._member is None or (self._member.eof and self._is_gzip):
                self._member = zlib.decompressobj(_GZIP_WINDOW if self._is_gzip else _deflate_window(chunk))
            if self._member.eof:
                raise UndecodableBodyError
            decoded.append(super().decode(self._member.decompress(chunk, self._left + 1)))
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(decoded)

    def finish(self) -> None:
        """Check that the last member is complete. A body without bytes is empty."""
        if self._member is not None and not self._member.eof:
            raise UndecodableBodyError


def _deflate_window(first: bytes) -> int:
    """Return the window for data with the header of zlib, which most servers send, or without one."""
    return _ZLIB_WINDOW if first[0] & 0x0F == zlib.DEFLATED else _RAW_WINDOW
