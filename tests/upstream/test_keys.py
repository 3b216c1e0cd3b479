"""Keys and seals of kept answers: what is shared by whom, and what is refused."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.upstream.cache import Entry
from tracegraph.upstream.call import Call
from tracegraph.upstream.keys import Keyring

URL = "https://vendor.example"
CALL = Call("things", "/things", [("a", "b")])
RING = Keyring("source", URL, {"x-api-key": "one"})
NOW = 1_000.0
WORDS = st.text(max_size=5)
CALLS = st.builds(
    Call,
    st.just("things"),
    WORDS,
    st.lists(st.tuples(WORDS, WORDS), max_size=3),
    st.none() | st.dictionaries(WORDS.filter(str.isascii), st.integers(0, 3), max_size=2),
)


def told_apart_by(call: Call) -> object:
    return call.method, call.path, list(call.query), call.content()


@given(CALLS, CALLS)
def test_two_calls_have_one_key_exactly_when_they_ask_the_same(one: Call, other: Call) -> None:
    assert (RING.key(one) == RING.key(other)) == (told_apart_by(one) == told_apart_by(other))


def test_copies_of_the_gateway_come_to_the_same_keys() -> None:
    assert RING.key(CALL) == Keyring("source", URL, {"x-api-key": "one"}).key(CALL)


def test_another_source_address_credential_or_secret_has_other_keys() -> None:
    rings = [
        RING,
        Keyring("other", URL, {"x-api-key": "one"}),
        Keyring("source", "https://other.example", {"x-api-key": "one"}),
        Keyring("source", URL, {"x-api-key": "two"}),
        Keyring("source", URL, {"x-tenant-id": "one"}),
        Keyring("source", URL, {}),
        Keyring("source", URL, {"x-api-key": "one"}, secret="shared"),
    ]
    assert len({ring.key(CALL) for ring in rings}) == len(rings)


@given(st.binary(max_size=100), st.floats(0, NOW))
def test_what_was_sealed_opens_again(body: bytes, stored_at: float) -> None:
    key = RING.key(CALL)
    entry = RING.opened(key, RING.sealed(key, Entry(body, stored_at)), NOW)
    assert entry is not None
    assert (entry.body, entry.stored_at) == (body, stored_at)


@given(st.binary(max_size=40), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_refused(body: bytes, at: int, change: int) -> None:
    key = RING.key(CALL)
    sealed = bytearray(RING.sealed(key, Entry(body, NOW)))
    sealed[at % len(sealed)] ^= change
    assert RING.opened(key, bytes(sealed), NOW) is None


@given(st.binary(max_size=200))
def test_bytes_of_others_are_refused(garbage: bytes) -> None:
    assert RING.opened(RING.key(CALL), garbage, NOW) is None


def test_an_entry_is_good_for_its_own_key_and_keyring_only() -> None:
    key, other_key = RING.key(CALL), RING.key(Call("things", "/others"))
    sealed = RING.sealed(key, Entry(b"{}", NOW))
    assert RING.opened(other_key, sealed, NOW) is None
    assert Keyring("source", URL, {"x-api-key": "two"}).opened(key, sealed, NOW) is None


def test_an_entry_from_the_future_is_refused() -> None:
    """Clocks of copies differ by a little, not by a minute."""
    key = RING.key(CALL)
    assert RING.opened(key, RING.sealed(key, Entry(b"{}", NOW + 1)), NOW) is not None
    assert RING.opened(key, RING.sealed(key, Entry(b"{}", NOW + 60)), NOW) is None


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_is_bytes_of_others() -> None:
    assert RING.opened(RING.key(CALL), pickle.dumps(Bomb()), NOW) is None


def test_an_entry_tells_neither_question_nor_credential() -> None:
    ring = Keyring("source", URL, {"x-api-key": "s3cret-key"}, secret="s3cret-word")
    key = ring.key(Call("things", "/s3cret-path"))
    assert b"s3cret" not in key + ring.sealed(key, Entry(b"{}", NOW))
    assert "s3cret" not in repr(ring)
