"""The GraphQL documents that the adapter sends (docs/vendors/phoenix.md#graphql)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ROOT = "parent_id is None"
"""The condition on spans that are sessions."""


_COSTS = "costSummary { total { cost tokens } prompt { cost tokens } completion { cost tokens } }"
_ANNOTATION = "name label score explanation"

_PROJECT = f"""
fragment Row on Project {{
  id name description createdAt updatedAt endTime
  rootCount: recordCount(filterCondition: "{ROOT}")
  errorCount: recordCount(filterCondition: "{ROOT} and status_code == 'ERROR'")
}}
"""

_EXPERIMENT = f"""
fragment Row on Experiment {{
  id name description createdAt updatedAt metadata datasetVersion {{ id }} dataset {{ id name }}
  errorRate averageRunLatencyMs runCount expectedRunCount {_COSTS}
  annotationSummaries {{ annotationName meanScore minScore maxScore scoreCount }}
}}
"""

_RUN = f"""
fragment Row on ExperimentRun {{
  id experimentId traceId startTime endTime latencyMs error output @include(if: $output) {_COSTS}
  example {{ id revision {{ input @include(if: $input) metadata @include(if: $metadata) }} }}
  annotations(first: 1000) {{ edges {{ node {{ {_ANNOTATION} error }} }} }}
}}
"""

_ROOT_SPAN = f"""
fragment Row on Span {{
  id spanId name statusCode statusMessage startTime endTime latencyMs
  cumulativeTokenCountTotal cumulativeTokenCountPrompt cumulativeTokenCountCompletion
  metadata @include(if: $metadata)
  input @include(if: $input) {{ value }} output @include(if: $output) {{ value }}
  spanAnnotations {{ {_ANNOTATION} }}
  trace {{ traceId {_COSTS} session {{ sessionId }} traceAnnotations {{ {_ANNOTATION} }} }}
}}
"""

_TEXTS = "$input: Boolean!, $output: Boolean!, $metadata: Boolean!"

PROJECTS = f"""
query Projects($first: Int!, $after: String, $filter: ProjectFilter) {{
  projects(first: $first, after: $after, filter: $filter, sort: {{col: name, dir: asc}}) {{
    edges {{ cursor node {{ ...Row }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_PROJECT}"""

PROJECT_IDS = "query ProjectIds { projects(first: 1000000) { edges { node { id } } } }"

DATASETS = f"""
query Datasets(
  $first: Int, $after: String, $filter: DatasetFilter, $size: Int, $inner: String, $name: String, $ids: [ID!]
) {{
  datasets(first: $first, after: $after, filter: $filter, sort: {{col: name, dir: asc}}) {{
    edges {{ cursor node {{
      id
      experiments(
        first: $size, after: $inner, filterCondition: $name, filterIds: $ids,
        sort: {{col: sequenceNumber, dir: asc}}
      ) {{ edges {{ node {{ ...Row }} }} pageInfo {{ hasNextPage endCursor }} }}
    }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_EXPERIMENT}"""

ROOT_SPANS = f"""
query RootSpans(
  $id: ID!, $first: Int!, $after: String, $filter: String!, $sort: SpanSort, $range: TimeRange, {_TEXTS}
) {{
  node(id: $id) {{ ... on Project {{
    spans(first: $first, after: $after, filterCondition: $filter, sort: $sort, timeRange: $range) {{
      edges {{ node {{ ...Row }} }} pageInfo {{ hasNextPage endCursor }}
    }}
  }} }}
}}
{_ROOT_SPAN}"""

RUNS = f"""
query Runs($id: ID!, $first: Int!, $after: String, {_TEXTS}) {{
  node(id: $id) {{ ... on Experiment {{
    projectName
    runs(first: $first, after: $after) {{ edges {{ node {{ ...Row }} }} pageInfo {{ hasNextPage endCursor }} }}
  }} }}
}}
{_RUN}"""

_SPANS = f"""
  spans(first: $first, after: $after) {{
    edges {{ node {{
      id spanId parentId name spanKind statusCode statusMessage startTime endTime latencyMs attributes
      costSummary {{ total {{ cost }} }} spanAnnotations @include(if: $scores) {{ {_ANNOTATION} }}
    }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
"""

_SPAN_VARIABLES = "$first: Int!, $after: String, $scores: Boolean!"

SPANS_OF_ROOTS = f"""
query SpansOfRoots($id: ID!, $roots: Int!, $filter: String!, {_SPAN_VARIABLES}) {{
  node(id: $id) {{ ... on Project {{
    roots: spans(first: $roots, filterCondition: $filter) {{
      edges {{ node {{ spanId trace {{ id {_SPANS} }} }} }}
    }}
  }} }}
}}
"""

SPANS_OF_TRACE = f"""
query SpansOfTrace($id: ID!, {_SPAN_VARIABLES}) {{ node(id: $id) {{ ... on Trace {{ id {_SPANS} }} }} }}
"""

CHECK = "query Check { projectCount }"

_LATENCIES = " ".join(
    f'{name}: spanLatencyMsQuantile(probability: {probability}, filterCondition: "{ROOT}")'
    for name, probability in (("min", 0), ("median", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1))
)

_FIGURES = f"""
fragment Row on Project {{
  rootCount: recordCount(filterCondition: "{ROOT}")
  tokenCountTotal tokenCountPrompt tokenCountCompletion {_COSTS} {_LATENCIES}
}}
"""


def nodes(fragment: str, ids: Sequence[str], variables: str = "") -> tuple[str, Mapping[str, str]]:
    """Return a document that reads several nodes by id, each under an alias, and the ids by alias.

    Args:
        fragment: The fragment `Row`.
        ids: The ids.
        variables: The declarations of the variables of the fragment.
    """
    by_name = {f"n{place}": node_id for place, node_id in enumerate(ids)}
    declared = ", ".join([*(f"${name}: ID!" for name in by_name), *([variables] if variables else [])])
    fields = " ".join(f"{name}: node(id: ${name}) {{ ...Row }}" for name in by_name)
    return f"query Nodes({declared}) {{ {fields} }}\n{fragment}", by_name


def projects_by_id(ids: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """Return the document for projects by id."""
    return nodes(_PROJECT, ids)


def figures_of_projects(ids: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """Return the document for the figures of projects."""
    return nodes(_FIGURES, ids)


def experiments_by_id(ids: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """Return the document for experiments by id."""
    return nodes(_EXPERIMENT, ids)


def runs_by_id(ids: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """Return the document for runs by id."""
    return nodes(_RUN, ids, _TEXTS)


def spans_of_runs(ids: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """Return the document for the spans of the traces of runs."""
    fragment = f"fragment Row on ExperimentRun {{ experimentId trace {{ id {_SPANS} }} }}"
    return nodes(fragment, ids, _SPAN_VARIABLES)


def experiments_of_runs(ids: Sequence[str]) -> tuple[str, Mapping[str, str]]:
    """Return a document that no unknown run makes fail: an unknown run has the experiment `Experiment:None`."""
    return nodes("fragment Row on ExperimentRun { experimentId }", ids)
