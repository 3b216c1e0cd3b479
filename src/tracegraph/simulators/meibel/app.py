"""Meibel, simulated: agents, their sessions, messages and confidence scores under /v2."""

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

from tracegraph.simulators.core.responses import Json, Refused, boolean, integer, invalid, refusal
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
    """Make a Meibel that answers from `world`, read anew for every request."""
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
    handlers = {Refused: refusal, HTTPException: _no_route}
    return Simulator(Starlette(routes=routes, exception_handlers=handlers), error_body)


def error_body(status: int) -> Row:
    """Word an error as Meibel does; a 429 has no code (docs/vendors/meibel.md#errors)."""
    phrase = HTTPStatus(status).phrase
    return {"message": phrase} if status == 429 else {"code": phrase.lower().replace(" ", "_"), "message": phrase}


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Json(error_body(status), status)


def _checked(world: MeibelWorld, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Ask for the API key before answering."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("meibel-api-key") != world.api_key:
            raise Refused(401, {"code": "unauthorized", "message": "Invalid or missing API key"})
        return Json(answer(request))

    return endpoint


def _missing(what: str) -> Refused:
    return Refused(404, {"code": "not_found", "message": f"{what} not found"})


class _Service:
    def __init__(self, world: MeibelWorld) -> None:
        self._world = world
        self._seeds: Iterator[int] = itertools.count()

    def list_agents(self, request: Request) -> Row:
        """List agents in summary, newest first unless asked otherwise (docs/vendors/meibel.md#agents)."""
        query = request.query_params
        page = _Page(self._world, query)
        rows = self._world.agents
        if boolean(query, "published_only"):
            rows = [row for row in rows if row["type"] == "published"]
        sort = _sort(query, _AGENT_SORTS)
        rows = self._ordered(rows, lambda row: _value(row, sort), "id", query)
        return page.of([self._summary(row) for row in rows]) | page.told()

    def get_agent(self, request: Request) -> Row:
        """Give an agent in detail."""
        return self._agent(request.path_params["agent_id"])

    def list_sessions(self, request: Request) -> Row:
        """List an agent's sessions, newest first unless asked otherwise; an unknown status is not heeded."""
        agent = self._agent(request.path_params["agent_id"])
        query = request.query_params
        page = _Page(self._world, query)
        rows = [self._session(row, agent) for row in self._world.sessions.get(agent["id"], [])]
        status = query.get("status")
        if status in _STATUSES:
            rows = [row for row in rows if row["status"] == status]
        sort = _sort(query, _SESSION_SORTS)
        rows = self._ordered(rows, lambda row: _value(row, sort), "session_id", query)
        return page.of(rows) | (page.told() if self._world.echo_paging else {})

    def get_session(self, request: Request) -> Row:
        """Give a session's course; its times are in the list only (docs/vendors/meibel.md#sessions)."""
        agent, row = self._found(request)
        usage = row.get("token_usage")
        return {
            "agent_id": agent["id"],
            "agent_name": agent["name"],
            "version": agent["version"],
            "status": row["status"],
            "messages": self._world.messages.get(row["session_id"], []),
            "tool_activity": [],
            # One entry a turn, null for a turn that was not metered.
            "token_usage": [None] if usage is None else [usage],
            "file_parsing": [],
            "result": row.get("result", []),
        }

    def list_messages(self, request: Request) -> Row:
        """Give a session's messages, as the chat shows them."""
        agent, row = self._found(request)
        items = [
            {"type": f"{message['role']}_message", **{key: message[key] for key in _MESSAGE_KEYS}}
            for message in self._world.messages.get(row["session_id"], [])
        ]
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
        raise _missing("Agent")

    def _found(self, request: Request) -> tuple[Row, Row]:
        wanted = request.path_params["session_id"]
        for agent in self._world.agents:
            for row in self._world.sessions.get(agent["id"], []):
                if row["session_id"] == wanted:
                    return agent, row
        raise _missing("Session")

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
        """List scoring jobs as a bare array, every filter of the identity context combined with AND."""
        wanted = {name: value for name, value in request.query_params.items() if name in _CONTEXT}
        return [job for job in self._world.jobs if wanted.items() <= job["agent_identity_context"].items()]

    def summary(self, request: Request) -> Row:
        """Average an agent's, or one of its sessions', completed jobs, whatever their scales.

        See docs/vendors/meibel.md#scores.
        """
        wanted = {"agent_name": request.path_params["agent_name"]}
        if "session_id" in request.path_params:
            wanted["agent_session_id"] = request.path_params["session_id"]
        jobs = [job for job in self._world.jobs if wanted.items() <= job["agent_identity_context"].items()]
        if not jobs:
            return dict.fromkeys(_SUMMARY_FIELDS)
        scores: dict[str, list[float]] = {}
        for job in jobs:
            if job["status"] == "completed" and job["score"] is not None:
                scores.setdefault(job["module"], []).append(job["score"])
        every = [score for given in scores.values() for score in given]
        return {
            "status": "completed" if all(job["status"] == "completed" for job in jobs) else "in_progress",
            "aggregate_score": statistics.fmean(every) if every else None,
            "module_scores": {module: statistics.fmean(given) for module, given in scores.items()},
            "n_jobs_per_module": {module: len(given) for module, given in scores.items()},
            "job_ids": [job["job_id"] for job in jobs],
            "turns": None,
        }


_CONTEXT = frozenset({"agent_name", "agent_version", "agent_session_id"})


_SUMMARY_FIELDS = ("status", "aggregate_score", "module_scores", "n_jobs_per_module", "job_ids", "turns")


class _Page:
    """The rows that a query asks for; `limit` has no documented maximum (docs/vendors/meibel.md#paging)."""

    def __init__(self, world: MeibelWorld, query: QueryParams) -> None:
        self._offset = integer(query, "offset", 0, 0)
        self._limit = integer(query, "limit", world.default_limit, 1)
        self._most = self._limit if world.max_rows is None else min(self._limit, world.max_rows)

    def of(self, rows: Sequence[Row]) -> Row:
        """Cut the page out of all rows."""
        return {"data": rows[self._offset : self._offset + self._most], "total": len(rows)}

    def told(self) -> Row:
        """Say what was asked for."""
        return {"offset": self._offset, "limit": self._limit}


def _sort(query: QueryParams, known: Sequence[str]) -> str:
    """Read the column; an unknown one is not heeded, since the schema has a plain string."""
    wanted = query.get("sort_by", known[0])
    return wanted if wanted in known else known[0]


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
