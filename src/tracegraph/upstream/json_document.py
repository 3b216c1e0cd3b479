"""One JSON document that is fetched now and then, from a URL or a file: the keys of an identity provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tracegraph.errors import SourceError
from tracegraph.upstream.errors import error_for_status
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.transport import Transport, TransportSettings

MOST_BYTES = 512 * 1024


TIMEOUT_S = 3.0


Fetch = Callable[[], Awaitable[bytes | None]]
"""The document's bytes; None when it cannot be had, whatever the reason."""


@asynccontextmanager
async def open_document(url: str) -> AsyncIterator[Fetch]:
    """A way to fetch the document for the time of the context: no redirects, a bound on bytes and on time."""
    if url.startswith("file:"):
        path = Path(url.removeprefix("file:"))
        yield lambda: asyncio.to_thread(_read, path)
        return
    async with _transport(url) as transport:

        async def fetch() -> bytes | None:
            try:
                return await _fetched(transport)
            except SourceError:
                return None

        yield fetch


async def fetch_document(url: str) -> bytes:
    """The document, once. Raises SourceError, with why a URL cannot be had, and OSError for a file."""
    if url.startswith("file:"):
        return await asyncio.to_thread(Path(url.removeprefix("file:")).read_bytes)
    async with _transport(url) as transport:
        return await _fetched(transport)


def _transport(url: str) -> Transport:
    settings = TransportSettings(url, TIMEOUT_S, TIMEOUT_S, max_connections=1, max_response_bytes=MOST_BYTES)
    return Transport("jwks", settings)


async def _fetched(transport: Transport) -> bytes:
    reply = await transport.send(UpstreamRequest("jwks", ""), {}, TIMEOUT_S)
    if reply.status != 200:
        raise error_for_status(transport.source, reply.status, reply.headers, b"")
    return reply.body


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None
