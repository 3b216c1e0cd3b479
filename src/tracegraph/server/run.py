"""Running the application on a socket: one process, or several that share it."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from tracegraph.app import create_app
from tracegraph.commands.validation import validate_before_opening
from tracegraph.config.auth import AuthTable
from tracegraph.config.loader import Loaded, load
from tracegraph.config.sources import is_loopback
from tracegraph.errors import ConfigurationError
from tracegraph.observability.logging import configure_logs
from tracegraph.server.event_loop import MAX_ACCEPTS_PER_TURN
from tracegraph.server.graceful import Server
from tracegraph.server.http_protocol import HeadLimitProtocol
from tracegraph.server.reload import Reloadable
from tracegraph.server.supervisor import Supervisor, WorkerServer

_BACKLOG = 2048


def refuse_open_door(host: str, auth: AuthTable) -> None:
    """Raises ConfigurationError where others than this machine could read with the gateway's keys, unasked."""
    if not auth.is_on and not is_loopback(host):
        raise ConfigurationError(
            f"The gateway would listen on {host or 'every address'} and ask nobody who they are: configure [auth] "
            "(begin with `tracegraph key new`), listen on 127.0.0.1, or say --insecure if something in front asks."
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


@dataclass(frozen=True, slots=True)
class Configured:
    """Where a process finds its configuration, at its start and on each reload.

    `host` is the address on which the gateway listens already, whatever the file says by now.
    """

    file: Path | None
    host: str
    insecure: bool
    workers_folder: Path | None = None

    def app(self) -> Starlette:
        """The application as the file and the environment say now, at the start and on a reload.

        Raises ConfigurationError for what `serve` refuses, except for what only opening the application finds.
        """
        loaded = self._loaded()
        return create_app(
            loaded.settings,
            workers_folder=self.workers_folder,
            owns_process=True,
            insecure=self.insecure,
            origin=loaded.origin,
        )

    def check(self) -> None:
        """Open the application and close it again, without a call. Raises ConfigurationError."""
        loaded = self._loaded()
        asyncio.run(_open_once(create_app(loaded.settings, insecure=self.insecure, origin=loaded.origin)))

    def _loaded(self) -> Loaded:
        loaded = load(self.file)
        validate_before_opening(loaded)
        if not self.insecure:
            refuse_open_door(self.host, loaded.settings.auth)
        return loaded


async def _open_once(app: Starlette) -> None:
    async with app.router.lifespan_context(app):
        pass


def server_of(app: Starlette, prepare: Callable[[], Starlette] | None = None) -> uvicorn.Server:
    """A server for one process; SIGHUP puts what `prepare` gives in the place of the application."""
    running = Reloadable(app, prepare)
    return Server(config_of(running, "tracegraph.server.event_loop:HeadroomLoop"), running)


def handles_of(opened: socket.socket) -> list[socket.socket]:
    """The socket as a server of one process is to be given it: its loop takes one connection a turn of each."""
    return [opened, *(opened.dup() for _ in range(MAX_ACCEPTS_PER_TURN - 1))]


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


def serve_with_workers(opened: socket.socket, workers: int, configured: Configured) -> None:
    """Run that many processes on the socket until SIGTERM; each reads the configuration anew.

    Raises ConfigurationError when they cannot start.
    """
    with opened:
        opened.listen(_BACKLOG)
        # The parent closes its copy when the end begins: else the system takes connections that no worker accepts.
        Supervisor(_work, (opened, configured), workers, configured.check, opened.close).run()


def _work(parent: Connection, opened: socket.socket, configured: Configured) -> None:
    """A worker's life."""
    try:
        app = configured.app()
    except ConfigurationError as error:
        sys.stderr.write(f"{error.message}\n")
        sys.exit(STARTUP_FAILURE)
    configure_logs(app.state.settings.log, in_background=True)
    running = Reloadable(app, configured.app)
    WorkerServer(config_of(running, "tracegraph.server.event_loop:SharedSocketLoop"), running, parent).run(
        sockets=[opened]
    )


def config_of(app: Reloadable, loop: str) -> uvicorn.Config:
    """How the gateway is served, by which event loop."""
    return uvicorn.Config(
        app,
        loop=loop,
        http=HeadLimitProtocol,
        ws="none",
        lifespan="on",
        backlog=_BACKLOG,
        log_config=None,  # its lines are forwarded to ours
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks for a client's address
        timeout_keep_alive=75,
    )
