"""Raw bytes on a connection, for requests that no HTTP library sends."""

import asyncio
from urllib.parse import urlsplit

from tests.gateway import Gateway


async def raw(gateway: Gateway, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send bytes on a new connection, and return all received bytes until the connection closes."""
    address = urlsplit(str(gateway.http.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
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
