"""Running the application on a socket, in one process or in several processes that share the socket."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from tracegraph.app import create_app
from tracegraph.commands.validation import validate_before_opening
from tracegraph.config.auth import AuthTable
from tracegraph.config.loader import Loaded, load
from tracegraph.config.settings import LogSettings, Settings
from tracegraph.config.urls import is_loopback
from tracegraph.errors import ConfigurationError
from tracegraph.observability.logging import capture_warnings_and_exceptions, configure_logs
from tracegraph.server.graceful import Server
from tracegraph.server.http_protocol import HeadLimitProtocol
from tracegraph.server.listening import host_of, inherited, listen, listen_at_path
from tracegraph.server.reload import Reloadable
from tracegraph.server.supervisor import Supervisor, WorkerServer
from tracegraph.server.systemd import notify

_BACKLOG = 2048


_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the folder within has a random name, and only this user can read it


_log = structlog.get_logger("tracegraph.server")


@contextmanager
def lifetime_events(loaded: Loaded, url: str, workers: int) -> Iterator[None]:
    """Log the start and the end of the gateway, whatever ends it."""
    gateway = version("tracegraph")
    _log.info(
        "server.started",
        version=gateway,
        file=loaded.origin,
        sources=list(loaded.settings.sources),
        url=url,
        workers=workers,
        pid=os.getpid(),
    )
    began = time.monotonic()
    try:
        yield
    finally:
        _log.info("server.stopped", version=gateway, uptime_s=round(time.monotonic() - began, 1))


def require_auth_unless_loopback(host: str, auth: AuthTable) -> None:
    """Reject an address that other machines reach, unless clients must authenticate.

    Raises:
        ConfigurationError: Other machines could read with the gateway's own credentials.
    """
    if not auth.is_on and not is_loopback(host):
        raise ConfigurationError(
            f"The gateway would listen on {host or 'every address'} without authentication: configure [auth] "
            "(begin with `tracegraph key new`), listen on 127.0.0.1, or pass --insecure behind a proxy that "
            "authenticates clients."
        )


def open_socket(
    settings: Settings, host: str | None, port: int | None, *, insecure: bool
) -> tuple[socket.socket, str]:
    """Return the bound socket of the configuration, and the address on which it listens.

    Args:
        settings: The configuration.
        host: The address of the command line, which overrides the configured socket.
        port: The port of the command line, which does so too.
        insecure: Whether clients need not authenticate.

    Raises:
        ConfigurationError: The gateway cannot listen there, or other machines could read without authentication.
    """
    server = settings.server
    if host is None and port is None and server.uds is not None:
        return listen_at_path(server.uds), "127.0.0.1"
    if host is None and port is None and server.fd is not None:
        opened = inherited(server.fd)
        if not insecure:
            require_auth_unless_loopback(host_of(opened), settings.auth)
        return opened, host_of(opened)
    address = host or server.host
    if not insecure:
        require_auth_unless_loopback(address, settings.auth)
    return listen(address, server.port if port is None else port), address


@dataclass(frozen=True, slots=True)
class AppFactory:
    """Creates the application from the configuration, at the start of a process and on each reload.

    `host` is the address on which the gateway listens, which a reload does not change. `log` is the configuration
    of the log until the application exists.
    """

    file: Path | None
    host: str
    insecure: bool
    workers_folder: Path | None = None
    log: LogSettings = LogSettings()

    def create(self) -> Starlette:
        """Return an application with the current configuration of the file and the environment.

        Raises:
            ConfigurationError: The configuration is invalid. Some errors appear only when the application opens.
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
        """Open the application and close it again, without a call to a vendor.

        Raises:
            ConfigurationError: The configuration is invalid, or the application cannot open.
        """
        loaded = self._loaded()
        asyncio.run(_open_once(create_app(loaded.settings, insecure=self.insecure, origin=loaded.origin)))

    def _loaded(self) -> Loaded:
        loaded = load(self.file)
        validate_before_opening(loaded)
        if not self.insecure:
            require_auth_unless_loopback(self.host, loaded.settings.auth)
        return loaded


async def _open_once(app: Starlette) -> None:
    async with app.router.lifespan_context(app):
        pass


def build_server(app: Starlette, prepare: Callable[[], Starlette] | None = None) -> uvicorn.Server:
    """Return a server for one process. On SIGHUP, the result of `prepare` replaces the application."""
    running = Reloadable(app, prepare)
    return Server(build_uvicorn_config(running, "tracegraph.server.event_loop:ServerLoop"), running, notify=notify)


@contextmanager
def workers_folder(directory: str | None) -> Iterator[Path | None]:
    """Create the folder in which the processes of one gateway share metrics, and remove it at the end.

    Args:
        directory: The configured directory of the folder. None for shared memory, or else the system's own.

    Yields:
        The folder, or None when no folder can be written. Each process then reports its own metrics.

    Raises:
        ConfigurationError: The configured directory cannot be written.
    """
    for parent in (_SHARED_MEMORY, None) if directory is None else (directory,):
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tracegraph-", dir=parent))
                Path(folder, "probe").write_bytes(b"-")
            except OSError:
                continue
            yield Path(folder)
            return
    if directory is not None:
        raise ConfigurationError(
            f"metrics.directory is {directory}, and the gateway cannot write there: create the directory, "
            "or choose another."
        )
    _log.warning("metrics.not_shared")
    yield None


def serve_with_workers(opened: socket.socket, workers: int, factory: AppFactory) -> None:
    """Run that many worker processes on the socket until SIGTERM. Each worker reads the configuration itself.

    Args:
        opened: The listening socket.
        workers: The number of worker processes.
        factory: Creates the application of each worker.

    Raises:
        ConfigurationError: The workers cannot start.
    """
    with opened:
        opened.listen(_BACKLOG)
        # The parent closes its copy when the shutdown starts. Otherwise the system still queues connections.
        Supervisor(_run_worker, (opened, factory), workers, factory.check, opened.close, notify).run()


def _run_worker(parent: Connection, opened: socket.socket, factory: AppFactory) -> None:
    configure_logs(factory.log, in_background=True)
    capture_warnings_and_exceptions()
    try:
        app = factory.create()
    except ConfigurationError as error:
        _log.critical("server.not_started", reason=error.message)
        sys.exit(STARTUP_FAILURE)
    configure_logs(app.state.settings.log, in_background=True)
    running = Reloadable(app, factory.create)
    WorkerServer(
        build_uvicorn_config(running, "tracegraph.server.event_loop:SharedSocketLoop"), running, parent
    ).run(sockets=[opened])


def build_uvicorn_config(app: Reloadable, loop: str) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application and the import path of its event loop."""
    return uvicorn.Config(
        app,
        loop=loop,
        http=HeadLimitProtocol,
        ws="none",
        lifespan="on",
        backlog=_BACKLOG,
        log_config=None,  # uvicorn's records are forwarded to structlog
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the gateway does not use a client's address
        timeout_keep_alive=75,
    )
