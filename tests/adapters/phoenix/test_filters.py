"""The conditions that Phoenix applies itself (docs/vendors/phoenix.md#push-down)."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracegraph_phoenix.filters import by_name, by_span_ids, experiment_variables, root_span_variables

from tracegraph.domain.conditions import FloatRange, StringFilter, TimeRange
from tracegraph.domain.filters import (
    ExperimentFilter,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
)
from tracegraph.domain.models import SessionStatus
from tracegraph.simulators.phoenix.conditions import condition

SUCCESS, ERROR = SessionStatus.SUCCESS, SessionStatus.ERROR


def sent(order: SessionOrder | None = None, **conditions: Any) -> Any:
    return root_span_variables(SessionFilter(**conditions), order or SessionOrder())


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ""),
        ({"statuses": frozenset({ERROR})}, " and status_code == 'ERROR'"),
        ({"statuses": frozenset({SUCCESS})}, " and status_code != 'ERROR'"),
        ({"statuses": frozenset({SUCCESS, ERROR})}, ""),
        ({"statuses": frozenset({ERROR, SessionStatus.RUNNING})}, " and status_code == 'ERROR'"),
        ({"name": StringFilter(eq="it's")}, ' and name in ["it\'s"]'),
        ({"name": StringFilter(any_of=frozenset({"b", "a"}))}, " and name in ['a', 'b']"),
        ({"name": StringFilter(contains="a")}, ""),
        ({"name": StringFilter(eq="a\nb")}, ""),
        ({"latency_ms": FloatRange(10, 20)}, " and latency_ms >= 9.99 and latency_ms < 20.01"),
        ({"total_tokens": FloatRange(gte=5)}, " and cumulative_llm_token_count_total >= 5.0"),
        ({"conversation_id": StringFilter(eq="a")}, ""),
    ],
)
def test_conditions_on_root_spans_are_expressions(conditions: Any, expected: str) -> None:
    assert sent(**conditions)["filter"] == f"parent_id is None{expected}"


def test_a_range_of_starts_includes_its_begin() -> None:
    begin = datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert sent(started_at=TimeRange(begin, None))["range"] == {"start": "2026-11-01T09:00:00+00:00"}
    assert sent(started_at=TimeRange(None, begin))["range"] == {"end": "2026-11-01T09:00:00+00:00"}
    assert sent()["range"] is None


@pytest.mark.parametrize(
    ("field", "column"),
    [
        (SessionOrderField.STARTED_AT, "startTime"),
        (SessionOrderField.LATENCY, "latencyMs"),
        (SessionOrderField.TOTAL_TOKENS, "cumulativeTokenCountTotal"),
    ],
)
def test_an_order_of_phoenix_is_requested(field: SessionOrderField, column: str) -> None:
    assert sent(SessionOrder(field, OrderDirection.ASC))["sort"] == {"col": column, "dir": "asc"}


def test_for_any_other_order_the_list_is_newest_first() -> None:
    assert sent(SessionOrder(SessionOrderField.COST, OrderDirection.ASC))["sort"] == {
        "col": "startTime",
        "dir": "desc",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [("100% sure", "100% sure"), ("a_b", "a_b"), ("a\\b", None), ("a\nb", None), ("", None)],
)
def test_only_a_name_that_phoenix_finds_is_sent(name: str, expected: str | None) -> None:
    """A backslash means different things to its databases."""
    found = by_name(StringFilter(eq=name))
    assert found == (None if expected is None else {"col": "name", "value": expected})
    assert by_name(StringFilter(contains=name or "a")) is None


def test_experiments_are_narrowed_by_their_name_and_that_of_their_dataset() -> None:
    both = ExperimentFilter(name=StringFilter(eq="base"), dataset_name=StringFilter(eq="cases"))
    assert experiment_variables(both) == {"filter": {"col": "name", "value": "cases"}, "name": "base"}
    assert experiment_variables(ExperimentFilter()) == {"filter": None, "name": None}


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text(min_size=1))
def test_any_name_that_is_sent_is_compared_as_a_text(names: list[str], other: str) -> None:
    """A name cannot leave its quotes: the expression is met by exactly the spans with one of the names."""
    text = root_span_variables(SessionFilter(name=StringFilter(any_of=frozenset(names))), SessionOrder())["filter"]
    if "name in" not in text:
        assert not all(name.isprintable() for name in names)
        return
    for name in (*names, other):
        row = {"name": name}
        met = condition(text, lambda span: {"parent_id": None, "name": span["name"]})(row)
        assert met is (name in names)


@given(st.lists(st.from_regex(r"[0-9A-Za-z_-]{1,64}", fullmatch=True), min_size=1, max_size=4))
def test_a_condition_by_id_is_met_by_these_spans(ids: list[str]) -> None:
    meets = condition(by_span_ids(ids), lambda span: {"parent_id": None, "span_id": span["id"]})
    assert all(meets({"id": span_id}) for span_id in ids)
    assert not meets({"id": "another."})
