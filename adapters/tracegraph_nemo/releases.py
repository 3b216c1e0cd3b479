"""The releases of NeMo whose interfaces differ (docs/vendors/nemo.md#releases)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ReleaseName = Literal["0.2", "0.3", "0.4", "0.6"]

_VERSION = re.compile(r"v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Release:
    """What a release and those after it offer.

    Attributes:
        name: The first version of the interface.
        runs: The path of runs over a dataset.
        sorts_sessions: Whether `sort` orders the sessions of a run.
        sorts_figures: Whether `sort` orders runs by the figures of their sessions.
        test_case_field: The filter of sessions by test case.
        group_field: The filter of runs by group.
        filters_agents: Whether runs can be filtered by agent. None: the service decides.
        filters_models: Whether runs can be filtered by model.
        has_trace_metrics: Whether `traces/metrics` has the totals of a run.
        has_traces: Whether `traces` lists traces by their ids, with their models and costs.
        has_session_pages: Whether NeMo Studio has pages of sessions.
        has_readiness: Whether `/health/ready` reports a telemetry store that is down.
    """

    name: ReleaseName
    runs: Literal["experiments", "evaluations"]
    sorts_sessions: bool = True
    sorts_figures: bool = True
    test_case_field: str = "test_case_id"
    group_field: str = "experiment_group_id"
    filters_agents: bool | None = True
    filters_models: bool = True
    has_trace_metrics: bool = True
    has_traces: bool = True
    has_session_pages: bool = True
    has_readiness: bool = False

    @property
    def interface(self) -> str:
        """Return the name of the interface for people."""
        return f"Intake {self.name}"


_FIRST = Release(
    "0.2",
    "experiments",
    sorts_sessions=False,
    sorts_figures=False,
    filters_agents=None,
    filters_models=False,
    has_trace_metrics=False,
    has_traces=False,
    has_session_pages=False,
)


_EVALUATIONS = Release(
    "0.3",
    "evaluations",
    filters_agents=False,
    filters_models=False,
    has_trace_metrics=False,
    has_traces=False,
    has_session_pages=False,
)


_GROUPS = Release("0.4", "evaluations", test_case_field="test_case_name", group_field="experiment_id")


NEWEST = Release(
    "0.6", "evaluations", test_case_field="test_case_name", group_field="experiment_id", has_readiness=True
)


RELEASES: Mapping[ReleaseName, Release] = {
    release.name: release for release in (_FIRST, _EVALUATIONS, _GROUPS, NEWEST)
}
"""The releases by name, oldest first."""


def release_of(version: str) -> Release | None:
    """Return the release of a version such as `0.8.1`, or None for a text that is no version."""
    match = _VERSION.match(version)
    if match is None:
        return None
    number = int(match[1]), int(match[2])
    return next((release for release in reversed([*RELEASES.values()]) if number >= _number(release.name)), _FIRST)


def _number(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.split(".")))
