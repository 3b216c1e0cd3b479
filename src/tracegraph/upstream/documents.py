"""One JSON document that is fetched now and then, from a URL or a file: the keys of an identity provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tracegraph.errors import SourceError
from tracegraph.upstream.call import Call
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
    settings = TransportSettings(url, TIMEOUT_S, TIMEOUT_S, max_connections=1, max_response_bytes=MOST_BYTES)
    async with Transport("jwks", settings) as transport:

        async def fetch() -> bytes | None:
            try:
                reply = await transport.send(Call("jwks", ""), {}, TIMEOUT_S)
            except SourceError:
                return None
            return reply.body if reply.status == 200 else None

        yield fetch


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None
