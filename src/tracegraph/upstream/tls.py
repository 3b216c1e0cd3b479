"""Which certificate authorities a source's certificate may come from, and why a connection failed."""

from __future__ import annotations

import errno
import functools
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import certifi

from tracegraph.errors import ConfigurationError

_VERIFY_REASONS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed: name it in ca_file if it is to be trusted",
    19: "its certificate comes from an unknown authority: name that in ca_file if it is to be trusted",
    20: "its certificate comes from an unknown authority: name that in ca_file if it is to be trusted",
    21: "its certificate comes from an unknown authority: name that in ca_file if it is to be trusted",
    23: "its certificate was revoked",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
}
"""By OpenSSL's codes."""


_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


_LONGEST_CHAIN = 10


def authorities(ca_file: str | None = None) -> ssl.SSLContext:
    """TLS with the authorities of `ca_file` alone; else those of SSL_CERT_FILE and SSL_CERT_DIR, else certifi's.

    Raises ValueError for a `ca_file` that cannot be used, ConfigurationError for such a variable.
    """
    if ca_file is not None:
        return _context(ca_file, None)
    file, folder = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if folder is not None and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise ConfigurationError(f"The environment's SSL_CERT_DIR names {folder}, which is no folder: correct it.")
    if file is None and folder is None:
        file = certifi.where()
    try:
        return _context(file, folder)
    except ValueError as error:
        raise ConfigurationError(f"The environment's SSL_CERT_FILE cannot be used: {error}.") from None


@functools.cache
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """One for all sources: reading the certificate authorities takes longer than all else at start."""
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except ssl.SSLError:
        raise ValueError(f"{file} holds no certificate in PEM form: give the authority's") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def unreachable_reason(error: BaseException) -> str | None:
    """Why there was no connection, in words of ours; None where that is not known.

    Neither an address nor what the other side said is in it.
    """
    return next((reason for cause in _causes(error) if (reason := _reason(cause)) is not None), None)


def _reason(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS failed: {_VERIFY_REASONS.get(cause.verify_code, 'its certificate cannot be verified')}"
    if isinstance(cause, ssl.SSLError):
        answers_plainly = (cause.reason or "") in _NO_TLS
        return f"TLS failed: {'it answers without TLS' if answers_plainly else 'the handshake was broken off'}"
    if isinstance(cause, OSError) and cause.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return "there is no route to its network"
    return next((reason for kind, reason in _BY_KIND if isinstance(cause, kind)), None)


_BY_KIND: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "DNS knows no such host"),
    (UnicodeError, "DNS knows no such host"),
    (ConnectionRefusedError, "the connection was refused: nothing listens there"),
    (ConnectionResetError, "it closed the connection"),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what lies behind it, the deepest first: libraries wrap what the system said."""
    found: list[BaseException] = []
    todo = [error]
    while todo and len(found) < _LONGEST_CHAIN:
        one = todo.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            inner = (one.__cause__, one.__context__, getattr(one, "os_error", None))
            todo += [*inner, getattr(one, "certificate_error", None)]
    return reversed(found)
