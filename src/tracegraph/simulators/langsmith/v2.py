"""The paths of LangSmith's v2 API: authorization, parameters, and the readers that answer."""

import itertools
from collections.abc import Awaitable, Callable, Iterator

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import ApiError, Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.langsmith.cursors import Cursors
from tracegraph.simulators.langsmith.datasets import DATASET_LIST, EXPERIMENT_RUNS, ExperimentRuns, list_v2
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.problems import (
    Kind,
    from_body,
    from_query,
    moment,
    path_uuid,
    problem,
    text,
    uuid_text,
)
from tracegraph.simulators.langsmith.runs_v2 import RUN_QUERY, SELECT_LIST, TRACE_QUERY, RunReader
from tracegraph.simulators.langsmith.sessions_v2 import ONE_SESSION, SESSION_LIST, SessionReader
from tracegraph.simulators.langsmith.world import LangSmithWorld

_PREFIX = "/api/v2"


_RUN: dict[str, Kind] = {"project_id": uuid_text, "selects": SELECT_LIST, "start_time": moment}


_RUN_URL: dict[str, Kind] = {"project_id": uuid_text, "trace_id": uuid_text, "start_time": moment}


_TRACE_RUNS: dict[str, Kind] = {
    "project_id": uuid_text,
    "filter": text,
    "selects": SELECT_LIST,
    "min_start_time": moment,
    "max_start_time": moment,
}


class ServiceV2:
    """The handlers of the v2 paths."""

    def __init__(self, world: LangSmithWorld, deployment: Deployment) -> None:
        self._world = world
        self._deployment = deployment
        self._seeds: Iterator[int] = itertools.count()

    def routes(self) -> list[Route]:
        """Return the v2 paths. They are there in every deployment: one without v2 refuses them."""
        return [
            self._route("/runs/query", self._query_runs, "POST"),
            self._route("/runs/{id}", self._get_run),
            self._route("/runs/{id}/url", self._run_url),
            self._route("/traces/query", self._query_traces, "POST"),
            self._route("/traces/{id}/runs", self._trace_runs),
            self._route("/sessions", self._list_sessions, is_list=True),
            self._route("/sessions/{id}", self._get_session, is_list=True),
            self._route("/datasets", self._list_datasets, is_list=True),
            self._route("/datasets/{id}/experiment-runs", self._experiment_runs, "POST"),
        ]

    def _route(
        self,
        path: str,
        handle: Callable[[Request], Awaitable[Row]],
        method: str = "GET",
        *,
        is_list: bool = False,
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            if not self._deployment.v2:
                self._refuse()
            if is_list and not self._deployment.v2_lists:
                problem(404, "not found")
            self._authorize(request)
            return Json(await handle(request))

        return Route(f"{_PREFIX}{path}", endpoint, methods=[method])

    def _refuse(self) -> None:
        if self._deployment.without_v2 == 404:
            raise ApiError(404, {"detail": "Not Found"})
        problem(501, "no V2 backend is configured")

    def _authorize(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self._world.api_key:
            problem(401, "invalid API key")
        if self._world.org_scoped_key and request.headers.get("x-tenant-id") != self._world.tenant_id:
            problem(403, "an organization's key requires a workspace")

    def _seed(self) -> int | None:
        return next(self._seeds) if self._world.shuffle_ties else None

    async def _query_runs(self, request: Request) -> Row:
        fields = from_body(await request.body(), RUN_QUERY)
        return RunReader(self._world).query(fields, await self._cursors(request), self._seed())

    async def _get_run(self, request: Request) -> Row:
        run_id = path_uuid(request, "id")
        fields = from_query(request.query_params, _RUN, required=["project_id"])
        reader, project = RunReader(self._world), fields["project_id"]
        return reader.served(reader.one(run_id, project), project, fields.get("selects"), subtree_usage=False)

    async def _run_url(self, request: Request) -> Row:
        run_id = path_uuid(request, "id")
        fields = from_query(request.query_params, _RUN_URL, required=["project_id", "trace_id"])
        RunReader(self._world).one(run_id, fields["project_id"])
        project = f"https://smith.langchain.com/o/{self._world.tenant_id}/projects/p/{fields['project_id']}"
        return {"url": f"{project}/r/{run_id}"}

    async def _query_traces(self, request: Request) -> Row:
        fields = from_body(await request.body(), TRACE_QUERY)
        return RunReader(self._world).traces(fields, await self._cursors(request), self._seed())

    async def _trace_runs(self, request: Request) -> Row:
        trace_id = path_uuid(request, "id")
        fields = from_query(request.query_params, _TRACE_RUNS, required=["project_id"])
        return RunReader(self._world).of_trace(trace_id, fields)

    async def _list_sessions(self, request: Request) -> Row:
        fields = from_query(request.query_params, SESSION_LIST)
        return SessionReader(self._world, fields).page(await self._cursors(request), self._seed())

    async def _get_session(self, request: Request) -> Row:
        session_id = path_uuid(request, "id")
        return SessionReader(self._world, from_query(request.query_params, ONE_SESSION)).one(session_id)

    async def _list_datasets(self, request: Request) -> Row:
        fields = from_query(request.query_params, DATASET_LIST)
        return list_v2(self._world, fields, await self._cursors(request))

    async def _experiment_runs(self, request: Request) -> Row:
        dataset_id = path_uuid(request, "id")
        fields = from_body(await request.body(), EXPERIMENT_RUNS)
        return ExperimentRuns(self._world, dataset_id, fields).page(await self._cursors(request))

    async def _cursors(self, request: Request) -> Cursors:
        """Return the cursors of a request, whose parameters were checked before."""
        query = request.query_params
        parameters = {name: query.getlist(name) for name in query}
        if request.method == "POST":
            parameters = orjson.loads(await request.body())
        return Cursors(self._world.cursor_generation, request.url.path, parameters)
