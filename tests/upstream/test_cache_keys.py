"""Keys and signatures of cache entries."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.upstream.cache.keys import CacheKeys
from tracegraph.upstream.cache.memory import CacheEntry
from tracegraph.upstream.messages import UpstreamRequest

URL = "https://vendor.example"
CALL = UpstreamRequest("things", "/things", [("a", "b")])
KEYS = CacheKeys("source", URL, {"x-api-key": "one"})
NOW, UP_FOR = 1_000.0, 77.0
"""The wall clock, and the clock for ages."""
WORDS = st.text(max_size=5)
CALLS = st.builds(
    UpstreamRequest,
    st.just("things"),
    WORDS,
    st.lists(st.tuples(WORDS, WORDS), max_size=3),
    st.none() | st.dictionaries(WORDS.filter(str.isascii), st.integers(0, 3), max_size=2),
)


def identity(call: UpstreamRequest) -> object:
    return call.method, call.path, list(call.query), call.content()


@given(CALLS, CALLS)
def test_two_calls_have_the_same_key_exactly_when_they_are_equal(
    first: UpstreamRequest, second: UpstreamRequest
) -> None:
    assert (KEYS.key(first) == KEYS.key(second)) == (identity(first) == identity(second))


def test_processes_derive_the_same_keys() -> None:
    assert KEYS.key(CALL) == CacheKeys("source", URL, {"x-api-key": "one"}).key(CALL)


def test_another_source_address_credential_or_secret_has_other_keys() -> None:
    all_keys = [
        KEYS,
        CacheKeys("other", URL, {"x-api-key": "one"}),
        CacheKeys("source", "https://other.example", {"x-api-key": "one"}),
        CacheKeys("source", URL, {"x-api-key": "two"}),
        CacheKeys("source", URL, {"x-tenant-id": "one"}),
        CacheKeys("source", URL, {}),
        CacheKeys("source", URL, {"x-api-key": "one"}, secret="shared"),
    ]
    assert len({keys.key(CALL) for keys in all_keys}) == len(all_keys)


def shared_entry(body: bytes, shared_at: float) -> CacheEntry:
    return CacheEntry(body, stored_at=0.0, shared_at=shared_at)


def verified(keys: CacheKeys, key: bytes, signed: bytes) -> CacheEntry | None:
    return keys.verify(key, signed, now=UP_FOR, wall_now=NOW)


@given(st.binary(max_size=100), st.floats(0, NOW))
def test_a_signed_entry_verifies(body: bytes, shared_at: float) -> None:
    key = KEYS.key(CALL)
    entry = verified(KEYS, key, KEYS.sign(key, shared_entry(body, shared_at)))
    assert entry is not None
    assert (entry.body, entry.shared_at) == (body, shared_at)


@given(st.floats())
def test_an_entry_is_as_old_as_the_wall_clock_says_and_never_from_the_future(shared_at: float) -> None:
    key = KEYS.key(CALL)
    entry = verified(KEYS, key, KEYS.sign(key, shared_entry(b"{}", shared_at)))
    if entry is None:
        assert not -5.0 <= NOW - shared_at < math.inf
    else:
        assert UP_FOR - entry.stored_at == pytest.approx(max(0.0, NOW - shared_at))
        assert entry.stored_at <= UP_FOR


@given(st.binary(max_size=40), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_rejected(body: bytes, at: int, change: int) -> None:
    key = KEYS.key(CALL)
    signed = bytearray(KEYS.sign(key, shared_entry(body, NOW)))
    signed[at % len(signed)] ^= change
    assert verified(KEYS, key, bytes(signed)) is None


@given(st.binary(max_size=200))
def test_foreign_bytes_are_rejected(garbage: bytes) -> None:
    assert verified(KEYS, KEYS.key(CALL), garbage) is None


def test_an_entry_verifies_only_with_its_own_key_and_credential() -> None:
    key, other_key = KEYS.key(CALL), KEYS.key(UpstreamRequest("things", "/others"))
    signed = KEYS.sign(key, shared_entry(b"{}", NOW))
    assert verified(KEYS, other_key, signed) is None
    assert verified(CacheKeys("source", URL, {"x-api-key": "two"}), key, signed) is None


def test_an_entry_from_the_future_is_rejected() -> None:
    """Clocks of processes differ by a little, not by a minute."""
    key = KEYS.key(CALL)
    assert verified(KEYS, key, KEYS.sign(key, shared_entry(b"{}", NOW + 1))) is not None
    assert verified(KEYS, key, KEYS.sign(key, shared_entry(b"{}", NOW + 60))) is None


class Bomb:
    """Unpickling an instance raises SystemExit."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_is_rejected_without_unpickling() -> None:
    assert verified(KEYS, KEYS.key(CALL), pickle.dumps(Bomb())) is None


def test_an_entry_holds_neither_request_nor_credential() -> None:
    keys = CacheKeys("source", URL, {"x-api-key": "s3cret-key"}, secret="s3cret-word")
    key = keys.key(UpstreamRequest("things", "/s3cret-path"))
    assert b"s3cret" not in key + keys.sign(key, shared_entry(b"{}", NOW))
    assert "s3cret" not in repr(keys)
