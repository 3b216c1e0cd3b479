"""Filters that Phoenix applies itself, as variables of the documents. The gateway applies every filter again.

See docs/vendors/phoenix.md#push-down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tracegraph.domain.conditions import FloatRange, StringFilter, only_value
from tracegraph.domain.filters import (
    ExperimentFilter,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
)
from tracegraph.domain.models import SessionStatus
from tracegraph_phoenix.documents import ROOT

COLUMNS: Mapping[SessionOrderField, str] = {
    SessionOrderField.STARTED_AT: "startTime",
    SessionOrderField.LATENCY: "latencyMs",
    SessionOrderField.TOTAL_TOKENS: "cumulativeTokenCountTotal",
}
"""The columns by which Phoenix sorts root spans. Its order by cost leaves out the spans without one."""

_MARGIN_MS = 0.01
"""Phoenix compares latencies as its database computes them, and sends them as Python does."""


def by_name(condition: StringFilter | None) -> Mapping[str, str] | None:
    """Return the filter of projects or datasets by name. Phoenix finds the text anywhere, in any ASCII case.

    So only an exact name is sent. In the text `%` and `_` match anything, themselves included.
    """
    name = _exact(condition)
    return None if name is None else {"col": "name", "value": name}


def experiment_variables(condition: ExperimentFilter) -> Mapping[str, Any]:
    """Return the variables that narrow the list of experiments; names are found in descriptions, too."""
    return {"filter": by_name(condition.dataset_name), "name": _exact(condition.name)}


def _exact(condition: StringFilter | None) -> str | None:
    name = only_value(condition)
    # A backslash escapes the next character in PostgreSQL, and is itself in SQLite.
    return name if name and name.isprintable() and "\\" not in name else None


def root_span_variables(condition: SessionFilter, order: SessionOrder) -> Mapping[str, Any]:
    """Return the filter, the range of starts and the order of a list of root spans."""
    started = condition.started_at
    bounds = {} if started is None else {"start": started.gte, "end": started.lt}
    direction = order.direction if order.field in COLUMNS else OrderDirection.DESC
    column = COLUMNS.get(order.field, "startTime")
    return {
        "filter": " and ".join([ROOT, *_conditions(condition)]),
        "range": {name: _text(bound) for name, bound in bounds.items() if bound is not None} or None,
        "sort": {"col": column, "dir": direction.value.lower()},
    }


def by_span_ids(span_ids: Sequence[str]) -> str:
    """Return the condition on root spans with one of these ids."""
    return f"{ROOT} and span_id in {list(span_ids)!r}"


def _conditions(condition: SessionFilter) -> Iterator[str]:
    """Yield conditions in Phoenix's language, which is that of Python's expressions."""
    statuses = None if condition.statuses is None else condition.statuses & _STATUSES
    if statuses is not None and len(statuses) == 1:
        yield f"status_code {'==' if SessionStatus.ERROR in statuses else '!='} 'ERROR'"
    names = None if condition.name is None else condition.name.exact_values
    if names and all(name and name.isprintable() for name in names):
        yield f"name in {sorted(names)!r}"
    yield from _range("latency_ms", condition.latency_ms, _MARGIN_MS)
    yield from _range("cumulative_llm_token_count_total", condition.total_tokens, 0)


def _range(name: str, bounds: FloatRange | None, margin: float) -> Iterator[str]:
    if bounds is not None and bounds.gte is not None:
        yield f"{name} >= {float(bounds.gte) - margin!r}"
    if bounds is not None and bounds.lt is not None:
        yield f"{name} < {float(bounds.lt) + margin!r}"


_STATUSES = frozenset({SessionStatus.SUCCESS, SessionStatus.ERROR})


def _text(moment: datetime) -> str:
    return moment.isoformat()
