"""The Meibel simulator: agents, their sessions, messages and confidence scores under /v2."""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import ApiError, Json, api_error_response, boolean, integer, invalid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.sorting import ordered, tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.meibel.world import MeibelWorld

_STATUSES = frozenset({"RUNNING", "COMPLETED", "FAILED", "CANCELED", "TERMINATED"})


_AGENT_SORTS = ("created_at", "name", "display_name")


_SESSION_SORTS = ("start_time", "status")


_SUMMARY_KEYS = (
    "id",
    "name",
    "display_name",
    "description",
    "version",
    "type",
    "llm_model",
    "last_execution_status",
    "last_execution_time",
)


def create_app(world: MeibelWorld) -> Simulator:
    """Create a Meibel that reads `world` anew for every request."""
    service = _Service(world)
    scoring = _Scoring(world)
    summary = "/v2/confidence-scoring/summary/agent/{agent_name}"
    routes = [
        Route("/v2/agents", _checked(world, service.list_agents)),
        Route("/v2/agents/{agent_id}", _checked(world, service.get_agent)),
        Route("/v2/agents/{agent_id}/sessions", _checked(world, service.list_sessions)),
        Route("/v2/sessions/{session_id}", _checked(world, service.get_session)),
        Route("/v2/sessions/{session_id}/messages", _checked(world, service.list_messages)),
        Route("/v2/confidence-scoring/jobs", _checked(world, scoring.list_jobs)),
        Route(summary, _checked(world, scoring.summary)),
        Route(summary + "/session/{session_id}", _checked(world, scoring.summary)),
    ]
    handlers = {ApiError: api_error_response, HTTPException: _no_route}
    return Simulator(Starlette(routes=routes, exception_handlers=handlers), error_body)


def error_body(status: int) -> Row:
    """Return an error in Meibel's format; a 429 has no code (docs/vendors/meibel.md#errors)."""
    phrase = HTTPStatus(status).phrase
    return {"message": phrase} if status == 429 else {"code": phrase.lower().replace(" ", "_"), "message": phrase}


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Json(error_body(status), status)


def _checked(world: MeibelWorld, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Check the API key before the handler runs."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("meibel-api-key") != world.api_key:
            raise ApiError(401, {"code": "unauthorized", "message": "Invalid or missing API key"})
        return Json(handler(request))

    return endpoint


def _not_found(subject: str) -> ApiError:
    return ApiError(404, {"code": "not_found", "message": f"{subject} not found"})


class _Service:
    def __init__(self, world: MeibelWorld) -> None:
        self._world = world
        self._seeds: Iterator[int] = itertools.count()

    def list_agents(self, request: Request) -> Row:
        """List agents in summary, newest first by default (docs/vendors/meibel.md#agents)."""
        query = request.query_params
        page = _Page(self._world, query)
        rows = self._world.agents
        if boolean(query, "published_only"):
            rows = [row for row in rows if row["type"] == "published"]
        sort = _sort(query, _AGENT_SORTS)
        rows = self._ordered(rows, lambda row: _value(row, sort), "id", query)
        return page.cut([self._summary(row) for row in rows]) | page.metadata()

    def get_agent(self, request: Request) -> Row:
        """Return an agent in detail."""
        return self._agent(request.path_params["agent_id"])

    def list_sessions(self, request: Request) -> Row:
        """List an agent's sessions, newest first by default. An unknown status is ignored."""
        agent = self._agent(request.path_params["agent_id"])
        query = request.query_params
        page = _Page(self._world, query)
        rows = [self._session(row, agent) for row in self._world.sessions.get(agent["id"], [])]
        status = query.get("status")
        if status in _STATUSES:
            rows = [row for row in rows if row["status"] == status]
        sort = _sort(query, _SESSION_SORTS)
        rows = self._ordered(rows, lambda row: _value(row, sort), "session_id", query)
        return page.cut(rows) | (page.metadata() if self._world.echo_paging else {})

    def get_session(self, request: Request) -> Row:
        """Return a session's content; its times are in the list only (docs/vendors/meibel.md#sessions)."""
        agent, row = self._find_session(request)
        usage = row.get("token_usage")
        return {
            "agent_id": agent["id"],
            "agent_name": agent["name"],
            "version": agent["version"],
            "status": row["status"],
            "messages": self._world.messages.get(row["session_id"], []),
            "tool_activity": [],
            # One entry for each turn, null for a turn without metering.
            "token_usage": [None] if usage is None else [usage],
            "file_parsing": [],
            "result": row.get("result", []),
        }

    def list_messages(self, request: Request) -> Row:
        """Return a session's messages and tool calls, as the chat displays them."""
        agent, row = self._find_session(request)
        messages = [
            {"type": f"{message['role']}_message", **{key: message[key] for key in _MESSAGE_KEYS}}
            for message in self._world.messages.get(row["session_id"], [])
        ]
        items = self._world.logs.get(row["session_id"], messages)
        return {
            "agent_id": agent["id"],
            "agent_name": agent["name"],
            "version": agent["version"],
            "messages": items,
        }

    def _agent(self, agent_id: str) -> Row:
        for row in self._world.agents:
            if row["id"] == agent_id:
                return row
        raise _not_found("Agent")

    def _find_session(self, request: Request) -> tuple[Row, Row]:
        session_id = request.path_params["session_id"]
        for agent in self._world.agents:
            for row in self._world.sessions.get(agent["id"], []):
                if row["session_id"] == session_id:
                    return agent, row
        raise _not_found("Session")

    def _summary(self, row: Row) -> Row:
        keys = (*_SUMMARY_KEYS, "created_at") if self._world.created_at_in_summary else _SUMMARY_KEYS
        counts = {"tool_count": len(row["tools"]), "datasource_count": len(row["datasources"])}
        return {**{key: row.get(key) for key in keys}, **counts}

    def _session(self, row: Row, agent: Row) -> Row:
        return {"agent_name": agent["name"], "agent_version": agent["version"], **row}

    def _ordered(
        self, rows: Sequence[Row], value: Callable[[Row], Any], key: str, query: QueryParams
    ) -> list[Row]:
        tie = tie_key(next(self._seeds) if self._world.shuffle_ties else None)
        return ordered(
            rows,
            value,
            lambda row: tie(row[key]),
            descending=_order(query) == "desc",
            nulls_first=self._world.nulls_first,
        )


_MESSAGE_KEYS = ("message", "signal_id", "timestamp")


class _Scoring:
    def __init__(self, world: MeibelWorld) -> None:
        self._world = world

    def list_jobs(self, request: Request) -> list[Row]:
        """List scoring jobs as a bare array; all filters of the identity context must match."""
        conditions = {name: value for name, value in request.query_params.items() if name in _CONTEXT}
        return [job for job in self._world.jobs if conditions.items() <= job["agent_identity_context"].items()]

    def summary(self, request: Request) -> Row:
        """Average the completed jobs of an agent or of one of its sessions, regardless of their scales.

        See docs/vendors/meibel.md#scores.
        """
        conditions = {"agent_name": request.path_params["agent_name"]}
        if "session_id" in request.path_params:
            conditions["agent_session_id"] = request.path_params["session_id"]
        jobs = [job for job in self._world.jobs if conditions.items() <= job["agent_identity_context"].items()]
        if not jobs:
            return dict.fromkeys(_SUMMARY_FIELDS)
        scores: dict[str, list[float]] = {}
        for job in jobs:
            if job["status"] == "completed" and job["score"] is not None:
                scores.setdefault(job["module"], []).append(job["score"])
        all_scores = [score for module_scores in scores.values() for score in module_scores]
        return {
            "status": "completed" if all(job["status"] == "completed" for job in jobs) else "in_progress",
            "aggregate_score": statistics.fmean(all_scores) if all_scores else None,
            "module_scores": {module: statistics.fmean(module_scores) for module, module_scores in scores.items()},
            "n_jobs_per_module": {module: len(module_scores) for module, module_scores in scores.items()},
            "job_ids": [job["job_id"] for job in jobs],
            "turns": None,
        }


_CONTEXT = frozenset({"agent_name", "agent_version", "agent_session_id"})


_SUMMARY_FIELDS = ("status", "aggregate_score", "module_scores", "n_jobs_per_module", "job_ids", "turns")


class _Page:
    """The page of a query; `limit` has no documented maximum (docs/vendors/meibel.md#paging)."""

    def __init__(self, world: MeibelWorld, query: QueryParams) -> None:
        self._offset = integer(query, "offset", 0, 0)
        self._limit = integer(query, "limit", world.default_limit, 1)
        self._max_rows = self._limit if world.max_rows is None else min(self._limit, world.max_rows)

    def cut(self, rows: Sequence[Row]) -> Row:
        """Return the page of all rows."""
        return {"data": rows[self._offset : self._offset + self._max_rows], "total": len(rows)}

    def metadata(self) -> Row:
        """Return the query's paging parameters."""
        return {"offset": self._offset, "limit": self._limit}


def _sort(query: QueryParams, allowed: Sequence[str]) -> str:
    """Return the sort column. An unknown one is ignored, because the schema has a plain string."""
    column = query.get("sort_by", allowed[0])
    return column if column in allowed else allowed[0]


def _order(query: QueryParams) -> str:
    order = query.get("sort_order", "desc")
    if order not in {"asc", "desc"}:
        message = "String should match pattern '^(asc|desc)$'"
        context = {"pattern": "^(asc|desc)$"}
        invalid(["query", "sort_order"], "string_pattern_mismatch", message, order, context)
    return order


def _value(row: Row, column: str) -> Any:
    stated = row.get(column)
    return parse(stated) if column in {"created_at", "start_time"} and stated is not None else stated
