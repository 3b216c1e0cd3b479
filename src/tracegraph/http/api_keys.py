"""API keys: 256 random bits, of which the configuration holds the SHA-256."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256

from tracegraph.http.principal import Principal

PREFIX = "tg_"
"""Tells a key from a token, and lets scanners of repositories find one that was lost."""


def new_key() -> str:
    """A key that nobody had before."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What the configuration holds of a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


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
