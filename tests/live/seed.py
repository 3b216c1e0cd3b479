"""What the live tests put into NeMo Intake, and how.

Everything that is sent is also data (`EXPERIMENTS`), so that what comes out can be compared with it. Times lie
a few days back: Intake drops telemetry that is older than ninety days.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

VERDICT = "verdict"
"""An evaluator whose results are text; Intake leaves such out of every score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSeed:
    """One execution. Without `latency_ms` it has not ended."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSeed:
    """One experiment with its sessions."""

    name: str
    group: str
    dataset: str
    dataset_version: str | None = None
    agent: str = "helper"
    agent_version: str = "1"
    model: str = "small"
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
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


BASE = ExperimentSeed(
    name="base",
    group="quality",
    dataset="capitals",
    dataset_version="3",
    description="Where we stand",
    metadata={"temperature": 0.2, "tags": ["a", "b"]},
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

EXPERIMENTS: Sequence[ExperimentSeed] = [
    BASE,
    TUNED,
    NIGHTLY,
    ExperimentSeed(name="empty", group="drift", dataset="rivers"),
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


def seed(base_url: str, *, workspace: str = "default") -> Seeded:
    """Put everything into an empty workspace."""
    api = f"{base_url}/apis/intake/v2/workspaces/{workspace}"
    epoch = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=0)
    with httpx.Client(timeout=60, trust_env=False) as client:

        def send(method: str, path: str, **body: Any) -> httpx.Response:
            response = client.request(method, f"{api}/{path}", **body)
            if response.is_error:
                raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
            return response

        groups: dict[str, str] = {}
        experiments = {experiment.name: experiment for experiment in EXPERIMENTS}
        for experiment in EXPERIMENTS:
            if experiment.group not in groups:
                groups[experiment.group] = send(
                    "POST", "experiment-groups", json={"name": experiment.group}
                ).json()["id"]
            send("POST", "experiments", json=experiment_body(experiment, groups))
        for name, description in RENEWED.items():
            path = f"experiments/{quote(name, safe='')}"
            send("PUT", path, json={**experiment_body(experiments[name], groups), "description": description})
            experiments[name] = replace(experiments[name], description=description)
        for experiment in EXPERIMENTS:
            for session in experiment.sessions:
                if session.latency_ms is None or session.status == "cancelled":
                    headers = {"Content-Type": "application/x-protobuf"}
                    send(
                        "POST",
                        "ingest/otlp/v1/traces",
                        content=otlp(experiment, session, epoch),
                        headers=headers,
                    )
                else:
                    send("POST", "ingest/atif", json=atif(experiment, session, epoch))
                for result in evaluator_results(session):
                    send("POST", "evaluator-results", json=result)
    return Seeded(api=api, epoch=epoch, groups=groups, experiments=experiments)


def experiment_body(experiment: ExperimentSeed, groups: Mapping[str, str]) -> dict[str, Any]:
    """What creates an experiment, and describes it anew."""
    return {
        "name": experiment.name,
        "experiment_group_id": groups[experiment.group],
        "dataset_name": experiment.dataset,
        "dataset_version": experiment.dataset_version,
        "description": experiment.description,
        "metadata": dict(experiment.metadata),
    }


def evaluator_results(session: SessionSeed) -> list[dict[str, Any]]:
    """The results of a session's evaluators, one body each."""
    # One evaluator's results for one span replace each other, so each gets a span of its own.
    results: list[dict[str, Any]] = [
        {"span_id": f"{session.id}-{number}", "name": name, "value": value, "data_type": "NUMERIC"}
        for name, values in session.scores.items()
        for number, value in enumerate(values)
    ]
    if session.verdict is not None:
        span_id = f"{session.id}-0"
        results.append({"span_id": span_id, "name": VERDICT, "string_value": session.verdict, "data_type": "TEXT"})
    return [{"session_id": session.id, **result} for result in results]


def atif(experiment: ExperimentSeed, session: SessionSeed, epoch: datetime) -> dict[str, Any]:
    """An ended session as an ATIF trajectory: a question and an answer, the answer after `latency_ms`."""
    started = epoch + timedelta(seconds=session.start_s)
    ended = started + timedelta(milliseconds=session.latency_ms or 0)
    answer: dict[str, Any] = {"source": "agent", "message": "Paris", "timestamp": ended.isoformat()}
    if session.status == "error":
        call = {"tool_call_id": "look-up", "function_name": "look_up"}
        answer["tool_calls"] = [call]
        answer["observation"] = {"results": [{"source_call_id": "look-up", "content": "[error] no such page"}]}
    metrics = {
        "prompt_tokens": session.input_tokens,
        "completion_tokens": session.output_tokens,
        "cached_tokens": session.cached_tokens,
        "cost_usd": session.cost_usd,
    }
    answer["metrics"] = {name: value for name, value in metrics.items() if value is not None}
    asked = {"source": "user", "message": session.question or "", "timestamp": started.isoformat()}
    context = {"experiment_id": experiment.name, "test_case_id": session.case}
    return {
        "schema_version": "ATIF-v1.7",
        "session_id": session.id,
        "experiment_context": {name: value for name, value in context.items() if value is not None},
        "agent": {
            "name": experiment.agent,
            "version": experiment.agent_version,
            "model_name": experiment.model,
        },
        "steps": [{"step_id": number, **step} for number, step in enumerate([asked, answer], start=1)],
    }


def otlp(experiment: ExperimentSeed, session: SessionSeed, epoch: datetime) -> bytes:
    """A session as one OTLP root span in protobuf: ATIF knows neither open nor cancelled ones."""
    attributes: dict[str, str | int | float | None] = {
        "session.id": session.id,
        "nemo.experiment.id": experiment.name,
        "nemo.test_case.id": session.case,
        "gen_ai.agent.name": experiment.agent,
        "gen_ai.agent.version": experiment.agent_version,
        "gen_ai.request.model": experiment.model,
        "gen_ai.usage.input_tokens": session.input_tokens,
        "gen_ai.usage.output_tokens": session.output_tokens,
        "gen_ai.usage.cached_tokens": session.cached_tokens,
        "gen_ai.usage.cost": session.cost_usd,
        "input.value": session.question,
        "status": session.status,
    }
    identity = hashlib.sha256(session.id.encode()).digest()
    started = epoch + timedelta(seconds=session.start_s)
    span = _message(1, identity[:16]) + _message(2, identity[16:24]) + _message(5, experiment.agent.encode())
    span += _fixed(7, struct.pack("<Q", _nanoseconds(started)))
    if session.latency_ms is not None:
        span += _fixed(8, struct.pack("<Q", _nanoseconds(started + timedelta(milliseconds=session.latency_ms))))
    for key, value in attributes.items():
        if value is not None:
            span += _message(9, _message(1, key.encode()) + _message(2, _any_value(value)))
    return _message(1, _message(2, _message(2, span)))


def _nanoseconds(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _any_value(value: str | float) -> bytes:
    if isinstance(value, str):
        return _message(1, value.encode())
    if isinstance(value, int):
        return b"\x18" + _varint(value)
    return _fixed(4, struct.pack("<d", value))


def _message(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _fixed(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 1]) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
