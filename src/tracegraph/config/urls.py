"""Parse the URLs of the configuration, with the same checks for all of them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from tracegraph.upstream.transport import read_base_url

_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?")
"""A name (letters of other scripts too), IPv4, or an IPv6 address without its brackets."""


def read_url(url: str, expected: str, schemes: frozenset[str] = frozenset({"http", "https"})) -> SplitResult:
    """Return the parts of a URL with one of the schemes, a host and a valid port.

    Args:
        url: The URL.
        expected: The expected form, for messages.
        schemes: The permitted schemes.

    Raises:
        ValueError: Without the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"its host or port cannot be read: {expected}") from None
    if parts.scheme not in schemes or not host or not _HOST.fullmatch(host):
        raise ValueError(expected)
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"a port must be 1 to 65535: {expected}")
    if not url.isprintable() or re.search(r"\s", url):
        raise ValueError(f"it has blanks or control characters: {expected}")
    if parts.scheme in {"http", "https"}:
        read_base_url(url)
    return parts


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
