"""Strict and lenient decoding, with the same rules for all vendors."""

import sys
from datetime import UTC, datetime
from json import dumps
from types import FrameType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from tracegraph.upstream.lenient_decoder import (
    ROW,
    Amount,
    Count,
    LenientDecoder,
    LenientStruct,
    Name,
    Number,
    refuse_without_rows,
    utc,
)
from tracegraph.upstream.raw import RawDocument, RawRow


class Thing(LenientStruct):
    id: Name
    at: datetime | None = None
    number: Number | None = None
    amount: Amount | None = None
    count: Count | None = None
    text: str | None = None
    anything: Any = None
    many: dict[str, Number | None] | None = None

    def __post_init__(self) -> None:
        self.at = utc(self.at)


class Page(Struct):
    things: list[Thing]
    next: str | None = None


WIRE: LenientDecoder[Page] = LenientDecoder(Page)


def read(body: bytes) -> tuple[Thing, list[str]]:
    decoded, dropped = WIRE.read(b'{"things": [%b]}' % body)
    return decoded.things[0], list(dropped)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
things = st.fixed_dictionaries(
    {"id": st.text(min_size=1)},
    optional={
        "at": st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat) | json,
        "number": st.floats(allow_nan=False) | json,
        "amount": st.floats(min_value=0) | json,
        "count": st.integers(0, 2**63) | json,
        "text": st.text() | json,
        "anything": json,
        "many": st.dictionaries(st.text(), st.floats(allow_nan=False) | json),
        "unknown": json,
    },
)


@given(st.lists(things))
def test_strict_and_lenient_decoding_agree(rows: list[dict[str, Any]]) -> None:
    body = orjson.dumps({"things": rows})
    assert WIRE.read(body) == WIRE.read_leniently(body)


@given(st.datetimes())
def test_a_time_without_a_zone_is_utc_over_the_whole_calendar(moment: datetime) -> None:
    assert utc(moment) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hour"), [("2026-11-20T10:00:00", 10), ("2026-11-20T10:00:00Z", 10), ("2026-11-20T10:00:00+02:00", 8)]
)
def test_times_are_utc(text: str, hour: int) -> None:
    decoded, dropped = read(b'{"id": "a", "at": "%b"}' % text.encode())
    assert decoded.at == datetime(2026, 11, 20, hour, tzinfo=UTC)
    assert decoded.at.tzinfo is UTC
    assert not dropped


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"NaN"', b'"inf"', b"true"])
def test_a_number_that_is_not_finite_is_dropped(literal: bytes) -> None:
    decoded, dropped = read(b'{"id": "a", "number": %b, "amount": %b, "text": "text"}' % (literal, literal))
    assert (decoded.number, decoded.amount, decoded.text) == (None, None, "text")
    assert dropped == ["number", "amount"]


@pytest.mark.parametrize("quoted", [True, False])
def test_quoted_numbers_are_numbers_where_the_decoder_permits(quoted: bool) -> None:  # noqa: FBT001
    wire: LenientDecoder[Page] = LenientDecoder(Page, quoted_numbers=quoted)
    decoded, dropped = wire.read(b'{"things": [{"id": "a", "amount": "0.03", "count": 3.0}]}')
    assert (decoded.things[0].amount, decoded.things[0].count) == (0.03 if quoted else None, 3)
    assert list(dropped) == ([] if quoted else ["amount"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"things": null}',
        b'{"things": [null]}',
        b'{"things": [{"id": ""}]}',
        b'{"things": [{"text": "no id"}]}',
        b'{"things": [], "next": 5}',
        b'{"things": [{"id": "\xff"}]}',
    ],
)
def test_another_shape_and_a_row_without_identity_are_rejected(body: bytes) -> None:
    with pytest.raises(ValueError):
        WIRE.read(body)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\uDE00 cut", "\ufffd cut"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (rb"\ud83d\n", "\ufffd\n"),
    ],
)
@pytest.mark.parametrize("field", ["text", "anything", "unknown"])
def test_an_unpaired_surrogate_costs_only_that_character(written: bytes, text: str, field: str) -> None:
    """A text that JavaScript cut within an emoji ends in one."""
    body = b'{"things": [{"id": "a", "%b": "%b"}, {"id": "b", "number": 1}]}' % (field.encode(), written)
    decoded, dropped = WIRE.read(body)
    assert [(thing.id, thing.number) for thing in decoded.things] == [("a", None), ("b", 1)]
    assert getattr(decoded.things[0], field, text) == text
    assert not dropped
    assert orjson.loads(orjson.dumps(RawRow(RawDocument(body), ("things", 1)).decode()))["id"] == "b"


def test_the_vendors_object_is_available_despite_invalid_unicode_in_unmapped_fields() -> None:
    body = b'{"things": [{"id": "a", "note": "caf\xe9"}]}'
    assert read(b'{"id": "a", "note": "caf\xe9"}')[0].id == "a"
    decoded = RawRow(RawDocument(body), ("things", 0)).decode()
    assert orjson.loads(orjson.dumps(decoded)) == {"id": "a", "note": "caf\ufffd"}


@pytest.mark.parametrize("number", [b"NaN", b"1e999", b"-1e999", b"1" + b"0" * 4000])
def test_a_number_that_is_too_large_is_null_in_the_vendors_object(number: bytes) -> None:
    body = b'{"things": [{"id": "a", "anything": [%b, 1.5, 10]}, {"id": "b"}]}' % number
    assert [thing.id for thing in WIRE.read(body)[0].things] == ["a", "b"]
    assert RawRow(RawDocument(body), ("things", 0)).decode()["anything"] == [None, 1.5, 10]


def test_an_invalid_value_is_not_examined_deeper_than_vendors_nest() -> None:
    """Each trial decodes a whole row: an object within 150 others is dropped after a few dozen trials."""
    nested = b'{"a": ' * 150 + b"1" + b"}" * 150
    trials = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal trials
        trials += event == "call" and frame.f_code.co_name == "_fits"

    sys.setprofile(count)
    try:
        thing, dropped = read(b'{"id": "one", "many": {"odd": %b, "good": 2}}' % nested)
    finally:
        sys.setprofile(None)
    assert thing.many == {"odd": None, "good": 2}
    assert dropped == ["many"]
    assert trials < 50


def test_a_byte_order_mark_is_ignored() -> None:
    body = b'\xef\xbb\xbf{"things": [{"id": "a", "text": "t"}]}'
    decoded, _ = WIRE.read(body)
    assert [(thing.id, thing.text) for thing in decoded.things] == [("a", "t")]
    assert RawRow(RawDocument(body), ("things", 0)).decode() == {"id": "a", "text": "t"}


class Tag(LenientStruct):
    key: Name
    value: Number | None = None


class Details(LenientStruct):
    tags: list[Tag | None] | None = None
    text: str | None = None


class Row(LenientStruct):
    id: Name
    details: Details | None = None


class ListWithDefault(LenientStruct):
    rows: list[Row | None] = field(default_factory=list)
    next: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.rows)


LIST: LenientDecoder[ListWithDefault] = LenientDecoder(ListWithDefault)


def rows_of(*rows: Any) -> tuple[list[Row | None], list[str]]:
    found, dropped = LIST.read(dumps({"rows": rows, "next": "t"}).encode())
    assert found.next == "t"
    return found.rows, dropped


def test_a_list_with_a_default_loses_only_its_unreadable_rows() -> None:
    assert rows_of({"id": "a"}, {"id": 3}, {"id": "c", "details": 7}) == (
        [Row("a"), None, Row("c")],
        [ROW, "details"],
    )


def test_a_list_within_an_optional_object_loses_only_its_unreadable_rows_and_values() -> None:
    tags = [{"key": "a", "value": float("nan")}, {"value": 1}, {"key": "c", "value": 2}]
    assert rows_of({"id": "a", "details": {"tags": tags, "text": "kept"}}) == (
        [Row("a", Details([Tag("a"), None, Tag("c", 2)], "kept"))],
        ["details", "details"],
    )


def test_an_optional_list_without_a_readable_row_is_dropped() -> None:
    assert rows_of({"id": "a", "details": {"tags": [{"value": 1}], "text": "kept"}}) == (
        [Row("a", Details(None, "kept"))],
        ["details"],
    )


@pytest.mark.parametrize("rows", ["text", None, {"id": "a"}, [{"id": 1}], [None]])
def test_a_list_with_a_default_is_not_replaced_by_the_default(rows: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        LIST.read(dumps({"rows": rows}).encode())
