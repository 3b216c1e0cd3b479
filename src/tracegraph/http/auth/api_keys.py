"""API keys: 256 random bits, of which the configuration holds the SHA-256."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256

from tracegraph.errors import ConfigurationError
from tracegraph.http.auth.principal import Principal

PREFIX = "tg_"
"""Tells a key from a token, and lets scanners of repositories find one that was lost."""


def new_key() -> str:
    """A key that nobody had before."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What the configuration holds of a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def toml_table(name: str, key: str) -> str:
    """The table of the configuration that lets the key's holder in under that name, in ASCII.

    Raises ConfigurationError for a name that is not Unicode, which no TOML can hold.
    """
    if any("\ud800" <= char <= "\udfff" for char in name):
        raise ConfigurationError("The name of a key must be text in UTF-8: choose another.")
    quoted = "".join(_escaped(char) for char in name)
    return f'[auth.keys."{quoted}"]\nsha256 = "{hash_of(key)}"\n'


def _escaped(char: str) -> str:
    """The character in a basic string of TOML. A terminal may show no others than those of ASCII."""
    if char in {'"', "\\"}:
        return f"\\{char}"
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"


class ApiKeys:
    """The configured keys' principals by hash."""

    def __init__(self, principals: Mapping[str, Principal]) -> None:
        self._principals = principals

    def principal(self, key: str) -> Principal | None:
        """Whose key it is. Every hash is compared, each in constant time: time tells nothing of which is near."""
        given, found = hash_of(key), None
        for known, principal in self._principals.items():
            if hmac.compare_digest(given, known):
                found = principal
        return found
