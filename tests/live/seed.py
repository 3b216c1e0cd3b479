"""What the live tests put into NeMo Intake.

Everything that is sent is also data (`EXPERIMENTS`), so that what comes out can be compared with it. Times lie
some days back: Intake drops telemetry that is older than ninety days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.live.releases import Release

VERDICT = "verdict"
"""An evaluator whose results are text; Intake leaves such out of every score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSeed:
    """One execution. Without `latency_ms` it has not ended. Tokens and cost are those of each of its traces."""

    id: str
    start_s: float
    latency_ms: int | None = 1000
    status: str = "success"
    case: str | None = None
    question: str | None = "What is the capital of France?"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    verdict: str | None = None
    failed: Sequence[str] = ()
    """Evaluators that ran without a result. Only releases that know of such are told."""
    traces: int = 1
    """How many traces of a conversation have the session's id, a minute apart."""

    @property
    def spent_usd(self) -> float | None:
        """The cost of all traces."""
        return None if self.cost_usd is None else self.cost_usd * self.traces


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSeed:
    """One experiment with its sessions."""

    name: str
    group: str
    further_groups: Sequence[str] = ()
    """Where a run may belong to several."""
    dataset: str
    dataset_version: str | None = None
    agent: str = "helper"
    agent_version: str = "1"
    model: str = "small"
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_pinned: bool = False
    sessions: Sequence[SessionSeed] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What is in the service now."""

    api: str
    """The address of the workspace's API, without a slash at its end."""
    epoch: datetime
    """The instant from which `start_s` counts."""
    groups: Mapping[str, str]
    """Group names and their ids."""
    experiments: Mapping[str, ExperimentSeed]
    """By name, in the order of creation."""
    release: Release
    """The service's release."""


BASE = ExperimentSeed(
    name="base",
    group="quality",
    dataset="capitals",
    dataset_version="3",
    description="Where we stand",
    metadata={"temperature": "0.2", "tags": "a, b"},
    sessions=[
        SessionSeed(
            id="base-1",
            start_s=0.123456,
            latency_ms=1500,
            case="paris",
            input_tokens=100,
            output_tokens=20,
            cached_tokens=5,
            cost_usd=0.01,
            scores={"acc": [0.4], "faithfulness/v1": [1.0, 0.5]},
        ),
        SessionSeed(
            id="base-2",
            start_s=10,
            latency_ms=500,
            case="rome",
            input_tokens=50,
            cost_usd=0.02,
            scores={"acc": [0.8]},
        ),
        SessionSeed(id="base-3", start_s=20, latency_ms=2500, case="paris", status="error", verdict="wrong"),
        # Two that started at one instant; the later of them in name is sent first.
        SessionSeed(id="base-5", start_s=30, latency_ms=700, case="rome", scores={"acc": [0.1]}),
        SessionSeed(
            id="base-4", start_s=30, latency_ms=900, case="oslo, norway", scores={"acc": [1.0]}, cost_usd=0.04
        ),
        SessionSeed(id="base-6", start_s=40, latency_ms=None, case="oslo, norway", input_tokens=7),
        SessionSeed(id="base-7", start_s=50, latency_ms=300, case="bern", status="cancelled", question=None),
    ],
)

TUNED = ExperimentSeed(
    name="tuned+v2",
    group="quality",
    dataset="capitals",
    dataset_version="4",
    agent_version="2",
    model="large",
    sessions=[
        SessionSeed(
            id="tuned-1", start_s=100, latency_ms=1000, case="paris", cost_usd=0.03, scores={"acc": [0.9]}
        ),
        SessionSeed(id="tuned-2", start_s=110, latency_ms=1100, case="rome", cost_usd=0.03, scores={"acc": [0.7]}),
        SessionSeed(id="tuned-3", start_s=120, latency_ms=1200, case="lima", status="error"),
    ],
)

NIGHTLY = ExperimentSeed(
    name="nightly@main",
    group="drift",
    dataset="rivers",
    agent="scout",
    sessions=[
        SessionSeed(
            id=f"nightly-{number:02}",
            start_s=200 + number // 2,
            latency_ms=1000 + 100 * number,
            case=f"river-{number % 4}",
            cost_usd=number / 1000,
        )
        for number in range(10)
    ],
)

GRADED = ExperimentSeed(
    name="graded",
    group="quality",
    further_groups=["drift"],
    dataset="lakes",
    agent="grader",
    sessions=[
        # What a rollup over test cases tells otherwise than the sessions do: two of one case, a missing score, a
        # result that failed, and a session of no test case.
        SessionSeed(
            id="graded-1",
            start_s=400,
            case="como",
            input_tokens=10,
            output_tokens=4,
            cost_usd=0.01,
            scores={"acc": [0.4]},
        ),
        SessionSeed(id="graded-2", start_s=410, case="como", input_tokens=20, output_tokens=6, cost_usd=0.03),
        SessionSeed(
            id="graded-3",
            start_s=420,
            case="garda",
            input_tokens=30,
            output_tokens=9,
            cost_usd=0.02,
            scores={"tone": [1.0]},
            failed=["acc"],
        ),
        SessionSeed(
            id="graded-4",
            start_s=430,
            status="error",
            input_tokens=40,
            output_tokens=1,
            cost_usd=0.05,
            scores={"acc": [0.8]},
        ),
    ],
)

TALK = ExperimentSeed(
    name="talk",
    group="drift",
    dataset="chats",
    agent="talker",
    sessions=[
        SessionSeed(
            id="talk-1", start_s=500, case="hello", input_tokens=3, output_tokens=2, cost_usd=0.01, traces=2
        ),
        SessionSeed(id="talk-2", start_s=510, case="bye", input_tokens=5, output_tokens=1, cost_usd=0.02),
    ],
)

ARCHIVED = ExperimentSeed(
    name="archived",
    group="drift",
    dataset="oceans",
    agent="archivist",
    sessions=[
        SessionSeed(id=f"archived-{day}", start_s=-86_400 * day, case=f"day-{day}", cost_usd=0.001 * day)
        for day in (1, 20, 60)
    ],
)
"""Sessions of longer ago than the service looks back when it is not asked to."""

EXPERIMENTS: Sequence[ExperimentSeed] = [
    BASE,
    TUNED,
    NIGHTLY,
    ExperimentSeed(name="empty", group="drift", dataset="rivers", is_pinned=True),
    GRADED,
    TALK,
    ARCHIVED,
    ExperimentSeed(name="quoted", group="drift", dataset='the "best", of all'),
    # Names that a collation of words would order otherwise than their characters do.
    *(
        ExperimentSeed(
            name=name,
            group="names",
            dataset="none",
            agent="namer",
            sessions=[SessionSeed(id=f"{name}-1", start_s=300)],
        )
        for name in ("ab", "a-b", "a_b", "a.b", "a+b", "a@b", "a1", "a10")
    ),
]

RENEWED = {"tuned+v2": "Tried again", "base": "Where we stood"}
"""New descriptions, given after all were created and in this order, so that `updated_at` orders otherwise than
`created_at`."""
