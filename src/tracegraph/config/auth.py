"""`[auth]`: who may come in, what each may see and how much each may ask.

Without keys and without tokens nobody is asked who they are: good for loopback only, and `serve` sees to that.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from tracegraph.config.sources import YEAR_S, Table, is_loopback
from tracegraph.config.urls import read_url

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a key pair. With a shared secret, a party that can verify one can also forge one."""


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise ValueError("it is a SHA-256 in 64 hexadecimal digits, as `tracegraph key new` prints it")
    return text


_HASH = re.compile(r"[0-9a-f]{64}")


Sha256 = Annotated[str, AfterValidator(_hash)]


class AllowanceTable(Table):
    """What one principal may ask in a minute; None for as much as it likes."""

    requests_per_minute: int | None = Field(None, ge=1)
    cost_per_minute: int | None = Field(None, ge=1)


class KeyTable(AllowanceTable):
    """`[auth.keys.<name>]`: an API key by its hash, and the names of the sources that exist for it; None for all.

    The hash is a plain SHA-256. A key is 256 random bits, so there is nothing to guess, and what makes the hash
    of a password slow would only make every request slow.
    """

    sha256: Sha256
    sources: tuple[str, ...] | None = None


class JwtTable(AllowanceTable):
    """`[auth.jwt]`: bearer tokens of an identity provider.

    `jwks` is its keys' URL, or `file:PATH`. A token that names an unknown key has them fetched again, not more
    often than every `refetch_s`; they are renewed every `renew_s`, so that a key that was withdrawn goes.
    `sources_claim` names the claim with the sources that exist for the token's holder, a list or a text with
    spaces; a token without it sees none.
    """

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks: str
    algorithms: tuple[Algorithm, ...] = Field(("RS256", "ES256"), min_length=1)
    leeway_s: float = Field(30.0, ge=0, le=300)
    refetch_s: float = Field(30.0, ge=1, le=YEAR_S)
    renew_s: float = Field(600.0, ge=1, le=YEAR_S)
    sources_claim: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("jwks")
    @classmethod
    def _fetchable(cls, jwks: str) -> str:
        expected = 'it is "https://...", or "file:PATH": whoever can change the keys can be anybody'
        if jwks.startswith("file:") and len(jwks) > len("file:"):
            return jwks
        parts = read_url(jwks, expected)
        if parts.username is not None or parts.password is not None:
            raise ValueError("it must have no user or password: the keys are public")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(expected)
        return jwks


class AuthTable(AllowanceTable):
    """`[auth]`: keys by name, tokens, and the rates of every principal that has none of its own.

    `open_metrics`: `/metrics` is for everybody, and names every source.
    """

    keys: dict[str, KeyTable] = Field(default_factory=dict)
    jwt: JwtTable | None = None
    open_metrics: bool = False

    @field_validator("keys")
    @classmethod
    def _distinct(cls, keys: dict[str, KeyTable]) -> dict[str, KeyTable]:
        names: dict[str, str] = {}
        for name, key in keys.items():
            if key.sha256 in names:
                raise ValueError(
                    f"{names[key.sha256]} and {name} have the same sha256: each holder needs its own key"
                )
            names[key.sha256] = name
        return keys

    @property
    def is_on(self) -> bool:
        """Whether clients must say who they are."""
        return bool(self.keys) or self.jwt is not None
