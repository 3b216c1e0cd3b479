"""The conditions that the adapter pushes to MLflow, in its filter language."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracegraph_mlflow.filters import (
    EVALUATIONS,
    all_of,
    evaluation_conditions,
    project_conditions,
    range_conditions,
    session_conditions,
)
from tracegraph_mlflow.mapping import Ref

from tests.adapters.conditions import equalities
from tracegraph.adapter import Key, RangeRequest, WholeRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    FloatRange,
    OrderDirection,
    SessionFilter,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import SessionStatus
from tracegraph.domain.sort_values import microseconds
from tracegraph.simulators.mlflow.searches import traces_of
from tracegraph.simulators.mlflow.world import MlflowWorld, mlflow_trace

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOON_MS = 1777636800000
NOT_WRITABLE = ["", "it's", 'say "x"', "a\\b", "a`b", "a\nb", "a\0b", "\ud800", "x" * 501]
LATER = NOON.replace(microsecond=1)


def projects(**conditions: Any) -> list[str]:
    return list(project_conditions(ExperimentFilter(**equalities(conditions))))


def evaluations(**conditions: Any) -> list[str]:
    first, *others = evaluation_conditions(ExperimentFilter(**equalities(conditions)), None)
    assert first == EVALUATIONS
    return others


def sessions(**conditions: Any) -> list[str]:
    return list(session_conditions(SessionFilter(**equalities(conditions))))


def test_no_filter_has_no_condition() -> None:
    assert projects() == evaluations() == sessions() == []


@pytest.mark.parametrize(
    ("pushed", "expected"),
    [
        (projects(name="x"), ["name = 'x'"]),
        (evaluations(name="x"), ["attributes.run_name = 'x'"]),
        (evaluations(dataset_name="x", dataset_version="1"), ["dataset.name = 'x'", "dataset.digest = '1'"]),
        (sessions(name="x"), ["name = 'x'"]),
        (sessions(conversation_id="chat é 1, %"), ["metadata.`mlflow.trace.session` = 'chat é 1, %'"]),
    ],
)
def test_an_equality_is_pushed(pushed: list[str], expected: list[str]) -> None:
    assert pushed == expected


@pytest.mark.parametrize("text", NOT_WRITABLE)
def test_a_text_that_quotes_cannot_hold_stays_with_the_gateway(text: str) -> None:
    assert projects(name=text) == evaluations(name=text) == sessions(conversation_id=text) == []


@pytest.mark.parametrize(
    "condition",
    [
        StringFilter(contains="x"),
        StringFilter(starts_with="x"),
        StringFilter(exists=True),
        StringFilter(any_of=frozenset({"a", "b"})),
        StringFilter(not_in=frozenset({"a"})),
    ],
)
def test_any_other_condition_on_a_text_stays_with_the_gateway(condition: StringFilter) -> None:
    """MLflow refuses lists of names, and compares parts of texts by other rules."""
    assert projects(name=condition) == evaluations(name=condition) == sessions(name=condition) == []


def test_runs_are_named_in_one_list() -> None:
    refs = {Ref("1", "b"), Ref("2", "a"), Ref("3")}
    found = list(evaluation_conditions(ExperimentFilter(), refs))
    assert found == [EVALUATIONS, "attributes.run_id IN ('a', 'b')"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({SessionStatus.SUCCESS}, ["status IN ('OK')"]),
        (
            {SessionStatus.ERROR, SessionStatus.RUNNING, SessionStatus.CANCELLED},
            ["status IN ('ERROR', 'IN_PROGRESS')"],
        ),
        ({SessionStatus.CANCELLED}, []),
        ({SessionStatus.ERROR, SessionStatus.UNKNOWN}, []),
    ],
)
def test_statuses_are_pushed_unless_one_has_no_word(statuses: set[SessionStatus], expected: list[str]) -> None:
    assert sessions(statuses=frozenset(statuses)) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TimeRange(NOON, None), [f">= {NOON_MS}"]),
        (TimeRange(LATER, None), [f">= {NOON_MS + 1}"]),
        (TimeRange(None, NOON), [f"< {NOON_MS}"]),
        (TimeRange(None, LATER), [f"< {NOON_MS + 1}"]),
        (TimeRange(), []),
    ],
)
def test_times_are_whole_milliseconds(wanted: TimeRange, expected: list[str]) -> None:
    assert projects(created_at=wanted) == [f"creation_time {one}" for one in expected]
    assert projects(updated_at=wanted) == [f"last_update_time {one}" for one in expected]
    assert evaluations(created_at=wanted) == [f"attributes.start_time {one}" for one in expected]
    assert sessions(started_at=wanted) == [f"timestamp_ms {one}" for one in expected]


def test_latencies_are_whole_milliseconds_within_64_bits() -> None:
    assert sessions(latency_ms=FloatRange(20, 40.5)) == ["execution_time_ms >= 20", "execution_time_ms < 41"]
    assert sessions(latency_ms=FloatRange(-1e300, 1e300)) == [
        f"execution_time_ms >= {-(10**15)}",
        f"execution_time_ms < {10**15}",
    ]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (OrderDirection.ASC, ["t >= 1777636800000", "t <= 1777636801000"]),
        (OrderDirection.DESC, ["t >= 1777636801000", "t <= 1777636800000"]),
    ],
)
def test_a_range_holds_both_bounds(direction: OrderDirection, expected: list[str]) -> None:
    page = RangeRequest(5, Key(microseconds(NOON), "any"), microseconds(NOON) + 10**6)
    assert list(range_conditions("t", direction, page)) == expected


def test_bounds_between_milliseconds_are_widened() -> None:
    page = RangeRequest(5, Key(microseconds(LATER), "any"), microseconds(LATER))
    assert list(range_conditions("t", OrderDirection.ASC, page)) == [f"t >= {NOON_MS}", f"t <= {NOON_MS + 1}"]
    assert list(range_conditions("t", OrderDirection.ASC, RangeRequest(5))) == []
    assert list(range_conditions("t", OrderDirection.ASC, WholeRequest(5))) == []


@given(name=st.text(), wanted=st.text())
def test_a_pushed_name_drops_no_trace_that_has_it(name: str, wanted: str) -> None:
    trace = mlflow_trace("a", "1", tags={"mlflow.traceName": name})
    found = traces_of(MlflowWorld()).matching([trace], all_of(sessions(name=wanted)))
    assert found or name != wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", Ref("7")),
        (f"7/{'a' * 32}", Ref("7", "a" * 32)),
        *[
            (text, None)
            for text in ("", "x", "-1", "7/", "7/a", "/a", f"7/{'A' * 32}", f"7/{'a' * 33}", "9" * 19, "\u0667")
        ],
    ],
)
def test_a_ref_names_an_experiment_or_a_run(text: str, expected: Ref | None) -> None:
    assert Ref.parse(text) == expected
    assert expected is None or expected.text == text
