"""Decode vendors' replies strictly, and without their unreadable values where strict decoding fails.

msgspec decodes a hundred rows in 0.1 ms; lenient pydantic models took 2 ms. msgspec rejects an entire reply for
one invalid value. Only then does this module examine the reply value by value. An example for a list of `Run |
None`:

    class Run(LenientStruct):
        id: str
        cost: float | None = None

`{"id": "a", "cost": "1.5"}` decodes to `Run("a", 1.5)`. `{"id": "a", "cost": {}}` decodes to `Run("a")`, with
`cost` among the dropped fields. `{"cost": 1.5}` lacks a required field: the row is None, and ROW is among the
dropped fields.
"""

from __future__ import annotations

import json
import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any, Generic, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo, fields
from pydantic_core import from_json

from tracegraph.upstream.lenient_values import whole_number, without_deep_values

Validator = Callable[[Any], bool]


T = TypeVar("T")


M = TypeVar("M", datetime, datetime | None)


_MAX_FLOAT = sys.float_info.max


_MAX_PART_DEPTH = 6
"""Twice the depth of any known value. Each level is decoded by trial, which blocks the event loop."""


_DECODE_ERRORS = (ValueError, RecursionError)  # msgspec's errors are ValueErrors


_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""An escape in JSON. The group matches an unpaired surrogate."""


ROW, DEEP = "(row)", "(deep)"
"""The names among the dropped fields for a row that was left out, and for a value that nested too deeply."""


_REPLACEMENT_CHARACTER = "\ufffd"


Name = Annotated[str, Meta(min_length=1)]


Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


Number = Annotated[float, Meta(ge=-_MAX_FLOAT, le=_MAX_FLOAT)]
"""A finite number: some vendors write NaN."""


Amount = Annotated[float, Meta(ge=0, le=_MAX_FLOAT)]


class LenientStruct(msgspec.Struct, gc=False):
    """An object that drops the value of an optional field instead of failing.

    A field whose type accepts null has a default and is optional. A field that does not accept null, such as a
    list of rows with the empty list as its default, is never dropped: it is repaired like a required one.
    `__post_init__` may reject the object with ValueError. The garbage collector ignores these objects: values
    decoded from JSON hold no cycles.
    """


class LenientDecoder(Generic[T]):
    """Decodes one type of reply. With `quoted_numbers`, a string may stand for a number."""

    def __init__(self, type_: Any, *, quoted_numbers: bool = True) -> None:
        self._type = type_
        self._quoted_numbers = quoted_numbers
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(type_)

    def read(self, body: bytes) -> tuple[T, list[str]]:
        """Return the reply, and the name of the field for each value that was dropped from a row.

        In a list of `Row | None`, a row without a required field is None, and ROW is among the dropped fields.

        Raises:
            ValueError: For a body that is not JSON, that has another shape, or whose list has no readable row.
        """
        try:
            decoded = self._decoder.decode(body)
            if isinstance(decoded, list):
                refuse_without_rows(decoded)
        except _DECODE_ERRORS:
            return self.read_leniently(body)
        return decoded, []

    def read_leniently(self, body: bytes) -> tuple[T, list[str]]:
        """Decode like `read`, but always value by value, which takes ten times as long.

        Raises:
            ValueError: As `read`.
        """
        parsed, damaged, deep = _parsed(body)
        repair = _Repair(quoted_numbers=self._quoted_numbers, damaged=damaged)
        repaired = repair.repair(parsed, self._type)
        return msgspec.convert(repaired, self._type), repair.dropped_fields + [DEEP] * deep


def refuse_without_rows(rows: Sequence[Any]) -> None:
    """Raise ValueError when there are rows and all are unreadable: the reply has another shape."""
    if rows and not length(rows):
        raise ValueError("no row can be read")


def unreadable_places(rows: Sequence[Any]) -> tuple[int, ...]:
    """Return the indices of the rows that could not be read."""
    return tuple([place for place, row in enumerate(rows) if row is None]) if None in rows else ()


def readable_rows(rows: Sequence[T | None]) -> list[tuple[int, T]]:
    """Return the rows that were read, each with its index among all rows of the reply."""
    if None in rows:
        return [(place, row) for place, row in enumerate(rows) if row is not None]
    return list(enumerate(cast("Sequence[T]", rows)))


def length(rows: Sequence[Any]) -> int:
    """Return the number of rows up to the last readable one.

    A list that is read by offset continues right after that row, so that the next page can begin with that row.
    """
    count = len(rows)
    while count and rows[count - 1] is None:
        count -= 1
    return count


def _parsed(body: bytes) -> tuple[Any, bool, int]:
    """Return the JSON, whether it holds invalid Unicode, and the number of values that nested too deeply.

    A vendor may cut a text within a surrogate pair. JSON can express the remaining half, Unicode cannot. A byte
    order mark before the JSON is ignored.
    """
    body = body.removeprefix(BOM_UTF8)
    try:
        return from_json(body), False, 0
    except ValueError:
        repaired_body = _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], body)
    text = repaired_body.decode(errors="replace")
    damaged = repaired_body != body or text.count(_REPLACEMENT_CHARACTER) > repaired_body.count(
        _REPLACEMENT_CHARACTER.encode()
    )
    try:
        return from_json(text), damaged, 0
    except ValueError:
        shallow, deep = without_deep_values(text)
        return json.loads(shallow, parse_int=whole_number), damaged, deep


class _Repair:
    """Repairs one parsed reply. A trial conversion decides whether a value is valid for its type."""

    def __init__(self, *, quoted_numbers: bool, damaged: bool = False) -> None:
        self.dropped_fields: list[str] = []
        self._quoted_numbers = quoted_numbers
        self._damaged = damaged
        self._open_rows = 0

    def repair(self, value: Any, type_: Any) -> Any:
        """Return the value with all rows in it repaired."""
        if isinstance(value, list) and get_origin(type_) is list:
            (row,) = get_args(type_)
            optional_row = _optional_row(row)
            return (
                [self.repair(element, row) for element in value]
                if optional_row is None
                else self._rows(value, optional_row)
            )
        kind = get_origin(type_) or type_
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._object(value, type_, is_row=issubclass(kind, LenientStruct))
        return value

    def _rows(self, values: list[Any], row: Any) -> list[Any]:
        """Return the rows, with None for an unreadable one.

        Raise ValueError when all are unreadable, unless the list is within a row or optional.
        """
        rows: list[Any] = []
        self._open_rows += 1
        for element in values:
            before = len(self.dropped_fields)
            repaired = self.repair(element, row)
            if not _is_valid(repaired, row):
                self.dropped_fields[before:] = [ROW]
                repaired = None
            rows.append(repaired)
        self._open_rows -= 1
        if not self._open_rows:
            refuse_without_rows(rows)
        return rows

    def _object(self, values: Mapping[str, Any], type_: Any, *, is_row: bool) -> Mapping[str, Any]:
        if not self._damaged and _is_valid(values, type_):
            return values
        present = [field for field in _fields(type_) if field.encode_name in values]
        required = {
            field.encode_name: self._required(values[field.encode_name], field.type)
            for field in present
            if not _is_optional(field)
        }
        if not is_row:
            return {**values, **required}
        repaired = dict(required)
        for field in filter(_is_optional, present):
            is_valid = _within(partial(_is_valid, type_=type_), field.encode_name, required)
            repaired[field.encode_name] = self._optional(values[field.encode_name], is_valid, field)
        return repaired

    def _optional(self, value: Any, is_valid: Validator, field: FieldInfo) -> Any:
        """Return the value, or its readable parts, or None. All that is dropped has the name of the field."""
        name, type_ = field.encode_name, _without_null(field.type)
        if type_ is None or is_valid(value):
            return self._readable(value, is_valid, name)
        before = len(self.dropped_fields)
        self._open_rows += 1
        repaired = self.repair(value, type_)
        self._open_rows -= 1
        parts = list(repaired.values()) if isinstance(repaired, dict) else repaired
        if isinstance(parts, list) and any(part is not None for part in parts) and is_valid(repaired):
            self.dropped_fields[before:] = [name] * (len(self.dropped_fields) - before)
            return repaired
        del self.dropped_fields[before:]
        return self._readable(value, is_valid, name)

    def _required(self, value: Any, type_: Any) -> Any:
        if self._damaged and isinstance(value, str) and _REPLACEMENT_CHARACTER in value:
            return None  # two damaged texts may be equal
        repaired = self.repair(value, type_)
        return next(
            (
                interpretation
                for interpretation in self._interpretations(repaired)
                if _is_valid(interpretation, type_)
            ),
            repaired,
        )

    def _readable(self, value: Any, is_valid: Validator, name: str, depth: int = 0) -> Any:
        """Return the value, or its valid parts, or None."""
        for interpretation in self._interpretations(value):
            if is_valid(interpretation):
                return interpretation
        before = len(self.dropped_fields)
        parts = None if depth == _MAX_PART_DEPTH else self._parts(value, is_valid, name, depth + 1)
        if parts and is_valid(parts):
            return parts
        self.dropped_fields[before:] = [name]
        return None

    def _interpretations(self, value: Any) -> Iterator[Any]:
        """Yield interpretations of the value: 3.0 is an integer, "3" a number, "2026-11-20" a time."""
        yield value
        with suppress(ValueError):
            if isinstance(value, str) and value[4:5] == "-":
                yield datetime.fromisoformat(value)
            elif isinstance(value, str) and self._quoted_numbers:
                value = float(value)
                yield value
        if isinstance(value, float) and value.is_integer():
            yield int(value)

    def _parts(self, value: Any, is_valid: Validator, name: str, depth: int) -> Any:
        """Return the valid parts of an object or a list, None without one.

        A list with an invalid object in it is None as a whole: a sum over half of the parts would be wrong.
        """
        if isinstance(value, dict):
            parts = {key: self._readable(part, _within(is_valid, key), name, depth) for key, part in value.items()}
            return parts if any(part is not None for part in parts.values()) else None
        if isinstance(value, list):
            readable = [self._readable(part, lambda part: is_valid([part]), name, depth) for part in value]
            if any(
                isinstance(part, dict) and result is None for part, result in zip(value, readable, strict=True)
            ):
                return None
            return [part for part in readable if part is not None]
        return None


@cache
def _fields(type_: Any) -> tuple[FieldInfo, ...]:
    """Return the type's fields; computing their types takes longer than decoding a row."""
    return fields(type_)


def _is_optional(field: FieldInfo) -> bool:
    """Return whether null may stand for the value of the field."""
    return not field.required and _accepts_null(field.type)


@cache
def _accepts_null(type_: Any) -> bool:
    return _is_valid(None, type_)


@cache
def _without_null(type_: Any) -> Any:
    """Return the type of the rows or of the object in `list[Row | None] | None` or `Row | None`, else None."""
    kinds = [kind for kind in get_args(type_) if kind is not type(None)]
    if len(kinds) != 1 or len(get_args(type_)) != 2:
        return None
    if get_origin(kinds[0]) is list and _optional_row(get_args(kinds[0])[0]) is not None:
        return kinds[0]
    return _optional_row(type_)


def _optional_row(type_: Any) -> Any:
    """Return Row for the type `Row | None`, else None."""
    kinds = get_args(type_)
    if len(kinds) != 2 or type(None) not in kinds:
        return None
    kind = kinds[0] if kinds[1] is type(None) else kinds[1]
    origin = get_origin(kind) or kind
    return kind if isinstance(origin, type) and issubclass(origin, LenientStruct) else None


def _within(is_valid: Validator, key: str, beside: Mapping[str, Any] | None = None) -> Validator:
    """Return a check of whether a value is valid as the member `key` of a valid object."""
    return lambda value: is_valid({**(beside or {}), key: value})


def _is_valid(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except _DECODE_ERRORS:
        return False
    return True


_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)


_EPOCH = _EPOCH_UTC.replace(tzinfo=None)


def utc(moment: M) -> M:
    """Return the time in UTC; a time without a zone is taken as UTC.

    Raises:
        ValueError: For a time beyond the calendar.
    """
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return _EPOCH_UTC + (moment - _EPOCH)  # a tenth of the time of `replace`, and a response holds thousands
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None
