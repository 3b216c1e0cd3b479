"""Cursors: the positions of a merged list, packed to binary and encoded as URL-safe base64.

The packing holds variable-length integers, texts, and UUIDs in 16 bytes.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s
from typing import Any

import msgspec

from tracegraph.domain.figures import Figure, Statistic
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    FloatRange,
    MetadataFilter,
    OrderDirection,
    ScoreFilter,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import ExperimentKind, Metric, SessionStatus
from tracegraph.errors import InvalidCursor
from tracegraph.federation.analytics.case_order import CaseOrder, CaseOrderField
from tracegraph.federation.analytics.cases import CaseKey, CaseOutcome
from tracegraph.federation.merge import Positions
from tracegraph.graphql.relay.cursor_layout import SortValueType, pack, unpack

_VERSION, _DEFLATED_VERSION = 3, 4
"""1 and 2 were a layout of their own, without tokens."""


_CURSOR_MAX = 4_096
"""Characters of a cursor with tokens; a longer one leaves the tokens out."""


_MIN_DEFLATED_BYTES = 180


_MAX_INFLATED_BYTES = 100_000


_FIELD_BYTES, _ARGUMENTS_BYTES, _CHECKSUM_BYTES = 2, 4, 4


_HEADER_BYTES = 1 + _FIELD_BYTES + _ARGUMENTS_BYTES


@dataclass(frozen=True, slots=True)
class CursorBinding:
    """The list of a cursor: digests of its field and of its filter and order, and the type of its sort values."""

    field: bytes
    arguments: bytes
    values: SortValueType = int

    @classmethod
    def of(cls, field: str, arguments: object, values: SortValueType = int) -> CursorBinding:
        """Return the binding of a list.

        Args:
            field: The field's path in the schema.
            arguments: The parsed filter and order.
            values: The type of the sort values: int for times, float for figures, str for texts.
        """
        return cls(
            _digest(field.encode("utf-8", "surrogatepass"), _FIELD_BYTES),
            _digest(repr(_canonical(arguments)).encode("utf-8", "surrogatepass"), _ARGUMENTS_BYTES),
            values,
        )


def encode_cursor(binding: CursorBinding, positions: Positions) -> str:
    """Return the cursor that continues a list at these positions."""
    cursor = _encoded(binding, pack(positions))
    return cursor if len(cursor) <= _CURSOR_MAX else _encoded(binding, pack(positions, tokens=False))


def _encoded(binding: CursorBinding, data: bytes) -> str:
    version = _VERSION
    if len(data) > _MIN_DEFLATED_BYTES:
        version, data = _DEFLATED_VERSION, zlib.compress(data, wbits=-zlib.MAX_WBITS)
    body = bytes([version]) + binding.field + binding.arguments + data
    return base64.urlsafe_b64encode(body + _digest(body, _CHECKSUM_BYTES)).rstrip(b"=").decode()


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
        return unpack(data if body[0] == _VERSION else _inflated(data), binding.values)
    except (ValueError, OverflowError, zlib.error, msgspec.MsgspecError):
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
        fields = [(name, getattr(value, attribute)) for name, attribute in names.items()]
        later = _LATER_NAMES.get(type(value), frozenset())
        return tuple((name, _canonical(field)) for name, field in fields if field is not None or name not in later)
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


_OF_STRINGS = "not_in", "starts_with", "exists"


_OF_EXPERIMENTS = "dataset_id", "model", "metadata"


_OF_SESSIONS = (
    *("ids", "name", "agent_name", "agent_version", "model", "conversation_id", "text"),
    *("latency_ms", "cost_usd", "total_tokens", "score", "metadata"),
)


_LATER_NAMES: Mapping[type, frozenset[str]] = {
    ExperimentOrder: frozenset({"figure"}),
    SessionOrder: frozenset({"evaluator"}),
    StringFilter: frozenset(_OF_STRINGS),
    ExperimentFilter: frozenset(_OF_EXPERIMENTS),
    SessionFilter: frozenset(_OF_SESSIONS),
}
"""Names that are later than the cursor format. A digest contains them only where they have a value."""


_NAMES: Mapping[type, str | Mapping[str, str]] = {
    OrderDirection: "OrderDirection",
    ExperimentOrderField: "ExperimentOrderField",
    SessionOrderField: "SessionOrderField",
    ExperimentKind: "ExperimentKind",
    SessionStatus: "SessionStatus",
    CaseKey: "CaseKey",
    CaseOutcome: "CaseOutcome",
    CaseOrderField: "CaseOrderField",
    CaseOrder: _same("field", "direction", "experiment"),
    Statistic: "Statistic",
    Figure: _same("metric", "statistic"),
    ExperimentOrder: _same("field", "direction", "figure"),
    SessionOrder: _same("field", "direction", "evaluator"),
    StringFilter: _same("eq", "any_of", "contains", *_OF_STRINGS),
    TimeRange: _same("gte", "lt"),
    FloatRange: _same("gte", "lt"),
    MetadataFilter: _same("key", "value"),
    ScoreFilter: _same("evaluator", "gte", "lt"),
    SessionFilter: _same("statuses", "test_case_id", "started_at", *_OF_SESSIONS),
    ExperimentFilter: _same(
        *("kinds", "refs", "name", "agent_name", "agent_version", "dataset_name", "dataset_version", "group_id"),
        *("created_at", "updated_at", *_OF_EXPERIMENTS),
    ),
}
"""The names that a cursor's digest contains: of enums, and of fields with the attributes that hold them.

The names are part of the cursor format. A class or attribute may be renamed, these names may not.
"""
