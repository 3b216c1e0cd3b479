"""What a simulated vendor holds and how it behaves: plain rows in its own words, open to change at any time.

A row is a JSON object, and a key that it states is served as stated, also where the vendor computes it
(a run count, a latency percentile): so a test may give any value without making a thousand sessions.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from tracegraph.demo.rows import Row
from tracegraph.demo.times import EPOCH, naive, parse, zulu

TENANT = "7f3c1a52-0d5e-4c0e-9d67-1f0a5be9c001"
"""The LangSmith workspace, unless a world names another."""

_IDS = uuid.UUID("5b0b6c7e-93b1-4f4e-8a0e-6f1d3a2c9e10")


@dataclass
class NemoWorld:
    """One NeMo workspace: experiments, and sessions by the experiment's name."""

    workspace: str = "default"
    experiments: list[Row] = field(default_factory=list)
    sessions: dict[str, list[Row]] = field(default_factory=dict)
    token: str | None = None
    """The bearer token to ask for; None serves everybody, as a local run does (docs/vendors/nemo.md#access)."""
    shape: Literal["contract", "agent_lists", "groups", "evaluations"] = "contract"
    """What `/experiments` answers: runs with `agent_name`; runs with `agent_names` (0.2.0); groups (helix);
    404, for a service that calls runs evaluations (0.3.0). docs/vendors/nemo.md#releases."""
    telemetry_down: bool = False
    """Sessions answer 503 and experiments silently show zero runs (docs/vendors/nemo.md#outage)."""
    send_nulls: bool = False
    """Send absent values as null, as the real service does, though the contract has no null."""

    def add(self, experiment: Row, sessions: list[Row] | None = None) -> None:
        """Add an experiment and its sessions."""
        self.experiments.append(experiment)
        self.sessions[experiment["name"]] = list(sessions or [])


@dataclass
class LangSmithWorld:
    """One LangSmith workspace: tracer sessions (projects and experiments), and runs by session id."""

    sessions: list[Row] = field(default_factory=list)
    runs: dict[str, list[Row]] = field(default_factory=dict)
    api_key: str = "lsv2_pt_simulated"
    tenant_id: str = TENANT
    org_scoped_key: bool = False
    """The key needs X-Tenant-Id beside it, 403 without (docs/vendors/langsmith.md#access)."""
    costs_as_numbers: bool = False
    """Send session costs as numbers and not, as the contract says, as strings.

    See docs/vendors/langsmith.md#figures.
    """
    shuffle_ties: bool = False
    """Order rows of one sort value differently in every call: the vendor promises no order among them."""
    nulls_first: bool = False
    """Where sessions without the sorted value come, in both directions."""

    def add(self, session: Row, runs: list[Row] | None = None) -> None:
        """Add a tracer session and its runs."""
        self.sessions.append(session)
        self.runs[session["id"]] = list(runs or [])


@dataclass
class MeibelWorld:
    """One Meibel project: agents, sessions by agent id, messages by session id, and scoring jobs."""

    agents: list[Row] = field(default_factory=list)
    sessions: dict[str, list[Row]] = field(default_factory=dict)
    messages: dict[str, list[Row]] = field(default_factory=dict)
    jobs: list[Row] = field(default_factory=list)
    api_key: str = "mb_simulated"
    default_limit: int = 10
    """How many rows come when nobody says a limit."""
    max_rows: int | None = None
    """The most rows of one answer, whatever `limit` asks for; `total` still tells them all."""
    echo_paging: bool = True
    """Send `offset` and `limit` in the sessions list, as SDK 2.0.7 expects and the contract does not."""
    created_at_in_summary: bool = False
    """Send `created_at` in the agents list, where the vendor has it in the detail only.

    See docs/vendors/meibel.md#agents.
    """
    shuffle_ties: bool = False
    """Order rows of one sort value differently in every call."""
    nulls_first: bool = False
    """Where agents without `created_at` come, in both directions."""

    def add(self, agent: Row, sessions: list[Row] | None = None) -> None:
        """Add an agent and its sessions."""
        self.agents.append(agent)
        self.sessions[agent["id"]] = list(sessions or [])


def stable_uuid(name: str) -> str:
    """Make the UUID that belongs to a name: the same one in every run."""
    return str(uuid.uuid5(_IDS, name))


def nemo_experiment(name: str, /, *, created_at: datetime | str | None = EPOCH, **fields: Any) -> Row:
    """Make a NeMo experiment; `fields` are keys of the contract's ExperimentResponse, or `created_by`."""
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
    """Make a NeMo session that ran for `latency_ms` (None: it has not ended); `fields` as in the contract."""
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
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 0,
        "cost_total_usd": 0.001,
        "evaluator_scores": {},
    } | fields


def langsmith_session(name: str, /, *, start_time: datetime | str | None = EPOCH, **fields: Any) -> Row:
    """Make a LangSmith tracer session: an experiment when `reference_dataset_id` is given, else a project."""
    return {
        "id": stable_uuid(f"session:{name}"),
        "name": name,
        "start_time": zulu(start_time),
        "end_time": None,
        "description": None,
        "reference_dataset_id": None,
        "trace_tier": "longlived",
        "extra": {"metadata": {}},
    } | fields


def langsmith_run(
    name: str,
    /,
    *,
    start_time: datetime | str = EPOCH,
    latency_s: float | None = 1.2,
    status: str = "success",
    parent: Row | None = None,
    **fields: Any,
) -> Row:
    """Make a LangSmith run of `latency_s` seconds (None: it still runs); below `parent` it is a child run.

    Runs of one name share an id, unless `id` is given; `name=` shows another name than the id's.
    """
    run_id = fields.get("id") or stable_uuid(f"run:{name}")
    start = _moment(start_time)
    ended = None if latency_s is None else zulu(start + timedelta(seconds=latency_s))
    order = f"{start:%Y%m%dT%H%M%S%f}Z{run_id}"
    return {
        "id": run_id,
        "name": name,
        "run_type": "chain" if parent is None else "llm",
        "start_time": zulu(start_time),
        "end_time": ended,
        "status": status,
        "error": "ValueError: the tool failed" if status == "error" else None,
        "inputs": {"question": f"question of {name}"},
        "outputs": {"answer": f"answer to {name}"},
        "tags": [],
        "extra": {"metadata": {}},
        "trace_id": run_id if parent is None else parent["trace_id"],
        "parent_run_id": None if parent is None else parent["id"],
        "dotted_order": order if parent is None else f"{parent['dotted_order']}.{order}",
        "reference_example_id": None,
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_cost": "0.0008",
        "completion_cost": "0.0002",
        "total_cost": "0.001",
        "first_token_time": None,
        "feedback_stats": {},
    } | fields


def meibel_agent(agent_id: str, /, *, created_at: datetime | str | None = EPOCH, **fields: Any) -> Row:
    """Make a Meibel agent; `fields` are keys of the agent's detail."""
    return {
        "id": agent_id,
        "name": agent_id,
        "display_name": agent_id.replace("-", " ").title(),
        "catalog_urn": f"urn:meibel:agent:{agent_id}",
        "version": "1",
        "parent_version": None,
        "type": "published",
        "description": None,
        "llm_model": "gpt-4.1-mini",
        "fallback_models": [],
        "datasources": [],
        "instructions": "Answer briefly.",
        "tools": [],
        "artifacts": [],
        "confidence_configs": [],
        "temperature": 0.2,
        "max_tokens": None,
        "tags": [],
        "created_by": None,
        "created_at": zulu(created_at),
        "last_execution_status": None,
        "last_execution_time": None,
    } | fields


def meibel_session(
    session_id: str,
    /,
    *,
    start_time: datetime | str = EPOCH,
    duration_s: float | None = 30.0,
    status: str = "COMPLETED",
    **fields: Any,
) -> Row:
    """Make a Meibel session of `duration_s` seconds (None: it goes on); `fields` as in the contract."""
    ended = None if duration_s is None else zulu(_moment(start_time) + timedelta(seconds=duration_s))
    return {
        "session_id": session_id,
        "status": status,
        "start_time": zulu(start_time),
        "end_time": ended,
        "messages_count": 2,
        "token_usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        "result": [],
    } | fields


def meibel_job(session_id: str, module: str, score: float | None, *, agent_name: str, **fields: Any) -> Row:
    """Make a scoring job of a session: judges score 0..10, statistics 0..1 (docs/vendors/meibel.md#scores)."""
    context = {
        "customer_id": "customer-1",
        "project_id": "project-1",
        "agent_name": agent_name,
        "agent_version": "1",
        "agent_session_id": session_id,
        "agent_turn": 1,
    }
    return {
        "job_id": stable_uuid(f"job:{session_id}:{module}"),
        "agent_identity_context": context,
        "module": module,
        "status": "completed" if score is not None else "in_progress",
        "score": score,
        "explanation": None,
    } | fields


def _moment(moment: datetime | str) -> datetime:
    return parse(moment) if isinstance(moment, str) else moment
