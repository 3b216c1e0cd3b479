"""The heavy query's answer from memory by strawberry as it comes, to compare the gateway's own execution with.

    python -m tools.bench.stock ANSWER.json PORT

It holds the objects of one answer of the gateway and gives the same answer to the same query.
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
    kept_sessions: strawberry.Private[SessionConnection]

    @strawberry.field
    async def sessions(self, first: int, order_by: Order) -> SessionConnection:
        """The same for any arguments."""
        return self.kept_sessions


@strawberry.type
class ExperimentEdge:
    cursor: str
    node: Experiment


@strawberry.type
class ExperimentConnection:
    edges: list[ExperimentEdge]
    page_info: PageInfo


def _page_info(given: Any) -> PageInfo:
    return PageInfo(has_next_page=given["hasNextPage"], end_cursor=given["endCursor"])


def _session(given: Any) -> Session:
    return Session(
        id=given["id"],
        vendor_id=given["vendorId"],
        trace_id=given["traceId"],
        status=SessionStatus[given["status"]],
        started_at=datetime.fromisoformat(given["startedAt"]),
        ended_at=given["endedAt"] and datetime.fromisoformat(given["endedAt"]),
        latency_ms=given["latencyMs"],
        cost_usd=given["costUsd"],
        message_count=given["messageCount"],
        agent_name=given["agentName"],
        tokens=given["tokens"] and Tokens(**given["tokens"]),
    )


def _experiment(given: Any) -> Experiment:
    sessions = given["sessions"]
    return Experiment(
        id=given["id"],
        name=given["name"],
        created_at=given["createdAt"] and datetime.fromisoformat(given["createdAt"]),
        aggregates=[
            Aggregate(**one | {"metric": Metric(kind=MetricKind[one["metric"]["kind"]])})
            for one in given["aggregates"]
        ],
        kept_sessions=SessionConnection(
            edges=[SessionEdge(cursor=edge["cursor"], node=_session(edge["node"])) for edge in sessions["edges"]],
            page_info=_page_info(sessions["pageInfo"]),
        ),
    )


def stock_schema(answer: Any) -> strawberry.Schema:
    """Answers the heavy query with what this answer to it holds."""
    given = answer["data"]["experiments"]
    kept = ExperimentConnection(
        edges=[ExperimentEdge(cursor=edge["cursor"], node=_experiment(edge["node"])) for edge in given["edges"]],
        page_info=_page_info(given["pageInfo"]),
    )

    @strawberry.type
    class Query:
        @strawberry.field
        async def experiments(self, first: int, filter: Filter) -> ExperimentConnection:  # noqa: A002
            """The same for any arguments."""
            return kept

    return strawberry.Schema(Query)


def main() -> None:
    """Serve until ended."""
    schema = stock_schema(orjson.loads(Path(sys.argv[1]).read_bytes()))
    uvicorn.run(GraphQL(schema), port=int(sys.argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
