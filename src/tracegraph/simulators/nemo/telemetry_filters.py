"""Filters of spans, traces, evaluator results and annotations: unlike others, these never ignore a condition."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.datastructures import QueryParams

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo import filters
from tracegraph.simulators.nemo.filters import LOGICAL, Tree
from tracegraph.simulators.nemo.requests import refusal

_BASE_FIELDS = frozenset({"id", "name", "workspace", "created_at", "updated_at", "entity_type", "project"})


_RANGE: Mapping[str, Callable[[Any, Any], bool]] = {"$gte": operator.ge, "$lte": operator.le}


_NUMBERS: Mapping[str, Callable[[Any, Any], bool]] = {
    **_RANGE,
    "$gt": operator.gt,
    "$lt": operator.lt,
    "$eq": operator.eq,
}

Test: TypeAlias = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Fields:
    """What a list can be filtered by."""

    noun: str
    """The rows, in the service's messages."""
    texts: frozenset[str]
    """Fields that take one exact value."""
    enums: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()
    """Fields that take `$in`, too."""
    times: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Deprecated names of fields."""

    @property
    def valid(self) -> frozenset[str]:
        """The fields that are not refused as unknown."""
        return _BASE_FIELDS.union(self.texts, self.enums, self.lists, self.times, self.numbers, self.aliases)


class Filter:
    """The filter of a query. Raises the service's 400 for what it does not support."""

    def __init__(self, query: QueryParams, fields: Fields) -> None:
        self._fields = fields
        self.tree = filters.parse_filter(query)
        for name, _, _ in filters.conditions(self.tree or {}):
            filters.check_field(name, fields.valid)
        self.exact: dict[str, str] = {}
        """The value of each field that must be equal to one."""
        self.lower_bounds: set[str] = set()
        """The times with a lower bound."""
        self.upper_bounds: dict[str, str] = {}
        self._tests = [self._test(*condition) for condition in _conditions(self.tree or {})]

    def matches(self, row: Row) -> bool:
        """Return whether the row meets all conditions."""
        return all(test(row) for test in self._tests)

    def _test(self, name: str, sign: str, value: Any) -> Test:
        fields = self._fields
        name = fields.aliases.get(name, name)
        if name in fields.lists and sign == "$in":
            members = _texts(name, value)
            return lambda row: row.get(name) in members
        if name in fields.times and sign in _RANGE:
            return self._time_test(name, sign, value)
        if name in fields.numbers and sign in _NUMBERS:
            limit = _number(name, value)
            return lambda row: row.get(name) is not None and _NUMBERS[sign](row[name], limit)
        if name in fields.enums:
            return self._exact(name, _enum(name, _equal(name, sign, value), fields.enums[name]))
        if name in fields.texts | fields.lists:
            return self._exact(name, _text(name, _equal(name, sign, value)))
        raise refusal(400, f"Unsupported {fields.noun} filter: {name} {sign}")

    def _exact(self, name: str, value: str) -> Test:
        if self.exact.setdefault(name, value) != value:
            raise refusal(400, f"Conflicting {self._fields.noun} filters for {name}")
        return lambda row: row.get(name) == value

    def _time_test(self, name: str, sign: str, value: Any) -> Test:
        try:
            limit = parse(value)
        except (TypeError, ValueError):
            raise refusal(400, f"Filter field '{name}' must be a valid datetime.") from None
        if sign == "$gte":
            self.lower_bounds.add(name)
        else:
            self.upper_bounds[name] = value
        return lambda row: row.get(name) is not None and _RANGE[sign](parse(row[name]), limit)


def _conditions(tree: Tree) -> Iterator[tuple[str, str, Any]]:
    for name, condition in tree.items():
        if name == "$and":
            for branch in condition:
                yield from _conditions(branch)
        elif name in LOGICAL:
            raise refusal(400, "Only AND-combined field filters are supported for Intake span storage.")
        else:
            for sign, value in condition.items():
                yield name, sign, value


def _equal(name: str, sign: str, value: Any) -> Any:
    if sign != "$eq":
        raise refusal(400, f"Filter field '{name}' only supports equality.")
    if value is None:
        raise refusal(400, f"Filter field '{name}' does not support null values.")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise refusal(400, f"Filter field '{name}' must be a string.")
    return value


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(member, str) for member in value):
        raise refusal(400, f"Filter field '{name}' with $in must be a list of strings.")
    return value


def _enum(name: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise refusal(400, f"Filter field '{name}' must be one of: {', '.join(allowed)}")
    return str(value)


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise refusal(400, f"Filter field '{name}' must be a number.")
    return number
