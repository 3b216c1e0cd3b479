"""MLflow's filter language and orders: `name = 'a' AND timestamp_ms >= 5` (docs/vendors/mlflow.md#push-down).

filter = clause {"AND" clause}
clause = key comparator value | key "IS NULL" | key "IS NOT NULL"
value  = 'text' | "text" | number | "(" 'text' {"," 'text'} ")"
"""

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tracegraph.simulators.core.responses import ApiError
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.mlflow.errors import refusal

Value: TypeAlias = Callable[[Row, str], Any]
"""Returns the value of a row for a key."""

_CLAUSE = re.compile(
    r"""\s*(?:(?P<entity>[A-Za-z_]+)\.)?(?P<key>`[^`]*`|[A-Za-z_]+)\s*
        (?:(?P<null>IS\s+NOT\s+NULL|IS\s+NULL)
          |(?P<comparator>>=|<=|!=|=|>|<|\bNOT\s+IN\b|\bIN\b)\s*
           (?P<value>'[^']*'|"[^"]*"|-?\d+(?:\.\d+)?|\([^)]*\)))
        \s*(?P<more>\bAND\b|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_ORDER = re.compile(r"(?:(?P<entity>[a-z_]+)\.)?(?P<key>`[^`]*`|[a-z_]+)(?:\s+(?P<direction>ASC|DESC))?")
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "IN": lambda value, listed: value in listed,
    "NOT IN": lambda value, listed: value not in listed,
}


@dataclass(frozen=True)
class Entity:
    """A part of a row that a clause may name. Without `keys`, any key is allowed."""

    value: Value
    keys: Collection[str] | None = None
    numbers: Collection[str] = ()
    lists: Collection[str] = ()
    """The keys that may be compared with a list."""


@dataclass(frozen=True)
class Language:
    """The entities of one search, by name; the empty name is that of a bare key."""

    entities: Mapping[str, Entity]
    orders: Collection[str]

    def matching(self, rows: Sequence[Row], text: str) -> list[Row]:
        """Return the rows that a filter matches. Raise a 400 for a filter that MLflow does not accept."""
        found, position = list(rows), 0
        while position < len(text):
            clause = _CLAUSE.match(text, position)
            if clause is None or (clause["more"] and clause.end() == len(text)):
                words = ", ".join([f"'{word}'" for word in text[position:].split()])
                raise refusal(f"Invalid clause(s) in filter string: {words}")
            found = self._matching(found, clause)
            position = clause.end()
        return found

    def ordered(self, rows: Sequence[Row], orders: Sequence[str], tie: Callable[[Row], str]) -> list[Row]:
        """Sort rows by the first order, missing values last, then by id. An unknown key is a 400."""
        found = sorted(rows, key=tie)
        entity = self.entities[""]
        for order in reversed(orders):
            parsed = _ORDER.fullmatch(order)
            key = (parsed["key"] if parsed else "").strip("`")
            if parsed is None or key not in self.orders:
                raise _unknown_key(key or order, self.orders)
            values = [(entity.value(row, key), row) for row in found]
            present = [pair for pair in values if pair[0] is not None]
            present.sort(key=lambda pair: pair[0], reverse=parsed["direction"] == "DESC")
            found = [row for _, row in present] + [row for value, row in values if value is None]
        return found

    def _matching(self, rows: Sequence[Row], clause: re.Match[str]) -> list[Row]:
        entity = self.entities.get((clause["entity"] or "").lower())
        key = clause["key"].strip("`")
        if entity is None:
            raise refusal(f"Invalid entity type '{clause['entity']}'.")
        if entity.keys is not None and key not in entity.keys:
            raise _unknown_key(key, entity.keys)
        if clause["null"]:
            is_null = "NOT" not in clause["null"].upper()
            return [row for row in rows if (entity.value(row, key) is None) is is_null]
        comparator = " ".join(clause["comparator"].upper().split())
        wanted = _wanted(entity, key, comparator, clause["value"])
        compare = _COMPARE[comparator]
        values = ((row, entity.value(row, key)) for row in rows)
        return [row for row, value in values if value is not None and compare(value, wanted)]


def _unknown_key(key: str, known: Collection[str]) -> ApiError:
    return refusal(f"Invalid attribute key '{key}' specified. Valid keys are '{set(known)}'")


def _wanted(entity: Entity, key: str, comparator: str, text: str) -> Any:
    """Return what a clause compares with. Raise a 400 where the key takes another kind of value."""
    is_list, is_number = text.startswith("("), text[0] not in "'\"("
    if is_list:
        if key not in entity.lists:
            raise refusal(f"Invalid comparator '{comparator}', or a list where a text is expected: {text}")
        return [match[1] if match[1] is not None else match[2] for match in _TEXT.finditer(text)]
    if is_number is not (key in entity.numbers or entity.numbers == "*"):
        raise refusal(f"Expected another kind of value for '{key}'. Got value {text}")
    if not is_number:
        return text[1:-1]
    number = float(text)
    if abs(number) >= 2**63:
        raise refusal("Python int too large to convert to SQLite INTEGER", 500)
    return number
