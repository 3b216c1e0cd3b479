"""Addresses from a vendor that a page may link."""

from __future__ import annotations

from urllib.parse import urlsplit

_MAX_LENGTH = 2048
"""The number of characters that every browser accepts."""


def http_url(address: str | None) -> str | None:
    """Return the address unchanged when a page may link it, else None.

    It must be absolute, http or https, with a host and a valid port, and at most 2048 characters long. It must
    hold no credentials, no backslash, and no character that a browser would hide, drop or move.
    """
    if address is None or len(address) > _MAX_LENGTH or not _is_plain(address):
        return None
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and "%" not in parts.netloc and parts.port != 0
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not has_host or "@" in parts.netloc:
        return None
    # urlsplit reads `https:host` as a path, browsers read it as a host.
    return address if address[len(parts.scheme) :].startswith("://") else None


def _is_plain(address: str) -> bool:
    return address.isprintable() and not any(letter.isspace() or letter in '\\<>"`^{|}' for letter in address)
