"""The socket that the gateway listens on."""

import socket

from tracegraph.server.run import listen


def test_it_names_its_protocol_so_that_asyncio_sends_small_answers_at_once() -> None:
    """asyncio sets TCP_NODELAY on connections whose socket says that it is TCP, and on no others."""
    with listen("127.0.0.1", 0) as opened:
        assert opened.proto == socket.IPPROTO_TCP
