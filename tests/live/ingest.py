"""How the live tests put their data into NeMo Intake, through the service's own API.

Sessions that succeeded are ATIF trajectories. Those that ATIF cannot express in every release (open, failed,
cancelled, of several traces) are spans: as JSON where the release takes it, else as OTLP.
"""

import hashlib
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from tests.live.releases import Release
from tests.live.seed import EXPERIMENTS, RENEWED, VERDICT, ExperimentSeed, Seeded, SessionSeed

SETTLED_WITHIN_S = 150.0
"""A service updates the names of agents and models of a run up to a minute after ingest."""


@dataclass(frozen=True, slots=True)
class Api:
    """A workspace of one service."""

    client: httpx.Client
    url: str
    release: Release

    def send(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Send a request that must succeed.

        Raises:
            RuntimeError: The service refused it.
        """
        response = self.client.request(method, f"{self.url}/{path}", **body)
        if response.is_error:
            raise RuntimeError(f"{self.release} {method} {path}: {response.status_code} {response.text}")
        return response


def seed(base_url: str, release: Release, *, workspace: str = "default") -> Seeded:
    """Put everything into an empty workspace, and wait until the service has digested it."""
    epoch = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=0)
    with httpx.Client(timeout=60, trust_env=False) as client:
        api = Api(client, f"{base_url}/apis/intake/v2/workspaces/{workspace}", release)
        groups = {
            name: str(api.send("POST", release.groups, json={"name": name}).json()["id"])
            for name in dict.fromkeys(name for one in EXPERIMENTS for name in (one.group, *one.further_groups))
        }
        experiments = {experiment.name: experiment for experiment in EXPERIMENTS}
        for experiment in EXPERIMENTS:
            api.send("POST", release.runs, json=experiment_body(experiment, groups, release))
        for name, description in RENEWED.items():
            experiments[name] = replace(experiments[name], description=description)
            body = experiment_body(experiments[name], groups, release)
            api.send("PUT", f"{release.runs}/{quote(name, safe='')}", json=body)
        for experiment in EXPERIMENTS:
            if experiment.is_pinned:
                api.send("POST", f"{release.runs}/{quote(experiment.name, safe='')}/pin")
            for session in experiment.sessions:
                ingest(api, experiment, session, epoch)
        if release.filters_agents:
            wait_for_agents(api)
    return Seeded(api=api.url, epoch=epoch, groups=groups, experiments=experiments, release=release)


def ingest(api: Api, experiment: ExperimentSeed, session: SessionSeed, epoch: datetime) -> None:
    """Send a session and the results of its evaluators."""
    if session.latency_ms is not None and session.status == "success" and session.traces == 1:
        api.send("POST", "ingest/atif", json=atif(experiment, session, epoch, api.release))
    elif api.release.takes_spans:
        body = {"source": "tests", "spans": [*spans(experiment, session, epoch)]}
        api.send("POST", "ingest/spans", json=body)
    else:
        headers = {"Content-Type": "application/x-protobuf"}
        for number in range(session.traces):
            content = otlp(experiment, session, epoch, number)
            api.send("POST", "ingest/otlp/v1/traces", content=content, headers=headers)
    for result in evaluator_results(session, api.release):
        api.send("POST", "evaluator-results", json=result)


def wait_for_agents(api: Api) -> None:
    """Return when each run can be found by its agent. Until then its time of update changes, too.

    Raises:
        RuntimeError: The service takes too long.
    """
    deadline = time.monotonic() + SETTLED_WITHIN_S
    # Sessions without a test case tell the service no agent.
    wanted = {(one.agent, one.name) for one in EXPERIMENTS if any(session.case for session in one.sessions)}
    while True:
        found = {
            (agent, row["name"])
            for agent in {agent for agent, _ in wanted}
            for row in api.send("GET", api.release.runs, params={"filter[agent_name]": agent}).json()["data"]
        }
        if found == wanted:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{api.release}: runs not found by agent: {sorted(wanted - found)}")
        time.sleep(1)


def experiment_body(experiment: ExperimentSeed, groups: Mapping[str, str], release: Release) -> dict[str, Any]:
    """What creates an experiment, and describes it anew."""
    body = {
        "name": experiment.name,
        "dataset_name": experiment.dataset,
        "dataset_version": experiment.dataset_version,
        "description": experiment.description,
        "metadata": dict(experiment.metadata),
    }
    if release.has_many_groups:
        return body | {"experiment_ids": [groups[name] for name in (experiment.group, *experiment.further_groups)]}
    return body | {"experiment_group_id": groups[experiment.group]}


def evaluator_results(session: SessionSeed, release: Release) -> list[dict[str, Any]]:
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
    if release.has_failed_results:
        span_id = f"{session.id}-0"
        failed = {"span_id": span_id, "data_type": "NUMERIC", "status": "FAILED", "comment": "the judge timed out"}
        results += [{**failed, "name": name} for name in session.failed]
    return [{"session_id": session.id, **result} for result in results]


def atif(experiment: ExperimentSeed, session: SessionSeed, epoch: datetime, release: Release) -> dict[str, Any]:
    """An ended session as an ATIF trajectory: a question and an answer, the answer after `latency_ms`."""
    started = epoch + timedelta(seconds=session.start_s)
    ended = started + timedelta(milliseconds=session.latency_ms or 0)
    answer: dict[str, Any] = {"source": "agent", "message": "Paris", "timestamp": ended.isoformat()}
    metrics = {
        "prompt_tokens": session.input_tokens,
        "completion_tokens": session.output_tokens,
        "cached_tokens": session.cached_tokens,
        "cost_usd": session.cost_usd,
    }
    answer["metrics"] = {name: value for name, value in metrics.items() if value is not None}
    asked = {"source": "user", "message": session.question or "", "timestamp": started.isoformat()}
    context = {release.ingested_run: experiment.name, release.test_case: session.case}
    return {
        "schema_version": "ATIF-v1.7",
        "session_id": session.id,
        release.ingest_context: {name: value for name, value in context.items() if value is not None},
        "agent": {
            "name": experiment.agent,
            "version": experiment.agent_version,
            "model_name": experiment.model,
        },
        "steps": [{"step_id": number, **step} for number, step in enumerate([asked, answer], start=1)],
    }


def started_and_ended(session: SessionSeed, epoch: datetime, number: int) -> tuple[datetime, datetime | None]:
    """The times of one of a session's traces."""
    started = epoch + timedelta(seconds=session.start_s, minutes=number)
    return started, None if session.latency_ms is None else started + timedelta(milliseconds=session.latency_ms)


def attributes_of(experiment: ExperimentSeed, session: SessionSeed) -> dict[str, str | int | float]:
    """The attributes of a root span that every release reads."""
    attributes = {
        "gen_ai.agent.name": experiment.agent,
        "gen_ai.agent.version": experiment.agent_version,
        "gen_ai.request.model": experiment.model,
        "gen_ai.usage.input_tokens": session.input_tokens,
        "gen_ai.usage.output_tokens": session.output_tokens,
        "gen_ai.usage.cached_tokens": session.cached_tokens,
        "gen_ai.usage.cost": session.cost_usd,
    }
    return {key: value for key, value in attributes.items() if value is not None}


def spans(experiment: ExperimentSeed, session: SessionSeed, epoch: datetime) -> Iterator[dict[str, Any]]:
    """A session as root spans in JSON, one for each of its traces."""
    context = {"nemo.evaluation.name": experiment.name}
    if session.case is not None:
        context["nemo.test_case.name"] = session.case
    for number in range(session.traces):
        started, ended = started_and_ended(session, epoch, number)
        yield {
            "span_id": f"{session.id}-root-{number}",
            "trace_id": f"{session.id}-trace-{number}",
            "session_id": session.id,
            "name": experiment.agent,
            "kind": "AGENT",
            "status": session.status,
            "started_at": started.isoformat(),
            "ended_at": None if ended is None else ended.isoformat(),
            "input": session.question,
            "attributes": {**context, **attributes_of(experiment, session)},
        }


def otlp(experiment: ExperimentSeed, session: SessionSeed, epoch: datetime, number: int) -> bytes:
    """One of a session's traces as one OTLP root span in protobuf."""
    own = {
        "session.id": session.id,
        "nemo.experiment.id": experiment.name,
        "nemo.test_case.id": session.case,
        "input.value": session.question,
        "status": session.status,
    }
    attributes = {key: value for key, value in own.items() if value is not None}
    identity = hashlib.sha256(f"{session.id} {number}".encode()).digest()
    started, ended = started_and_ended(session, epoch, number)
    span = _message(1, identity[:16]) + _message(2, identity[16:24]) + _message(5, experiment.agent.encode())
    span += _fixed(7, struct.pack("<Q", _nanoseconds(started)))
    if ended is not None:
        span += _fixed(8, struct.pack("<Q", _nanoseconds(ended)))
    for key, value in {**attributes, **attributes_of(experiment, session)}.items():
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
