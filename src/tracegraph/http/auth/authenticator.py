"""Who is at the door: API keys and bearer tokens, both in the Authorization header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tracegraph.config.auth import AuthTable, QuotaTable
from tracegraph.http.auth.api_keys import PREFIX, ApiKeys
from tracegraph.http.auth.jwks import JWKSCache
from tracegraph.http.auth.jwt import JWTVerifier
from tracegraph.http.auth.principal import Principal, Quota
from tracegraph.http.errors import unauthenticated
from tracegraph.upstream.json_document import open_document

_LONGEST_CREDENTIAL = 16_384


class Authentication:
    """Knows every principal. With neither keys nor tokens, everybody is the same one, who sees all."""

    def __init__(self, table: AuthTable, tokens: JWTVerifier | None) -> None:
        self.is_on = table.is_on
        self._anybody = Principal("anybody", None, _allowance(table, table))
        self._tokens = tokens
        self._keys = ApiKeys({key.sha256: _holder(name, table) for name, key in table.keys.items()})

    async def principal(self, authorization: str | None) -> Principal:
        """Whose request it is by its Authorization header. Raises Refusal with 401."""
        if not self.is_on:
            return self._anybody
        scheme, _, credential = (authorization or "").partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise unauthenticated("Say who you are: Authorization: Bearer, with an API key or a token.")
        found = None
        if len(credential) <= _LONGEST_CREDENTIAL:
            found = await self._found(credential)
        if found is None:
            raise unauthenticated("That API key or token is not valid here.")
        return found

    async def _found(self, credential: str) -> Principal | None:
        if credential.startswith(PREFIX):
            return self._keys.principal(credential)
        return None if self._tokens is None else await self._tokens.principal(credential)


@asynccontextmanager
async def open_authentication(table: AuthTable) -> AsyncIterator[Authentication]:
    """Authentication for the time of the context; the provider's keys are fetched when the first token comes."""
    if table.jwt is None:
        yield Authentication(table, None)
        return
    async with open_document(table.jwt.jwks) as fetch:
        keys = JWKSCache(fetch, table.jwt.refetch_s, table.jwt.renew_s)
        try:
            yield Authentication(table, JWTVerifier(table.jwt, keys, _allowance(table.jwt, table)))
        finally:
            await keys.close()


def _holder(name: str, table: AuthTable) -> Principal:
    key = table.keys[name]
    sources = None if key.sources is None else frozenset(key.sources)
    return Principal(f"key:{name}", sources, _allowance(key, table))


def _allowance(own: QuotaTable, common: QuotaTable) -> Quota:
    """The principal's own, or that of all."""
    return Quota(
        own.requests_per_minute or common.requests_per_minute, own.cost_per_minute or common.cost_per_minute
    )
