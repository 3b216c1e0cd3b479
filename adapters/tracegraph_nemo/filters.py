"""Filters and sort orders in NeMo's query parameters; pure functions.

A condition is pushed only where the vendor certainly applies it exactly (docs/vendors/nemo.md#filters,
#push-down). Where a condition remains for the gateway, the vendor's count is not the query's count:
`covers_filter` is False.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TypeVar

from tracegraph.domain.conditions import only_value
from tracegraph.domain.figures import Statistic
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    StringFilter,
    TimeRange,
    active_conditions,
)
from tracegraph.domain.models import ExperimentKind, MetricKind, SessionStatus
from tracegraph.domain.texts import rfc3339
from tracegraph_nemo.mapping import STATUSES
from tracegraph_nemo.releases import Release

T = TypeVar("T")


Query = tuple[tuple[str, str], ...]


VENDOR_ORDERS = frozenset({ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT})
"""The sort orders by a time that the adapter uses.

The vendor's order by name uses an unknown collation, so the gateway sorts by name itself.
"""


_EQUALITY_FIELDS = {
    "agent_name": "agent_name",
    "agent_version": "agent_version",
    "dataset_name": "dataset_name",
    "dataset_version": "dataset_version",
}


PUSHED_FIELDS = frozenset({*_EQUALITY_FIELDS, "name", "group_id", "created_at", "updated_at"})
"""The fields of ExperimentFilter that go to every release."""


AGENT_FIELDS = frozenset({"agent_name", "agent_version"})


_SEVERAL_VALUES = AGENT_FIELDS | {"group_id", "model"}
"""The fields of which an experiment may have several values."""


_POSSIBLE_STATUSES = frozenset(STATUSES.values())


_STATUS_WORDS: Mapping[SessionStatus, str] = {
    status: word for word, status in STATUSES.items() if status is not SessionStatus.UNKNOWN
}


@dataclass(frozen=True, slots=True)
class PushedFilter:
    """The part of a filter that goes to the vendor.

    Attributes:
        query: The query parameters.
        covers_filter: Whether the parameters express the whole filter.
        by_agent: Whether the parameters contain a condition on the agent.
        is_empty: Whether the filter has no condition.
    """

    query: Query
    covers_filter: bool
    by_agent: bool = False
    is_empty: bool = field(default=False, compare=False)

    def total(self, stated_total: int | None, rows: Iterable[T], matches: Callable[[T], bool]) -> int | None:
        """Return the vendor's total if it is the total of the query.

        A row that does not match a completely pushed filter proves that the service ignored the filter
        (docs/vendors/nemo.md#session-filters). Then the total is that of another query.

        Args:
            stated_total: The vendor's total.
            rows: The rows of the page.
            matches: Tests a row against the filter.
        """
        applies = self.covers_filter and (self.is_empty or all(map(matches, rows)))
        return stated_total if applies else None


_NO_FILTER = PushedFilter((), covers_filter=True, is_empty=True)


_STATISTICS = {
    statistic: statistic.value.lower()
    for statistic in (
        *(Statistic.SUM, Statistic.MEAN, Statistic.MEDIAN, Statistic.P90, Statistic.P95, Statistic.P99),
        Statistic.COUNT,
    )
}


def sorted_figures(release: Release) -> frozenset[tuple[MetricKind, Statistic]]:
    """Return the figures by which a release sorts runs, and which are those that the gateway reports.

    Where a release has the totals of traces, these report the cost, and it does not sort by them.
    """
    if not release.sorts_figures:
        return frozenset()
    kinds = {MetricKind.LATENCY, MetricKind.SCORE} if release.has_trace_metrics else _FIGURE_KINDS
    return frozenset(product(kinds, _STATISTICS))


_FIGURE_KINDS = frozenset({MetricKind.LATENCY, MetricKind.SCORE, MetricKind.COST})


def sort_parameter(order: ExperimentOrder, release: Release) -> str:
    """Return the value of `sort`. An order that the capabilities do not claim becomes a stable one."""
    column, descending = _figure_column(order, release), order.direction is OrderDirection.DESC
    if column is None:
        column, descending = vendor_sort(order)
    return f"-{column}" if descending else column


def _figure_column(order: ExperimentOrder, release: Release) -> str | None:
    if not release.sorts_figures:
        return None
    if order.field is ExperimentOrderField.SESSION_COUNT:
        return "run_count"
    figure = order.figure
    if figure is None or (figure.metric.kind, figure.statistic) not in sorted_figures(release):
        return None
    statistic, evaluator = _STATISTICS[figure.statistic], figure.metric.evaluator
    if evaluator is None:
        return f"{'latency_ms' if figure.metric.kind is MetricKind.LATENCY else 'cost_usd'}.{statistic}"
    return f"evaluators.{evaluator}.{statistic}" if is_expressible(evaluator) else None


def is_by_time(order: ExperimentOrder) -> bool:
    """Return whether the order is one by a time of the vendor."""
    return order.field in VENDOR_ORDERS


def vendor_sort(order: ExperimentOrder) -> tuple[str, bool]:
    """Return the time by which the vendor sorts, and whether the order is descending.

    An order that is not by a time becomes a stable one: creation time, ascending.
    """
    if not is_by_time(order):
        return "created_at", False
    return order.field.value.lower(), order.direction is OrderDirection.DESC


def is_expressible(text: str) -> bool:
    """Return whether a bracket condition `filter[field]=text` matches exactly this text.

    The service reads a comma as a list, a leading brace or bracket as JSON, and an empty text as null. A list of
    sessions ignores a null condition (source: NMP-0.2.0, nemo_platform_plugin/jobs/openapi_utils.py).
    """
    return (
        text.isprintable()
        and text == text.strip()
        and text != ""
        and "," not in text
        and not text.startswith(("{", "["))
    )


def _matches_stored_json(text: str) -> bool:
    """Return whether an equality finds the text in the JSON that stores an experiment's fields, except its name.

    The service compares with the text of the JSON without its outer quotes. There a quote or a backslash is
    escaped, and `null` means absence (source: NMP-0.2.0, nmp/core/entities, SQLAlchemyFilterRepository.eq).
    """
    return is_expressible(text) and '"' not in text and "\\" not in text and text != "null"


def names_implied_by(experiment_filter: ExperimentFilter) -> frozenset[str] | None:
    """Return the only names that can match the filter, or None if the filter does not restrict names.

    A ref is a name here.
    """
    name = experiment_filter.name
    sets = [
        names
        for names in (
            experiment_filter.refs,
            None if name is None else name.exact_values,
        )
        if names is not None
    ]
    return frozenset.intersection(*sets) if sets else None


def push_experiments(experiment_filter: ExperimentFilter, release: Release, *, agents: bool) -> PushedFilter:
    """Return the pushed part of a filter on experiments.

    Args:
        experiment_filter: The filter.
        release: The release of the service.
        agents: Whether to push conditions on agents, or to leave them to the gateway.
    """
    remaining = set(active_conditions(experiment_filter))
    if not remaining:
        return _NO_FILTER
    query: list[tuple[str, str]] = []
    remaining -= {name for name in remaining if getattr(experiment_filter, name) == StringFilter()}
    if experiment_filter.kinds is not None and ExperimentKind.EVALUATION in experiment_filter.kinds:
        remaining.discard("kinds")
    if _push_name(experiment_filter, query):
        remaining.discard("refs")
        if experiment_filter.name is None or experiment_filter.name.exact_values is not None:
            remaining.discard("name")
    for name, vendor_field in _equality_fields(release, agents=agents).items():
        condition: StringFilter | None = getattr(experiment_filter, name)
        value = only_value(condition)
        if value is None or condition is None or not _matches_stored_json(value):
            continue
        query.append((f"filter[{vendor_field}]", value))
        if condition.not_in is None or name not in _SEVERAL_VALUES:
            remaining.discard(name)
    for name in ("created_at", "updated_at"):
        time_range: TimeRange | None = getattr(experiment_filter, name)
        if time_range is not None and _push_range(name, time_range, query):
            remaining.discard(name)
    return PushedFilter(
        tuple(query),
        covers_filter=not remaining,
        by_agent=agents and bool((active_conditions(experiment_filter) - remaining) & AGENT_FIELDS),
    )


def _equality_fields(release: Release, *, agents: bool) -> Mapping[str, str]:
    """Return the vendor's names of the fields that it compares for equality."""
    fields = {**_EQUALITY_FIELDS, "group_id": release.group_field}
    if release.filters_models:
        fields["model"] = "model_name"
    return {name: field for name, field in fields.items() if agents or name not in AGENT_FIELDS}


def _push_name(experiment_filter: ExperimentFilter, query: list[tuple[str, str]]) -> bool:
    names = names_implied_by(experiment_filter)
    if names is None or len(names) != 1:
        return False
    (name,) = names
    if not is_expressible(name):
        return False
    query.append(("filter[name]", name))
    return True


def _push_range(field: str, time_range: TimeRange, query: list[tuple[str, str]]) -> bool:
    """Add the range to the query and return whether the range can be expressed.

    The contract's DatetimeFilter has only `$gte` and `$lte`, and its times have microseconds. The service answers
    a time that it cannot parse with 500: see docs/vendors/nemo.md#errors.
    """
    if time_range.gte is not None:
        query.append((f"filter[{field}][$gte]", rfc3339(time_range.gte)))
    if time_range.lt is None:
        return True
    if time_range.lt == datetime.min.replace(tzinfo=UTC):
        return False
    query.append((f"filter[{field}][$lte]", rfc3339(time_range.lt - timedelta(microseconds=1))))
    return True


def push_sessions(session_filter: SessionFilter, release: Release) -> PushedFilter:
    """Return the pushed part of a filter on sessions: one status and one test case, by equality.

    The service ignores other conditions in silence (docs/vendors/nemo.md#session-filters).

    Args:
        session_filter: The filter.
        release: The release of the service.
    """
    remaining = set(active_conditions(session_filter))
    if not remaining:
        return _NO_FILTER
    query: list[tuple[str, str]] = []
    remaining -= {name for name in remaining if getattr(session_filter, name) == StringFilter()}
    statuses = (
        _POSSIBLE_STATUSES if session_filter.statuses is None else session_filter.statuses & _POSSIBLE_STATUSES
    )
    if statuses == _POSSIBLE_STATUSES:
        remaining.discard("statuses")
    elif len(statuses) == 1 and statuses <= _STATUS_WORDS.keys():
        (status,) = statuses
        query.append(("filter[status]", _STATUS_WORDS[status]))
        remaining.discard("statuses")
    test_case = only_value(session_filter.test_case_id)
    if test_case is not None and is_expressible(test_case):
        query.append((f"filter[{release.test_case_field}]", test_case))
        remaining.discard("test_case_id")
    if session_filter.started_at == TimeRange():
        remaining.discard("started_at")
    return PushedFilter(tuple(query), covers_filter=not remaining)
