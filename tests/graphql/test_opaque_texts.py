"""Cursors and IDs under any input: encoded values decode again, and any other input has its own error."""

import base64
import zlib
from datetime import UTC
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracegraph.domain.models import SessionRef
from tracegraph.domain.sort_values import SortValue, microseconds
from tracegraph.errors import InvalidCursor, InvalidId
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.relay.ids import decode_id, encode_id, experiment_id, session_id

BINDING = CursorBinding.of("Query.experiments", ("filter", "order"))
BY_NAME = CursorBinding.of("Query.experiments", ("filter", "order"), str)


def deflated(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


times = st.datetimes(timezones=st.just(UTC)).map(microseconds)
texts = st.text(max_size=40)
uuids = st.uuids().map(str)


def positions(values: st.SearchStrategy[SortValue], hints: st.SearchStrategy[int]) -> st.SearchStrategy[Positions]:
    """Positions in a list that is ordered by such values."""
    sources = st.sampled_from(["nemo", "langsmith", "meibel", "ü"])
    marks = st.builds(SortKey, st.none() | values, sources, texts | uuids)
    own = st.builds(Position, st.none() | marks, st.none() | hints, st.none())
    keys = st.sampled_from(["nemo", "nemo/1a2b", "meibel"]) | texts
    return st.builds(Positions, st.none() | marks, st.dictionaries(keys, own))


hints = st.integers(min_value=-1, max_value=10**9)
merged = positions(times, hints)
by_name = positions(texts, hints)


@given(merged, by_name)
def test_a_cursor_decodes_to_its_positions(by_time: Positions, by_text: Positions) -> None:
    for binding, value in ((BINDING, by_time), (BY_NAME, by_text)):
        cursor = encode_cursor(binding, value)
        assert decode_cursor(binding, cursor) == value
        assert cursor.replace("-", "a").replace("_", "a").isalnum()


@pytest.mark.parametrize(
    "positions",
    [
        Positions(SortKey("a name where a time is expected", "nemo", "e1")),
        Positions(SortKey(2**62, "nemo", "e1")),
        Positions(SortKey(-(2**60), "nemo", "e1")),
        Positions(None, {"nemo": Position(SortKey(0, "nemo", "e1"), 2**31)}),
        Positions(None, {"nemo": Position(SortKey(0, "nemo", "e1"), 2**62)}),
        Positions(None, {"nemo": Position(SortKey(0, "nemo", "e1"), -3)}),
    ],
)
def test_a_position_that_no_list_has_is_rejected(positions: Positions) -> None:
    """Another value than the list is ordered by, a time beyond the calendar, an offset beyond any list."""
    with pytest.raises(InvalidCursor):
        decode_cursor(BINDING, encode_cursor(BINDING, positions))


@given(st.text())
def test_any_text_is_a_cursor_or_rejected(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(BINDING, text)


@given(st.binary())
def test_any_bytes_in_base64_are_a_cursor_or_rejected(data: bytes) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(BINDING, base64.urlsafe_b64encode(data).decode())


@given(merged, st.data())
def test_a_damaged_cursor_is_rejected(value: Positions, data: Any) -> None:
    cursor = encode_cursor(BINDING, value)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidCursor):
        decode_cursor(BINDING, base64.urlsafe_b64encode(bytes(raw)).decode())


@given(merged, texts)
def test_a_cursor_is_rejected_by_every_other_list(value: Positions, name: str) -> None:
    cursor = encode_cursor(BINDING, value)
    for field, arguments in ((f"Source.experiments:{name}", ("filter", "order")), ("Query.experiments", name)):
        with pytest.raises(InvalidCursor):
            decode_cursor(CursorBinding.of(field, arguments), cursor)


@given(st.text(min_size=100, max_size=400), uuids)
def test_a_cursor_of_long_texts_decodes_to_its_positions(text: str, identity: str) -> None:
    mark = SortKey(text, "nemo", identity)
    value = Positions(mark, {"nemo": Position(mark, 7), "meibel": Position(SortKey(text, "meibel", text))})
    assert decode_cursor(BY_NAME, encode_cursor(BY_NAME, value)) == value


@given(st.sampled_from([3, 4]), st.binary(max_size=200) | st.binary(max_size=200).map(deflated))
@example(4, deflated(bytes(10_000_000)))
def test_forged_positions_with_a_valid_checksum_are_positions_or_rejected(version: int, body: bytes) -> None:
    """The checksum is no secret: a client that computes one reaches the decoder, which validates positions."""
    genuine = base64.urlsafe_b64decode(encode_cursor(BINDING, Positions()) + "==")
    forged = bytes([version]) + genuine[1:7] + body
    signed = forged + _checksum(forged)
    try:
        decoded = decode_cursor(BINDING, base64.urlsafe_b64encode(signed).decode())
    except InvalidCursor:
        return
    assert isinstance(decoded, Positions)


def _checksum(body: bytes) -> bytes:
    from hashlib import blake2s  # noqa: PLC0415 - only the forger needs it

    return blake2s(body, digest_size=4).digest()


@given(st.text(min_size=0), st.text())
def test_an_experiments_id_decodes_to_its_parts(source: str, ref: str) -> None:
    identity = decode_id(experiment_id(source, ref), "Experiment")
    assert (identity.type_name, identity.source, identity.parts) == ("Experiment", source, (source, ref))


@given(texts, texts, texts)
def test_a_sessions_id_decodes_to_its_parts(source: str, experiment: str, session: str) -> None:
    identity = decode_id(session_id(source, SessionRef(experiment, session)), "Session")
    assert identity.parts == (source, experiment, session)


@given(st.text())
def test_any_text_is_an_id_or_rejected(text: str) -> None:
    _decoded_or_refused(text)


@given(st.binary() | st.text().map(str.encode) | st.text().map(lambda text: f"Experiment:{text}".encode()))
def test_any_bytes_in_base64_are_an_id_or_rejected(data: bytes) -> None:
    _decoded_or_refused(base64.b64encode(data).decode())


def _decoded_or_refused(text: str) -> None:
    try:
        identity = decode_id(text)
    except InvalidId:
        return
    assert decode_id(encode_id(identity.type_name, *identity.parts)) == identity


@given(st.text(st.characters(codec="utf-8")))
def test_every_part_of_an_id_is_percent_encoded(part: str) -> None:
    text = base64.b64decode(encode_id("Experiment", "nemo", part)).decode()
    assert text == f"Experiment:nemo:{quote(part, safe='')}"
