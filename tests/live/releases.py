"""The releases of NeMo that `make live` runs, and how their services differ.

A release is one line of `RELEASES`. What its service calls things follows from its number
(docs/vendors/nemo.md#releases).
"""

import os
from dataclasses import dataclass

BESIDE = ("chdb==4.4.0", "pyleak==0.2.0")
"""What a service needs beside its package: the engine of its store, and an import that it does not declare."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the service on PyPI.

    Attributes:
        package: The distribution.
        version: Its version, which the service states too.
        python: The oldest Python that it runs on, such as `3.12`.
    """

    package: str
    version: str
    python: str

    def __str__(self) -> str:
        return self.version

    @property
    def number(self) -> tuple[int, ...]:
        """The version, for comparison."""
        return tuple(map(int, self.version.split(".")))

    @property
    def requirements(self) -> list[str]:
        """What is installed for it."""
        extras = "auth-service,core-service,entities-service,intake-service"
        return [f"{self.package}[{extras}]=={self.version}", *BESIDE]

    @property
    def source(self) -> str:
        """The name of its source in the gateway's configuration."""
        return f"nemo-{self.version}"

    @property
    def prefix(self) -> str:
        """The start of the names of its environment variables."""
        return "NHX_" if self.package == "nemo-helix" else "NMP_"

    @property
    def interface(self) -> str:
        """The interface that `tracegraph check` must show."""
        first = next(first for first in ((0, 6), (0, 4), (0, 3), (0, 2)) if self.number >= first)
        return f"Intake {'.'.join(map(str, first))}"

    @property
    def stated_version(self) -> str:
        """The version that the service states of itself: 0.2.0 does not find its own in a package of PyPI."""
        return self.version if self.number >= (0, 3) else "dev"

    @property
    def runs(self) -> str:
        """The path of runs over a dataset."""
        return "evaluations" if self.number >= (0, 3) else "experiments"

    @property
    def groups(self) -> str:
        """The path of groups of runs."""
        return "experiments" if self.number >= (0, 4) else "experiment-groups"

    @property
    def test_case(self) -> str:
        """The column of a session's test case."""
        return "test_case_name" if self.number >= (0, 4) else "test_case_id"

    @property
    def ingest_context(self) -> str:
        """The key of an ATIF trajectory that names its run and test case."""
        return "evaluation_context" if self.number >= (0, 3) else "experiment_context"

    @property
    def ingested_run(self) -> str:
        """The key of the run's name in that context."""
        if self.number >= (0, 4):
            return "evaluation_name"
        return "evaluation_id" if self.number >= (0, 3) else "experiment_id"

    @property
    def has_many_groups(self) -> bool:
        """Whether a run may belong to several groups."""
        return self.number >= (0, 3)

    @property
    def averages_test_cases(self) -> bool:
        """Whether the figures of a run are over test cases, and its agents those of sessions with a test case."""
        return self.number >= (0, 3)

    @property
    def sorts_sessions(self) -> bool:
        """Whether sessions can be listed newest first."""
        return self.number >= (0, 3)

    @property
    def filters_agents(self) -> bool:
        """Whether runs can be filtered by agent, which takes the service a while after ingest."""
        return self.number >= (0, 4)

    @property
    def takes_spans(self) -> bool:
        """Whether spans are ingested as JSON."""
        return self.number >= (0, 4)

    @property
    def has_totals(self) -> bool:
        """Whether `traces/metrics` has the totals of a run."""
        return self.number >= (0, 4)

    @property
    def has_session_pages(self) -> bool:
        """Whether NeMo Studio has pages of sessions."""
        return self.number >= (0, 4)

    @property
    def has_failed_results(self) -> bool:
        """Whether an evaluator's result can be FAILED."""
        return self.number >= (0, 8)


RELEASES = (
    Release("nemo-platform", "0.2.0", "3.11"),
    Release("nemo-helix", "0.8.1", "3.12"),
)


def selected() -> tuple[Release, ...]:
    """The releases to run: those that the environment variable LIVE_RELEASES lists by version, by default all.

    Raises:
        ValueError: The variable names a version that is not in `RELEASES`.
    """
    wanted = os.environ.get("LIVE_RELEASES", "").replace(",", " ").split()
    known = {release.version: release for release in RELEASES}
    if unknown := set(wanted) - known.keys():
        raise ValueError(f"LIVE_RELEASES names {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return tuple(known[version] for version in wanted) or RELEASES
