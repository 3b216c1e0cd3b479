"""Conditions in MLflow's filter language (docs/vendors/mlflow.md#push-down); pure functions.

The language has AND only, and no escape within a text. A condition is sent only where MLflow drops no row that
matches it. The gateway applies every condition itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from tracegraph.adapter import PageRequest, RangeRequest
from tracegraph.domain.conditions import FloatRange, StringFilter, TimeRange, only_value
from tracegraph.domain.filters import ExperimentFilter, OrderDirection, SessionFilter
from tracegraph.domain.models import SessionStatus
from tracegraph.domain.sort_values import microseconds
from tracegraph_mlflow.mapping import STATES, Ref

EVALUATIONS = "tags.`mlflow.runType` = 'genai_evaluate'"
"""The runs that are evaluations."""

PROJECT_FILTERS = frozenset({"name", "created_at", "updated_at"})
EVALUATION_FILTERS = frozenset({"name", "created_at", "group_id", "refs", "dataset_name", "dataset_version"})
SESSION_FILTERS = frozenset({"statuses", "started_at", "latency_ms", "name", "conversation_id"})

_PLAIN = re.compile(r"[^'\"\\`\x00-\x1f\x7f\ud800-\udfff]{1,500}")
"""Texts that stand in single quotes as they are."""

_MAX_MS = 10**15
"""More milliseconds than any time has. The server fails for numbers beyond 64 bits."""


def all_of(conditions: Sequence[str]) -> str:
    """Return one condition that means all of these."""
    return " AND ".join(conditions)


def one_of(field: str, texts: Collection[str]) -> str:
    """Return the condition that a field is one of these texts, which must be plain."""
    listed = ", ".join([f"'{text}'" for text in sorted(texts)])
    return f"{field} IN ({listed})"


def is_plain(text: str) -> bool:
    """Return whether a condition can hold the text."""
    return _PLAIN.fullmatch(text) is not None


def project_conditions(condition: ExperimentFilter) -> Iterator[str]:
    """Yield the conditions of a list of MLflow experiments."""
    yield from _equals("name", condition.name)
    yield from _times("creation_time", condition.created_at)
    yield from _times("last_update_time", condition.updated_at)


def evaluation_conditions(condition: ExperimentFilter, refs: Collection[Ref] | None) -> Iterator[str]:
    """Yield the conditions of a list of evaluation runs.

    Args:
        condition: The filter.
        refs: The runs that its refs name, None without a condition on refs.
    """
    yield EVALUATIONS
    if refs is not None:
        yield one_of("attributes.run_id", {ref.run_id for ref in refs if ref.run_id})
    yield from _equals("attributes.run_name", condition.name)
    yield from _equals("dataset.name", condition.dataset_name)
    yield from _equals("dataset.digest", condition.dataset_version)
    yield from _times("attributes.start_time", condition.created_at)


def session_conditions(condition: SessionFilter) -> Iterator[str]:
    """Yield the conditions of a list of traces."""
    if condition.statuses is not None and SessionStatus.UNKNOWN not in condition.statuses:
        words = [word for word, status in STATES.items() if status in condition.statuses]
        yield from [one_of("status", words)] if words else []
    yield from _equals("name", condition.name)
    yield from _equals("metadata.`mlflow.trace.session`", condition.conversation_id)
    yield from _times("timestamp_ms", condition.started_at)
    if condition.latency_ms is not None:
        yield from _numbers("execution_time_ms", condition.latency_ms)


def range_conditions(field: str, direction: OrderDirection, page: PageRequest) -> Iterator[str]:
    """Yield the bounds of a page in an order by time. Bounds are included, in whole milliseconds around them."""
    if not isinstance(page, RangeRequest):
        return
    begin, end = page.after and page.after.value, page.until
    if direction is OrderDirection.DESC:
        begin, end = end, begin
    if isinstance(begin, int):
        yield f"{field} >= {_bounded(begin // 1000)}"
    if isinstance(end, int):
        yield f"{field} <= {_bounded(-(-end // 1000))}"


def _equals(field: str, condition: StringFilter | None) -> Iterator[str]:
    """Yield the equality with the only text that can match. MLflow has no list of texts for these fields."""
    text = only_value(condition)
    if text is not None and is_plain(text):
        yield f"{field} = '{text}'"


def _times(field: str, wanted: TimeRange | None) -> Iterator[str]:
    """Yield a range of times: MLflow's have whole milliseconds."""
    if wanted is not None and wanted.gte is not None:
        yield f"{field} >= {_ms_from(wanted.gte)}"
    if wanted is not None and wanted.lt is not None:
        yield f"{field} < {_ms_from(wanted.lt)}"


def _numbers(field: str, wanted: FloatRange) -> Iterator[str]:
    if wanted.gte is not None:
        yield f"{field} >= {math.ceil(_bounded(wanted.gte))}"
    if wanted.lt is not None:
        yield f"{field} < {math.ceil(_bounded(wanted.lt))}"


def _ms_from(moment: datetime) -> int:
    """Return the first whole millisecond that is not before a time."""
    return -(-microseconds(moment) // 1000)


def _bounded(value: float) -> float:
    return max(-_MAX_MS, min(value, _MAX_MS))
