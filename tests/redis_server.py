"""A Redis server of its own for tests: Debian's, in memory only, on a free port of loopback."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

STARTS_WITHIN_S = 20.0
PORTS = range(15_000, 32_000)
COMMAND = shutil.which("redis-server")


class RedisServer:
    """A process that can be stopped for a while, killed, and started again where it was."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and wait until it answers."""
        assert COMMAND is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([COMMAND, *options], stdout=subprocess.DEVNULL)
        ends_at = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            assert time.monotonic() < ends_at, "redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False

    def command(self, *words: str | bytes) -> bytes:
        """The first bytes of what it answers to a command, in its own protocol."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        framed = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"*%d\r\n%s" % (len(parts), framed))
            return connection.recv(65536)

    def keys(self) -> list[bytes]:
        """Every key that it holds."""
        return self.command("KEYS", "*").split(b"\r\n")[2::2]

    def hang(self) -> None:
        """Take connections, and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def free_port() -> int:
    """A port of loopback that nobody listens on.

    It is none that the system gives to whoever takes any, as the tests of other processes do.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A server while the block runs."""
    server = RedisServer(free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill()
