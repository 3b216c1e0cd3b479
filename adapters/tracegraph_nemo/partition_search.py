"""Partitioning of a list by time, since the service refuses the whole list. No I/O.

A position is a time in microseconds since 1970, negated when the list is read newest first. So positions always
grow while a list is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil, isqrt
from typing import NamedTuple

from tracegraph.adapter import ExperimentQuery, OffsetRequest, PageRequest
from tracegraph.domain.filters import ExperimentFilter, TimeRange
from tracegraph.domain.models import Experiment
from tracegraph.domain.sort_values import from_microseconds, microseconds
from tracegraph_nemo.filters import vendor_sort

_EARLIEST_US = microseconds(datetime.min.replace(tzinfo=UTC))


_LATEST_US = microseconds(datetime.max.replace(tzinfo=UTC))


_INITIAL_WIDTH_US = 1_000_000
"""The width of the first slice if the density of the rows is unknown: one second."""


_RECENT_US = 3_600_000_000
"""The bisection by age treats ages below one hour as one hour."""


_WIDENING_FACTOR = 16
"""The growth of the next slice after an empty one, if more rows certainly follow."""


_SPARSE_DIVISOR = 4
"""A slice with less than a quarter of its target rows is sparse: the list may end soon.

A gap longer than a quarter of the slice width is remembered.
"""


_MAX_MISSING_ROWS = 200
"""A slice that lacks more than this number of its target rows is sparse, too."""


_MAX_GAPS = 32
"""The number of remembered gaps, newest first."""


_MAX_SLICES = 64
"""The number of remembered slices, newest first."""


class TimeSlice(NamedTuple):
    """The closed range between two positions."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The positions of the rows that can match a query, in the order of the vendor's list."""

    attribute: str
    sign: int
    first: int
    last: int

    @classmethod
    def for_query(cls, query: ExperimentQuery) -> Timeline:
        """Return the timeline by which the service sorts the list.

        Its ends are the ends of the calendar where the filter sets no bound.
        """
        name, descending = vendor_sort(query.order)
        times: TimeRange = getattr(query.filter, name) or TimeRange()
        earliest = _EARLIEST_US if times.gte is None else microseconds(times.gte)
        latest = _LATEST_US if times.lt is None else microseconds(times.lt) - 1
        return cls(name, -1, -latest, -earliest) if descending else cls(name, 1, earliest, latest)

    def start_position(self, page: PageRequest) -> int:
        """Return the first position of the requested page: its token, or else the value of its key."""
        if not isinstance(page, OffsetRequest):
            return self.first
        if page.token is not None:
            return int(page.token)
        value = None if page.after is None else page.after.value
        if isinstance(value, int):
            return max(self.first, self.sign * value)
        # Only rows without a time follow a key without a time, and no range contains them.
        return self.last + 1 if page.after is not None and value is None else self.first

    def position_of(self, experiment: Experiment) -> int | None:
        """Return the position of the experiment, or None if the experiment lacks the time."""
        time: datetime | None = getattr(experiment, self.attribute)
        return None if time is None else self.sign * microseconds(time)

    def restrict(self, experiment_filter: ExperimentFilter, time_slice: TimeSlice) -> ExperimentFilter:
        """Return the filter restricted to one slice."""
        earliest, latest = sorted((self.sign * time_slice.first, self.sign * time_slice.last))
        gte = None if earliest == _EARLIEST_US else from_microseconds(earliest)
        lt = None if latest == _LATEST_US else from_microseconds(latest + 1)
        times = TimeRange(gte, lt)
        if self.attribute == "updated_at":
            return replace(experiment_filter, updated_at=times)
        return replace(experiment_filter, created_at=times)

    def midpoint(self, low: int, high: int, now: int) -> int:
        """Return a position in `low <= position < high` that halves the range; `low` if the range is empty.

        A long range is halved by the logarithm of the age, because recent rows are denser in most workspaces.

        Args:
            low: The first position.
            high: The position after the last one.
            now: The current time in microseconds since 1970.
        """
        older, newer = sorted((self.sign * low, self.sign * high))
        older, newer = max(older, 0), min(newer, now)
        if older < newer:
            far, near = now - older, now - newer
            recent = max(near, _RECENT_US)
            age = isqrt(far * recent) if far > 2 * recent else (far + near) // 2
            for position in (self.sign * (now - age), self.sign * now):
                if low <= position < high:
                    return position
        return (low + high) // 2


@dataclass(slots=True)
class PartitionHints:
    """Optimization hints from earlier reads of a list. Correctness does not depend on them.

    Attributes:
        refused_until: The clock time up to which the list counts as refused.
        us_per_row: The average distance between two rows in microseconds.
        gaps: Ranges that contained no row when they were read.
        slices: Ranges that the vendor listed when they were requested.
    """

    refused_until: float = 0.0
    us_per_row: float | None = None
    gaps: list[TimeSlice] = field(default_factory=list)
    slices: list[TimeSlice] = field(default_factory=list)

    def width(self, rows: int) -> int | None:
        """Return the width of a slice of about this number of rows, or None if the density is unknown."""
        return None if self.us_per_row is None else max(1, ceil(self.us_per_row * rows))

    def slice_at(self, position: int) -> TimeSlice | None:
        """Return the slice that contains the position."""
        return next(
            (time_slice for time_slice in self.slices if time_slice.first <= position <= time_slice.last), None
        )

    def add_slice(self, time_slice: TimeSlice) -> None:
        """Add a slice that the vendor listed, in place of all slices that overlap it."""
        separate = [
            other for other in self.slices if other.last < time_slice.first or time_slice.last < other.first
        ]
        self.slices = [*separate, time_slice][-_MAX_SLICES:]

    def remove_slice(self, time_slice: TimeSlice) -> None:
        """Remove a slice that now contains too many rows."""
        self.slices = [other for other in self.slices if other != time_slice]

    def gap_at(self, position: int) -> TimeSlice | None:
        """Return the gap that contains the position."""
        return next((gap for gap in self.gaps if gap.first <= position <= gap.last), None)

    def add_gap(self, first: int, last: int) -> None:
        """Add the empty range from `first` to `last`, merged with gaps that overlap or adjoin its beginning."""
        adjoining = [gap.first for gap in self.gaps if gap.first <= first <= gap.last + 1]
        gap = TimeSlice(min(adjoining, default=first), last)
        if gap.first <= gap.last:
            separate = [other for other in self.gaps if other.last < gap.first or gap.last < other.first]
            self.gaps = [*separate, gap][-_MAX_GAPS:]

    def remove_gap(self, gap: TimeSlice) -> None:
        """Remove a gap that now contains rows."""
        self.gaps = [other for other in self.gaps if other != gap]


class SliceCursor:
    """Reads a list in adjoining slices that do not overlap.

    `position` is the beginning of the next slice. The density of the rows so far determines its width. A slice
    that the vendor refuses is halved until the vendor lists it. After a sparse slice the cursor requests the whole
    rest once, because the list may end soon.
    """

    def __init__(
        self, timeline: Timeline, position: int, hints: PartitionHints, target_rows: int, now: int
    ) -> None:
        self.position = position
        self._timeline = timeline
        self._hints = hints
        self._target_rows = target_rows
        self._now = now
        self._current_gap = hints.gap_at(position)
        self._width = hints.width(target_rows)
        self._refused_until: int | None = None  # the vendor refused the range from `position` to here
        if self._width is None and position == timeline.first:
            self._refused_until = timeline.last  # the vendor refused the unrestricted list
        elif self._width is None:
            self._width = _INITIAL_WIDTH_US
        self._after_last_row = position
        self._is_sparse = False
        self._has_more = False

    @property
    def ended(self) -> bool:
        """Return whether the whole list is read."""
        return self.position > self._timeline.last

    def next_slice(self) -> TimeSlice:
        """Return the slice to request."""
        if self._refused_until is not None:
            cut, end = (
                self._timeline.midpoint(self._first_possible, self._refused_until, self._now),
                self._refused_until,
            )
        elif self._width is None or self._requests_rest:
            return TimeSlice(self.position, self._timeline.last)
        else:
            cut, end = self._slice_end(self._width), self._timeline.last + (0 if self._has_more else 1)
        gap = self._hints.gap_at(cut)
        return TimeSlice(self.position, gap.last if gap is not None and gap.last < end else cut)

    def mark_too_large(self, time_slice: TimeSlice) -> None:
        """Record that the slice contains more rows than the service lists.

        The slice spans more than one microsecond.
        """
        if self._requests_rest:
            self._has_more = True
            return
        if self._refused_until is None and self._width is not None:
            # The slice was extended over a gap, so the rows before the gap are too many.
            self._refused_until = self._slice_end(self._width)
        else:
            self._refused_until = time_slice.last
        if self._current_gap is not None and self._current_gap.last + 1 >= time_slice.last:
            self._hints.remove_gap(self._current_gap)
            self._current_gap = None

    def advance(self, time_slice: TimeSlice, positions: Sequence[int]) -> None:
        """Record that the slice contains exactly the rows at these positions, and continue after it."""
        if self._refused_until is not None and time_slice.last >= self._refused_until:
            self._refused_until = None
        if positions:
            self._update_hints(time_slice, positions)
        else:
            self._hints.add_gap(self._after_last_row, time_slice.last)
            self._widen()
        self.position = time_slice.last + 1
        if self.ended:
            self._hints.add_gap(self._after_last_row, time_slice.last)
        self._current_gap = self._hints.gap_at(self.position)

    @property
    def _first_possible(self) -> int:
        """Return the first position that may have a row.

        A slice still begins before a gap, so that it contains rows that were added to the gap since.
        """
        return self.position if self._current_gap is None else min(self._current_gap.last + 1, self._timeline.last)

    def _slice_end(self, width: int) -> int:
        return min(self._first_possible + width - 1, self._timeline.last)

    @property
    def _requests_rest(self) -> bool:
        return self._refused_until is None and self._width is not None and self._is_sparse and not self._has_more

    def _update_hints(self, time_slice: TimeSlice, positions: Sequence[int]) -> None:
        if positions[0] < positions[-1]:
            self._hints.us_per_row = (positions[-1] - positions[0]) / (len(positions) - 1)
        elif self._width is not None:
            self._hints.us_per_row = min(self._width, time_slice.last + 1 - self._first_possible) / len(positions)
        self._width = self._hints.width(self._target_rows)
        enough = max(self._target_rows // _SPARSE_DIVISOR, self._target_rows - _MAX_MISSING_ROWS)
        self._is_sparse = (
            self._refused_until is None
            and len(positions) < enough
            and self._hints.gap_at(time_slice.last + 1) is None
        )
        for first, last in ((self._after_last_row, positions[0] - 1), (positions[-1] + 1, time_slice.last)):
            if last - first > (self._width or 0) // _SPARSE_DIVISOR:
                self._hints.add_gap(first, last)
        self._after_last_row = positions[-1] + 1
        self._has_more = False
        if self._refused_until is not None:
            rest = self._refused_until - time_slice.last  # the vendor may list the rest without these rows
            self._width = rest if self._width is None else min(self._width, rest)
            self._refused_until = None

    def _widen(self) -> None:
        if self._refused_until is None and self._width is not None:
            self._is_sparse = True
            self._width *= _WIDENING_FACTOR
