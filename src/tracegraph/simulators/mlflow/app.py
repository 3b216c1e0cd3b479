"""The MLflow simulator: experiments, runs, traces and their statistics (docs/vendors/mlflow.md)."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import ApiError, Json, api_error_response
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.mlflow.errors import error_body, refusal
from tracegraph.simulators.mlflow.language import Language
from tracegraph.simulators.mlflow.metrics import data_points
from tracegraph.simulators.mlflow.searches import EXPERIMENTS, RUNS, traces_of
from tracegraph.simulators.mlflow.world import MlflowWorld

_NOT_FOUND = """<!doctype html>
<html lang=en>
<title>404 Not Found</title>
<h1>Not Found</h1>
<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and \
try again.</p>
"""
_HINT = "Hint: Value was of type 'int'. See the API docs for more information about request parameters."


def create_app(world: MlflowWorld) -> Simulator:
    """Create a tracking server that reads `world` anew for every request."""
    server = _Server(world)
    old, new = "/api/2.0/mlflow", "/api/3.0/mlflow"
    routes = [
        Route("/version", _version),
        Route(f"{old}/experiments/search", _checked(world, server.search_experiments), methods=["POST"]),
        Route(f"{old}/experiments/get", _checked(world, server.get_experiment)),
        Route(f"{old}/runs/search", _checked(world, server.search_runs), methods=["POST"]),
        Route(f"{old}/runs/get", _checked(world, server.get_run)),
        Route(f"{new}/traces/search", _checked(world, server.search_traces), methods=["POST"]),
        Route(f"{new}/traces/metrics", _checked(world, server.metrics), methods=["POST"]),
        Route(f"{new}/traces/batchGet", _checked(world, server.complete_traces)),
        Route(f"{new}/traces/get", _checked(world, server.complete_trace)),
        Route(f"{new}/traces/{{trace_id}}", _checked(world, server.trace)),
    ]
    handlers = {ApiError: api_error_response, HTTPException: _no_route}
    return Simulator(Starlette(routes=routes, exception_handlers=handlers), error_body)


async def _version(_: Request) -> Response:
    return PlainTextResponse("3.17.2")


async def _no_route(_: Request, error: Exception) -> Response:
    return HTMLResponse(_NOT_FOUND, error.status_code if isinstance(error, HTTPException) else 500)


def _checked(
    world: MlflowWorld, handler: Callable[[Request, Row], Row]
) -> Callable[[Request], Awaitable[Response]]:
    """Check the credential before the handler runs."""

    async def endpoint(request: Request) -> Response:
        if world.authorization not in {None, request.headers.get("authorization")}:
            text = "You are not authenticated. Please see the documentation of MLflow's authentication."
            return PlainTextResponse(text, 401, {"www-authenticate": 'Basic realm="mlflow"'})
        content = await request.body()
        try:
            body = json.loads(content) if content else {}
        except ValueError:
            raise refusal("Bad Request. The body is not JSON.") from None
        return Json(handler(request, body))

    return endpoint


class _Server:
    def __init__(self, world: MlflowWorld) -> None:
        self._world = world

    def search_experiments(self, _: Request, body: Row) -> Row:
        """List experiments that are not deleted. The page size is required."""
        rows = [row for row in self._world.experiments if row["lifecycle_stage"] == "active"]
        size = _size(body, 0, 50_000, ". It must be at most 50000")
        return _page("experiments", EXPERIMENTS, rows, body, size, tie=_experiment_id)

    def get_experiment(self, request: Request, _: Row) -> Row:
        """Return an experiment, deleted or not."""
        return {"experiment": self._experiment(request.query_params.get("experiment_id", ""))}

    def search_runs(self, _: Request, body: Row) -> Row:
        """List runs of the named experiments that are not deleted."""
        named = set(body.get("experiment_ids", []))
        rows = [
            row
            for row in self._world.runs
            if row["info"]["experiment_id"] in named and row["info"]["lifecycle_stage"] == "active"
        ]
        return _page("runs", RUNS, rows, body, _size(body, 1000, 50_000), tie=_run_id)

    def get_run(self, request: Request, _: Row) -> Row:
        """Return a run, deleted or not."""
        run_id = request.query_params.get("run_id", "")
        for row in self._world.runs:
            if row["info"]["run_id"] == run_id:
                return {"run": row}
        raise refusal(f"Run with id={run_id} not found", 404)

    def search_traces(self, _: Request, body: Row) -> Row:
        """List traces of the named experiments without their spans. A full page has a token, even the last one."""
        size = _size(body, 100, 500)
        rows = self._traces([one["mlflow_experiment"]["experiment_id"] for one in body["locations"]])
        orders = body.get("order_by") or ["timestamp_ms DESC"]
        found = _page(
            "traces", traces_of(self._world), rows, {**body, "order_by": orders}, size, tie=_trace_id, eager=True
        )
        if "traces" in found:
            found["traces"] = [trace["trace_info"] for trace in found["traces"]]
        return found

    def metrics(self, _: Request, body: Row) -> Row:
        """Return statistics."""
        points = data_points(self._traces(body["experiment_ids"]), body)
        return {"data_points": points} if points else {}

    def complete_traces(self, request: Request, _: Row) -> Row:
        """Return traces with their spans, without the unknown ones."""
        wanted = set(request.query_params.getlist("trace_ids"))
        found = [trace for trace in self._world.traces if _trace_id(trace) in wanted]
        return {"traces": found} if found else {}

    def complete_trace(self, request: Request, _: Row) -> Row:
        """Return one trace with its spans."""
        return {"trace": self._trace(request.query_params.get("trace_id", ""))}

    def trace(self, request: Request, _: Row) -> Row:
        """Return one trace without its spans."""
        return {"trace": {"trace_info": self._trace(request.path_params["trace_id"])["trace_info"]}}

    def _trace(self, trace_id: str) -> Row:
        for trace in self._world.traces:
            if _trace_id(trace) == trace_id:
                return trace
        raise refusal(f"Trace with ID '{trace_id}' not found.", 404)

    def _experiment(self, experiment_id: str) -> Row:
        if not experiment_id.isdigit():
            raise refusal(f"Invalid experiment ID '{experiment_id}'. Experiment ID must be a valid integer.")
        for row in self._world.experiments:
            if row["experiment_id"] == experiment_id:
                return row
        raise refusal(f"No Experiment with id={experiment_id} exists", 404)

    def _traces(self, experiment_ids: Sequence[str]) -> list[Row]:
        for experiment_id in experiment_ids:
            if not experiment_id.isdigit():
                raise refusal(f"invalid literal for int() with base 10: '{experiment_id}'", 500)
        return [
            trace
            for trace in self._world.traces
            if trace["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] in experiment_ids
        ]


def _experiment_id(row: Row) -> str:
    return str(row["experiment_id"])


def _run_id(row: Row) -> str:
    return str(row["info"]["run_id"])


def _trace_id(trace: Row) -> str:
    return str(trace["trace_info"]["trace_id"])


def _size(body: Row, default: int, maximum: int, reason: str = "") -> int:
    size = body.get("max_results", default)
    if not isinstance(size, int) or size <= 0:
        raise refusal(f"Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer")
    if size > maximum:
        reason = reason or f":  {_HINT}"
        raise refusal(f"Invalid value {size} for parameter 'max_results' supplied{reason}")
    return size


def _page(
    name: str,
    language: Language,
    rows: Sequence[Row],
    body: Row,
    size: int,
    *,
    tie: Callable[[Row], str],
    eager: bool = False,
) -> Row:
    """Return a page without the members that are empty.

    Args:
        name: The name of the list.
        language: The language of its filters and orders.
        rows: All rows.
        body: The request.
        size: The rows of a page.
        tie: Orders equal rows.
        eager: Whether a full page has a token, although it may be the last one.
    """
    offset = _offset(body.get("page_token"))
    found = language.ordered(language.matching(rows, body.get("filter", "")), body.get("order_by", []), tie)
    page: Row = {name: found[offset : offset + size]}
    end = offset + len(page[name])
    if len(page[name]) == size and (eager or end < len(found)):
        page["next_page_token"] = base64.b64encode(json.dumps({"offset": end}).encode()).decode()
    return {key: value for key, value in page.items() if value}


def _offset(token: Any) -> int:
    if not token:
        return 0
    try:
        decoded = base64.b64decode(token)
    except (binascii.Error, TypeError):
        raise refusal("Invalid page token, could not base64-decode") from None
    try:
        offset = json.loads(decoded).get("offset")
    except (ValueError, AttributeError):
        raise refusal(f"Invalid page token, decoded value={decoded!r}") from None
    if not isinstance(offset, int) or not offset:
        raise refusal("Invalid page token, parsed value={}")
    return offset
