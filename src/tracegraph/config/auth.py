"""`[auth]`: API keys, tokens, visible sources and quotas of the clients.

Without keys and without tokens there is no authentication. This is safe on loopback only, and `serve` enforces
that.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from tracegraph.config.sources import YEAR_S, Table
from tracegraph.config.urls import is_loopback, read_url

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a key pair. With a shared secret, a party that can verify a token could also forge one."""


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise ValueError("it must be a SHA-256 of 64 hexadecimal digits, as `tracegraph key new` prints")
    return text


_HASH = re.compile(r"[0-9a-f]{64}")


Sha256 = Annotated[str, AfterValidator(_hash)]


class QuotaTable(Table):
    """The quota of one principal per minute; None for no limit."""

    requests_per_minute: int | None = Field(None, ge=1)
    cost_per_minute: int | None = Field(None, ge=1)


class KeyTable(QuotaTable):
    """`[auth.keys.<name>]`: an API key by its hash, and the names of the sources that it sees; None for all.

    The hash is a plain SHA-256. A key is 256 random bits and cannot be guessed. A slow password hash would only
    make every request slow.
    """

    sha256: Sha256
    sources: tuple[str, ...] | None = None


class JwtTable(QuotaTable):
    """`[auth.jwt]`: bearer tokens of an identity provider.

    `jwks` is the URL of its keys, or `file:PATH`. A token with an unknown key triggers a fetch of the keys, at
    most once per `refetch_s`. The keys are also renewed every `renew_s`, so that a withdrawn key stops working.
    `sources_claim` names the claim with the visible sources, a list or a string with spaces; a token without the
    claim sees none.
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
        expected = 'it must be "https://..." or "file:PATH": changed keys let an attacker impersonate anyone'
        if jwks.startswith("file:") and len(jwks) > len("file:"):
            return jwks
        parts = read_url(jwks, expected)
        if parts.username is not None or parts.password is not None:
            raise ValueError("it must have no user or password: the keys are public")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(expected)
        return jwks


class AuthTable(QuotaTable):
    """`[auth]`: keys by name, tokens, and the quota of every principal without its own.

    With `open_metrics`, `/metrics` needs no authentication; it names every source.
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
        """Whether clients must authenticate."""
        return bool(self.keys) or self.jwt is not None
