"""The content of a simulated Phoenix: plain rows with the names of its GraphQL, which may change at any time.

Ids are the vendor's global ids. A span's cost is None where the span has no tokens, and a `Cost` of 0 where the
model has no price.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH, parse


def global_id(type_name: str, number: int) -> str:
    """Return the global id of an object."""
    return b64encode(f"{type_name}:{number}".encode()).decode()


@cache
def number_of(node_id: str) -> int:
    """Return the number in a global id."""
    return int(b64decode(node_id).decode().partition(":")[2])


def offset_time(moment: datetime | str) -> str:
    """Return a time as Phoenix writes it. A text is returned unchanged."""
    return moment if isinstance(moment, str) else moment.isoformat()


@dataclass
class PhoenixWorld:
    """One server: projects and their spans, datasets, experiments and their runs, all in the order of adding."""

    projects: list[Row] = field(default_factory=list)
    spans: dict[str, list[Row]] = field(default_factory=dict)
    """The spans by the id of their project."""
    trace_annotations: dict[str, list[Row]] = field(default_factory=dict)
    """Verdicts by trace id."""
    datasets: list[Row] = field(default_factory=list)
    examples: dict[str, Row] = field(default_factory=dict)
    """The input, output and metadata of examples by their id."""
    experiments: list[Row] = field(default_factory=list)
    runs: dict[str, list[Row]] = field(default_factory=dict)
    """The runs by the id of their experiment."""
    api_key: str | None = None
    """The key that calls need; None for a server without authentication."""
    version: str = "20.26.1"
    fails: bool = False
    """Whether the database fails: every query ends in an error without a reason."""

    def add_project(self, project: Row) -> None:
        """Add a project without spans."""
        self.projects.append(project)
        self.spans[project["id"]] = []

    def add_experiment(self, experiment: Row) -> None:
        """Add an experiment without runs."""
        self.experiments.append(experiment)
        self.runs[experiment["id"]] = []

    def all_spans(self) -> Iterator[Row]:
        """Yield the spans of all projects."""
        for rows in self.spans.values():
            yield from rows


def phoenix_project(number: int, /, *, created_at: datetime | str = EPOCH, **fields: Any) -> Row:
    """Create a project; `fields` are keys of its row."""
    return {
        "id": global_id("Project", number),
        "name": f"project {number}",
        "description": None,
        "createdAt": offset_time(created_at),
        "updatedAt": offset_time(created_at),
    } | fields


def phoenix_span(
    number: int,
    /,
    *,
    trace: str | None = None,
    parent: str | None = None,
    start_time: datetime | str = EPOCH,
    latency_ms: float = 1000.0,
    cost: tuple[float, float] | None = None,
    **fields: Any,
) -> Row:
    """Create a span of `latency_ms`; its attributes are nested at the dots of their names.

    Args:
        number: Its number, from which its id and the default trace follow.
        trace: The id of its trace.
        parent: The id of the span around it.
        start_time: Its start.
        latency_ms: How long it took.
        cost: The cost of the prompt and of the completion.
        fields: Keys of its row.
    """
    start = parse(start_time) if isinstance(start_time, str) else start_time
    return {
        "id": global_id("Span", number),
        "spanId": f"{number:016x}",
        "traceId": trace or f"{number:032x}",
        "parentId": parent,
        "name": "helper",
        "spanKind": "agent",
        "statusCode": "OK",
        "statusMessage": "",
        "startTime": offset_time(start_time),
        "endTime": (start + timedelta(milliseconds=latency_ms)).isoformat(),
        "attributes": {},
        "cost": cost,
        "spanAnnotations": [],
    } | fields


def phoenix_dataset(number: int, /, **fields: Any) -> Row:
    """Create a dataset."""
    return {"id": global_id("Dataset", number), "name": f"dataset {number}"} | fields


def phoenix_experiment(number: int, dataset: str, /, *, created_at: datetime | str = EPOCH, **fields: Any) -> Row:
    """Create an experiment over a dataset; `expectedRunCount` is that of its runs unless it is stated."""
    return {
        "id": global_id("Experiment", number),
        "datasetId": dataset,
        "name": f"experiment {number}",
        "description": None,
        "createdAt": offset_time(created_at),
        "updatedAt": offset_time(created_at),
        "metadata": {},
        "repetitions": 1,
        "projectName": f"Experiment-{number}",
        "datasetVersionId": global_id("DatasetVersion", 1),
    } | fields


def phoenix_run(
    number: int, example: str, /, *, start_time: datetime | str = EPOCH, latency_ms: float = 1000.0, **fields: Any
) -> Row:
    """Create a run of an experiment for an example."""
    start = parse(start_time) if isinstance(start_time, str) else start_time
    return {
        "id": global_id("ExperimentRun", number),
        "exampleId": example,
        "repetitionNumber": 1,
        "traceId": None,
        "startTime": offset_time(start_time),
        "endTime": (start + timedelta(milliseconds=latency_ms)).isoformat(),
        "error": None,
        "output": {"answer": "42"},
        "annotations": [],
    } | fields


def phoenix_annotation(name: str, /, **fields: Any) -> Row:
    """Create a verdict on a span, a trace or a run."""
    return {
        "name": name,
        "label": None,
        "score": None,
        "explanation": None,
        "error": None,
        "annotatorKind": "CODE",
    } | fields
