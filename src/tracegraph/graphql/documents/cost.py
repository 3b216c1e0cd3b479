"""What a query can cost, told before it runs.

    cost of a field = rows * (1 + 10 * calls for each row + cost of the fields below) + 10 * calls

Rows are `first` (or its default), the number of ids, or 1 for one object; calls are what vendors may be asked, by
the table below, whether or not a vendor needs them: those of a merged list grow with the sources, those behind
computed figures with the pages that may be read for them. A field that stands twice in one place counts once, and
so does what siblings share: the complete form of one row, the sessions of one experiment behind its computed
figures. Variables count by their coerced values, as the same values written as literals do. `@skip` and `@include`
are not looked at. What is not in the table costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
)

from tracegraph.domain.models import AggregateBasis

CALL = 10
"""A call to a vendor in rows: it takes some ten thousand times as long as a row, beside others."""


_PART_READ = 5
"""An experiment of some size has one in so many of the pages that may be read for its computed figures."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What counts are made of when a query comes to run; `variables` are the coerced ones, defaults included."""

    variables: Mapping[str, Any]
    default_first: int
    max_first: int
    sources: int
    active_experiments: int = 10
    computed_pages: int = 100

    @property
    def read(self) -> int:
        """Calls for the sessions behind one experiment's computed figures."""
        return math.ceil(self.computed_pages / _PART_READ)


Count = Callable[[Sizes], int]


Condition = Callable[[Sizes], bool]


@dataclass(frozen=True, slots=True)
class Charge:
    """`rows`: the argument that says how many, a number, or how many `sources` or `compared` experiments.

    `calls`: a number, one for each of the `sources`, one for each experiment whose sessions are `merged`, or what
    it takes to have all sessions `read`; `calls_a_row` may be that, too, beside one for the row. What stands below
    costs for each row, unless the field multiplies nothing; `once` names what siblings share.
    """

    rows: str | int = 1
    calls: int | str = 0
    calls_a_row: int | str = 0
    once: str | None = None
    multiplies: bool = True


_REPORTED = (None, AggregateBasis.REPORTED, AggregateBasis.REPORTED.name)
"""As no argument, as a variable's value, as a literal."""


_LONGEST_INT = len(str(-(2**31)))
"""Characters. A longer one is an ID, of a length that Python may refuse to read."""


_FREE = Charge()


_WHOLE = Charge(rows=0, calls=1, once="complete form")


_CHARGES: Mapping[tuple[str, str], Charge] = {
    ("Query", "node"): Charge(calls=1),
    ("Query", "nodes"): Charge("ids", calls_a_row=1),
    ("Query", "experiment"): Charge(calls=1),
    ("Query", "session"): Charge(calls=1),
    ("Query", "sources"): Charge("sources"),
    ("Query", "experiments"): Charge("first", calls="sources"),
    ("Query", "sessions"): Charge("first", calls="merged"),
    ("Query", "comparison"): Charge("experimentIds", calls_a_row="read", multiplies=False),
    ("Source", "experiments"): Charge("first", calls=1),
    ("Source", "health"): Charge(calls=1),
    ("Experiment", "createdAt"): _WHOLE,
    ("Experiment", "metadata"): _WHOLE,
    ("Experiment", "sessionCount"): Charge(rows=0, calls=1),
    ("Experiment", "aggregate"): Charge(rows=0, calls="read", once="sessions"),
    ("Experiment", "aggregates"): Charge(rows=0, calls="read", once="sessions"),
    ("Experiment", "sessions"): Charge("first", calls=1),
    ("Session", "experiment"): Charge(calls=1),
    ("Session", "input"): _WHOLE,
    ("Session", "output"): _WHOLE,
    ("Session", "scores"): _WHOLE,
    ("Comparison", "experiments"): Charge("compared"),
    ("MetricComparison", "entries"): Charge("compared"),
    ("Comparison", "cases"): Charge("first"),
    ("CaseComparison", "entries"): Charge("compared"),
    ("CaseComparison", "key"): Charge(rows=0, calls=1, once="first session"),
    ("CaseComparison", "input"): Charge(rows=0, calls=1, once="first session"),
    ("CaseEntry", "sessions"): Charge(calls=1),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One field of the table, with those below it."""

    rows: Count
    calls: Count
    calls_a_row: Count
    below: tuple[Step, ...]
    multiplies: bool

    def cost(self, sizes: Sizes) -> int:
        """For one row of the field above."""
        rows, below = self.rows(sizes), total(self.below, sizes)
        calls = rows * self.calls_a_row(sizes) + self.calls(sizes)
        return rows + below * (rows if self.multiplies else 1) + CALL * calls


def total(steps: Iterable[Step], sizes: Sizes) -> int:
    """The cost of fields side by side."""
    return sum(step.cost(sizes) for step in steps)


def steps_of(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> tuple[Step, ...]:
    """The steps of one operation of a valid document, whose depth is limited."""
    if schema.query_type is None:
        return ()
    return _Reader(schema, document).steps(schema.query_type, [operation.selection_set], _two)


class _Reader:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }

    def steps(
        self, parent: GraphQLNamedType, selections: list[SelectionSetNode], compared: Count
    ) -> tuple[Step, ...]:
        """What is charged for the selections of one place, within a comparison of so many experiments."""
        found: list[Step] = []
        shared: dict[str, list[Condition]] = {}
        for of, fields in self._fields(parent, selections):
            field = fields[0]
            definition = getattr(of, "fields", {}).get(field.name.value)
            if definition is None:
                continue
            charge = _CHARGES.get((of.name, field.name.value), _FREE)
            count = compared if charge.rows == "compared" else self._count(field, charge.rows)
            sets = [one.selection_set for one in fields if one.selection_set is not None]
            within = count if charge.rows == "experimentIds" else compared
            below = self.steps(get_named_type(definition.type), sets, within)
            if charge is _FREE:
                found += below
                continue
            calls, calls_a_row = self._calls(field, charge.calls), self._calls(field, charge.calls_a_row, 1)
            if charge.once is not None:
                conditions = shared.setdefault(charge.once, [])
                conditions.append(_condition(field, charge))
                if len(conditions) > 1:
                    continue
                calls = calls if conditions[0] is _always else _if_any(conditions, calls)
            found.append(Step(count, calls, calls_a_row, below, charge.multiplies))
        return tuple(found)

    def _fields(
        self, parent: GraphQLNamedType, selections: list[SelectionSetNode]
    ) -> Iterable[tuple[GraphQLNamedType, list[FieldNode]]]:
        """The fields of one place by name and type; every one of them counts for an interface."""
        found: dict[tuple[str, str], tuple[GraphQLNamedType, list[FieldNode]]] = {}
        stack = [(parent, one) for one in selections]
        spread: set[str] = set()
        while stack:
            of, selection_set = stack.pop()
            for one in selection_set.selections:
                if isinstance(one, FieldNode):
                    key = (of.name, (one.alias or one.name).value)
                    found.setdefault(key, (of, []))[1].append(one)
                    continue
                fragment: InlineFragmentNode | FragmentDefinitionNode
                if isinstance(one, InlineFragmentNode):
                    fragment = one
                elif isinstance(one, FragmentSpreadNode) and one.name.value not in spread:
                    spread.add(one.name.value)
                    fragment = self._fragments[one.name.value]
                else:
                    continue
                condition = fragment.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else of
                stack.append((inner or of, fragment.selection_set))
        return found.values()

    def _calls(self, field: FieldNode, calls: int | str, besides: int = 0) -> Count:
        if isinstance(calls, int):
            return lambda _: calls
        if calls == "sources":
            return lambda sizes: sizes.sources
        if calls == "read":
            return lambda sizes: besides + sizes.read
        conditions = _argument(field, "filter")
        given = _reader(conditions)
        return lambda sizes: _merged(given(sizes.variables), sizes)

    def _count(self, field: FieldNode, rows: str | int) -> Count:
        if isinstance(rows, int):
            return lambda _: rows
        if rows == "sources":
            return lambda sizes: sizes.sources
        given = _reader(_argument(field, rows))
        counted = _first if rows == "first" else _length
        return lambda sizes: counted(given(sizes.variables), sizes)


def _argument(field: FieldNode, name: str) -> ValueNode | None:
    return next((one.value for one in field.arguments or () if one.name.value == name), None)


def _reader(value: ValueNode | None) -> Callable[[Mapping[str, Any]], Any]:
    """What gives an argument's value for these variables; a literal is read once for all."""
    if isinstance(value, VariableNode | ObjectValueNode):
        return lambda variables: _value(value, variables)
    literal = _value(value, {})
    return lambda _: literal


def _value(value: ValueNode | None, variables: Mapping[str, Any]) -> Any:
    """A literal's or a variable's value as far as counts need it: a list by its length alone."""
    if isinstance(value, VariableNode):
        return variables.get(value.name.value)
    if value is None or isinstance(value, NullValueNode):
        return None
    if isinstance(value, ListValueNode):
        return [None] * len(value.values)
    if isinstance(value, ObjectValueNode):
        return {one.name.value: _value(one.value, variables) for one in value.fields}
    if isinstance(value, IntValueNode) and len(value.value) <= _LONGEST_INT:
        return int(value.value)
    return getattr(value, "value", None)


def _condition(field: FieldNode, charge: Charge) -> Condition:
    """Whether the field reads what siblings share. Figures are computed unless they are REPORTED, the default."""
    if charge.once != "sessions":
        return _always
    basis = _reader(_argument(field, "basis"))
    return lambda sizes: basis(sizes.variables) not in _REPORTED


def _if_any(conditions: list[Condition], calls: Count) -> Count:
    """The calls where a condition holds; those of later siblings are added to the list."""
    return lambda sizes: calls(sizes) if any(holds(sizes) for holds in conditions) else 0


def _always(_: Sizes) -> bool:
    return True


def _first(value: Any, sizes: Sizes) -> int:
    """None beyond the maximum, which the field itself refuses."""
    given = value if isinstance(value, int) else sizes.default_first
    return given if 0 <= given <= sizes.max_first else 0


def _two(_: Sizes) -> int:
    """The fewest that are compared: for a case that is looked up by its id."""
    return 2


def _merged(conditions: Any, sizes: Sizes) -> int:
    """A call for each experiment that is named, or for those of each source that are looked for first."""
    ids = conditions.get("experimentIds") if isinstance(conditions, dict) else None
    return sizes.sources * (1 + sizes.active_experiments) if ids is None else _length(ids, sizes)


def _length(value: Any, _: Sizes) -> int:
    return len(value) if isinstance(value, list) else 1
