"""The content and options of a simulated LangSmith: plain rows, which may change at any time.

A row is a JSON object. A key that it states is served as stated, even where the vendor computes it, such as a
latency percentile. So a test can set any figure without creating a thousand runs.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tracegraph.simulators.core.ids import TENANT, _moment, stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH, zulu


@dataclass
class LangSmithWorld:
    """One LangSmith workspace: tracer sessions (projects and experiments), and runs by session id.

    The rows have v1's form; v2 serves the same objects in its own.
    """

    sessions: list[Row] = field(default_factory=list)
    runs: dict[str, list[Row]] = field(default_factory=dict)
    datasets: list[Row] = field(default_factory=list)
    examples: dict[str, list[Row]] = field(default_factory=dict)
    """By dataset id."""
    feedback: dict[str, list[Row]] = field(default_factory=dict)
    """By run id. Without an entry, a run's feedback follows from its `feedback_stats`."""
    api_key: str = "lsv2_pt_simulated"
    tenant_id: str = TENANT
    org_scoped_key: bool = False
    """The key needs X-Tenant-Id; without it the response is 403 (docs/vendors/langsmith.md#access)."""
    costs_as_numbers: bool = False
    """Send session costs as numbers instead of the contract's strings.

    See docs/vendors/langsmith.md#figures.
    """
    shuffle_ties: bool = False
    """Order rows of one sort value differently in every call: the vendor promises no order among them."""
    nulls_first: bool = False
    """Sessions without the sort value come first, in both directions."""
    now: datetime | None = None
    """The end of v2's default time window. None is the real time."""
    max_start_inclusive: bool = True
    """A run that starts at `max_start_time` matches a run query of v2. The vendor does not say."""
    omit_nulls: bool = False
    """v2 leaves fields without a value out instead of sending null. The vendor does not say."""
    cursor_generation: int = 0
    """The cursors that were given under another number have expired: they are refused with 400."""
    bound_cursors: bool = False
    """v1 refuses a cursor, too, unless the rest of the body is that of the query that it was given for."""

    def add_dataset(self, dataset: Row, examples: list[Row] | None = None) -> None:
        """Add a dataset and its examples."""
        self.datasets.append(dataset)
        self.examples[dataset["id"]] = list(examples or [])

    def add(self, session: Row, runs: list[Row] | None = None) -> None:
        """Add a tracer session and its runs."""
        self.sessions.append(session)
        self.runs[session["id"]] = list(runs or [])


def langsmith_session(name: str, /, *, start_time: datetime | str | None = EPOCH, **fields: Any) -> Row:
    """Create a LangSmith tracer session: an experiment when `reference_dataset_id` is given, else a project."""
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


def langsmith_dataset(name: str, /, *, created_at: datetime | str = EPOCH, **fields: Any) -> Row:
    """Create a dataset. Its counts of examples and sessions follow from the world, unless they are stated."""
    return {
        "id": stable_uuid(f"dataset:{name}"),
        "name": name,
        "description": None,
        "created_at": zulu(created_at),
        "modified_at": zulu(created_at),
        "data_type": "kv",
        "metadata": {},
    } | fields


def langsmith_example(name: str, /, *, created_at: datetime | str = EPOCH, **fields: Any) -> Row:
    """Create an example of a dataset: a test case."""
    return {
        "id": stable_uuid(f"example:{name}"),
        "name": name,
        "inputs": {"question": f"question of {name}"},
        "outputs": {"answer": f"reference answer to {name}"},
        "metadata": {},
        "created_at": zulu(created_at),
        "modified_at": zulu(created_at),
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
    """Create a LangSmith run of `latency_s` seconds (None: it is running); below `parent` it is a child run.

    Runs with one name share an id, unless `id` is given; `name=` overrides the name without changing the id.
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
