"""The mix of queries, each compared with the vendors' data: lists, pages, nested lists, nodes, figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tools.soak.client import Client, QueryResponse
from tools.soak.expected import EXPERIMENT_FIELDS, SESSION_FIELDS, Expected, Item, figures, nearly_equal
from tools.soak.listing import Mismatch, Traversal

_REPORTS = "sources { source { name } status }"
_EXPERIMENTS = f"""query($first: Int, $after: String, $direction: OrderDirection!, $sources: [String!]) {{
  experiments(first: $first, after: $after, filter: {{sources: $sources}},
              orderBy: {{field: CREATED_AT, direction: $direction}}) {{
    edges {{ cursor node {{ {EXPERIMENT_FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} {_REPORTS}
  }}
}}"""
_SESSIONS = f"""query($first: Int, $after: String, $direction: OrderDirection!, $ids: [ID!]) {{
  sessions(first: $first, after: $after, filter: {{experimentIds: $ids}},
           orderBy: {{field: STARTED_AT, direction: $direction}}) {{
    edges {{ cursor node {{ {SESSION_FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} {_REPORTS}
  }}
}}"""
_NESTED = f"""query($first: Int, $inner: Int) {{
  experiments(first: $first) {{
    edges {{ node {{ {EXPERIMENT_FIELDS} }} }} pageInfo {{ hasNextPage }} {_REPORTS}
    nodes {{ id sessions(first: $inner) {{
      edges {{ node {{ {SESSION_FIELDS} }} }} totalCount pageInfo {{ hasNextPage }} {_REPORTS}
    }} }}
  }}
}}"""
_NODES = f"""query($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Experiment {{ {EXPERIMENT_FIELDS} }} ... on Session {{ {SESSION_FIELDS} }} }}
}}"""
_FIGURES = "count min median p90 max mean"
_AGGREGATE = f"""query($id: ID!) {{
  experiment(id: $id) {{ id aggregate(metric: {{kind: LATENCY}}, basis: COMPUTED) {{ complete {_FIGURES} }} }}
}}"""
_COMPARISON = f"""query($ids: [ID!]!) {{
  comparison(experimentIds: $ids, metrics: [{{kind: LATENCY}}], statistic: MEDIAN, basis: COMPUTED) {{
    metrics {{ entries {{ experiment {{ id }} value aggregate {{ complete {_FIGURES} }} }} }} {_REPORTS}
  }}
}}"""


class QueryMix:
    """The random queries of one client."""

    def __init__(self, client: Client, expected: Expected) -> None:
        self._client = client
        self._random = client.random
        self._expected = expected
        self._by_id = {item.id: item for item in expected.experiments}

    async def run_one(self) -> None:
        """Run one query, or one traversal with all its pages. Raise Mismatch or TimeoutError."""
        kinds: Sequence[Callable[[], Awaitable[None]]] = (
            self._experiments,
            self._sessions,
            self._nested,
            self._nodes,
            self._aggregate,
            self._comparison,
        )
        await self._random.choices(kinds, [25, 20, 20, 20, 10, 5])[0]()

    async def _experiments(self) -> None:
        sources = self._random.choice([None, None, ["nemo", "meibel"], ["langsmith"]])
        items = [item for item in self._expected.experiments if sources is None or item.source in sources]
        await self._traverse("experiments", _EXPERIMENTS, items, sources=sources)

    async def _sessions(self) -> None:
        """Query one experiment of each source, so that a failed source's next rows belong to one list."""
        selected = [
            self._random.choice([item for item in self._expected.experiments if item.source == source])
            for source in ("nemo", "langsmith", "meibel")
        ]
        items = [session_item for item in selected for session_item in self._expected.sessions[item.id]]
        await self._traverse("sessions", _SESSIONS, items, ids=[item.id for item in selected])

    async def _traverse(self, field: str, query: str, items: Sequence[Item], **variables: Any) -> None:
        """Read up to six pages, each continued after the last edge or any other."""
        direction = self._random.choice(["ASC", "DESC"])
        traversal = Traversal(items, lambda item: item.sort_key(direction))
        after, first = None, self._random.choice([3, 7, 20])
        for _ in range(6):
            response = await self._client.query(
                field, query, first=first, after=after, direction=direction, **variables
            )
            connection = _root_value(response, field)
            if connection is None:
                return
            edges = connection["edges"]
            resume_index = (
                len(edges) if self._random.random() < 0.7 else self._random.randint(1, max(1, len(edges)))
            )
            self._client.stats.rows += traversal.check_page(connection, first, resume_index)
            after = (
                edges[resume_index - 1]["cursor"]
                if 0 < resume_index < len(edges)
                else connection["pageInfo"]["endCursor"]
            )
            if traversal.ended or after is None:
                return

    async def _nested(self) -> None:
        first, inner = self._random.choice([2, 5, 10]), self._random.choice([1, 5, 12])
        response = await self._client.query("nested lists", _NESTED, first=first, inner=inner)
        experiments = _root_value(response, "experiments")
        if experiments is None:
            return
        self._client.stats.rows += Traversal(
            self._expected.experiments, lambda item: item.sort_key("DESC")
        ).check_page(experiments, first)
        for index, node in enumerate(experiments["nodes"]):
            sessions = node["sessions"]
            if sessions is None:
                _check_error_at(response, ("experiments", "nodes", index, "sessions"))
                continue
            items = self._expected.sessions[node["id"]]
            if sessions["totalCount"] not in (None, len(items)):
                raise Mismatch(f"totalCount is {sessions['totalCount']} of {len(items)} sessions")
            traversal = Traversal(items, lambda item: item.sort_key("DESC"))
            self._client.stats.rows += traversal.check_page(sessions, inner)

    async def _nodes(self) -> None:
        selected: list[Item] = []
        for experiment in self._random.sample(list(self._expected.experiments), 4):
            sessions = self._expected.sessions[experiment.id]
            selected += [experiment, *self._random.sample(list(sessions), min(2, len(sessions)))]
        response = await self._client.query("nodes", _NODES, ids=[item.id for item in selected])
        if response.data is None:
            _check_error_at(response, ())
            return
        for index, (node, item) in enumerate(zip(response.data["nodes"], selected, strict=True)):
            if node is None:
                _check_error_at(response, ("nodes", index))
                continue
            if not nearly_equal(node, item.node):
                raise Mismatch(f"node {index} is {node} and must be {item.node}")
            self._client.stats.rows += 1

    async def _aggregate(self) -> None:
        item = self._random.choice(list(self._expected.experiments))
        response = await self._client.query("figures", _AGGREGATE, id=item.id)
        experiment = None if response.data is None else response.data["experiment"]
        if experiment is None:
            _check_error_at(response, () if response.data is None else ("experiment",))
        elif experiment["aggregate"] is None:
            _check_error_at(response, ("experiment", "aggregate"))
        else:
            self._check_figures(item, experiment["aggregate"])

    async def _comparison(self) -> None:
        selected = self._random.sample(list(self._expected.experiments), 3)
        response = await self._client.query("comparison", _COMPARISON, ids=[item.id for item in selected])
        comparison = _root_value(response, "comparison")
        if comparison is None:
            return
        failed = {report["source"]["name"] for report in comparison["sources"] if report["status"] == "FAILED"}
        for entry in comparison["metrics"][0]["entries"]:
            item = self._by_id[entry["experiment"]["id"]]
            if entry["aggregate"] is not None:
                self._check_figures(item, entry["aggregate"])
            elif item.source not in failed and self._expected.latencies(item.id):
                raise Mismatch(
                    f"the comparison has no figures of {item.node['name']}, although its source did not fail"
                )

    def _check_figures(self, item: Item, aggregate: dict[str, Any]) -> None:
        actual = dict(aggregate)
        if not actual.pop("complete"):
            raise Mismatch(f"the figures of {item.node['name']} are not complete")
        expected_figures = figures(self._expected.latencies(item.id))
        if not nearly_equal(actual, expected_figures):
            raise Mismatch(f"the figures of {item.node['name']} are {actual} and must be {expected_figures}")
        self._client.stats.rows += 1


def _root_value(response: QueryResponse, field: str) -> Any:
    """Return the value of a root field, or None after a check that an error explains the missing value."""
    value = None if response.data is None else response.data[field]
    if value is None:
        _check_error_at(response, () if response.data is None else (field,))
    return value


def _check_error_at(response: QueryResponse, path: tuple[str | int, ...]) -> None:
    """Check that an error explains a missing value. Raise Mismatch without one."""
    if not any(error_path[: len(path)] == path for error_path in response.codes):
        raise Mismatch(f"something is missing at {path} without an error; there are {dict(response.codes)}")
