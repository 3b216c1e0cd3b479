"""Bearer tokens: JWTs that an identity provider signed for this gateway."""

from __future__ import annotations

from typing import Any

import jwt

from tracegraph.config.auth import JwtTable
from tracegraph.http.auth.jwks import JWKSCache
from tracegraph.http.auth.principal import Principal, Quota

_LONGEST_SUBJECT = 512


class JWTVerifier:
    """What it takes to believe a token: signature by a known key, a pinned algorithm, issuer, audience, time."""

    def __init__(self, table: JwtTable, keys: JWKSCache, allowance: Quota) -> None:
        self._table = table
        self._keys = keys
        self._allowance = allowance

    async def principal(self, token: str) -> Principal | None:
        """Whose token it is; None for one that is not to be believed, whatever the reason."""
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
            key,  # its own algorithm must be the token's, too; RS256 for an RSA key that names none
            algorithms=list(self._table.algorithms),
            issuer=self._table.issuer,
            audience=self._table.audience,
            leeway=self._table.leeway_s,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )

    def _holder(self, claims: dict[str, Any]) -> Principal | None:
        subject = claims["sub"]
        if not subject or len(subject) > _LONGEST_SUBJECT:
            return None
        return Principal(f"jwt:{subject}", self._sources(claims), self._allowance)

    def _sources(self, claims: dict[str, Any]) -> frozenset[str] | None:
        if self._table.sources_claim is None:
            return None
        given = claims.get(self._table.sources_claim)
        names = given.split() if isinstance(given, str) else given
        if not isinstance(names, list):
            return frozenset()
        return frozenset(name for name in names if isinstance(name, str))
