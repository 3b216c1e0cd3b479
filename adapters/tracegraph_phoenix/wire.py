"""Structs of Phoenix's GraphQL with Phoenix's field names. They contain only the fields that the adapter maps.

A row requires only its identity and its place in the order. Any other unreadable value becomes None.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Raw

from tracegraph.adapter import (
    Amount,
    Count,
    LenientDecoder,
    LenientStruct,
    Name,
    Number,
    readable_rows,
    refuse_without_rows,
    unreadable_places,
    utc,
)

R = TypeVar("R")
D = TypeVar("D")


class Camel(LenientStruct, rename="camel"):
    """An object whose fields have GraphQL's notation."""


class Edge(Camel, Generic[R]):
    """An edge of a connection."""

    node: R
    cursor: str | None = None


class PageInfo(Camel):
    """Whether a connection goes on."""

    has_next_page: bool = False
    end_cursor: str | None = None


class InnerConnection(Camel, Generic[R]):
    """A page of a list within a row. An edge whose node cannot be read is None."""

    edges: list[Edge[R] | None]
    page_info: PageInfo | None = None

    @property
    def rows(self) -> list[tuple[int, R]]:
        """The readable nodes, each with its index among the edges."""
        return [(index, edge.node) for index, edge in readable_rows(self.edges)]

    @property
    def unreadable(self) -> tuple[int, ...]:
        """The indices of the other edges."""
        return unreadable_places(self.edges)

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the rows behind the page, None at the end."""
        page = self.page_info
        return (page.end_cursor or None) if page is not None and page.has_next_page else None


class Connection(InnerConnection[R], Generic[R]):
    """A page of the list that a call reads."""

    def __post_init__(self) -> None:
        """Reject a page of which no row can be read."""
        refuse_without_rows(self.edges)


class Node(Camel, Generic[R]):
    """The data of a query for one node."""

    node: R


class Answer(Camel, Generic[D]):
    """A reply with data. `PhoenixClient.refusal_in` reads the others."""

    data: D


class Identity(Camel):
    """An object of which the id matters only."""

    id: str | None = None
    name: str | None = None


class Named(Camel):
    """A row of which the id matters only."""

    id: Name


class Breakdown(Camel):
    """A part of a cost; 0 where the model has no price (docs/vendors/phoenix.md#costs)."""

    cost: Amount | None = None
    tokens: Amount | None = None


class CostSummary(Camel):
    """The costs of a span, a trace, a run, an experiment or a project."""

    total: Breakdown | None = None
    prompt: Breakdown | None = None
    completion: Breakdown | None = None


class Annotation(Camel):
    """A verdict on a run, a span or a trace. `error` occurs at runs."""

    name: Name
    label: str | None = None
    score: Number | None = None
    explanation: str | None = None
    error: str | None = None


class ProjectRow(Camel):
    """A project. `end_time` is the start of its newest trace, rounded up to the minute."""

    id: Name
    name: str | None = None
    description: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    end_time: datetime | None = None
    root_count: Count | None = None
    error_count: Count | None = None

    def __post_init__(self) -> None:
        """Convert times to UTC."""
        self.created_at, self.updated_at, self.end_time = map(
            utc, (self.created_at, self.updated_at, self.end_time)
        )


class FiguresRow(Camel):
    """The figures of a project over its root spans; tokens and costs are those of all spans."""

    root_count: Count | None = None
    token_count_total: Amount | None = None
    token_count_prompt: Amount | None = None
    token_count_completion: Amount | None = None
    cost_summary: CostSummary | None = None
    min: Amount | None = None
    median: Amount | None = None
    p90: Amount | None = None
    p95: Amount | None = None
    p99: Amount | None = None
    max: Amount | None = None


class AnnotationSummary(Camel):
    """The scores of one evaluator over an experiment."""

    annotation_name: Name
    mean_score: Number | None = None
    min_score: Number | None = None
    max_score: Number | None = None
    score_count: Count | None = None


class ExperimentRow(Camel):
    """An experiment over a dataset."""

    id: Name
    name: str | None = None
    description: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    metadata: dict[str, Any] | None = None
    dataset_version: Identity | None = None
    dataset: Identity | None = None
    error_rate: Amount | None = None
    average_run_latency_ms: Amount | None = None
    run_count: Count | None = None
    expected_run_count: Count | None = None
    cost_summary: CostSummary | None = None
    annotation_summaries: list[AnnotationSummary | None] | None = None

    def __post_init__(self) -> None:
        """Convert times to UTC."""
        self.created_at, self.updated_at = utc(self.created_at), utc(self.updated_at)


class Revision(Camel):
    """The content of a dataset's example."""

    input: Any = None
    metadata: dict[str, Any] | None = None


class Example(Camel):
    """A dataset's example."""

    id: str | None = None
    revision: Revision | None = None


class Annotations(Camel):
    """The verdicts on a run."""

    edges: list[Edge[Annotation] | None] | None = None


class RunRow(Camel):
    """A run of an experiment."""

    id: Name
    start_time: datetime
    experiment_id: str | None = None
    trace_id: str | None = None
    end_time: datetime | None = None
    latency_ms: Amount | None = None
    error: str | None = None
    output: Any = None
    example: Example | None = None
    cost_summary: CostSummary | None = None
    annotations: Annotations | None = None

    def __post_init__(self) -> None:
        """Convert times to UTC."""
        self.start_time, self.end_time = utc(self.start_time), utc(self.end_time)


class Text(Camel):
    """An input or an output."""

    value: str | None = None


class Conversation(Camel):
    """What Phoenix calls a session: a conversation of several traces."""

    session_id: str | None = None


class TraceOfRoot(Camel):
    """The trace of a root span."""

    trace_id: str | None = None
    cost_summary: CostSummary | None = None
    session: Conversation | None = None
    trace_annotations: list[Annotation | None] | None = None


class RootSpanRow(Camel):
    """A root span, which is a session."""

    span_id: Name
    start_time: datetime
    id: str | None = None
    name: str | None = None
    status_code: str | None = None
    status_message: str | None = None
    end_time: datetime | None = None
    latency_ms: Amount | None = None
    cumulative_token_count_total: Amount | None = None
    cumulative_token_count_prompt: Amount | None = None
    cumulative_token_count_completion: Amount | None = None
    metadata: str | None = None
    input: Text | None = None
    output: Text | None = None
    span_annotations: list[Annotation | None] | None = None
    trace: TraceOfRoot | None = None

    def __post_init__(self) -> None:
        """Convert times to UTC."""
        self.start_time, self.end_time = utc(self.start_time), utc(self.end_time)


class SpanRow(Camel):
    """A span of a trace. `attributes` is the text of a JSON object: see `Attributes`."""

    span_id: Name
    parent_id: str | None = None
    name: str | None = None
    span_kind: str | None = None
    status_code: str | None = None
    status_message: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    latency_ms: Amount | None = None
    attributes: str | None = None
    cost_summary: CostSummary | None = None
    span_annotations: list[Annotation | None] | None = None

    def __post_init__(self) -> None:
        """Convert times to UTC."""
        self.start_time, self.end_time = utc(self.start_time), utc(self.end_time)


class TraceRow(Camel):
    """A trace with a page of its spans."""

    id: Name
    spans: InnerConnection[SpanRow]


class RootOfTrace(Camel):
    """A root span with its trace."""

    span_id: Name
    trace: TraceRow


class RunTrace(Camel):
    """The experiment and the trace of a run. An unknown run has an experiment without a number, and no trace."""

    experiment_id: str | None
    trace: TraceRow | None


class RunOwner(Camel):
    """The experiment of a run."""

    experiment_id: str | None = None


class PromptDetails(LenientStruct):
    """Parts of the tokens of a prompt."""

    cache_read: Count | None = None
    cache_write: Count | None = None


class CompletionDetails(LenientStruct):
    """Parts of the tokens of a completion."""

    reasoning: Count | None = None


class TokenCount(LenientStruct):
    """The tokens of a span."""

    prompt: Count | None = None
    completion: Count | None = None
    total: Count | None = None
    prompt_details: PromptDetails | None = None
    completion_details: CompletionDetails | None = None


class Llm(LenientStruct):
    """The attributes of a call of a model."""

    model_name: str | None = None
    provider: str | None = None
    token_count: TokenCount | None = None


class Value(LenientStruct):
    """An input or an output, which an instrumentation may give as any JSON."""

    value: Any = None


class Attributes(LenientStruct):
    """OpenInference's attributes of a span, nested at the dots of their names."""

    llm: Llm | None = None
    input: Value | None = None
    output: Value | None = None
    tool: Identity | None = None
    agent: Identity | None = None
    embedding: Llm | None = None
    metadata: Any = None


class ProjectsData(Camel):
    """The data of `projects`."""

    projects: Connection[ProjectRow]


class ProjectIdsData(Camel):
    """The data of `projects`, for their ids."""

    projects: Connection[Named]


class DatasetNode(Camel):
    """A dataset with a page of its experiments."""

    id: Name
    experiments: InnerConnection[ExperimentRow]


class DatasetsData(Camel):
    """The data of `datasets`."""

    datasets: Connection[DatasetNode]


class RootSpansNode(Camel):
    """A project with a page of its root spans."""

    spans: Connection[RootSpanRow]


class RunsNode(Camel):
    """An experiment with a page of its runs. An unknown one has no project and no runs."""

    runs: Connection[RunRow]
    project_name: str | None = None


class RootsNode(Camel):
    """A project with root spans and their traces."""

    roots: Connection[RootOfTrace]


class CheckData(Camel):
    """The data of the cheapest query."""

    project_count: Count


PROJECTS: LenientDecoder[Answer[ProjectsData]] = LenientDecoder(Answer[ProjectsData])
PROJECT_IDS: LenientDecoder[Answer[ProjectIdsData]] = LenientDecoder(Answer[ProjectIdsData])
DATASETS: LenientDecoder[Answer[DatasetsData]] = LenientDecoder(Answer[DatasetsData])
ROOT_SPANS: LenientDecoder[Answer[Node[RootSpansNode]]] = LenientDecoder(Answer[Node[RootSpansNode]])
RUNS: LenientDecoder[Answer[Node[RunsNode]]] = LenientDecoder(Answer[Node[RunsNode]])
ROOTS: LenientDecoder[Answer[Node[RootsNode]]] = LenientDecoder(Answer[Node[RootsNode]])
TRACE: LenientDecoder[Answer[Node[TraceRow]]] = LenientDecoder(Answer[Node[TraceRow]])
CHECK: LenientDecoder[Answer[CheckData]] = LenientDecoder(Answer[CheckData])
NODES: LenientDecoder[Answer[dict[str, Raw]]] = LenientDecoder(Answer[dict[str, Raw]])
"""Nodes by their alias. Each is decoded alone: an unreadable one affects no other."""

PROJECT: LenientDecoder[ProjectRow] = LenientDecoder(ProjectRow)
FIGURES: LenientDecoder[FiguresRow] = LenientDecoder(FiguresRow)
EXPERIMENT: LenientDecoder[ExperimentRow] = LenientDecoder(ExperimentRow)
RUN: LenientDecoder[RunRow] = LenientDecoder(RunRow)
RUN_TRACE: LenientDecoder[RunTrace] = LenientDecoder(RunTrace)
RUN_OWNER: LenientDecoder[RunOwner] = LenientDecoder(RunOwner)
ATTRIBUTES: LenientDecoder[Attributes] = LenientDecoder(Attributes)
