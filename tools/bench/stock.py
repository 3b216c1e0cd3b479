"""Serves the heavy query from memory with stock strawberry, as a baseline for the gateway's execution.

    python -m tools.bench.stock RESPONSE.json PORT

The server holds the objects of one gateway response and returns the same response to the same query.
"""

from __future__ import annotations

import sys
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.scalars import JSON


@strawberry.enum
class SessionStatus(Enum):
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum
class MetricKind(Enum):
    LATENCY = "LATENCY"
    FIRST_TOKEN_LATENCY = "FIRST_TOKEN_LATENCY"  # noqa: S105 - a metric
    COST = "COST"
    INPUT_TOKENS = "INPUT_TOKENS"
    OUTPUT_TOKENS = "OUTPUT_TOKENS"
    CACHED_TOKENS = "CACHED_TOKENS"
    TOTAL_TOKENS = "TOTAL_TOKENS"
    ERROR_RATE = "ERROR_RATE"
    SCORE = "SCORE"


@strawberry.input
class Filter:
    sources: list[str]


@strawberry.input
class Order:
    field: JSON
    direction: JSON


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Tokens:
    input: int | None
    output: int | None


@strawberry.type
class Session:
    id: strawberry.ID
    vendor_id: str
    trace_id: str | None
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None
    latency_ms: float | None
    cost_usd: float | None
    message_count: int | None
    agent_name: str | None
    tokens: Tokens | None


@strawberry.type
class SessionEdge:
    cursor: str
    node: Session


@strawberry.type
class SessionConnection:
    edges: list[SessionEdge]
    page_info: PageInfo


@strawberry.type
class Metric:
    kind: MetricKind


@strawberry.type
class Aggregate:
    metric: Metric
    mean: float | None
    p90: float | None
    count: int | None


@strawberry.type
class Experiment:
    id: strawberry.ID
    name: str
    created_at: datetime | None
    aggregates: list[Aggregate]
    all_sessions: strawberry.Private[SessionConnection]

    @strawberry.field
    async def sessions(self, first: int, order_by: Order) -> SessionConnection:
        """Return the same connection for any arguments."""
        return self.all_sessions


@strawberry.type
class ExperimentEdge:
    cursor: str
    node: Experiment


@strawberry.type
class ExperimentConnection:
    edges: list[ExperimentEdge]
    page_info: PageInfo


def _page_info(info: Any) -> PageInfo:
    return PageInfo(has_next_page=info["hasNextPage"], end_cursor=info["endCursor"])


def _session(node: Any) -> Session:
    return Session(
        id=node["id"],
        vendor_id=node["vendorId"],
        trace_id=node["traceId"],
        status=SessionStatus[node["status"]],
        started_at=datetime.fromisoformat(node["startedAt"]),
        ended_at=node["endedAt"] and datetime.fromisoformat(node["endedAt"]),
        latency_ms=node["latencyMs"],
        cost_usd=node["costUsd"],
        message_count=node["messageCount"],
        agent_name=node["agentName"],
        tokens=node["tokens"] and Tokens(**node["tokens"]),
    )


def _experiment(node: Any) -> Experiment:
    sessions = node["sessions"]
    return Experiment(
        id=node["id"],
        name=node["name"],
        created_at=node["createdAt"] and datetime.fromisoformat(node["createdAt"]),
        aggregates=[
            Aggregate(**aggregate | {"metric": Metric(kind=MetricKind[aggregate["metric"]["kind"]])})
            for aggregate in node["aggregates"]
        ],
        all_sessions=SessionConnection(
            edges=[SessionEdge(cursor=edge["cursor"], node=_session(edge["node"])) for edge in sessions["edges"]],
            page_info=_page_info(sessions["pageInfo"]),
        ),
    )


def stock_schema(answer: Any) -> strawberry.Schema:
    """Return a schema that serves the heavy query from a response of the gateway."""
    connection_data = answer["data"]["experiments"]
    connection = ExperimentConnection(
        edges=[
            ExperimentEdge(cursor=edge["cursor"], node=_experiment(edge["node"]))
            for edge in connection_data["edges"]
        ],
        page_info=_page_info(connection_data["pageInfo"]),
    )

    @strawberry.type
    class Query:
        @strawberry.field
        async def experiments(self, first: int, filter: Filter) -> ExperimentConnection:  # noqa: A002
            """The same for any arguments."""
            return connection

    return strawberry.Schema(Query)


def main() -> None:
    """Serve until terminated."""
    schema = stock_schema(orjson.loads(Path(sys.argv[1]).read_bytes()))
    uvicorn.run(GraphQL(schema), port=int(sys.argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
