"""Addresses that a vendor gives and a page may link."""

from __future__ import annotations

from urllib.parse import urlsplit

_LONGEST = 2048
"""Characters: what every browser takes."""


def http_url(address: str | None) -> str | None:
    """The address as it stands when a page may link it, else None.

    It is absolute, http or https, has a host and a valid port, and is not longer than 2048 characters. It holds no
    credentials, no backslash, and no character that a browser would hide, drop or show in another place.
    """
    if address is None or len(address) > _LONGEST or not _is_plain(address):
        return None
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and "%" not in parts.netloc and parts.port != 0
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not has_host or "@" in parts.netloc:
        return None
    # urlsplit takes what follows the scheme for a path where a browser would look for a host in it.
    return address if address[len(parts.scheme) :].startswith("://") else None


def _is_plain(address: str) -> bool:
    return address.isprintable() and not any(letter.isspace() or letter in '\\<>"`^{|}' for letter in address)
