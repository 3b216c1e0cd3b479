"""The kinds of conditions that filters consist of: on a string, a time, a number, metadata and a score.

Each has `matches`, which takes the value of an object, or None where the object has no value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

OrderedT = TypeVar("OrderedT", datetime, float)


@dataclass(frozen=True, slots=True)
class StringFilter:
    """Conditions on a string, all of which must hold.

    `eq`, `any_of` and `not_in` are exact. `contains` and `starts_with` compare after Unicode case folding.
    `exists` asks whether there is a value. A missing value meets `not_in` and `exists=False` only.

    Of several values, one must meet `eq`, `any_of`, `contains` and `starts_with` together, and none may be in
    `not_in`. So every object meets either `any_of` or `not_in` with the same texts.
    """

    eq: str | None = None
    any_of: frozenset[str] | None = None
    contains: str | None = None
    not_in: frozenset[str] | None = None
    starts_with: str | None = None
    exists: bool | None = None

    def matches(self, value: str | None) -> bool:
        """Return whether the value meets every condition that is set."""
        return self.matches_any(() if value is None else (value,))

    def matches_any(self, values: Sequence[str]) -> bool:
        """Return whether an object with these values meets every condition that is set."""
        return (
            (self.exists is None or self.exists is bool(values))
            and (self.not_in is None or self.not_in.isdisjoint(values))
            and (not self._needs_value or any(map(self._accepts, values)))
        )

    @property
    def exact_values(self) -> frozenset[str] | None:
        """The only strings that can match, from `eq` and `any_of`; None when these do not limit them."""
        listed = self.any_of if self.eq is None else frozenset({self.eq})
        if listed is None:
            return None
        return frozenset(value for value in listed if self.matches(value))

    @property
    def _needs_value(self) -> bool:
        return (self.eq, self.any_of, self.contains, self.starts_with) != (None, None, None, None)

    def _accepts(self, value: str) -> bool:
        return (
            (self.eq is None or value == self.eq)
            and (self.any_of is None or value in self.any_of)
            and (self.contains is None or self.contains.casefold() in value.casefold())
            and (self.starts_with is None or value.casefold().startswith(self.starts_with.casefold()))
        )


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range from `gte` up to but not including `lt`; both are timezone-aware UTC."""

    gte: datetime | None = None
    lt: datetime | None = None

    def matches(self, value: datetime | None) -> bool:
        """Return whether the range contains the time; no range with a bound contains a missing time."""
        return _within(value, self.gte, self.lt)


@dataclass(frozen=True, slots=True)
class FloatRange:
    """A range of numbers from `gte` up to but not including `lt`."""

    gte: float | None = None
    lt: float | None = None

    def matches(self, value: float | None) -> bool:
        """Return whether the range contains the number; no range with a bound contains a missing number."""
        return _within(value, self.gte, self.lt)


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """A condition on one top-level key of the metadata. Without `value`, the key must be there."""

    key: str
    value: StringFilter | None = None

    def matches(self, metadata: Mapping[str, Any] | None) -> bool:
        """Return whether the text of the key's value meets the condition."""
        there = metadata is not None and self.key in metadata
        text = metadata_text(metadata[self.key]) if metadata is not None and there else None
        return there if self.value is None else self.value.matches(text)


def _within(value: OrderedT | None, gte: OrderedT | None, lt: OrderedT | None) -> bool:
    if gte is None and lt is None:
        return True
    return value is not None and (gte is None or value >= gte) and (lt is None or value < lt)


def metadata_text(value: Any) -> str:
    """Return a metadata value as text: a string itself, anything else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class ScoreFilter:
    """A condition on one evaluator's score: it exists, and lies from `gte` up to but not including `lt`."""

    evaluator: str
    gte: float | None = None
    lt: float | None = None

    def matches(self, scores: Mapping[str, float] | None) -> bool:
        """Return whether the evaluator's score is among the scores by evaluator, and within the range."""
        value = None if scores is None else scores.get(self.evaluator)
        return value is not None and FloatRange(self.gte, self.lt).matches(value)


def only_value(condition: StringFilter | None) -> str | None:
    """Return the only string that can meet the condition, None if there are several."""
    values = None if condition is None else condition.exact_values
    return next(iter(values)) if values is not None and len(values) == 1 else None


def meets_without_value(condition: object) -> bool:
    """Return whether an object without a value meets the condition."""
    if isinstance(condition, tuple):
        return all(member.matches(None) for member in condition)
    if isinstance(condition, StringFilter | TimeRange | FloatRange | ScoreFilter):
        return condition.matches(None)
    return False


def may_match_some_value(condition: object) -> bool:
    """Return whether the texts of a string condition leave any value, or a missing one, that meets it."""
    return not isinstance(condition, StringFilter) or condition.exact_values != frozenset()
