"""The releases of NeMo that the simulator can be: what one URL serves depends on the release alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tracegraph.simulators.nemo.texts import MODES

NemoDialect: TypeAlias = Literal["0.2", "0.3", "0.8"]
"""What the paths mean, by release.

0.2: runs at `experiments`. 0.3: runs at `evaluations`, groups at `experiment-groups`. 0.8: as 0.4.0 and later,
groups at `experiments` with the old path as an alias (docs/vendors/nemo.md#releases).
"""


@dataclass(frozen=True, slots=True)
class Release:
    """The facts of a release that its responses depend on."""

    version: str
    """As `GET /cluster-info` reports it; 0.2.0 only where `NMP_PLATFORM_VERSION` is set, else it reports `dev`."""
    is_current: bool
    """Whether this is 0.8: it has test case names, failed results, filters on agents, and checks readiness."""
    looks_back_30_days: bool = False
    """Whether spans without a bound on their start are those of the last 30 days (0.2.0)."""
    compact_error_length: int = 1000
    """The characters of an error's message that the modes `preview` and `summary` leave; none in 0.2.0."""
    span_modes: tuple[str, ...] = MODES


RELEASES: Mapping[NemoDialect, Release] = {
    "0.2": Release(
        "0.2.0",
        is_current=False,
        looks_back_30_days=True,
        compact_error_length=0,
        span_modes=("detailed", "summary"),
    ),
    "0.3": Release("0.3.0", is_current=False),
    "0.8": Release("0.8.1", is_current=True),
}
