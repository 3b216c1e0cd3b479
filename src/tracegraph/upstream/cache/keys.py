"""Keys of cache entries, and the signature that distinguishes our entries from any other bytes.

Several processes share entries, so they must derive the same keys independently. Keys and signatures derive from a
root: a keyed hash of source, base URL and credential, under `[cache] secret` where one is set.

- A reader of Redis sees vendors' replies in the clear: Redis needs the protection that the traces need. A key
  reveals neither credential nor request. A guess at a credential can be tested offline against a known request,
  which is hopeless for a vendor's random API key. With a secret, even that test is impossible.
- A writer to Redis can delete entries, and can restore older entries of the same key within the stale window.
  Forging an entry requires the root. The root is secret because the credential is. A source without a credential
  has no secret root: there only `[cache] secret` stops a forger.
- Entries are bytes behind a fixed header. Nothing in them is executed or unpickled.
"""

from __future__ import annotations

import hmac
import math
import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import orjson

from tracegraph.upstream.cache.memory import CacheEntry
from tracegraph.upstream.messages import UpstreamRequest

_CONTEXT = b"tracegraph-1"
"""A version of the gateway with another format of bodies or signatures uses another value."""


_HEADER = struct.Struct(">4sd")


_MAGIC = b"TGC1"


_SIGNATURE_BYTES = 16


_MAX_CLOCK_SKEW_S = 5.0


class CacheKeys:
    """The keys and signatures of one source and credential."""

    __slots__ = ("_root",)

    def __init__(
        self, source: str, base_url: str, credential: Mapping[str, str], secret: str | None = None
    ) -> None:
        words = [word for header in sorted(credential.items()) for word in header]
        outer = blake2b((secret or "").encode(), person=_CONTEXT).digest()
        self._root = blake2b(_framed([source, base_url, *words]), key=outer, digest_size=64).digest()

    def key(self, call: UpstreamRequest) -> bytes:
        """Return a digest of everything that determines the reply."""
        request = orjson.dumps((call.path, call.query, call.body))
        return blake2b(request, key=self._root, digest_size=24, person=b"key").digest()

    def sign(self, key: bytes, entry: CacheEntry) -> bytes:
        """Return the entry as bytes that only the same root verifies, and only under this key.

        The entry must have its `shared_at`.
        """
        header = _HEADER.pack(_MAGIC, entry.shared_at)
        return header + self._signature(key, header, entry.body) + entry.body

    def verify(self, key: bytes, signed: bytes, *, now: float, wall_now: float) -> CacheEntry | None:
        """Return the entry with its age by the wall clock, at least 0 s.

        Any bytes that are not an entry of ours for this key give None, and so does an entry from the future.

        Args:
            key: The key under which the bytes are stored.
            signed: The bytes.
            now: The current time of the clock for ages.
            wall_now: The current time of the wall clock.
        """
        begin = _HEADER.size + _SIGNATURE_BYTES
        if len(signed) < begin or not signed.startswith(_MAGIC):
            return None
        header, signature, body = signed[: _HEADER.size], signed[_HEADER.size : begin], signed[begin:]
        if not hmac.compare_digest(signature, self._signature(key, header, body)):
            return None
        shared_at: float = _HEADER.unpack(header)[1]
        age_s = wall_now - shared_at
        if not -_MAX_CLOCK_SKEW_S <= age_s < math.inf:
            return None
        return CacheEntry(body, now - max(0.0, age_s), shared_at=shared_at)

    def _signature(self, key: bytes, header: bytes, body: bytes) -> bytes:
        digest = blake2b(key + header, key=self._root, digest_size=_SIGNATURE_BYTES, person=b"seal")
        digest.update(body)
        return digest.digest()


def _framed(words: Sequence[str]) -> bytes:
    """Return the words as bytes; different lists of words give different bytes."""
    framed = "".join([f"{len(word)}:{word}" for word in words])
    return f"{len(words)};{framed}".encode("utf-8", "surrogatepass")
