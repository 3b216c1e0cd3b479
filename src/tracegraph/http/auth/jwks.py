"""The public keys of an identity provider: kept, renewed beside the requests, fetched again for an unknown one.

A provider that hangs, lies or is down costs 401 to those whose key is not known yet, and nobody anything else:
the keys that are known go on, one fetch at a time is under way, and none begins sooner than `refetch_s` after the
last one.
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

_MOST_KEYS = 100


_ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})


_log = structlog.get_logger("tracegraph.http")


class JWKSCache:
    """Keys by their id."""

    def __init__(
        self, fetch: Fetch, refetch_s: float, renew_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._refetch_s = refetch_s
        self._renew_s = renew_s
        self._clock = clock
        self._keys: Mapping[str | None, PyJWK] = {}
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str | None) -> PyJWK | None:
        """The key of that id; without an id, the only one that there is."""
        now = self._clock()
        known = self._known(kid)
        if now - self._fetched_at >= self._renew_s or known is None:
            self._begin(now)
        if known is None and self._fetching is not None:
            await asyncio.shield(self._fetching)
            known = self._known(kid)
        return known

    def _known(self, kid: str | None) -> PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _begin(self, now: float) -> None:
        """Fetch, unless that is under way or was done lately."""
        if self._fetching is None and now - self._asked_at >= self._refetch_s:
            self._asked_at = now
            self._fetching = asyncio.create_task(self._renew())
            self._fetching.add_done_callback(self._done)

    async def _renew(self) -> None:
        body = await self._fetch()
        keys = None if body is None else read_keys(body)
        if keys is None:
            _log.warning("auth.jwks_failed", reason="no answer" if body is None else "not a set of keys")
            return
        self._keys = keys
        self._fetched_at = self._clock()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching


def read_keys(body: bytes) -> Mapping[str | None, PyJWK] | None:
    """The usable public keys of a JWK set (RFC 7517, 5) by id; None for anything that is no such set."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return None
    found: dict[str | None, PyJWK] = {}
    for entry in entries[:_MOST_KEYS]:
        key = _usable(entry)
        if key is not None:
            found[key.key_id] = key
    return found


def _usable(entry: object) -> PyJWK | None:
    """The key; None for one that is secret, for encryption, of another kind or broken: others may be good."""
    if not isinstance(entry, dict) or entry.get("kty") not in _ASYMMETRIC or entry.get("use", "sig") != "sig":
        return None
    if not isinstance(entry.get("kid"), str | None) or "d" in entry:
        return None
    try:
        return PyJWK.from_dict(entry)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
