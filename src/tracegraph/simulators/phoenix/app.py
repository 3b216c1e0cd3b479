"""A simulated Phoenix: GraphQL at `/graphql`, and its web application at every other path."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from graphql import DocumentNode, ExecutionResult, GraphQLError, execute_sync, parse, validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.phoenix.connections import of_list
from tracegraph.simulators.phoenix.errors import Refused
from tracegraph.simulators.phoenix.experiments import Evaluations
from tracegraph.simulators.phoenix.schema import SCHEMA
from tracegraph.simulators.phoenix.telemetry import Telemetry
from tracegraph.simulators.phoenix.world import PhoenixWorld

_UNEXPECTED = "an unexpected error occurred"


def create_app(world: PhoenixWorld | None = None) -> Simulator:
    """Create a Phoenix that reads `world` anew for every request."""
    held = world or PhoenixWorld()
    one_at_a_time = asyncio.Lock()  # between two queries the event loop accepts connections

    async def graphql(request: Request) -> Response:
        if held.api_key is not None and request.headers.get("authorization") != f"Bearer {held.api_key}":
            headers = {"WWW-Authenticate": 'Bearer realm="Arize Phoenix"'}
            return PlainTextResponse("Invalid token", 401, headers=headers)
        headers = {"x-phoenix-server-version": held.version}
        try:
            body = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            return PlainTextResponse("No GraphQL query found in the request", 400, headers=headers)
        async with one_at_a_time:
            return Json(answer(held, body["query"], body.get("variables")), headers=headers)

    async def page(_: Request) -> Response:
        return HTMLResponse("<!DOCTYPE html><html><body>Phoenix</body></html>")

    routes = [Route("/graphql", graphql, methods=["POST"]), Route("/{path:path}", page)]
    return Simulator(Starlette(routes=routes), error_body)


def error_body(status: int) -> Row:
    """Return a body for an injected status; Phoenix's own is plain text."""
    return {"detail": f"status {status}"}


def answer(world: PhoenixWorld, query: str, variables: Mapping[str, Any] | None = None) -> Row:
    """Return the reply to a query. An error without a reason of its own has its message hidden."""
    document = _parsed_document(query)
    if isinstance(document, list):
        return _reply(ExecutionResult(None, document))
    return _reply(execute_sync(SCHEMA, document, _Root(world).values(), variable_values=dict(variables or {})))


@lru_cache(maxsize=256)
def _parsed_document(query: str) -> DocumentNode | list[GraphQLError]:
    """Return the document, or why it is none: tests send few documents many times."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return [error]
    return validate(SCHEMA, document) or document


def _reply(result: ExecutionResult) -> Row:
    reply: Row = {"data": result.data}
    if result.errors:
        reply["errors"] = [_shown(error) for error in result.errors]
    return reply


def _shown(error: GraphQLError) -> Row:
    hidden = error.original_error is not None and not isinstance(error.original_error, Refused)
    shown = dict(error.formatted)
    shown.pop("extensions", None)
    return shown | {"message": _UNEXPECTED} if hidden else shown


class _Root:
    """The fields of Query."""

    def __init__(self, world: PhoenixWorld) -> None:
        self._world = world
        self._telemetry = Telemetry(world)
        self._evaluations = Evaluations(world, self._telemetry)

    def values(self) -> Row:
        """Return the root value."""
        if self._world.fails:
            return {}
        return {
            "projects": lambda _info, **arguments: self._projects(**arguments),
            "datasets": lambda _info, **arguments: self._datasets(**arguments),
            "node": lambda _info, id: self._node(id),  # noqa: A006 - the schema's name
            "projectCount": len(self._world.projects),
            "datasetCount": len(self._world.datasets),
        }

    def _projects(
        self,
        *,
        first: int | None,
        after: str | None = None,
        sort: Row | None = None,
        filter: Row | None = None,  # noqa: A002 - the schema's name
    ) -> Row:
        rows = _narrowed(self._world.projects, sort, filter)
        return of_list(rows, first, after, self._telemetry.project)

    def _datasets(
        self,
        *,
        first: int | None,
        after: str | None = None,
        sort: Row | None = None,
        filter: Row | None = None,  # noqa: A002 - the schema's name
    ) -> Row:
        rows = _narrowed(self._world.datasets, sort, filter)
        return of_list(rows, first, after, self._evaluations.dataset)

    def _node(self, node_id: str) -> Row:
        type_name, number = _parsed(node_id)
        world, telemetry, evaluations = self._world, self._telemetry, self._evaluations
        match type_name:
            case "Project":
                found = [row for row in world.projects if row["id"] == node_id]
                return telemetry.project(found[0]) if found else telemetry.unknown_project(node_id)
            case "Experiment":
                found = [row for row in world.experiments if row["id"] == node_id]
                return evaluations.experiment(found[0]) if found else evaluations.unknown_experiment(node_id)
            case "ExperimentRun":
                runs = [(ref, row) for ref, rows in world.runs.items() for row in rows if row["id"] == node_id]
                return evaluations.run(*runs[0]) if runs else evaluations.unknown_run(node_id)
            case "Trace":
                return telemetry.trace_by_number(number) or {"__typename": "Trace", "id": node_id}
        raise Refused(f"Unknown node type: {type_name}")


def _parsed(node_id: str) -> tuple[str, int]:
    try:
        type_name, _, number = b64decode(node_id, validate=True).decode().partition(":")
        return type_name, int(number)
    except ValueError:
        raise Refused(f"Unknown node: {node_id}") from None


def _narrowed(rows: list[Row], sort: Row | None, condition: Row | None) -> list[Row]:
    """Return rows whose name holds the text, in any ASCII case, and in the order of a column."""
    text = ((condition or {}).get("value") or "").lower()
    held = [row for row in rows if text in row["name"].lower()]
    if sort is not None:
        held.sort(key=lambda row: str(row[sort["col"]]), reverse=sort["dir"] == "desc")
    return held
