"""Verification of bearer tokens: JWTs that an identity provider signs for this gateway."""

from __future__ import annotations

from typing import Any

import jwt

from tracegraph.config.auth import JwtTable
from tracegraph.http.auth.jwks import JWKSCache
from tracegraph.http.auth.principal import Principal, Quota

MAX_SUBJECT_LENGTH = 512


class JWTVerifier:
    """Verifies tokens: signature by a key of the provider, pinned algorithm, issuer, audience and time."""

    def __init__(self, table: JwtTable, keys: JWKSCache, quota: Quota) -> None:
        self._table = table
        self._keys = keys
        self._quota = quota

    async def principal(self, token: str) -> Principal | None:
        """Return the principal of the token, or None for an invalid token."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._table.algorithms:
                return None
            key = await self._keys.key(header.get("kid"))
            claims = None if key is None else self._claims(token, key)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return None if claims is None else self._holder(claims)

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,  # PyJWT also requires the key's own algorithm; RS256 for an RSA key without one
            algorithms=list(self._table.algorithms),
            issuer=self._table.issuer,
            audience=self._table.audience,
            leeway=self._table.leeway_s,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )

    def _holder(self, claims: dict[str, Any]) -> Principal | None:
        subject = claims["sub"]
        if not subject or len(subject) > MAX_SUBJECT_LENGTH:
            return None
        return Principal(f"jwt:{subject}", self._sources(claims), self._quota)

    def _sources(self, claims: dict[str, Any]) -> frozenset[str] | None:
        if self._table.sources_claim is None:
            return None
        claim = claims.get(self._table.sources_claim)
        names = claim.split() if isinstance(claim, str) else claim
        if not isinstance(names, list):
            return frozenset()
        return frozenset(name for name in names if isinstance(name, str))
