"""API keys: 256 random bits. The configuration holds their SHA-256."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256

from tracegraph.errors import ConfigurationError
from tracegraph.http.auth.principal import Principal

PREFIX = "tg_"
"""The prefix that distinguishes a key from a token. Secret scanners find a leaked key by the prefix."""


def new_key() -> str:
    """Return a new random key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key, as the configuration holds the key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def toml_table(name: str, key: str) -> str:
    """Return the table of the configuration that accepts the key under that name, in ASCII.

    Raises:
        ConfigurationError: The name is not valid Unicode, which TOML cannot hold.
    """
    if any("\ud800" <= char <= "\udfff" for char in name):
        raise ConfigurationError("The name of a key must be valid UTF-8: choose another name.")
    quoted = "".join(_escaped(char) for char in name)
    return f'[auth.keys."{quoted}"]\nsha256 = "{hash_key(key)}"\n'


def _escaped(char: str) -> str:
    """Return the character for a basic string of TOML, in ASCII, which every terminal can show."""
    if char in {'"', "\\"}:
        return f"\\{char}"
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"


class ApiKeys:
    """The principals of the configured keys, by the hash of the key."""

    def __init__(self, principals: Mapping[str, Principal]) -> None:
        self._principals = principals

    def principal(self, key: str) -> Principal | None:
        """Return the principal of the key, or None for an unknown key.

        The method compares every hash in constant time, so that its duration reveals nothing about the hashes.
        """
        digest, match = hash_key(key), None
        for configured, principal in self._principals.items():
            if hmac.compare_digest(digest, configured):
                match = principal
        return match
