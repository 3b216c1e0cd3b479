"""Vendors' answers kept for a short while: bytes by a key that names source, credential and question."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b

from tracegraph.upstream.call import Call

_CREDENTIAL_KEY = secrets.token_bytes(32)
_PER_ENTRY_BYTES = 200
"""What an entry takes beside its body, roughly."""


_past_cache: ContextVar[bool] = ContextVar("tracegraph_past_cache", default=False)


@contextmanager
def past_cache(wanted: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - it reads as a sentence
    """Calls within, if wanted, ask the vendor itself; what it answers is kept all the same."""
    token = _past_cache.set(_past_cache.get() or wanted)
    try:
        yield
    finally:
        _past_cache.reset(token)


def is_past_cache() -> bool:
    """Whether the calls made now go past the cache."""
    return _past_cache.get()


@dataclass(frozen=True, slots=True)
class _Entry:
    body: bytes
    stored_at: float


class ResponseCache:
    """In memory, bounded in entries and bytes; the least recently used goes first."""

    def __init__(self, ttl_s: float, *, max_entries: int = 10_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._ttl_s = ttl_s
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """What the entries take, roughly."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """The body kept under the key while it is fresh."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if time.monotonic() - entry.stored_at >= self._ttl_s:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.body

    def put(self, key: bytes, body: bytes) -> None:
        """Keep a body, unless it alone is larger than the whole cache may be."""
        self._remove(key)
        size = len(body) + _PER_ENTRY_BYTES
        if size > self._max_bytes:
            return
        self._entries[key] = _Entry(body, time.monotonic())
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.body) + _PER_ENTRY_BYTES


def cache_key(source: str, credential: Mapping[str, str], call: Call) -> bytes:
    """A digest of everything that decides the answer; it cannot be turned back into the credential."""
    digest = blake2b(key=_CREDENTIAL_KEY, digest_size=24)
    parts = [source, call.method, call.path]
    for name, value in [*sorted(credential.items()), *call.query]:
        parts += [name, value]
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4) + encoded)
    digest.update(call.content() or b"")
    return digest.digest()
