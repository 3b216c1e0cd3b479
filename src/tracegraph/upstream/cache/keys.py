"""Under which key an answer is kept, and the seal that tells an entry of ours from any other bytes.

Copies of the gateway share entries, so they must come to the same keys by themselves. Both keys and seals hang on
a root: a keyed hash of source, base URL and credential, under `[cache] secret` where one is set.

- Who reads Redis sees vendors' answers in the clear: it needs the protection that the traces need. From a key
  neither credential nor question can be computed. A guess at a credential can be tested only offline against a
  question that is known as well, which for a vendor's random API key is hopeless; with a secret, not even that.
- Who writes to Redis can delete, and can put back older entries of the same key within the stale window. To make
  up an entry takes the root. It is secret because the credential is; a source without a credential has none, so
  that there only `[cache] secret` keeps a forger out.
- Entries are bytes behind a fixed header. Nothing in them is ever run or unpickled.
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
"""Another version of the gateway that keeps other things, or seals them otherwise, takes another."""


_HEADER = struct.Struct(">4sd")


_MAGIC = b"TGC1"


_SEAL_BYTES = 16


_MOST_AHEAD_S = 5.0


class CacheKeys:
    """The keys and seals of one source and credential."""

    __slots__ = ("_root",)

    def __init__(
        self, source: str, base_url: str, credential: Mapping[str, str], secret: str | None = None
    ) -> None:
        words = [word for header in sorted(credential.items()) for word in header]
        outer = blake2b((secret or "").encode(), person=_CONTEXT).digest()
        self._root = blake2b(_framed([source, base_url, *words]), key=outer, digest_size=64).digest()

    def key(self, call: UpstreamRequest) -> bytes:
        """A digest of everything that decides the answer."""
        question = orjson.dumps((call.path, call.query, call.body))
        return blake2b(question, key=self._root, digest_size=24, person=b"key").digest()

    def sealed(self, key: bytes, entry: CacheEntry) -> bytes:
        """The entry as bytes that only this keyring opens, under this key only; it must have its `shared_at`."""
        header = _HEADER.pack(_MAGIC, entry.shared_at)
        return header + self._seal(key, header, entry.body) + entry.body

    def opened(self, key: bytes, sealed: bytes, *, now: float, wall_now: float) -> CacheEntry | None:
        """The entry, as old as the wall clock says, at least 0 s.

        None for anything that is not one of ours for this key; also for one from the future.
        """
        begin = _HEADER.size + _SEAL_BYTES
        if len(sealed) < begin or not sealed.startswith(_MAGIC):
            return None
        header, seal, body = sealed[: _HEADER.size], sealed[_HEADER.size : begin], sealed[begin:]
        if not hmac.compare_digest(seal, self._seal(key, header, body)):
            return None
        shared_at: float = _HEADER.unpack(header)[1]
        age_s = wall_now - shared_at
        if not -_MOST_AHEAD_S <= age_s < math.inf:
            return None
        return CacheEntry(body, now - max(0.0, age_s), shared_at=shared_at)

    def _seal(self, key: bytes, header: bytes, body: bytes) -> bytes:
        digest = blake2b(key + header, key=self._root, digest_size=_SEAL_BYTES, person=b"seal")
        digest.update(body)
        return digest.digest()


def _framed(words: Sequence[str]) -> bytes:
    """The words so that no two lists of words give the same bytes."""
    framed = "".join([f"{len(word)}:{word}" for word in words])
    return f"{len(words)};{framed}".encode("utf-8", "surrogatepass")
