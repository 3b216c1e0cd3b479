"""Fetch one JSON document from a URL or a file, such as the keys of an identity provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tracegraph.errors import SourceError
from tracegraph.upstream.errors import error_for_status
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.transport import Transport, TransportSettings

MAX_BYTES = 512 * 1024


TIMEOUT_S = 3.0


Fetch = Callable[[], Awaitable[bytes | None]]
"""Returns the document's bytes, or None after any failure."""


@asynccontextmanager
async def open_document(url: str) -> AsyncIterator[Fetch]:
    """Yield a function that fetches the document, without redirects and within limits of bytes and time."""
    if url.startswith("file:"):
        path = Path(url.removeprefix("file:"))
        yield lambda: asyncio.to_thread(_read, path)
        return
    async with _transport(url) as transport:

        async def fetch() -> bytes | None:
            try:
                return await _fetch(transport)
            except SourceError:
                return None

        yield fetch


async def fetch_document(url: str) -> bytes:
    """Return the document.

    Raises:
        SourceError: With the reason why the URL cannot be read.
        OSError: For a file that cannot be read.
    """
    if url.startswith("file:"):
        return await asyncio.to_thread(Path(url.removeprefix("file:")).read_bytes)
    async with _transport(url) as transport:
        return await _fetch(transport)


def _transport(url: str) -> Transport:
    settings = TransportSettings(url, TIMEOUT_S, TIMEOUT_S, max_connections=1, max_response_bytes=MAX_BYTES)
    return Transport("jwks", settings)


async def _fetch(transport: Transport) -> bytes:
    reply = await transport.send(UpstreamRequest("jwks", ""), {}, TIMEOUT_S)
    if reply.status != 200:
        raise error_for_status(transport.source, reply.status, reply.headers, b"")
    return reply.body


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return None
