"""The shapes of vendors' answers: read strictly, and where that fails without the values that cannot be read.

msgspec decodes a hundred rows in 0.1 ms, for which lenient pydantic models took 2 ms. It refuses a whole answer
for one odd value. Only then the answer is gone through value by value.
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

Fits = Callable[[Any], bool]


T = TypeVar("T")


M = TypeVar("M", datetime, datetime | None)


_LARGEST = sys.float_info.max


_DEEPEST_PART = 6
"""Twice as deep as any value of a vendor: each level is found out by trying, and holds everything else up."""


_REFUSALS = (ValueError, RecursionError)  # msgspec's errors are ValueErrors


_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""In JSON; with a group for half a character alone."""


ROW, DEEP = "(row)", "(deep)"
"""What stands among the given up for a row that was left out, and for a value that nested too deeply."""


_NO_CHARACTER = "\ufffd"


Name = Annotated[str, Meta(min_length=1)]


Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


Number = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
"""Finite: some vendors write NaN."""


Amount = Annotated[float, Meta(ge=0, le=_LARGEST)]


class LenientStruct(msgspec.Struct, gc=False):
    """An object that gives up the value of an optional field rather than itself.

    A field is optional when it has a default; it takes null, too. `__post_init__` may refuse by ValueError.
    The garbage collector need not look at what comes of JSON: it has no cycles.
    """


class LenientDecoder(Generic[T]):
    """The shape of one kind of answer.

    `quoted_numbers`: a number may come as a text.
    """

    def __init__(self, of: Any, *, quoted_numbers: bool = True) -> None:
        self._of = of
        self._quoted_numbers = quoted_numbers
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(of)

    def read(self, body: bytes) -> tuple[T, list[str]]:
        """The answer, and the fields of rows of which a value was given up, once for each value.

        A row that lacks what it cannot do without is None where the shape is a list of `Row | None`, and ROW is
        among the given up. Raises ValueError when the body is no JSON, is of another shape, or of such a list no
        row can be read.
        """
        try:
            found = self._decoder.decode(body)
            if isinstance(found, list):
                refuse_without_rows(found)
        except _REFUSALS:
            return self.read_leniently(body)
        return found, []

    def read_leniently(self, body: bytes) -> tuple[T, list[str]]:
        """The same, value by value, for which everything is ten times slower."""
        parsed, damaged, deep = _parsed(body)
        mending = _Repair(quoted_numbers=self._quoted_numbers, damaged=damaged)
        mended = mending.mended(parsed, self._of)
        return msgspec.convert(mended, self._of), mending.given_up + [DEEP] * deep


def refuse_without_rows(rows: Sequence[Any]) -> None:
    """Raise ValueError when there are rows and none can be read: that is another shape."""
    if rows and not length(rows):
        raise ValueError("not one row can be read")


def unreadable_places(rows: Sequence[Any]) -> tuple[int, ...]:
    """The places of rows that could not be read."""
    return tuple([place for place, row in enumerate(rows) if row is None]) if None in rows else ()


def readable_rows(rows: Sequence[T | None]) -> list[tuple[int, T]]:
    """The rows that were read, each with its place among all that the vendor sent."""
    if None in rows:
        return [(place, row) for place, row in enumerate(rows) if row is not None]
    return list(enumerate(cast("Sequence[T]", rows)))


def length(rows: Sequence[Any]) -> int:
    """How many rows there are up to the last one that was read.

    A list that is read by offset goes on right behind that one, so that the next page can begin with it.
    """
    count = len(rows)
    while count and rows[count - 1] is None:
        count -= 1
    return count


def _parsed(body: bytes) -> tuple[Any, bool, int]:
    """The JSON, whether it holds text that is no Unicode, and how many values nested too deeply.

    A text that was cut within a character ends in half of it, which JSON can write, Unicode not. A byte order mark
    before the JSON is passed over.
    """
    body = body.removeprefix(BOM_UTF8)
    try:
        return from_json(body), False, 0
    except ValueError:
        whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)
    text = whole.decode(errors="replace")
    damaged = whole != body or text.count(_NO_CHARACTER) > whole.count(_NO_CHARACTER.encode())
    try:
        return from_json(text), damaged, 0
    except ValueError:
        shallow, deep = without_deep_values(text)
        return json.loads(shallow, parse_int=whole_number), damaged, deep


class _Repair:
    """Goes through one answer. What fits the shape is found out by trying."""

    def __init__(self, *, quoted_numbers: bool, damaged: bool = False) -> None:
        self.given_up: list[str] = []
        self._quoted_numbers = quoted_numbers
        self._damaged = damaged

    def mended(self, value: Any, of: Any) -> Any:
        """The value with the rows in it mended."""
        if isinstance(value, list) and get_origin(of) is list:
            (row,) = get_args(of)
            needed = _row_of(row)
            return [self.mended(one, row) for one in value] if needed is None else self._rows(value, needed)
        kind = get_origin(of) or of
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._object(value, of, is_row=issubclass(kind, LenientStruct))
        return value

    def _rows(self, given: list[Any], row: Any) -> list[Any]:
        """The rows, None for one that cannot be read. Raises ValueError when that is all of them."""
        rows: list[Any] = []
        for one in given:
            before = len(self.given_up)
            mended = self.mended(one, row)
            if not _fits(mended, row):
                self.given_up[before:] = [ROW]
                mended = None
            rows.append(mended)
        refuse_without_rows(rows)
        return rows

    def _object(self, given: Mapping[str, Any], of: Any, *, is_row: bool) -> Mapping[str, Any]:
        if not self._damaged and _fits(given, of):
            return given
        told = [one for one in _fields(of) if one.encode_name in given]
        needed = {one.encode_name: self._needed(given[one.encode_name], one.type) for one in told if one.required}
        if not is_row:
            return {**given, **needed}
        kept = dict(needed)
        for name in (one.encode_name for one in told if not one.required):
            kept[name] = self._kept(given[name], _within(partial(_fits, of=of), name, needed), name)
        return kept

    def _needed(self, value: Any, of: Any) -> Any:
        if self._damaged and isinstance(value, str) and _NO_CHARACTER in value:
            return None  # two texts that are damaged may look the same
        mended = self.mended(value, of)
        return next((reading for reading in self._readings(mended) if _fits(reading, of)), mended)

    def _kept(self, value: Any, fits: Fits, name: str, depth: int = 0) -> Any:
        """The value or what of it fits; None when nothing does."""
        for reading in self._readings(value):
            if fits(reading):
                return reading
        before = len(self.given_up)
        parts = None if depth == _DEEPEST_PART else self._parts(value, fits, name, depth + 1)
        if parts and fits(parts):
            return parts
        self.given_up[before:] = [name]
        return None

    def _readings(self, value: Any) -> Iterator[Any]:
        """What the value may mean: 3.0 is a whole number, "3" a number, "2026-11-20" a time."""
        yield value
        with suppress(ValueError):
            if isinstance(value, str) and value[4:5] == "-":
                yield datetime.fromisoformat(value)
            elif isinstance(value, str) and self._quoted_numbers:
                value = float(value)
                yield value
        if isinstance(value, float) and value.is_integer():
            yield int(value)

    def _parts(self, value: Any, fits: Fits, name: str, depth: int) -> Any:
        """What fits of an object or a list; None when nothing does, or an object in a list does not.

        Half of a sum is no sum.
        """
        if isinstance(value, dict):
            parts = {key: self._kept(part, _within(fits, key), name, depth) for key, part in value.items()}
            return parts if any(part is not None for part in parts.values()) else None
        if isinstance(value, list):
            kept = [self._kept(part, lambda one: fits([one]), name, depth) for part in value]
            if any(isinstance(part, dict) and rest is None for part, rest in zip(value, kept, strict=True)):
                return None
            return [part for part in kept if part is not None]
        return None


@cache
def _fields(of: Any) -> tuple[FieldInfo, ...]:
    """Its fields; to find their types takes longer than to read a row."""
    return fields(of)


def _row_of(of: Any) -> Any:
    """The row, where the type is that of a row which may be left out."""
    kinds = get_args(of)
    if len(kinds) != 2 or type(None) not in kinds:
        return None
    kind = kinds[0] if kinds[1] is type(None) else kinds[1]
    origin = get_origin(kind) or kind
    return kind if isinstance(origin, type) and issubclass(origin, LenientStruct) else None


def _within(fits: Fits, key: str, beside: Mapping[str, Any] | None = None) -> Fits:
    """Whether a value fits as the one at that key of what fits."""
    return lambda value: fits({**(beside or {}), key: value})


def _fits(value: Any, of: Any) -> bool:
    try:
        msgspec.convert(value, of)
    except _REFUSALS:
        return False
    return True


_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)


_EPOCH = _EPOCH_UTC.replace(tzinfo=None)


def utc(moment: M) -> M:
    """The moment in UTC; without a zone it is UTC already. Raises ValueError beyond the calendar."""
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return _EPOCH_UTC + (moment - _EPOCH)  # a tenth of the time of `replace`, and a response holds thousands
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None
