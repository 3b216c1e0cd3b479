"""Bytes on a connection, as no HTTP library would send them."""

import asyncio
from urllib.parse import urlsplit

from tests.gateway import Gateway


async def raw(gateway: Gateway, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back for bytes on a connection, until it is closed."""
    place = urlsplit(str(gateway.http.base_url))
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()
