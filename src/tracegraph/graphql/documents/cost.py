"""The cost of a query, computed before the query runs.

    cost of a field = rows * (1 + 10 * calls per row + cost of the fields below) + 10 * calls

Rows are `first` (or its default), the number of ids, or 1 for one object. Calls are the vendor calls that the
table below allows for the field, whether or not a vendor needs them. Calls of a merged list grow with the sources.
Calls of computed figures grow with the page budget. A field that occurs twice at one path counts once. Work that
siblings share also counts once: the complete form of one row, or the calls behind an experiment's figures. These
read the sessions of computed figures, once for each filter (see `figure_cost.py`). Reported figures that rows lack
take one call. Variables count by their coerced values, as literals do. `@skip` and `@include` are ignored. A field
outside the table costs nothing.

Deferred fragments cost as other fragments do, whether or not they have parts of their own. Each `@defer` costs
FRAGMENT_COST more for each object that it stands on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
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
    value_from_ast_untyped,
)

from tracegraph.domain.filters import ExperimentOrderField, SessionOrderField
from tracegraph.graphql.documents.deferral import is_deferred
from tracegraph.graphql.documents.figure_cost import (
    Arguments,
    arguments_of,
    bin_rows,
    figure_calls,
    figure_read,
    group_rows,
    interval_rows,
    metric_count,
)

CALL_COST = 10
"""The cost of a vendor call in rows.

A call takes some ten thousand times as long as a row, but calls run in parallel.
"""


FRAGMENT_COST = 20
"""The cost of one deferred fragment of one object in rows.

Graphql-core schedules each fragment on its own, which takes as long as 20 rows.
"""


_READ_DIVISOR = 6
"""An experiment of some size fills one in this many of the pages that the budget allows.

The default of 120 pages serves the longest lists. With it, reading an experiment costs 20 calls: 2,000 sessions
of a vendor with 100 in a page, 20,000 of one with 1,000.
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The request's values that determine counts. `variables` are coerced, with defaults.

    `deferred_metrics` are the kinds of metrics whose reported figures take a call at any source.
    """

    variables: Mapping[str, Any]
    default_first: int
    max_first: int
    sources: int
    active_experiments: int = 10
    computed_pages: int = 120
    deferred_metrics: frozenset[str] = frozenset()
    scan_pages: int = 20

    @property
    def read_calls(self) -> int:
        """The calls that read the sessions behind one experiment's computed figures."""
        return math.ceil(self.computed_pages / _READ_DIVISOR)

    @property
    def scan_calls(self) -> int:
        """The calls that read the whole list of experiments of one source."""
        return math.ceil(self.scan_pages / _READ_DIVISOR)


Count = Callable[[Sizes], int]


@dataclass(frozen=True, slots=True)
class FieldCost:
    """The cost of one field of the schema.

    `rows`: the number of rows. An int, the name of the argument that holds the number (`first`, `ids`), or
    `sources` or `compared` for the number of sources or compared experiments. `intervals` and `groups` are those
    of an experiment's sessions, times their metrics, and `bins` are those of a histogram.

    `calls`: the number of vendor calls. An int, or `sources` for one call per source. `ordered` is one call, and
    those that read the figures of an order; `ordered sources` is the same per source. `merged` is one call per
    experiment of a merged list, `merged of one` the same for one source, and `of one` one call for one
    experiment's list. `read` is the number of calls that read all sessions of an experiment. `figures` are the
    calls behind its aggregates. `scan` is the number of calls that read all experiments of all sources. `searched`
    is `read` per compared experiment and text that a field of cases has, because lists may leave texts out.

    `calls_per_row`: the same per row; `read` adds one call for the row itself, and `completed` is one call where
    the filter or the order may need the complete form of each row.

    `once`: a tag. Siblings with the same tag count once, as the most expensive of them.

    `multiplies`: whether the fields below cost once per row; `metrics` for once per metric.
    """

    rows: str | int = 1
    calls: int | str = 0
    calls_per_row: int | str = 0
    once: str | None = None
    multiplies: bool | str = True


_MAX_INT_LENGTH = len(str(-(2**31)))
"""The maximum length of an Int literal. A longer literal is an ID, which `int` may refuse to convert."""


_FREE = FieldCost()


_COMPLETE_ROW = FieldCost(rows=0, calls=1, once="complete form")


_DETAIL = FieldCost(rows=0, calls=1, once="details of the trace")
"""A detail of a session that some vendors read from its trace."""


_FIELD_COSTS: Mapping[tuple[str, str], FieldCost] = {
    ("Query", "node"): FieldCost(calls=1),
    ("Query", "nodes"): FieldCost("ids", calls_per_row=1),
    ("Query", "experiment"): FieldCost(calls=1),
    ("Query", "session"): FieldCost(calls=1),
    ("Query", "sources"): FieldCost("sources"),
    ("Query", "experiments"): FieldCost("first", calls="ordered sources"),
    ("Query", "sessions"): FieldCost("first", calls="merged", calls_per_row="completed"),
    ("Query", "experimentFacets"): FieldCost("of", calls="scan", multiplies=False),
    ("Query", "comparison"): FieldCost("experimentIds", calls_per_row="read", multiplies=False),
    ("Source", "experiments"): FieldCost("first", calls="ordered"),
    ("Source", "sessions"): FieldCost("first", calls="merged of one", calls_per_row="completed"),
    ("Source", "health"): FieldCost(calls=1),
    ("Experiment", "createdAt"): _COMPLETE_ROW,
    ("Experiment", "metadata"): _COMPLETE_ROW,
    ("Experiment", "datasetName"): FieldCost(rows=0, calls=1),
    ("Experiment", "sessionCount"): FieldCost(rows=0, calls=1),
    ("Experiment", "aggregate"): FieldCost(rows=0, calls="figures", multiplies=False),
    ("Experiment", "aggregates"): FieldCost(rows=0, calls="figures", multiplies="metrics"),
    ("Experiment", "timeSeries"): FieldCost("intervals", calls="figures"),
    ("Experiment", "sessionGroups"): FieldCost("groups", calls="figures"),
    ("Aggregate", "histogram"): FieldCost("bins"),
    ("Experiment", "sessions"): FieldCost("first", calls="of one", calls_per_row="completed"),
    ("Session", "experiment"): FieldCost(calls=1),
    ("Session", "input"): _COMPLETE_ROW,
    ("Session", "output"): _COMPLETE_ROW,
    ("Session", "error"): _COMPLETE_ROW,
    ("Session", "scores"): _COMPLETE_ROW,
    ("Session", "models"): _DETAIL,
    ("Session", "providers"): _DETAIL,
    ("Session", "inputCostUsd"): _DETAIL,
    ("Session", "outputCostUsd"): _DETAIL,
    ("Session", "spans"): FieldCost("first", calls=2),  # the list, and the texts or scores of the page
    ("Comparison", "experiments"): FieldCost("compared"),
    ("MetricComparison", "entries"): FieldCost("compared"),
    ("Comparison", "cases"): FieldCost("first", calls="searched"),
    ("CaseComparison", "entries"): FieldCost("compared"),
    ("CaseComparison", "key"): FieldCost(rows=0, calls=1, once="first session"),
    ("CaseComparison", "input"): FieldCost(rows=0, calls=1, once="first session"),
    ("CaseEntry", "sessions"): FieldCost(calls=1),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One field of the table with the fields below."""

    rows: Count
    calls: Count
    calls_per_row: Count
    below: tuple[Step, ...]
    times_below: Count

    def cost(self, sizes: Sizes) -> int:
        """Return the cost for one row of the field above."""
        rows, below = self.rows(sizes), total(self.below, sizes)
        calls = rows * self.calls_per_row(sizes) + self.calls(sizes)
        return rows + below * self.times_below(sizes) + CALL_COST * calls


def total(steps: Iterable[Step], sizes: Sizes) -> int:
    """Return the cost of sibling fields."""
    return sum(step.cost(sizes) for step in steps)


def steps_of(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> tuple[Step, ...]:
    """Return the steps of one operation.

    Args:
        schema: The schema.
        document: A valid document of limited depth.
        operation: The operation of the document.
    """
    if schema.query_type is None:
        return ()
    return _StepBuilder(schema, document).steps(schema.query_type, [operation.selection_set], _min_compared)


class _StepBuilder:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def steps(
        self, parent: GraphQLNamedType, selections: list[SelectionSetNode], compared: Count
    ) -> tuple[Step, ...]:
        """Return the steps of the selections at one path. `compared` counts the experiments of a comparison."""
        steps: list[Step] = []
        shared: dict[str, list[Count]] = {}
        figures: list[Arguments] = []
        searched: list[Arguments] = []
        grouped, deferred = self._fields(parent, selections)
        if deferred:
            steps.append(Step(lambda _: FRAGMENT_COST * deferred, _NONE, _NONE, (), _NONE))
        for field_parent, fields in grouped:
            field = fields[0]
            definition = getattr(field_parent, "fields", {}).get(field.name.value)
            if definition is None:
                continue
            field_cost = _FIELD_COSTS.get((field_parent.name, field.name.value), _FREE)
            arguments = arguments_of(field, definition)
            count = compared if field_cost.rows == "compared" else self._count(field, field_cost.rows, arguments)
            below_sets = [node.selection_set for node in fields if node.selection_set is not None]
            compared_below = count if field_cost.rows == "experimentIds" else compared
            below = self.steps(get_named_type(definition.type), below_sets, compared_below)
            if field_cost is _FREE:
                steps += below
                continue
            calls = self._calls(field, field_cost.calls)
            calls_per_row = self._calls(field, field_cost.calls_per_row, 1)
            if field_cost.calls == "figures":
                figures.append(arguments)
                calls = _figure_calls(figures) if len(figures) == 1 else _NONE
            elif field_cost.calls == "searched":
                searched.append(arguments)
                calls = _search_calls(searched, compared) if len(searched) == 1 else _NONE
            elif field_cost.once is not None:
                siblings = shared.setdefault(field_cost.once, [])
                siblings.append(calls)
                calls = _most(siblings) if len(siblings) == 1 else _NONE
            steps.append(Step(count, calls, calls_per_row, below, _times_below(count, field_cost, arguments)))
        return tuple(steps)

    def _fields(
        self, parent: GraphQLNamedType, selections: list[SelectionSetNode]
    ) -> tuple[Iterable[tuple[GraphQLNamedType, list[FieldNode]]], int]:
        """Return the fields of one path by type and response name, and the number of deferred fragments.

        An interface counts every type.
        """
        deferred = 0
        grouped: dict[tuple[str, str], tuple[GraphQLNamedType, list[FieldNode]]] = {}
        stack = [(parent, selection_set) for selection_set in selections]
        expanded: set[str] = set()
        while stack:
            node_parent, selection_set = stack.pop()
            for node in selection_set.selections:
                if isinstance(node, FieldNode):
                    key = (node_parent.name, (node.alias or node.name).value)
                    grouped.setdefault(key, (node_parent, []))[1].append(node)
                    continue
                fragment: InlineFragmentNode | FragmentDefinitionNode
                if isinstance(node, InlineFragmentNode | FragmentSpreadNode):
                    deferred += is_deferred(node)
                if isinstance(node, InlineFragmentNode):
                    fragment = node
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in expanded:
                    expanded.add(node.name.value)
                    fragment = self._fragments[node.name.value]
                else:
                    continue
                condition = fragment.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else node_parent
                stack.append((inner or node_parent, fragment.selection_set))
        return grouped.values(), deferred

    def _calls(self, field: FieldNode, calls: int | str, extra: int = 0) -> Count:
        if isinstance(calls, int):
            return lambda _: calls
        if calls in _SOURCE_CALLS:
            return _SOURCE_CALLS[calls]
        if calls == "read":
            return lambda sizes: extra + sizes.read_calls
        if calls in {"figures", "searched"}:
            return _NONE  # these siblings are counted together
        if calls in {"ordered", "ordered sources"}:
            return _ordered_calls(field, per_source=calls == "ordered sources")
        return _list_calls(field, calls)

    def _count(self, field: FieldNode, rows: str | int, arguments: Arguments) -> Count:
        if isinstance(rows, int):
            return lambda _: rows
        if rows == "sources":
            return lambda sizes: sizes.sources
        if rows in _ROWS_OF_ARGUMENTS:
            count = _ROWS_OF_ARGUMENTS[rows]
            return lambda sizes: count(arguments(sizes.variables))
        evaluate = _evaluator(_argument(field, rows))
        if rows != "first":
            return lambda sizes: _length(evaluate(sizes.variables), sizes)
        from_the_end = _evaluator(_argument(field, "last"))
        return lambda sizes: _requested_rows(evaluate(sizes.variables), from_the_end(sizes.variables), sizes)


def _argument(field: FieldNode, name: str) -> ValueNode | None:
    return next((argument.value for argument in field.arguments or () if argument.name.value == name), None)


def _evaluator(value: ValueNode | None) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function from variables to the argument's value. A literal is evaluated once."""
    if isinstance(value, VariableNode | ObjectValueNode):
        return lambda variables: _value(value, variables)
    literal = _value(value, {})
    return lambda _: literal


def _value(value: ValueNode | None, variables: Mapping[str, Any]) -> Any:
    """Return the value of a literal or variable as far as counts need the value: a list by its length only."""
    if isinstance(value, VariableNode):
        return variables.get(value.name.value)
    if value is None or isinstance(value, NullValueNode):
        return None
    if isinstance(value, ListValueNode):
        return [None] * len(value.values)
    if isinstance(value, ObjectValueNode):
        return {node.name.value: _value(node.value, variables) for node in value.fields}
    if isinstance(value, IntValueNode) and len(value.value) <= _MAX_INT_LENGTH:
        return int(value.value)
    return getattr(value, "value", None)


def _figure_calls(figures: Sequence[Arguments]) -> Count:
    """Return the calls behind the figures of one experiment. Later figures are added to the same list."""

    def calls(sizes: Sizes) -> int:
        reads = [figure_read(arguments(sizes.variables), sizes.deferred_metrics) for arguments in figures]
        return figure_calls(reads, sizes.read_calls)

    return calls


def _search_calls(searched: Sequence[Arguments], compared: Count) -> Count:
    """Return the calls that search sessions, once for each text. Later fields are added to the same list."""

    def calls(sizes: Sizes) -> int:
        texts = {arguments(sizes.variables).get("text") for arguments in searched} - {None, ""}
        return len(texts) * compared(sizes) * sizes.read_calls

    return calls


def _times_below(count: Count, field_cost: FieldCost, arguments: Arguments) -> Count:
    """Return how often the fields below a field cost: once at least, also below a list whose rows cost nothing."""
    if field_cost.multiplies == "metrics":
        return lambda sizes: metric_count(arguments(sizes.variables))
    return count if field_cost.multiplies and field_cost.rows != 0 else lambda _: 1


def _ordered_calls(field: FieldNode, *, per_source: bool) -> Count:
    """Return the calls of a list of experiments: an order by a figure may look up each experiment of a source."""
    order_by = _argument(field, "orderBy")

    def calls(sizes: Sizes) -> int:
        order = None if order_by is None else value_from_ast_untyped(order_by, dict(sizes.variables))
        each = 1 + sizes.read_calls if _takes_look_ups(order, sizes) else 1
        return sizes.sources * each if per_source else each

    return calls


def _takes_look_ups(order: Any, sizes: Sizes) -> bool:
    """Return whether an order may take a call for each experiment."""
    if not isinstance(order, dict):
        return False
    field, metric = _name(order.get("field")), order.get("metric")
    if field == ExperimentOrderField.SESSION_COUNT.name:
        return True
    return isinstance(metric, dict) and _name(metric.get("kind")) in sizes.deferred_metrics


def _name(member: object) -> str:
    """Return the name of an enum value, which is a member in coerced variables and a text in literals."""
    return member.name if isinstance(member, Enum) else str(member)


def _most(siblings: Sequence[Count]) -> Count:
    """Return the most calls of any sibling. Later siblings are added to the same list."""
    return lambda sizes: max(calls(sizes) for calls in siblings)


def _requested_rows(first: Any, last: Any, sizes: Sizes) -> int:
    """Return the number of rows, 0 beyond the maximum: the field itself rejects such a value."""
    rows = next((value for value in (first, last) if isinstance(value, int)), sizes.default_first)
    return rows if 0 <= rows <= sizes.max_first else 0


def _min_compared(_: Sizes) -> int:
    """Return the minimum number of compared experiments, for a case that is looked up by its id."""
    return 2


def _list_calls(field: FieldNode, calls: str) -> Count:
    """Return the calls of a list of sessions, which follow from its arguments."""
    names = ("filter", "orderBy", "activeExperiments")
    evaluators = {name: _evaluator(_argument(field, name)) for name in names}
    count = _LIST_CALLS[calls]
    return lambda sizes: count({name: of(sizes.variables) for name, of in evaluators.items()}, sizes)


def _merged_calls(arguments: Mapping[str, Any], sizes: Sizes) -> int:
    """Return one call per named experiment, or per source one call plus one per active experiment."""
    ids = _member(arguments["filter"], "experimentIds")
    if ids is None:
        ids = _member(arguments["filter"], "ids")
    if ids is not None:
        return _length(ids, sizes)
    active = arguments["activeExperiments"]
    return sizes.sources * (1 + (max(0, active) if isinstance(active, int) else sizes.active_experiments))


def _calls_of_one(arguments: Mapping[str, Any], sizes: Sizes) -> int:
    """Return one call for the sessions of an experiment, or one per session that the filter names."""
    ids = _member(arguments["filter"], "ids")
    return 1 if ids is None else max(1, _length(ids, sizes))


def _completed_calls(arguments: Mapping[str, Any], _: Sizes) -> int:
    """Return one call if the filter or the order reads what a list may leave out: texts, scores and models."""
    by_score = _name(_member(arguments["orderBy"], "field")) == SessionOrderField.SCORE.name
    names = ("text", "score", "model")
    return int(by_score or any(_member(arguments["filter"], name) is not None for name in names))


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


_NONE: Count = lambda _: 0  # noqa: E731 - the type is declared


_ROWS_OF_ARGUMENTS: Mapping[str, Callable[[Mapping[str, Any]], int]] = {
    "intervals": interval_rows,
    "groups": group_rows,
    "bins": bin_rows,
}
"""The numbers of rows that follow from several arguments of a field."""


_SOURCE_CALLS: Mapping[str, Count] = {
    "sources": lambda sizes: sizes.sources,
    "scan": lambda sizes: sizes.sources * sizes.scan_calls,
}
"""The numbers of calls that follow from the number of sources."""


_LIST_CALLS: Mapping[str, Callable[[Mapping[str, Any], Sizes], int]] = {
    "merged": _merged_calls,
    "merged of one": lambda arguments, sizes: _merged_calls(arguments, replace(sizes, sources=1)),
    "of one": _calls_of_one,
    "completed": _completed_calls,
}
"""The numbers of calls that follow from the arguments of a list of sessions."""


def _length(value: Any, _: Sizes) -> int:
    return len(value) if isinstance(value, list) else 1
