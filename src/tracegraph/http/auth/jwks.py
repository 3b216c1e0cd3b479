"""A cache of an identity provider's public keys (JWKS). It refreshes in the background and for an unknown key.

A provider that hangs, fails or sends invalid data affects only tokens with an uncached key: these get 401. Cached
keys stay valid. At most one fetch runs at a time, and starts at least `refetch_s` after the previous fetch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import orjson
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from tracegraph.upstream.json_document import Fetch

MAX_KEYS = 100


_ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})


_log = structlog.get_logger("tracegraph.http")


class JWKSCache:
    """Caches the keys by their ID."""

    def __init__(
        self, fetch: Fetch, refetch_s: float, renew_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._refetch_s = refetch_s
        self._renew_s = renew_s
        self._clock = clock
        self._keys: Mapping[str | None, PyJWK] = {}
        self._attempted_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str | None) -> PyJWK | None:
        """Return the key of the ID, or the provider's only key without an ID. None means an unknown key."""
        now = self._clock()
        key = self._cached(kid)
        if now - self._fetched_at >= self._renew_s or key is None:
            self._refresh(now)
        if key is None and self._fetching is not None:
            await asyncio.shield(self._fetching)
            key = self._cached(kid)
        return key

    def _cached(self, kid: str | None) -> PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _refresh(self, now: float) -> None:
        """Start a fetch, unless one is in progress or the last one is too recent."""
        if self._fetching is None and now - self._attempted_at >= self._refetch_s:
            self._attempted_at = now
            self._fetching = asyncio.create_task(self._fetch_keys())
            self._fetching.add_done_callback(self._done)

    async def _fetch_keys(self) -> None:
        body = await self._fetch()
        keys = None if body is None else read_keys(body)
        if keys is None:
            _log.warning("auth.jwks_failed", reason="no response" if body is None else "not a set of keys")
            return
        self._keys = keys
        self._fetched_at = self._clock()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Cancel a fetch that is in progress."""
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching


def read_keys(body: bytes) -> Mapping[str | None, PyJWK] | None:
    """Return the usable public keys of a JWK set (RFC 7517, 5) by ID, or None for another document."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return None
    keys: dict[str | None, PyJWK] = {}
    for entry in entries[:MAX_KEYS]:
        key = _parse_key(entry)
        if key is not None:
            keys[key.key_id] = key
    return keys


def _parse_key(entry: object) -> PyJWK | None:
    """Return the key, or None for a secret key, an encryption key, an unsupported type or a malformed entry."""
    if not isinstance(entry, dict) or entry.get("kty") not in _ASYMMETRIC or entry.get("use", "sig") != "sig":
        return None
    if not isinstance(entry.get("kid"), str | None) or "d" in entry:
        return None
    try:
        return PyJWK.from_dict(entry)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
