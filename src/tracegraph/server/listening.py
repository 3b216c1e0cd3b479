"""The socket of the gateway: an address, a Unix socket, or a socket that the parent process opened."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from tracegraph.errors import ConfigurationError

_UNIX_SOCKET_MODE = 0o660
"""Clients of a Unix socket are those whom the file admits: its owner and its group."""


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket at an address.

    Raises:
        ConfigurationError: The address is in use, or is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's number asyncio leaves Nagle's algorithm on, which delays responses by 40 ms.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.set_inheritable(True)
    except (OSError, UnicodeError) as error:  # UnicodeError for an invalid host name
        opened.close()
        reason = error.strerror if isinstance(error, OSError) else "it is not a valid host name"
        raise ConfigurationError(
            f"The gateway cannot listen on {host}:{port}: {reason}. Choose another with --host or --port."
        ) from None
    return opened


def listen_at_path(path: str) -> socket.socket:
    """Return a bound Unix socket. The socket of a process that has ended is replaced.

    Raises:
        ConfigurationError: Another process listens there, the path is another kind of file, or cannot be written.
    """
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_abandoned(path):
            os.unlink(path)
        before = os.umask(0o777 & ~_UNIX_SOCKET_MODE)
        try:
            opened.bind(path)
        finally:
            os.umask(before)
        opened.set_inheritable(True)
    except OSError as error:
        opened.close()
        raise ConfigurationError(
            f"server.uds is {path}, and the gateway cannot listen there: {error.strerror or error}. Choose "
            "another path, or end the process that uses it."
        ) from None
    return opened


def inherited(number: int) -> socket.socket:
    """Return the socket that the parent process opened as this file descriptor.

    Raises:
        ConfigurationError: The descriptor is no stream socket.
    """
    problem = f"server.fd is {number}, which is no socket that the parent process opened: correct one of them."
    try:
        opened = socket.socket(fileno=number)
    except OSError:
        raise ConfigurationError(problem) from None
    if opened.type != socket.SOCK_STREAM or opened.family not in {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}:
        opened.detach()
        raise ConfigurationError(problem)
    opened.set_inheritable(True)
    return opened


def host_of(opened: socket.socket) -> str:
    """Return the address on which the socket listens. A Unix socket counts as loopback."""
    return "127.0.0.1" if opened.family is socket.AF_UNIX else str(opened.getsockname()[0])


def endpoint_url(opened: socket.socket, host: str) -> str:
    """Return the URL of the gateway for a client on this machine, or unix: and the path of its socket."""
    if opened.family is socket.AF_UNIX:
        return f"unix:{opened.getsockname()}"
    url_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{url_host}:{opened.getsockname()[1]}/graphql"


def remove_path(opened: socket.socket, path: str | None) -> None:
    """Remove the file of a Unix socket that this process made."""
    if path is not None and opened.family is socket.AF_UNIX:
        with suppress(OSError):
            os.unlink(path)


def _is_abandoned(path: str) -> bool:
    """Return whether the path is a Unix socket on which nobody listens."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
