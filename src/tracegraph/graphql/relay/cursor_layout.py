"""The bytes of a cursor: positions as MessagePack, with texts as short as they can be."""

from __future__ import annotations

import math
import re
import uuid
from typing import TypeVar

import msgspec

from tracegraph.domain.sort_values import SortValue, from_microseconds, microseconds
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import TOKEN_MAX, Position
from tracegraph.federation.sort_key import SortKey

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AS_UUID, _AS_UTF8 = b"\0", b"\1"

_HINT_MAX = 2**31 - 1
"""Beyond it no vendor has rows: such an offset is forged."""

V = TypeVar("V")

SortValueType = type[int] | type[float] | type[str]
"""The type of a list's sort values: of times, of figures, of texts."""

Text = bytes
"""A text: a byte that says the form, then UTF-8, which may hold half a surrogate pair, or the bytes of a UUID."""


class _Mark(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    value: int | float | bytes | None
    source: int
    id: Text


class _Own(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    key: Text
    mark: int
    hint: int | None = None
    token: str | None = None


class _Layout(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """`backwards` says in which direction hints and tokens go on; `mark` numbers count from 1, 0 is none."""

    backwards: bool
    sources: list[Text]
    marks: list[_Mark]
    mark: int
    own: list[_Own]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Layout)


def pack(positions: Positions, *, tokens: bool = True) -> bytes:
    """The positions as bytes; without `tokens` lists of tokens resume by key."""
    keys = [positions.sort_key, *(position.sort_key for position in positions.overrides.values())]
    distinct = list(dict.fromkeys(key for key in keys if key is not None))
    sources = sorted({mark.source for mark in distinct})
    numbers: dict[SortKey | None, int] = {None: 0} | {mark: number for number, mark in enumerate(distinct, 1)}
    layout = _Layout(
        backwards=positions.backwards,
        sources=[_packed(source) for source in sources],
        marks=[
            _Mark(_packed_value(mark.value), sources.index(mark.source), _packed(mark.id)) for mark in distinct
        ],
        mark=numbers[positions.sort_key],
        own=[
            _own(key, at, numbers[at.sort_key], tokens=tokens) for key, at in sorted(positions.overrides.items())
        ],
    )
    return _encoder.encode(layout)


def _own(key: str, at: Position, mark: int, *, tokens: bool) -> _Own:
    if at.token is not None and (not tokens or len(at.token) > TOKEN_MAX or not _is_utf8(at.token)):
        return _Own(_packed(key), mark)
    return _Own(_packed(key), mark, at.hint, at.token)


def unpack(data: bytes, kind: SortValueType) -> Positions:
    """The positions, whose values are of that kind. Raises ValueError when the data is not what was packed."""
    layout = _decoder.decode(data)
    sources = [_unpacked(source) for source in layout.sources]
    keys = [
        SortKey(_unpacked_value(mark.value, kind), _at(sources, mark.source), _unpacked(mark.id))
        for mark in layout.marks
    ]
    marks: list[SortKey | None] = [None, *keys]
    overrides = {}
    for one in layout.own:
        if one.hint is not None and not -1 <= one.hint <= _HINT_MAX:
            raise ValueError("no list is that long")
        if one.token is not None and len(one.token) > TOKEN_MAX:
            raise ValueError("no token is that long")
        overrides[_unpacked(one.key)] = Position(_at(marks, one.mark), one.hint, one.token)
    return Positions(_at(marks, layout.mark), overrides, layout.backwards)


def _at(values: list[V], index: int) -> V:
    if not 0 <= index < len(values):
        raise ValueError("a number of nothing")
    return values[index]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _packed(text: str) -> Text:
    if len(text) == 36 and _UUID.fullmatch(text):
        return _AS_UUID + uuid.UUID(text).bytes
    return _AS_UTF8 + text.encode("utf-8", "surrogatepass")


def _unpacked(text: Text) -> str:
    if text[:1] == _AS_UUID:
        return str(uuid.UUID(bytes=text[1:]))
    if text[:1] == _AS_UTF8:
        return text[1:].decode("utf-8", "surrogatepass")
    raise ValueError("a text of no known form")


def _packed_value(value: SortValue) -> int | float | bytes | None:
    return _packed(value) if isinstance(value, str) else value


def _unpacked_value(value: int | float | bytes | None, kind: type) -> SortValue:
    """A value that rows of the list can be compared with; OverflowError for a time beyond the calendar."""
    if value is None:
        return None
    found = _unpacked(value) if isinstance(value, bytes) else value
    if not isinstance(found, kind) or isinstance(found, bool):
        raise ValueError("the list is ordered by other values")  # noqa: TRY004 - see `unpack`
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("a number that no list is ordered by")
    return microseconds(from_microseconds(found)) if isinstance(found, int) else found
