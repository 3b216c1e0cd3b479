"""The mix of queries, each checked against the vendors' data: lists, pages, nested lists, nodes, figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tools.soak.client import Answer, Client
from tools.soak.expected import EXPERIMENT_FIELDS, SESSION_FIELDS, Expected, Item, alike, figures
from tools.soak.listing import Traversal, Wrong

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


class Questions:
    """One client's questions, at random."""

    def __init__(self, client: Client, expected: Expected) -> None:
        self._client = client
        self._random = client.random
        self._expected = expected
        self._by_id = {item.id: item for item in expected.experiments}

    async def ask_one(self) -> None:
        """Ask whichever comes, a traversal as a whole. Raises Wrong, TimeoutError."""
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
        """Of one experiment of each source: so the rows of a source that failed are the next ones of one list."""
        chosen = [
            self._random.choice([item for item in self._expected.experiments if item.source == source])
            for source in ("nemo", "langsmith", "meibel")
        ]
        items = [one for item in chosen for one in self._expected.sessions[item.id]]
        await self._traverse("sessions", _SESSIONS, items, ids=[item.id for item in chosen])

    async def _traverse(self, field: str, query: str, items: Sequence[Item], **variables: Any) -> None:
        """Up to six pages, going on behind the last edge or any other."""
        direction = self._random.choice(["ASC", "DESC"])
        traversal = Traversal(items, lambda item: item.place(direction))
        after, first = None, self._random.choice([3, 7, 20])
        for _ in range(6):
            answer = await self._client.ask(
                field, query, first=first, after=after, direction=direction, **variables
            )
            if answer.data is None:
                _explained(answer, ())
                return
            connection = answer.data[field]
            edges = connection["edges"]
            upto = len(edges) if self._random.random() < 0.7 else self._random.randint(1, max(1, len(edges)))
            self._client.tally.rows += traversal.take(connection, first, upto)
            after = edges[upto - 1]["cursor"] if 0 < upto < len(edges) else connection["pageInfo"]["endCursor"]
            if traversal.ended or after is None:
                return

    async def _nested(self) -> None:
        first, inner = self._random.choice([2, 5, 10]), self._random.choice([1, 5, 12])
        answer = await self._client.ask("nested lists", _NESTED, first=first, inner=inner)
        if answer.data is None:
            _explained(answer, ())
            return
        found = answer.data["experiments"]
        self._client.tally.rows += Traversal(self._expected.experiments, lambda item: item.place("DESC")).take(
            found, first
        )
        for index, node in enumerate(found["nodes"]):
            sessions = node["sessions"]
            if sessions["sources"][0]["status"] == "FAILED":
                _explained(answer, ("experiments", "nodes", index, "sessions"))
            items = self._expected.sessions[node["id"]]
            if sessions["totalCount"] not in (None, len(items)):
                raise Wrong(f"totalCount is {sessions['totalCount']} of {len(items)} sessions")
            traversal = Traversal(items, lambda item: item.place("DESC"))
            self._client.tally.rows += traversal.take(sessions, inner)

    async def _nodes(self) -> None:
        chosen: list[Item] = []
        for experiment in self._random.sample(list(self._expected.experiments), 4):
            sessions = self._expected.sessions[experiment.id]
            chosen += [experiment, *self._random.sample(list(sessions), min(2, len(sessions)))]
        answer = await self._client.ask("nodes", _NODES, ids=[item.id for item in chosen])
        if answer.data is None:
            _explained(answer, ())
            return
        for index, (node, item) in enumerate(zip(answer.data["nodes"], chosen, strict=True)):
            if node is None:
                _explained(answer, ("nodes", index))
                continue
            if not alike(node, item.node):
                raise Wrong(f"node {index} is {node} and must be {item.node}")
            self._client.tally.rows += 1

    async def _aggregate(self) -> None:
        item = self._random.choice(list(self._expected.experiments))
        answer = await self._client.ask("figures", _AGGREGATE, id=item.id)
        experiment = None if answer.data is None else answer.data["experiment"]
        if experiment is None:
            _explained(answer, () if answer.data is None else ("experiment",))
        elif experiment["aggregate"] is None:
            _explained(answer, ("experiment", "aggregate"))
        else:
            self._check_figures(item, experiment["aggregate"])

    async def _comparison(self) -> None:
        chosen = self._random.sample(list(self._expected.experiments), 3)
        answer = await self._client.ask("comparison", _COMPARISON, ids=[item.id for item in chosen])
        if answer.data is None:
            _explained(answer, ())
            return
        failed = {
            report["source"]["name"]
            for report in answer.data["comparison"]["sources"]
            if report["status"] == "FAILED"
        }
        for entry in answer.data["comparison"]["metrics"][0]["entries"]:
            item = self._by_id[entry["experiment"]["id"]]
            if entry["aggregate"] is not None:
                self._check_figures(item, entry["aggregate"])
            elif item.source not in failed and self._expected.latencies(item.id):
                raise Wrong(f"the comparison has no figures of {item.node['name']}, and its source did not fail")

    def _check_figures(self, item: Item, aggregate: dict[str, Any]) -> None:
        found = dict(aggregate)
        if not found.pop("complete"):
            raise Wrong(f"the figures of {item.node['name']} are not complete")
        wanted = figures(self._expected.latencies(item.id))
        if not alike(found, wanted):
            raise Wrong(f"the figures of {item.node['name']} are {found} and must be {wanted}")
        self._client.tally.rows += 1


def _explained(answer: Answer, path: tuple[str | int, ...]) -> None:
    """See that an error stands at the place where something is missing. Raises Wrong."""
    if not any(place[: len(path)] == path for place in answer.codes):
        raise Wrong(f"something is missing at {path} without an error; there are {dict(answer.codes)}")
