"""The conditions that the adapter pushes to NeMo, their syntax, and when its total applies."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tracegraph_nemo.filters import PushedFilter, push_experiments, push_sessions
from tracegraph_nemo.releases import RELEASES

from tests.adapters.conditions import equalities
from tracegraph.domain.filters import ExperimentFilter, SessionFilter, StringFilter, TimeRange
from tracegraph.domain.models import ExperimentKind, SessionStatus

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOT_WRITABLE = ["", "a,b", "{x", "[x", "a\nb", "a\x00b", " a", "a ", "\ud800"]


def experiments(**conditions: Any) -> PushedFilter:
    return push_experiments(ExperimentFilter(**equalities(conditions)), RELEASES["0.2"], agents=True)


def experiments_but_no_agents(**conditions: Any) -> PushedFilter:
    return push_experiments(ExperimentFilter(**equalities(conditions)), RELEASES["0.2"], agents=False)


def sessions(**conditions: Any) -> PushedFilter:
    return push_sessions(SessionFilter(**equalities(conditions)), RELEASES["0.2"])


def test_no_filter_has_no_parameters() -> None:
    assert experiments() == PushedFilter((), covers_filter=True)
    assert sessions() == PushedFilter((), covers_filter=True)


@pytest.mark.parametrize(
    ("field", "theirs"),
    [
        ("dataset_name", "dataset_name"),
        ("dataset_version", "dataset_version"),
        ("group_id", "experiment_group_id"),
    ],
)
def test_a_plain_value_is_an_equality_in_the_vendors_name(field: str, theirs: str) -> None:
    assert experiments(**{field: "x"}) == PushedFilter(((f"filter[{theirs}]", "x"),), covers_filter=True)


@pytest.mark.parametrize("field", ["agent_name", "agent_version"])
def test_conditions_on_agents_are_pushed_until_the_service_refused_them(field: str) -> None:
    assert experiments(**{field: "x"}) == PushedFilter(
        ((f"filter[{field}]", "x"),), covers_filter=True, by_agent=True
    )
    assert experiments_but_no_agents(**{field: "x"}) == PushedFilter((), covers_filter=False)


@pytest.mark.parametrize("value", [*NOT_WRITABLE, 'say "x"', "a\\b", "null"])
def test_a_value_that_the_service_reads_or_stores_as_another_stays_with_the_gateway(value: str) -> None:
    assert experiments(dataset_name=value) == PushedFilter((), covers_filter=False)


@pytest.mark.parametrize(
    "conditions",
    [
        {"name": StringFilter(eq="base")},
        {"name": StringFilter(any_of=frozenset({"base"}))},
        {"refs": frozenset({"base"})},
        {"refs": frozenset({"base", "other"}), "name": StringFilter(eq="base")},
    ],
)
def test_one_name_however_it_is_said_is_an_equality(conditions: dict[str, object]) -> None:
    assert experiments(**conditions) == PushedFilter((("filter[name]", "base"),), covers_filter=True)


@pytest.mark.parametrize(
    "conditions",
    [
        {"name": StringFilter(contains="as")},
        {"name": StringFilter(any_of=frozenset({"a", "b"}))},
        {"refs": frozenset({"a", "b"})},
        {"name": StringFilter(eq="a,b")},
    ],
)
def test_parts_of_names_and_several_names_stay_with_the_gateway(conditions: dict[str, object]) -> None:
    assert experiments(**conditions) == PushedFilter((), covers_filter=False)


def test_a_part_of_a_name_beside_the_name_is_decided_without_the_service() -> None:
    assert experiments(name=StringFilter(eq="base", contains="B")) == PushedFilter(
        (("filter[name]", "base"),), covers_filter=True
    )


@pytest.mark.parametrize("field", ["group_id", "agent_name"])
def test_a_value_to_avoid_among_several_stays_with_the_gateway(field: str) -> None:
    """An experiment of the groups a and b is found by group a."""
    assert not experiments(**{field: StringFilter(eq="a", not_in=frozenset({"b"}))}).covers_filter
    assert experiments(dataset_name=StringFilter(eq="a", not_in=frozenset({"b"}))).covers_filter


def test_a_model_is_an_equality_from_040_on() -> None:
    wanted = ExperimentFilter(model=StringFilter(eq="small"))
    assert push_experiments(wanted, RELEASES["0.3"], agents=False) == PushedFilter((), covers_filter=False)
    pushed = push_experiments(wanted, RELEASES["0.4"], agents=True)
    assert pushed == PushedFilter((("filter[model_name]", "small"),), covers_filter=True)


@pytest.mark.parametrize(
    "condition",
    [
        StringFilter(any_of=frozenset({"a", "b"})),
        StringFilter(not_in=frozenset({"a"})),
        StringFilter(starts_with="a"),
        StringFilter(contains="a"),
        StringFilter(exists=False),
    ],
)
def test_what_is_no_equality_stays_with_the_gateway(condition: StringFilter) -> None:
    assert experiments(dataset_name=condition) == PushedFilter((), covers_filter=False)
    assert sessions(test_case_id=condition) == PushedFilter((), covers_filter=False)


def test_an_experiment_may_be_called_null() -> None:
    assert experiments(name=StringFilter(eq="null")).query == (("filter[name]", "null"),)


@pytest.mark.parametrize("field", ["created_at", "updated_at"])
def test_a_range_of_times_ends_a_microsecond_before_what_it_excludes(field: str) -> None:
    """The contract's DatetimeFilter has no `$lt`."""
    assert experiments(**{field: TimeRange(gte=NOON, lt=NOON)}) == PushedFilter(
        (
            (f"filter[{field}][$gte]", "2026-05-01T12:00:00.000000Z"),
            (f"filter[{field}][$lte]", "2026-05-01T11:59:59.999999Z"),
        ),
        covers_filter=True,
    )


def test_the_end_of_a_range_before_all_time_cannot_be_written() -> None:
    assert experiments(created_at=TimeRange(lt=datetime.min.replace(tzinfo=UTC))) == PushedFilter(
        (), covers_filter=False
    )


def test_an_empty_condition_is_none() -> None:
    assert experiments(created_at=TimeRange()).covers_filter
    assert experiments(name=StringFilter()).covers_filter
    assert sessions(started_at=TimeRange()).covers_filter


def test_every_experiment_is_an_evaluation() -> None:
    assert experiments(kinds=frozenset(ExperimentKind)) == PushedFilter((), covers_filter=True)
    assert experiments(kinds=frozenset({ExperimentKind.AGENT})) == PushedFilter((), covers_filter=False)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (SessionStatus.SUCCESS, "success"),
        (SessionStatus.ERROR, "error"),
        (SessionStatus.CANCELLED, "cancelled"),
    ],
)
def test_one_status_is_an_equality(status: SessionStatus, word: str) -> None:
    assert sessions(statuses=frozenset({status})) == PushedFilter((("filter[status]", word),), covers_filter=True)
    assert sessions(statuses=frozenset({status, SessionStatus.RUNNING})).covers_filter, (
        "nothing runs at this vendor"
    )


def test_unknown_is_never_pushed_since_it_covers_undocumented_words() -> None:
    assert sessions(statuses=frozenset({SessionStatus.UNKNOWN})) == PushedFilter((), covers_filter=False)


def test_several_statuses_stay_with_the_gateway_and_all_of_them_are_no_condition() -> None:
    """docs/vendors/nemo.md#session-filters: `filter[status][$in]` answers with everything."""
    two = frozenset({SessionStatus.SUCCESS, SessionStatus.ERROR})
    assert sessions(statuses=two) == PushedFilter((), covers_filter=False)
    assert sessions(statuses=frozenset(SessionStatus)) == PushedFilter((), covers_filter=True)


def test_a_test_case_and_a_status_go_together() -> None:
    assert sessions(statuses=frozenset({SessionStatus.ERROR}), test_case_id="case 1") == PushedFilter(
        (("filter[status]", "error"), ("filter[test_case_id]", "case 1")), covers_filter=True
    )


@pytest.mark.parametrize("value", NOT_WRITABLE)
def test_a_test_case_that_no_bracket_can_name_stays_with_the_gateway(value: str) -> None:
    """`filter[test_case_id]=` with nothing behind it would answer with every session."""
    assert sessions(test_case_id=value) == PushedFilter((), covers_filter=False)


def test_the_time_of_a_session_stays_with_the_gateway() -> None:
    assert sessions(started_at=TimeRange(gte=NOON)) == PushedFilter((), covers_filter=False)
