"""Verification of bearer tokens: JWTs that an identity provider signs for this gateway."""

from __future__ import annotations

from typing import Any

import jwt

from tracegraph.config.auth import JwtTable
from tracegraph.http.auth.jwks import JWKSCache
from tracegraph.http.auth.principal import Principal, Quota

MAX_SUBJECT_LENGTH = 512


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "expired"),
    (jwt.ImmatureSignatureError, "not valid yet"),
    (jwt.InvalidAudienceError, "another audience"),
    (jwt.InvalidIssuerError, "another issuer"),
    (jwt.InvalidIssuedAtError, "issued in the future"),
    (jwt.MissingRequiredClaimError, "a required claim is missing"),
    (jwt.InvalidSignatureError, "wrong signature"),
    (jwt.InvalidAlgorithmError, "another algorithm than the key's"),
    (jwt.DecodeError, "not a JSON Web Token"),
)
"""Why a token is invalid, for the log. The first matching class counts."""


class InvalidCredential(Exception):
    """The credential is not valid. The text says why, without a part of the credential."""


class JWTVerifier:
    """Verifies tokens: signature by a key of the provider, pinned algorithm, issuer, audience and time."""

    def __init__(self, table: JwtTable, keys: JWKSCache, quota: Quota) -> None:
        self._table = table
        self._keys = keys
        self._quota = quota

    async def principal(self, token: str) -> Principal:
        """Return the principal of the token.

        Raises:
            InvalidCredential: The token is invalid.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._table.algorithms:
                raise InvalidCredential("an algorithm that auth.jwt.algorithms does not name")
            key = await self._keys.key(header.get("kid"))
            if key is None:
                raise InvalidCredential("a key ID that the identity provider does not publish")
            return self._holder(self._claims(token, key))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            reasons = (reason for kind, reason in _REASONS if isinstance(error, kind))
            raise InvalidCredential(next(reasons, "malformed")) from None

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

    def _holder(self, claims: dict[str, Any]) -> Principal:
        subject = claims["sub"]
        if not subject or len(subject) > MAX_SUBJECT_LENGTH:
            raise InvalidCredential("an empty or long subject")
        return Principal(f"jwt:{subject}", self._sources(claims), self._quota)

    def _sources(self, claims: dict[str, Any]) -> frozenset[str] | None:
        if self._table.sources_claim is None:
            return None
        claim = claims.get(self._table.sources_claim)
        names = claim.split() if isinstance(claim, str) else claim
        if not isinstance(names, list):
            return frozenset()
        return frozenset(name for name in names if isinstance(name, str))
