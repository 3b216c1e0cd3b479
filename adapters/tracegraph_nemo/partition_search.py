"""A list read by time, since the service refuses it as a whole: which part to ask for next; no I/O.

Places are microseconds since 1970, negated when the list is read from its newest row: they grow as it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil, isqrt
from typing import NamedTuple

from tracegraph.adapter.paging import ExperimentQuery, PageRequest
from tracegraph.domain.filters import ExperimentFilter, TimeRange
from tracegraph.domain.models import Experiment
from tracegraph.domain.sort_values import from_microseconds, microseconds
from tracegraph_nemo.filters import vendor_sort

_EARLIEST = microseconds(datetime.min.replace(tzinfo=UTC))


_LATEST = microseconds(datetime.max.replace(tzinfo=UTC))


_NARROW = 1_000_000
"""The first part's width where nothing is known of the rows: a second."""


_RECENT = 3_600_000_000
"""The last hour is not told apart at first."""


_GALLOP = 16
"""How much wider the part after an empty one is, where more rows are known to follow."""


_SPARSE = 4
"""A part with fewer than one in four of its rows may be one of the last; a gap of one in four is remembered."""


_SHORT = 200
"""And so may one that lacks as many rows as this."""


_GAPS = 32
"""How many gaps are remembered, the newest."""


_PARTS = 64
"""How many parts are remembered, the newest."""


class TimeSlice(NamedTuple):
    """The stretch from one place to another, both within it."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The places that can answer a query, in the order in which the service lists them."""

    attribute: str
    sign: int
    first: int
    last: int

    @classmethod
    def of(cls, query: ExperimentQuery) -> Timeline:
        """The times by which the service orders the list; the ends are open where the filter sets none."""
        name, descending = vendor_sort(query.order)
        times: TimeRange = getattr(query.filter, name) or TimeRange()
        earliest = _EARLIEST if times.gte is None else microseconds(times.gte)
        latest = _LATEST if times.lt is None else microseconds(times.lt) - 1
        return cls(name, -1, -latest, -earliest) if descending else cls(name, 1, earliest, latest)

    def begin(self, page: PageRequest) -> int:
        """Where the wanted stretch begins: the place that an earlier page named, else the key's value."""
        if isinstance(page.hint, str):
            return int(page.hint)
        value = None if page.after is None else page.after.value
        if isinstance(value, int):
            return max(self.first, self.sign * value)
        # Behind a key without a time there are rows without a time only: no range holds them.
        return self.last + 1 if page.after is not None and value is None else self.first

    def place(self, experiment: Experiment) -> int | None:
        """Where the experiment stands, None without the time."""
        time: datetime | None = getattr(experiment, self.attribute)
        return None if time is None else self.sign * microseconds(time)

    def narrowed(self, wanted: ExperimentFilter, part: TimeSlice) -> ExperimentFilter:
        """The filter for one part."""
        earliest, latest = sorted((self.sign * part.first, self.sign * part.last))
        gte = None if earliest == _EARLIEST else from_microseconds(earliest)
        lt = None if latest == _LATEST else from_microseconds(latest + 1)
        times = TimeRange(gte, lt)
        if self.attribute == "updated_at":
            return replace(wanted, updated_at=times)
        return replace(wanted, created_at=times)

    def middle(self, low: int, high: int, now: int) -> int:
        """A place from `low` on and before `high`, where there is one, that halves the way between them.

        Of a long way it is the middle by the logarithm of the age: in most workspaces the recent is the dense.
        """
        older, newer = sorted((self.sign * low, self.sign * high))
        older, newer = max(older, 0), min(newer, now)
        if older < newer:
            far, near = now - older, now - newer
            recent = max(near, _RECENT)
            age = isqrt(far * recent) if far > 2 * recent else (far + near) // 2
            for place in (self.sign * (now - age), self.sign * now):
                if low <= place < high:
                    return place
        return (low + high) // 2


@dataclass(slots=True)
class PartitionHints:
    """What reading a list has taught about it: a help, nothing that reading on depends on.

    `pace` is the microseconds from row to row, `gaps` are stretches that held no row when they were read, `parts`
    are those that answered when they were asked for.
    """

    refused_until: float = 0.0
    pace: float | None = None
    gaps: list[TimeSlice] = field(default_factory=list)
    parts: list[TimeSlice] = field(default_factory=list)

    def width(self, wanted: int) -> int | None:
        """How long a part of about that many rows is."""
        return None if self.pace is None else max(1, ceil(self.pace * wanted))

    def part_at(self, place: int) -> TimeSlice | None:
        """The part that the place lies in."""
        return next((part for part in self.parts if part.first <= place <= part.last), None)

    def add_part(self, part: TimeSlice) -> None:
        """It answered; what was remembered of the same places is forgotten."""
        apart = [one for one in self.parts if one.last < part.first or part.last < one.first]
        self.parts = [*apart, part][-_PARTS:]

    def drop_part(self, part: TimeSlice) -> None:
        """It holds too many rows by now."""
        self.parts = [one for one in self.parts if one != part]

    def gap_at(self, place: int) -> TimeSlice | None:
        """The gap that the place lies in."""
        return next((gap for gap in self.gaps if gap.first <= place <= gap.last), None)

    def add_gap(self, first: int, last: int) -> None:
        """From `first` to `last` there is no row now; a gap that ends where this one begins is a part of it."""
        before = [gap.first for gap in self.gaps if gap.first <= first <= gap.last + 1]
        gap = TimeSlice(min(before, default=first), last)
        if gap.first <= gap.last:
            apart = [one for one in self.gaps if one.last < gap.first or gap.last < one.first]
            self.gaps = [*apart, gap][-_GAPS:]

    def drop_gap(self, gap: TimeSlice) -> None:
        """It holds rows."""
        self.gaps = [one for one in self.gaps if one != gap]


class SliceCursor:
    """Reads a list by parts that adjoin: none overlaps another, none leaves a gap.

    `at` is where the next part begins. Its width comes from the pace of the rows so far. A part that is refused
    is halved until one answers; after a thin one the whole rest is asked for once, since the list may end.
    """

    def __init__(self, line: Timeline, at: int, note: PartitionHints, wanted: int, now: int) -> None:
        self.at = at
        self._line = line
        self._note = note
        self._wanted = wanted
        self._now = now
        self._gap = note.gap_at(at)
        self._width = note.width(wanted)
        self._refused: int | None = None  # up to here there are more rows than the service lists
        if self._width is None and at == line.first:
            self._refused = line.last  # for it was refused as a whole
        elif self._width is None:
            self._width = _NARROW
        self._unread = at  # what follows the last row that was seen
        self._thin = False
        self._goes_on = False

    @property
    def ended(self) -> bool:
        """Whether the whole list is read."""
        return self.at > self._line.last

    def part(self) -> TimeSlice:
        """The part to ask for."""
        if self._refused is not None:
            cut, end = self._line.middle(self._begin, self._refused, self._now), self._refused
        elif self._width is None or self._tries_rest:
            return TimeSlice(self.at, self._line.last)
        else:
            cut, end = self._cut(self._width), self._line.last + (0 if self._goes_on else 1)
        gap = self._note.gap_at(cut)
        return TimeSlice(self.at, gap.last if gap is not None and gap.last < end else cut)

    def refuse(self, part: TimeSlice) -> None:
        """The part, of more than one microsecond, holds more rows than the service lists."""
        if self._tries_rest:
            self._goes_on = True
            return
        if self._refused is None and self._width is not None:
            self._refused = self._cut(self._width)  # the rows before a gap, not those in it, are too many
        else:
            self._refused = part.last
        if self._gap is not None and self._gap.last + 1 >= part.last:
            self._note.drop_gap(self._gap)
            self._gap = None

    def take(self, part: TimeSlice, places: Sequence[int]) -> None:
        """The part holds these rows and no others."""
        if self._refused is not None and part.last >= self._refused:
            self._refused = None
        if places:
            self._learn(part, places)
        else:
            self._note.add_gap(self._unread, part.last)
            self._widen()
        self.at = part.last + 1
        if self.ended:
            self._note.add_gap(self._unread, part.last)
        self._gap = self._note.gap_at(self.at)

    @property
    def _begin(self) -> int:
        """Where rows may be. A part begins before a gap nevertheless, for what came into it since."""
        return self.at if self._gap is None else min(self._gap.last + 1, self._line.last)

    def _cut(self, width: int) -> int:
        return min(self._begin + width - 1, self._line.last)

    @property
    def _tries_rest(self) -> bool:
        return self._refused is None and self._width is not None and self._thin and not self._goes_on

    def _learn(self, part: TimeSlice, places: Sequence[int]) -> None:
        if places[0] < places[-1]:
            self._note.pace = (places[-1] - places[0]) / (len(places) - 1)
        elif self._width is not None:
            self._note.pace = min(self._width, part.last + 1 - self._begin) / len(places)
        self._width = self._note.width(self._wanted)
        enough = max(self._wanted // _SPARSE, self._wanted - _SHORT)
        self._thin = self._refused is None and len(places) < enough and self._note.gap_at(part.last + 1) is None
        for first, last in ((self._unread, places[0] - 1), (places[-1] + 1, part.last)):
            if last - first > (self._width or 0) // _SPARSE:
                self._note.add_gap(first, last)
        self._unread = places[-1] + 1
        self._goes_on = False
        if self._refused is not None:
            rest = self._refused - part.last  # without these rows it may answer
            self._width = rest if self._width is None else min(self._width, rest)
            self._refused = None

    def _widen(self) -> None:
        if self._refused is None and self._width is not None:
            self._thin = True
            self._width *= _GALLOP
