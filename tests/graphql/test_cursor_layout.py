"""The layout of a cursor's positions: what it holds, how long it is, and what it leaves out."""

from __future__ import annotations

import base64
import math
from hashlib import blake2s
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import InvalidCursor
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import TOKEN_MAX, Position
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.relay.cursor_layout import pack, unpack

BINDING = CursorBinding.of("Query.experiments", ("filter", "order"))
any_text = st.text(st.characters(), max_size=40) | st.text(st.characters(categories=["Cs"]), max_size=4)
ids = any_text | st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())
VALUES: dict[type[Any], st.SearchStrategy[Any]] = {
    int: st.datetimes(timezones=st.timezones()).map(microseconds),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: any_text,
}
tokens = st.none() | st.text(st.characters(codec="utf-8"), max_size=TOKEN_MAX)


@st.composite
def positions_of(draw: st.DrawFn, kind: type[Any]) -> Positions:
    keys = st.builds(SortKey, st.none() | VALUES[kind], any_text, ids)
    hints = st.none() | st.integers(-1, 2**31 - 1)
    own = st.builds(Position, st.none() | keys, hints, tokens)
    return draw(st.builds(Positions, st.none() | keys, st.dictionaries(any_text, own, max_size=5)))


@pytest.mark.parametrize("kind", [int, float, str])
@given(data=st.data())
def test_positions_come_back_as_they_are(kind: type[Any], data: st.DataObject) -> None:
    positions = data.draw(positions_of(kind))
    assert unpack(pack(positions), kind) == positions


@given(positions_of(int))
def test_a_cursor_holds_tokens(positions: Positions) -> None:
    assert decode_cursor(BINDING, encode_cursor(BINDING, positions)) == positions


# -- size ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(VALUES[int], st.uuids().map(str), st.integers(0, 2**31 - 1)), min_size=3, max_size=3),
    st.integers(0, 2),
)
def test_a_cursor_of_three_sources_of_offsets_or_ranges_is_below_300_characters(
    rows: list[tuple[int, str, int]], edge: int
) -> None:
    """Each source has a position of its own, as after a failure."""
    names = ("langsmith-production", "meibel", "nemo-evaluator")
    keys = [SortKey(value, name, row_id) for name, (value, row_id, _) in zip(names, rows, strict=True)]
    own = {key.source: Position(key, hint) for key, (_, _, hint) in zip(keys, rows, strict=True)}
    assert len(encode_cursor(BINDING, Positions(keys[edge], own))) < 300


def test_a_cursor_above_4096_characters_leaves_its_tokens_out() -> None:
    """Tokens that nothing compresses: their lists resume by key."""
    noise = [blake2s(str(number).encode()).hexdigest() + blake2s(b"-").hexdigest()[:60] for number in range(120)]
    key = SortKey(1_790_000_000_000_000, "v", "6f1f9a3e-1a8f-4c6e-9a51-000000000000")
    positions = Positions(key, {f"v/{text[:8]}": Position(key, 7, text) for text in noise})
    cursor = encode_cursor(BINDING, positions)
    assert len(cursor) <= 4_096
    assert decode_cursor(BINDING, cursor) == Positions(key, {f"v/{text[:8]}": Position(key) for text in noise})


@given(st.integers(TOKEN_MAX - 3, TOKEN_MAX + 3))
def test_a_token_above_128_characters_is_left_out(length: int) -> None:
    key = SortKey(5, "v", "e1")
    found = decode_cursor(BINDING, encode_cursor(BINDING, Positions(key, {"v": Position(key, 7, "t" * length)})))
    held = Position(key, 7, "t" * length) if length <= TOKEN_MAX else Position(key)
    assert found == Positions(key, {"v": held})


def test_a_token_that_is_no_unicode_is_left_out() -> None:
    key = SortKey(5, "v", "e1")
    positions = Positions(key, {"v": Position(key, 7, "\ud800")})
    assert decode_cursor(BINDING, encode_cursor(BINDING, positions)) == Positions(key, {"v": Position(key)})


# -- forged data -----------------------------------------------------------------------------------------


def decoded(data: bytes, version: int = 3) -> Positions | None:
    """The positions of forged data with a valid checksum; None when the cursor is refused."""
    genuine = base64.urlsafe_b64decode(encode_cursor(BINDING, Positions()) + "==")
    body = bytes([version]) + genuine[1:7] + data
    cursor = base64.urlsafe_b64encode(body + blake2s(body, digest_size=4).digest()).decode()
    try:
        return decode_cursor(BINDING, cursor)
    except InvalidCursor:
        return None


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=20)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
texts = st.binary(max_size=20) | st.binary(max_size=18).map(lambda data: b"\0" + data) | st.just(b"\1nemo")
marks = st.tuples(st.none() | st.integers(-(2**63), 2**63) | st.floats() | texts, st.integers(-2, 3), texts)
own = st.tuples(texts, st.integers(-2, 3), st.none() | st.integers(-9, 2**40), st.none() | st.text(max_size=140))
layouts = st.tuples(
    st.booleans(),
    st.lists(texts, max_size=3),
    st.lists(marks, max_size=3),
    st.integers(-2, 3),
    st.lists(own, max_size=3),
)


@given(anything | layouts)
def test_forged_data_with_a_valid_checksum_is_positions_or_refused(value: object) -> None:
    found = decoded(msgspec.msgpack.encode(value))
    assert found is None or encode_cursor(BINDING, found)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param([False, [], [], 1, []], id="a mark that is none of them"),
        pytest.param([False, [], [], -1, []], id="a negative mark"),
        pytest.param([False, [], [[5, 0, b"\1e"]], 1, []], id="a source that is none of them"),
        pytest.param([False, [b"\1v"], [[5, 0, b"e"]], 1, []], id="a text of no form"),
        pytest.param([False, [b"\1v"], [[5, 0, b"\0e"]], 1, []], id="half a UUID"),
        pytest.param([False, [b"\1v"], [[5.0, 0, b"\1e"]], 1, []], id="a float in a list of times"),
        pytest.param([False, [b"\1v"], [[True, 0, b"\1e"]], 1, []], id="a truth value in a list of times"),
        pytest.param([False, [], [], 0, [[b"\1v", 0, 2**31, None]]], id="an offset beyond any list"),
        pytest.param([False, [], [], 0, [[b"\1v", 0, -2, None]]], id="an offset before any list"),
        pytest.param([False, [], [], 0, [[b"\1v", 0, 0, "t" * 129]]], id="a token beyond any"),
        pytest.param([False, [], [], 0, [], 1], id="more than a layout has"),
        pytest.param([False, [], [], 0], id="less than a layout has"),
    ],
)
def test_a_layout_that_no_list_has_is_refused(layout: list[Any]) -> None:
    assert decoded(msgspec.msgpack.encode([False, [b"\1v"], [[5, 0, b"\1e"]], 1, []])) is not None
    assert decoded(msgspec.msgpack.encode(layout)) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_no_list_is_ordered_by_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no list is ordered by"):
        unpack(pack(Positions(SortKey(value, "v", "e1"))), float)
