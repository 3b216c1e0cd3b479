"""The listening socket of the gateway."""

import socket

from tracegraph.server.listening import listen


def test_the_socket_names_its_protocol_so_that_asyncio_sends_small_responses_at_once() -> None:
    """asyncio sets TCP_NODELAY only on connections of a socket with the protocol number of TCP."""
    with listen("127.0.0.1", 0) as opened:
        assert opened.proto == socket.IPPROTO_TCP
