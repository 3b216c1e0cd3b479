"""Filters of experiments: a condition on what a vendor has several of matches any of them."""

from typing import Any

import pytest

from tests.adapters.conditions import equalities
from tracegraph.domain.filters import ExperimentFilter, StringFilter
from tracegraph.domain.models import Experiment, ExperimentKind


def experiment(**fields: Any) -> Experiment:
    return Experiment("nemo", "e", "id-e", ExperimentKind.EVALUATION, "e", **fields)


SEVERAL = experiment(
    group_id="g1",
    group_ids=("g1", "g2"),
    agent_name="helper",
    agent_names=("helper", "planner"),
    agent_version="1",
    agent_versions=("1", "2"),
)
SINGLE = experiment(group_id="g1", agent_name="helper", agent_version="1")


@pytest.mark.parametrize(
    ("condition", "several", "single"),
    [
        ({"group_id": "g1"}, True, True),
        ({"group_id": "g2"}, True, False),
        ({"group_id": "g3"}, False, False),
        ({"agent_name": "planner"}, True, False),
        ({"agent_version": "2"}, True, False),
        ({"agent_name": "planner", "agent_version": "3"}, False, False),
    ],
)
def test_any_value_matches(condition: dict[str, str], several: bool, single: bool) -> None:  # noqa: FBT001 - cases
    wanted = ExperimentFilter(**equalities(condition))
    assert (wanted.matches(SEVERAL), wanted.matches(SINGLE)) == (several, single)


def test_an_experiment_without_a_value_matches_no_condition_on_it() -> None:
    assert not ExperimentFilter(group_id=StringFilter(eq="g1")).matches(experiment())
    assert ExperimentFilter().matches(experiment())
