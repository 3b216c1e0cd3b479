"""The trusted certificate authorities of a source, and the reasons of failed connections."""

from __future__ import annotations

import errno
import functools
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import certifi
import httpx

from tracegraph.errors import ConfigurationError

_VERIFY_REASONS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed: name the certificate in ca_file to trust it",
    19: "its certificate was issued by an unknown authority: name the authority in ca_file to trust it",
    20: "its certificate was issued by an unknown authority: name the authority in ca_file to trust it",
    21: "its certificate was issued by an unknown authority: name the authority in ca_file to trust it",
    23: "its certificate was revoked",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
}
"""By OpenSSL's verification code."""


_PLAIN_TEXT_REASONS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)


_MAX_CAUSES = 10


def ssl_context(
    ca_file: str | None = None, client_certificate: str | None = None, client_key: str | None = None
) -> ssl.SSLContext:
    """Return TLS settings that trust only `ca_file`, else SSL_CERT_FILE and SSL_CERT_DIR, else certifi.

    Args:
        ca_file: A PEM file with the only trusted authorities.
        client_certificate: A PEM file with the certificate that a server may request.
        client_key: A PEM file with its private key; None where the certificate's file holds it.

    Raises:
        ValueError: For a file that cannot be used.
        ConfigurationError: For an environment variable that cannot be used.
    """
    if ca_file is not None:
        return _context(ca_file, None, client_certificate, client_key)
    file, folder = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if folder is not None and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise ConfigurationError(
            f"The environment's SSL_CERT_DIR names {folder}, which is not a folder: correct the variable."
        )
    if file is None and folder is None:
        file = certifi.where()
    try:
        _context(file, folder)
    except ValueError as error:
        raise ConfigurationError(f"The environment's SSL_CERT_FILE cannot be used: {error}.") from None
    return _context(file, folder, client_certificate, client_key)


@functools.cache
def _context(
    file: str | None, folder: str | None, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext:
    """Return one context per file for all sources: reading the authorities dominates the time of the start."""
    context = _trusting(file, folder)
    if certificate is not None:
        _load_certificate(context, certificate, key)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError:
        raise ValueError(
            f"{certificate} and its key cannot be used: both must be in PEM form, the key unencrypted and of this "
            "certificate"
        ) from None
    except OSError as error:
        names = certificate if key is None else f"{certificate} or {key}"
        raise ValueError(f"{names} cannot be read: {error.strerror}") from None


def _no_password() -> str:
    """Return no password for an encrypted key: without this function OpenSSL would ask for it on the terminal."""
    return ""


def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except ssl.SSLError:
        raise ValueError(f"{file} holds no certificate in PEM form: use the authority's certificate") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def unreachable_reason(error: BaseException) -> str | None:
    """Return why there was no connection, in our own words, or None when the cause is unknown.

    The reason holds neither an address nor any text of the other side.
    """
    return next((reason for cause in _causes(error) if (reason := _reason(cause)) is not None), None)


def _reason(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS failed: {_VERIFY_REASONS.get(cause.verify_code, 'its certificate cannot be verified')}"
    if isinstance(cause, ssl.SSLError):
        is_plain_text = (cause.reason or "") in _PLAIN_TEXT_REASONS
        return f"TLS failed: {'the server does not use TLS' if is_plain_text else 'the handshake was aborted'}"
    if isinstance(cause, OSError) and cause.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return "there is no route to its network"
    return next((reason for kind, reason in _REASONS if isinstance(cause, kind)), None)


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (httpx.ProxyError, "the proxy refused the connection"),
    (socket.gaierror, "DNS does not resolve the host"),
    (UnicodeError, "DNS does not resolve the host"),
    (ConnectionRefusedError, "the connection was refused: nothing listens on the port"),
    (ConnectionResetError, "the server closed the connection"),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes, innermost first: libraries wrap the system's error."""
    causes: list[BaseException] = []
    pending = [error]
    while pending and len(causes) < _MAX_CAUSES:
        current = pending.pop(0)
        if isinstance(current, BaseException) and current not in causes:
            causes.append(current)
            pending += [current.__cause__, current.__context__]
            pending += current.exceptions if isinstance(current, BaseExceptionGroup) else ()
    return reversed(causes)
