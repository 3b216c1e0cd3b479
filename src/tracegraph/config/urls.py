"""URLs of the configuration: each is read here, so that each is refused for the same reasons."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?")
"""A name (letters of other scripts too), IPv4, or what stands in brackets for IPv6."""


def read_url(url: str, expected: str, schemes: frozenset[str] = frozenset({"http", "https"})) -> SplitResult:
    """The parts of a URL with one of the schemes, a host and a port that there can be.

    `expected` says how such a URL is written. Raises ValueError, without the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"its host or port cannot be read: {expected}") from None
    if parts.scheme not in schemes or not host or not _HOST.fullmatch(host):
        raise ValueError(expected)
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"a port is 1 to 65535: {expected}")
    if not url.isprintable() or re.search(r"\s", url):
        raise ValueError(f"it holds blanks or control characters: {expected}")
    return parts
