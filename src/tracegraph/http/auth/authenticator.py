"""Authentication of requests: API keys and bearer tokens in the Authorization header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tracegraph.config.auth import AuthTable, QuotaTable
from tracegraph.http.auth.api_keys import PREFIX, ApiKeys
from tracegraph.http.auth.jwks import JWKSCache
from tracegraph.http.auth.jwt import InvalidCredential, JWTVerifier
from tracegraph.http.auth.principal import Principal, Quota
from tracegraph.http.errors import unauthenticated
from tracegraph.upstream.json_document import open_document

MAX_CREDENTIAL_LENGTH = 16_384


class Authentication:
    """Maps credentials to principals. Without configured keys and tokens, all requests have one principal."""

    def __init__(self, table: AuthTable, tokens: JWTVerifier | None) -> None:
        self.is_on = table.is_on
        self._anonymous = Principal("anybody", None, _quota(table, table))
        self._tokens = tokens
        self._keys = ApiKeys({key.sha256: _holder(name, table) for name, key in table.keys.items()})

    async def principal(self, authorization: str | None) -> Principal:
        """Return the principal of an Authorization header.

        Raises:
            HTTPRequestError: The credential is missing or invalid (401).
        """
        if not self.is_on:
            return self._anonymous
        scheme, _, credential = (authorization or "").partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise unauthenticated(
                "Authenticate with an API key or a token: send it as Authorization: Bearer.",
                "no credential" if authorization is None else "not a bearer credential",
            )
        try:
            return await self._resolve(credential)
        except InvalidCredential as invalid:
            raise unauthenticated("The API key or token is not valid: send another.", str(invalid)) from None

    async def _resolve(self, credential: str) -> Principal:
        if len(credential) > MAX_CREDENTIAL_LENGTH:
            raise InvalidCredential("too long")
        if credential.startswith(PREFIX):
            principal = self._keys.principal(credential)
            if principal is None:
                raise InvalidCredential("unknown API key")
            return principal
        if self._tokens is None:
            raise InvalidCredential("no token is accepted: [auth.jwt] is not configured")
        return await self._tokens.principal(credential)


@asynccontextmanager
async def open_authentication(table: AuthTable) -> AsyncIterator[Authentication]:
    """Open the authentication for the context. The first token causes the fetch of the provider's keys."""
    if table.jwt is None:
        yield Authentication(table, None)
        return
    async with open_document(table.jwt.jwks) as fetch:
        keys = JWKSCache(fetch, table.jwt.refetch_s, table.jwt.renew_s)
        try:
            yield Authentication(table, JWTVerifier(table.jwt, keys, _quota(table.jwt, table)))
        finally:
            await keys.close()


def _holder(name: str, table: AuthTable) -> Principal:
    key = table.keys[name]
    sources = None if key.sources is None else frozenset(key.sources)
    return Principal(f"key:{name}", sources, _quota(key, table))


def _quota(own: QuotaTable, common: QuotaTable) -> Quota:
    """Return the principal's own limits, or the common limits where the principal has none."""
    return Quota(
        own.requests_per_minute or common.requests_per_minute, own.cost_per_minute or common.cost_per_minute
    )
