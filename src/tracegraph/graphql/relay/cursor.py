"""Small binary packing for cursors: variable-length integers, texts, and UUIDs in their 16 bytes."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any

from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import ExperimentKind, Metric, SessionStatus
from tracegraph.domain.sort_values import SortValue, from_microseconds, microseconds
from tracegraph.errors import InvalidCursor
from tracegraph.federation.analytics.cases import CaseKey, CaseOutcome
from tracegraph.federation.merge import Positions
from tracegraph.federation.sort_key import SortKey
from tracegraph.federation.stream import Position

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Packer:
    """Appends values; `bytes(packer.data)` is the result."""

    def __init__(self) -> None:
        self.data = bytearray()

    def unsigned(self, number: int) -> None:
        """A number from 0 on, seven bits a byte."""
        while number > 0x7F:
            self.data.append(number & 0x7F | 0x80)
            number >>= 7
        self.data.append(number)

    def signed(self, number: int) -> None:
        """Any integer."""
        self.unsigned(number << 1 if number >= 0 else (-number << 1) - 1)

    def text(self, text: str) -> None:
        """A text; a UUID in its usual spelling takes 17 bytes."""
        if len(text) == 36 and _UUID.fullmatch(text):
            self.data.append(0)
            self.data += uuid.UUID(text).bytes
            return
        encoded = text.encode("utf-8", "surrogatepass")
        self.unsigned(len(encoded) + 1)
        self.data += encoded


class Unpacker:
    """Takes the values again, in their order. Raises ValueError when the data is not what was packed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unsigned(self) -> int:
        """A number from 0 on, of at most 70 bits."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a number is too long")

    def signed(self) -> int:
        """Any integer."""
        number = self.unsigned()
        return number >> 1 if number & 1 == 0 else -((number + 1) >> 1)

    def text(self) -> str:
        """A text."""
        length = self.unsigned()
        if length == 0:
            return str(uuid.UUID(bytes=self.take(16)))
        return self.take(length - 1).decode("utf-8", "surrogatepass")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise ValueError("the data ends early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    @property
    def at_end(self) -> bool:
        """Whether all was taken."""
        return self._at == len(self._data)


_VERSION, _DEFLATED_VERSION = 1, 2


_LONG_BYTES = 180


_MOST_INFLATED_BYTES = 100_000


_FIELD_BYTES, _ARGUMENTS_BYTES, _CHECKSUM_BYTES = 2, 4, 4


_HEADER_BYTES = 1 + _FIELD_BYTES + _ARGUMENTS_BYTES


_NULL, _INTEGER, _TEXT = range(3)


_NO_HINT = -2


_LARGEST_HINT = 2**31 - 1
"""Beyond it no vendor has rows: such an offset is a forger's."""


@dataclass(frozen=True, slots=True)
class CursorBinding:
    """The list that a cursor belongs to: its field, the digest of its filter and order, what it is ordered by."""

    field: bytes
    arguments: bytes
    by_text: bool = False

    @classmethod
    def of(cls, field: str, arguments: object, *, by_text: bool = False) -> CursorBinding:
        """The binding of a field's path in the schema with its (already parsed) filter and order.

        `by_text` says whether the list is ordered by texts; else it is by times.
        """
        return cls(
            _digest(field.encode("utf-8", "surrogatepass"), _FIELD_BYTES),
            _digest(repr(_canonical(arguments)).encode("utf-8", "surrogatepass"), _ARGUMENTS_BYTES),
            by_text,
        )


def encode_cursor(binding: CursorBinding, positions: Positions) -> str:
    """The cursor for going on from these positions of that list."""
    version, data = _VERSION, _pack(positions)
    if len(data) > _LONG_BYTES:
        version, data = _DEFLATED_VERSION, zlib.compress(data, wbits=-zlib.MAX_WBITS)
    body = bytes([version]) + binding.field + binding.arguments + data
    return base64.urlsafe_b64encode(body + _digest(body, _CHECKSUM_BYTES)).rstrip(b"=").decode()


def _pack(positions: Positions) -> bytes:
    packer = Packer()
    marks = _distinct_marks(positions)
    sources = sorted({mark.source for mark in marks})
    packer.unsigned(len(sources))
    for source in sources:
        packer.text(source)
    packer.unsigned(len(marks))
    for mark in marks:
        _pack_mark(packer, mark, sources)
    packer.unsigned(0 if positions.sort_key is None else marks.index(positions.sort_key) + 1)
    for key, position in sorted(positions.overrides.items()):
        packer.text(key)
        packer.unsigned(0 if position.sort_key is None else marks.index(position.sort_key) + 1)
        packer.signed(_NO_HINT if position.hint is None else position.hint)
    return bytes(packer.data)


def decode_cursor(binding: CursorBinding, cursor: str) -> Positions:
    """The positions in a cursor. Raises InvalidCursor with a sentence that says what is wrong with it."""
    body = _checked(cursor)
    if body[1 : 1 + _FIELD_BYTES] != binding.field:
        raise InvalidCursor("That cursor belongs to another list: cursors are good for the field they came from.")
    if body[1 + _FIELD_BYTES : _HEADER_BYTES] != binding.arguments:
        raise InvalidCursor("That cursor was made with another filter or order: keep both while paging.")
    try:
        data = body[_HEADER_BYTES:]
        unpacker = Unpacker(data if body[0] == _VERSION else _inflated(data))
        return _unpack(unpacker, _TEXT if binding.by_text else _INTEGER)
    except (ValueError, IndexError, OverflowError, zlib.error):
        raise InvalidCursor("That cursor is damaged.") from None


def _checked(cursor: str) -> bytes:
    if not cursor:
        raise InvalidCursor("An empty text is no cursor: use null as `after` for the first page.")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCursor("That is not a cursor of this gateway.") from None
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if len(body) < _HEADER_BYTES or checksum != _digest(body, _CHECKSUM_BYTES):
        raise InvalidCursor("That cursor is damaged, or is not one of this gateway's.")
    if body[0] not in {_VERSION, _DEFLATED_VERSION}:
        raise InvalidCursor("That cursor was made by another version of this gateway: start again without it.")
    return body


def _inflated(data: bytes) -> bytes:
    """The positions, up to more bytes than any cursor holds: few bytes can be made to inflate to very many."""
    return zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(data, _MOST_INFLATED_BYTES)


def _distinct_marks(positions: Positions) -> list[SortKey]:
    marks = [positions.sort_key, *(position.sort_key for position in positions.overrides.values())]
    return list(dict.fromkeys(mark for mark in marks if mark is not None))


def _pack_mark(packer: Packer, mark: SortKey, sources: list[str]) -> None:
    packer.unsigned(sources.index(mark.source))
    if mark.value is None:
        packer.unsigned(_NULL)
    elif isinstance(mark.value, int):
        packer.unsigned(_INTEGER)
        packer.signed(mark.value)
    else:
        packer.unsigned(_TEXT)
        packer.text(mark.value)
    packer.text(mark.id)


def _unpack(unpacker: Unpacker, kind: int) -> Positions:
    sources = [unpacker.text() for _ in range(unpacker.unsigned())]
    marks: list[SortKey | None] = [None]
    for _ in range(unpacker.unsigned()):
        source = sources[unpacker.unsigned()]
        marks.append(SortKey(_unpack_value(unpacker, kind), source, unpacker.text()))
    mark = marks[unpacker.unsigned()]
    own: dict[str, Position] = {}
    while not unpacker.at_end:
        key = unpacker.text()
        at = marks[unpacker.unsigned()]
        hint = unpacker.signed()
        if not _NO_HINT <= hint <= _LARGEST_HINT:
            raise ValueError("no list is that long")
        own[key] = Position(at, None if hint == _NO_HINT else hint)
    return Positions(mark, own)


def _unpack_value(unpacker: Unpacker, kind: int) -> SortValue:
    """A value that rows of the list can be compared with; OverflowError for a time beyond the calendar."""
    found = unpacker.unsigned()
    if found == _NULL:
        return None
    if found != kind:
        raise ValueError("the list is ordered by other values")
    return unpacker.text() if kind == _TEXT else microseconds(from_microseconds(unpacker.signed()))


def _digest(data: bytes, size: int) -> bytes:
    return blake2s(data, digest_size=size).digest()


def _canonical(value: Any) -> Any:
    """A form whose repr is the same in every process and release: names are those written down in _NAMES."""
    known = _NAMES.get(type(value))
    if isinstance(value, Metric):
        kind = value.kind.name
        return _Written(f"Metric(kind=<MetricKind.{kind}: '{kind}'>, evaluator={value.evaluator!r})")
    if isinstance(known, str):
        return f"{known}.{value.name}"
    if known is not None:
        return tuple((name, _canonical(getattr(value, attribute))) for name, attribute in known.items())
    if isinstance(value, frozenset | set | Mapping | list | tuple):
        return _canonical_members(value)
    if value is None or isinstance(value, str | int | float | bool | datetime):
        return str(value) if isinstance(value, datetime) else value
    raise TypeError(f"cursors have no name for a {type(value).__name__}: write it down in _NAMES")


def _canonical_members(value: Any) -> list[Any]:
    if isinstance(value, frozenset | set):
        return sorted(repr(_canonical(member)) for member in value)
    if isinstance(value, Mapping):
        return sorted((str(key), _canonical(member)) for key, member in value.items())
    return [_canonical(member) for member in value]


class _Written(str):
    """Text that stands in a digest without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_NAMES: Mapping[type, str | Mapping[str, str]] = {
    OrderDirection: "OrderDirection",
    ExperimentOrderField: "ExperimentOrderField",
    SessionOrderField: "SessionOrderField",
    ExperimentKind: "ExperimentKind",
    SessionStatus: "SessionStatus",
    CaseKey: "CaseKey",
    CaseOutcome: "CaseOutcome",
    ExperimentOrder: _same("field", "direction"),
    SessionOrder: _same("field", "direction"),
    StringFilter: _same("eq", "any_of", "contains"),
    TimeRange: _same("gte", "lt"),
    SessionFilter: _same("statuses", "test_case_id", "started_at"),
    ExperimentFilter: _same(
        *("kinds", "refs", "name", "agent_name", "agent_version", "dataset_name", "dataset_version", "group_id"),
        *("created_at", "updated_at"),
    ),
}
"""The names that a cursor's digest is made of: of enumerations, and of fields with the attributes that hold them.

They are part of the format: a class or an attribute may change its name, these may not.
"""
