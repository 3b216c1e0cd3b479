"""Cursors: the positions of a merged list, packed to binary and encoded as URL-safe base64.

The packing holds variable-length integers, texts, and UUIDs in 16 bytes.
"""

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
    """Appends values to `data`."""

    def __init__(self) -> None:
        self.data = bytearray()

    def unsigned(self, number: int) -> None:
        """Append an integer that is not negative, seven bits per byte."""
        while number > 0x7F:
            self.data.append(number & 0x7F | 0x80)
            number >>= 7
        self.data.append(number)

    def signed(self, number: int) -> None:
        """Append an integer."""
        self.unsigned(number << 1 if number >= 0 else (-number << 1) - 1)

    def text(self, text: str) -> None:
        """Append a text. A UUID in its canonical spelling takes 17 bytes."""
        if len(text) == 36 and _UUID.fullmatch(text):
            self.data.append(0)
            self.data += uuid.UUID(text).bytes
            return
        encoded = text.encode("utf-8", "surrogatepass")
        self.unsigned(len(encoded) + 1)
        self.data += encoded


class Unpacker:
    """Reads packed values in order. Methods raise ValueError for malformed data."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unsigned(self) -> int:
        """Read an integer that is not negative, of at most 70 bits."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("an integer is too long")

    def signed(self) -> int:
        """Read an integer."""
        number = self.unsigned()
        return number >> 1 if number & 1 == 0 else -((number + 1) >> 1)

    def text(self) -> str:
        """Read a text."""
        length = self.unsigned()
        if length == 0:
            return str(uuid.UUID(bytes=self.take(16)))
        return self.take(length - 1).decode("utf-8", "surrogatepass")

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise ValueError("the data ends early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    @property
    def at_end(self) -> bool:
        """Whether all bytes are read."""
        return self._at == len(self._data)


_VERSION, _DEFLATED_VERSION = 1, 2


_MIN_DEFLATED_BYTES = 180


_MAX_INFLATED_BYTES = 100_000


_FIELD_BYTES, _ARGUMENTS_BYTES, _CHECKSUM_BYTES = 2, 4, 4


_HEADER_BYTES = 1 + _FIELD_BYTES + _ARGUMENTS_BYTES


_NULL, _INTEGER, _TEXT = range(3)


_NO_HINT = -2


_MAX_HINT = 2**31 - 1
"""The maximum row offset. No vendor list is longer, so a larger offset is forged."""


@dataclass(frozen=True, slots=True)
class CursorBinding:
    """The list of a cursor: digests of its field and of its filter and order, and the type of its sort key."""

    field: bytes
    arguments: bytes
    by_text: bool = False

    @classmethod
    def of(cls, field: str, arguments: object, *, by_text: bool = False) -> CursorBinding:
        """Return the binding of a list.

        Args:
            field: The field's path in the schema.
            arguments: The parsed filter and order.
            by_text: Whether the sort key is a text; otherwise it is a time.
        """
        return cls(
            _digest(field.encode("utf-8", "surrogatepass"), _FIELD_BYTES),
            _digest(repr(_canonical(arguments)).encode("utf-8", "surrogatepass"), _ARGUMENTS_BYTES),
            by_text,
        )


def encode_cursor(binding: CursorBinding, positions: Positions) -> str:
    """Return the cursor that continues a list at these positions."""
    version, data = _VERSION, _pack(positions)
    if len(data) > _MIN_DEFLATED_BYTES:
        version, data = _DEFLATED_VERSION, zlib.compress(data, wbits=-zlib.MAX_WBITS)
    body = bytes([version]) + binding.field + binding.arguments + data
    return base64.urlsafe_b64encode(body + _digest(body, _CHECKSUM_BYTES)).rstrip(b"=").decode()


def _pack(positions: Positions) -> bytes:
    packer = Packer()
    sort_keys = _distinct_sort_keys(positions)
    sources = sorted({sort_key.source for sort_key in sort_keys})
    packer.unsigned(len(sources))
    for source in sources:
        packer.text(source)
    packer.unsigned(len(sort_keys))
    for sort_key in sort_keys:
        _pack_sort_key(packer, sort_key, sources)
    packer.unsigned(0 if positions.sort_key is None else sort_keys.index(positions.sort_key) + 1)
    for key, position in sorted(positions.overrides.items()):
        packer.text(key)
        packer.unsigned(0 if position.sort_key is None else sort_keys.index(position.sort_key) + 1)
        packer.signed(_NO_HINT if position.hint is None else position.hint)
    return bytes(packer.data)


def decode_cursor(binding: CursorBinding, cursor: str) -> Positions:
    """Return the positions in a cursor.

    Raises:
        InvalidCursor: When the cursor is malformed or belongs to another list; the message says which.
    """
    body = _checked(cursor)
    if body[1 : 1 + _FIELD_BYTES] != binding.field:
        raise InvalidCursor("This cursor belongs to another list: use it only at the field that returned it.")
    if body[1 + _FIELD_BYTES : _HEADER_BYTES] != binding.arguments:
        raise InvalidCursor("This cursor was made with another filter or order: keep both while paging.")
    try:
        data = body[_HEADER_BYTES:]
        unpacker = Unpacker(data if body[0] == _VERSION else _inflated(data))
        return _unpack(unpacker, _TEXT if binding.by_text else _INTEGER)
    except (ValueError, IndexError, OverflowError, zlib.error):
        raise InvalidCursor("This cursor is damaged.") from None


def _checked(cursor: str) -> bytes:
    if not cursor:
        raise InvalidCursor("An empty string is not a cursor: use null as `after` for the first page.")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCursor("This is not a cursor of this gateway.") from None
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if len(body) < _HEADER_BYTES or checksum != _digest(body, _CHECKSUM_BYTES):
        raise InvalidCursor("This cursor is damaged, or is not a cursor of this gateway.")
    if body[0] not in {_VERSION, _DEFLATED_VERSION}:
        raise InvalidCursor("This cursor is from another version of this gateway: start again without `after`.")
    return body


def _inflated(data: bytes) -> bytes:
    """Return the inflated positions, up to a maximum size: a few bytes can inflate to very many."""
    return zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(data, _MAX_INFLATED_BYTES)


def _distinct_sort_keys(positions: Positions) -> list[SortKey]:
    sort_keys = [positions.sort_key, *(position.sort_key for position in positions.overrides.values())]
    return list(dict.fromkeys(sort_key for sort_key in sort_keys if sort_key is not None))


def _pack_sort_key(packer: Packer, sort_key: SortKey, sources: list[str]) -> None:
    packer.unsigned(sources.index(sort_key.source))
    if sort_key.value is None:
        packer.unsigned(_NULL)
    elif isinstance(sort_key.value, int):
        packer.unsigned(_INTEGER)
        packer.signed(sort_key.value)
    else:
        packer.unsigned(_TEXT)
        packer.text(sort_key.value)
    packer.text(sort_key.id)


def _unpack(unpacker: Unpacker, kind: int) -> Positions:
    sources = [unpacker.text() for _ in range(unpacker.unsigned())]
    sort_keys: list[SortKey | None] = [None]
    for _ in range(unpacker.unsigned()):
        source = sources[unpacker.unsigned()]
        sort_keys.append(SortKey(_unpack_value(unpacker, kind), source, unpacker.text()))
    sort_key = sort_keys[unpacker.unsigned()]
    own: dict[str, Position] = {}
    while not unpacker.at_end:
        key = unpacker.text()
        at = sort_keys[unpacker.unsigned()]
        hint = unpacker.signed()
        if not _NO_HINT <= hint <= _MAX_HINT:
            raise ValueError("no list is that long")
        own[key] = Position(at, None if hint == _NO_HINT else hint)
    return Positions(sort_key, own)


def _unpack_value(unpacker: Unpacker, kind: int) -> SortValue:
    """Read a sort value of the list's type. Raise OverflowError for a time beyond the calendar."""
    value_type = unpacker.unsigned()
    if value_type == _NULL:
        return None
    if value_type != kind:
        raise ValueError("the list is ordered by other values")
    return unpacker.text() if kind == _TEXT else microseconds(from_microseconds(unpacker.signed()))


def _digest(data: bytes, size: int) -> bytes:
    return blake2s(data, digest_size=size).digest()


def _canonical(value: Any) -> Any:
    """Return a form whose repr is equal in every process and release; `_NAMES` fixes the names."""
    names = _NAMES.get(type(value))
    if isinstance(value, Metric):
        kind = value.kind.name
        return _Written(f"Metric(kind=<MetricKind.{kind}: '{kind}'>, evaluator={value.evaluator!r})")
    if isinstance(names, str):
        return f"{names}.{value.name}"
    if names is not None:
        return tuple((name, _canonical(getattr(value, attribute))) for name, attribute in names.items())
    if isinstance(value, frozenset | set | Mapping | list | tuple):
        return _canonical_members(value)
    if value is None or isinstance(value, str | int | float | bool | datetime):
        return str(value) if isinstance(value, datetime) else value
    raise TypeError(f"cursors have no name for {type(value).__name__}: add one to _NAMES")


def _canonical_members(value: Any) -> list[Any]:
    if isinstance(value, frozenset | set):
        return sorted(repr(_canonical(member)) for member in value)
    if isinstance(value, Mapping):
        return sorted((str(key), _canonical(member)) for key, member in value.items())
    return [_canonical(member) for member in value]


class _Written(str):
    """A text whose repr has no quotes."""

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
"""The names that a cursor's digest contains: of enums, and of fields with the attributes that hold them.

The names are part of the cursor format. A class or attribute may be renamed, these names may not.
"""
