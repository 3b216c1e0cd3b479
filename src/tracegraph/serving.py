"""Running the application on a socket: one process, or several that share it."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from tracegraph.app import INSECURE, WORKERS_FOLDER
from tracegraph.auth_table import AuthTable
from tracegraph.errors import ConfigurationError
from tracegraph.evenly import MOST_AT_ONCE
from tracegraph.http.heads import BoundedHeads
from tracegraph.source_table import is_loopback

_GRACE_S = 15
_ANSWERS_WITHIN_S = 60
"""A process that does not tell its parent in time that it lives is replaced. On a busy machine the start takes
long: with the library's 5 s a process would be ended again and again before it ever serves."""


def refuse_open_door(host: str, auth: AuthTable) -> None:
    """Raises ConfigurationError where others than this machine could read with the gateway's keys, unasked."""
    if not auth.is_on and not is_loopback(host):
        raise ConfigurationError(
            f"The gateway would listen on {host} and ask nobody who they are: configure [auth] (begin with "
            "`tracegraph key new`), listen on 127.0.0.1, or say --insecure if something in front asks."
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigurationError when the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's number asyncio leaves Nagle's algorithm on, which holds answers back for 40 ms.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.set_inheritable(True)
    except (OSError, UnicodeError) as error:  # the latter for what cannot be a name
        opened.close()
        reason = error.strerror if isinstance(error, OSError) else "no host can have that name"
        raise ConfigurationError(
            f"The gateway cannot listen on {host}:{port}: {reason}. Choose another with --host or --port."
        ) from None
    return opened


def url_of(opened: socket.socket, host: str) -> str:
    """Where a client on this machine finds the gateway."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{opened.getsockname()[1]}/graphql"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As the library's, but a SIGTERM is spent when the last answer is given: the process ends with 0.

        The library raises it again, so that a clean end would look like a process that was killed.
        """
        with super().capture_signals():
            yield
            self._captured_signals = [number for number in self._captured_signals if number != signal.SIGTERM]


def server_of(app: Starlette) -> uvicorn.Server:
    """A server for one process: SIGTERM lets requests in flight finish."""
    return _Server(_config(app))


def handles_of(opened: socket.socket) -> list[socket.socket]:
    """The socket as a server of one process is to be given it: its loop takes one connection a turn of each."""
    return [opened, *(opened.dup() for _ in range(MOST_AT_ONCE - 1))]


@contextmanager
def workers_folder() -> Iterator[Path]:
    """A folder for what the processes of one gateway share.

    Raises ConfigurationError where nothing can be written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="tracegraph-")
    except OSError:
        raise ConfigurationError(
            "Several workers need a folder to share their metrics in, and none can be written: set TMPDIR to one, "
            "or serve with --workers 1."
        ) from None
    with folder as path:
        yield Path(path)


def serve_with_workers(
    opened: socket.socket, workers: int, file: Path | None, folder: Path, *, insecure: bool
) -> None:
    """Run that many processes on the socket until SIGTERM; each reads the configuration anew."""
    if insecure:
        os.environ[INSECURE] = "yes"
    if file is not None:
        os.environ["TRACEGRAPH_CONFIG"] = str(file.resolve())
    config = _config("tracegraph.app:create_configured_app", workers=workers)
    with opened:
        os.environ[WORKERS_FOLDER] = str(folder)
        opened.listen(config.backlog)
        Multiprocess(config, sockets=[opened]).run()


def _config(app: Starlette | str, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        loop="tracegraph.room:RoomyLoop" if workers == 1 else "tracegraph.evenly:EvenLoop",
        http=BoundedHeads,
        ws="none",
        lifespan="on",
        log_config=None,  # its lines are forwarded to ours
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks for a client's address
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=75,
        timeout_worker_healthcheck=_ANSWERS_WITHIN_S,
    )
