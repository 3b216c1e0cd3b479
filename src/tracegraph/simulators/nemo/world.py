"""The content and options of a simulated NeMo: plain rows, which may change at any time.

A row is a JSON object. A key that it states is served as stated, even where the vendor computes it, such as a
count of runs. So a test can set any figure without creating a thousand sessions.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from tracegraph.simulators.core.ids import _moment
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH, naive


@dataclass
class NemoWorld:
    """One NeMo workspace: experiments, and sessions by the experiment's name."""

    workspace: str = "default"
    experiments: list[Row] = field(default_factory=list)
    sessions: dict[str, list[Row]] = field(default_factory=dict)
    token: str | None = None
    """The bearer token to require; None requires none, as a local run does (docs/vendors/nemo.md#access)."""
    shape: Literal["contract", "agent_lists", "groups", "evaluations"] = "contract"
    """What `/experiments` of the dialect 0.2 answers: runs with `agent_name`; runs with `agent_names` (0.2.0);
    groups (helix); 404, for a service that calls runs evaluations (0.3.0). docs/vendors/nemo.md#releases."""
    telemetry_down: bool = False
    """Sessions respond 503, other telemetry 500, and experiments have zero runs (docs/vendors/nemo.md#outage)."""
    send_nulls: bool = False
    """Send absent values as null, as the real service does, although the contract has no null.

    Only the dialect 0.2 has the choice.
    """
    groups: list[Row] = field(default_factory=list)
    """Groups of experiments. A group that only an experiment names is served too, under its id."""
    spans: dict[str, list[Row]] = field(default_factory=dict)
    """The spans of a session, by its id. Without them an agent, a model call and a tool call are derived."""
    evaluator_results: dict[str, list[Row]] = field(default_factory=dict)
    """The results of evaluators, by session id. Without them they are derived from the session's scores."""
    annotations: list[Row] = field(default_factory=list)
    undenormalized: set[str] = field(default_factory=set)
    """The experiments whose agents and models no filter finds yet: see `denormalize`."""
    now: datetime | None = None
    """The time for metrics without a lower bound, which are of the last 7 days. None is the real time."""

    def add(self, experiment: Row, sessions: list[Row] | None = None) -> None:
        """Add an experiment and its sessions."""
        self.experiments.append(experiment)
        self.sessions[experiment["name"]] = list(sessions or [])

    def live(self) -> list[Row]:
        """Return the experiments that are not deleted. A row with `is_deleted` is."""
        return [row for row in self.experiments if not row.get("is_deleted")]

    def denormalize(self, at: datetime) -> None:
        """Do what the vendor's background worker does about a minute after sessions arrive.

        Filters then find the agents and models of these experiments, and their `updated_at` becomes `at`.
        """
        for row in self.experiments:
            if row["name"] in self.undenormalized:
                row["updated_at"] = naive(at)
        self.undenormalized.clear()


def nemo_experiment(name: str, /, *, created_at: datetime | str | None = EPOCH, **fields: Any) -> Row:
    """Create a NeMo experiment.

    `fields` are keys of the contract's ExperimentResponse, `created_by`, or what newer releases have:
    `experiment_ids`, `agent_names`, `agent_versions`, `parent_evaluation_id`, `status`, `root_cause`, `pinned_at`,
    `is_deleted`.
    """
    created = naive(created_at)
    return {
        "id": f"experiment-{name}",
        "name": name,
        "experiment_group_id": "experiment-group-default",
        "agent_name": "assistant",
        "agent_version": "1.0.0",
        "dataset_name": "cases",
        "dataset_version": "1",
        "metadata": {},
        "model_names": ["nvidia/nemotron-nano-9b-v2"],
        "created_at": created,
        "updated_at": created,
        "created_by": "service",
    } | fields


def nemo_session(
    session_id: str,
    /,
    *,
    started_at: datetime | str = EPOCH,
    latency_ms: float | None = 1200.0,
    status: str = "success",
    **fields: Any,
) -> Row:
    """Create a NeMo session that ran for `latency_ms` (None: it is running).

    `fields` are as in the contract, or what newer releases have: `output`, `failed_evaluators`. The derived spans
    have `reasoning_tokens`, `attributes`, `cost_input_usd` and `cost_output_usd`. The derived evaluator results
    have `explanations` (text by evaluator).
    """
    start = naive(started_at)
    ended = None if latency_ms is None else naive(_moment(started_at) + timedelta(milliseconds=latency_ms))
    return {
        "session_id": session_id,
        "test_case_id": f"case-{session_id}",
        "trace_id": f"trace-{session_id}",
        "root_span_id": f"span-{session_id}",
        "started_at": start,
        "ended_at": ended,
        "latency_ms": latency_ms,
        "status": status,
        "input": f"question of {session_id}",
        "output": None if status == "error" else f"answer of {session_id}",
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 0,
        "cost_total_usd": 0.001,
        "evaluator_scores": {},
        "failed_evaluators": [],
    } | fields


def group_ids(experiment: Row) -> list[str]:
    """Return the ids of an experiment's groups; one before 0.3.0, several since."""
    single = experiment.get("experiment_group_id")
    ids: list[str] = experiment.get("experiment_ids") or ([] if single is None else [single])
    return ids
