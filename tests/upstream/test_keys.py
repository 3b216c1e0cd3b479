"""Keys and seals of kept answers: what is shared by whom, and what is refused."""

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
RING = CacheKeys("source", URL, {"x-api-key": "one"})
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


def told_apart_by(call: UpstreamRequest) -> object:
    return call.method, call.path, list(call.query), call.content()


@given(CALLS, CALLS)
def test_two_calls_have_one_key_exactly_when_they_ask_the_same(
    one: UpstreamRequest, other: UpstreamRequest
) -> None:
    assert (RING.key(one) == RING.key(other)) == (told_apart_by(one) == told_apart_by(other))


def test_copies_of_the_gateway_come_to_the_same_keys() -> None:
    assert RING.key(CALL) == CacheKeys("source", URL, {"x-api-key": "one"}).key(CALL)


def test_another_source_address_credential_or_secret_has_other_keys() -> None:
    rings = [
        RING,
        CacheKeys("other", URL, {"x-api-key": "one"}),
        CacheKeys("source", "https://other.example", {"x-api-key": "one"}),
        CacheKeys("source", URL, {"x-api-key": "two"}),
        CacheKeys("source", URL, {"x-tenant-id": "one"}),
        CacheKeys("source", URL, {}),
        CacheKeys("source", URL, {"x-api-key": "one"}, secret="shared"),
    ]
    assert len({ring.key(CALL) for ring in rings}) == len(rings)


def shared_entry(body: bytes, shared_at: float) -> CacheEntry:
    return CacheEntry(body, stored_at=0.0, shared_at=shared_at)


def opened(ring: CacheKeys, key: bytes, sealed: bytes) -> CacheEntry | None:
    return ring.verify(key, sealed, now=UP_FOR, wall_now=NOW)


@given(st.binary(max_size=100), st.floats(0, NOW))
def test_what_was_sealed_opens_again(body: bytes, shared_at: float) -> None:
    key = RING.key(CALL)
    entry = opened(RING, key, RING.sign(key, shared_entry(body, shared_at)))
    assert entry is not None
    assert (entry.body, entry.shared_at) == (body, shared_at)


@given(st.floats())
def test_an_entry_is_as_old_as_the_wall_clock_says_and_never_from_the_future(shared_at: float) -> None:
    key = RING.key(CALL)
    entry = opened(RING, key, RING.sign(key, shared_entry(b"{}", shared_at)))
    if entry is None:
        assert not -5.0 <= NOW - shared_at < math.inf
    else:
        assert UP_FOR - entry.stored_at == pytest.approx(max(0.0, NOW - shared_at))
        assert entry.stored_at <= UP_FOR


@given(st.binary(max_size=40), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_refused(body: bytes, at: int, change: int) -> None:
    key = RING.key(CALL)
    sealed = bytearray(RING.sign(key, shared_entry(body, NOW)))
    sealed[at % len(sealed)] ^= change
    assert opened(RING, key, bytes(sealed)) is None


@given(st.binary(max_size=200))
def test_bytes_of_others_are_refused(garbage: bytes) -> None:
    assert opened(RING, RING.key(CALL), garbage) is None


def test_an_entry_is_good_for_its_own_key_and_keyring_only() -> None:
    key, other_key = RING.key(CALL), RING.key(UpstreamRequest("things", "/others"))
    sealed = RING.sign(key, shared_entry(b"{}", NOW))
    assert opened(RING, other_key, sealed) is None
    assert opened(CacheKeys("source", URL, {"x-api-key": "two"}), key, sealed) is None


def test_an_entry_from_the_future_is_refused() -> None:
    """Clocks of copies differ by a little, not by a minute."""
    key = RING.key(CALL)
    assert opened(RING, key, RING.sign(key, shared_entry(b"{}", NOW + 1))) is not None
    assert opened(RING, key, RING.sign(key, shared_entry(b"{}", NOW + 60))) is None


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_is_bytes_of_others() -> None:
    assert opened(RING, RING.key(CALL), pickle.dumps(Bomb())) is None


def test_an_entry_tells_neither_question_nor_credential() -> None:
    ring = CacheKeys("source", URL, {"x-api-key": "s3cret-key"}, secret="s3cret-word")
    key = ring.key(UpstreamRequest("things", "/s3cret-path"))
    assert b"s3cret" not in key + ring.sign(key, shared_entry(b"{}", NOW))
    assert "s3cret" not in repr(ring)
