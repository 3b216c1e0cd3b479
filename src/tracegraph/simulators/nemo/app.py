"""The NVIDIA NeMo Intake simulator: one workspace, served as one of the releases of `NemoDialect` serves it."""

from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.simulators.core.responses import ApiError, Json, api_error_response
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.nemo.evaluation_sessions import EvaluationSessions
from tracegraph.simulators.nemo.evaluations import Evaluations
from tracegraph.simulators.nemo.experiments import Experiments
from tracegraph.simulators.nemo.groups import Groups
from tracegraph.simulators.nemo.platform import Platform
from tracegraph.simulators.nemo.releases import RELEASES, NemoDialect, Release
from tracegraph.simulators.nemo.requests import WORKSPACE, error_body
from tracegraph.simulators.nemo.results import Results
from tracegraph.simulators.nemo.telemetry import Telemetry
from tracegraph.simulators.nemo.trace_metrics import TraceMetrics
from tracegraph.simulators.nemo.world import NemoWorld

PREFIX = f"{WORKSPACE}/experiments"


class NemoSimulator(Simulator):
    """A NeMo that can be upgraded, or downgraded, while it runs: set `dialect`."""

    def __init__(self, world: NemoWorld, dialect: NemoDialect) -> None:
        self._world = world
        self._dialect = dialect
        handlers = {ApiError: api_error_response, HTTPException: _no_route}
        super().__init__(Starlette(routes=_routes(world, dialect), exception_handlers=handlers), error_body)

    @property
    def dialect(self) -> NemoDialect:
        """The release that the next request meets."""
        return self._dialect

    @dialect.setter
    def dialect(self, dialect: NemoDialect) -> None:
        self._dialect = dialect
        self._app.router.routes[:] = _routes(self._world, dialect)


def create_app(world: NemoWorld, dialect: NemoDialect = "0.2") -> NemoSimulator:
    """Create a NeMo that reads `world` anew for every request."""
    return NemoSimulator(world, dialect)


def _routes(world: NemoWorld, dialect: NemoDialect) -> list[Route]:
    release = RELEASES[dialect]
    return [*_platform(world, release), *_DIALECTS[dialect](world, release)]


def _platform(world: NemoWorld, release: Release) -> list[Route]:
    platform = Platform(world, release)
    return [
        Route("/cluster-info", platform.cluster_info),
        Route("/status", platform.status),
        Route("/health/live", platform.live),
        Route("/health/ready", platform.ready),
    ]


def _experiments(world: NemoWorld, release: Release) -> list[Route]:
    experiments = Experiments(world)
    return [
        Route(PREFIX, experiments.list_experiments),
        Route(PREFIX + "/{name}", experiments.get_experiment),
        Route(PREFIX + "/{name}/sessions", experiments.list_sessions),
        *_spans(world, release),
    ]


def _evaluations(world: NemoWorld, release: Release) -> list[Route]:
    evaluations, groups = Evaluations(world, release), Groups(world, release)
    path, group_path = f"{WORKSPACE}/evaluations", f"{WORKSPACE}/experiment-groups"
    return [
        Route(path, evaluations.list_evaluations),
        Route(path + "/{name}", evaluations.get_evaluation),
        Route(path + "/{name}/sessions", EvaluationSessions(world, release).list_sessions),
        Route(group_path, groups.list_groups),
        Route(group_path + "/{name}", groups.get_group),
        *_telemetry(world, release),
    ]


def _current(world: NemoWorld, release: Release) -> list[Route]:
    groups = Groups(world, release)
    return [
        Route(PREFIX, groups.list_groups),
        Route(PREFIX + "/{name}", groups.get_group),
        Route(f"{WORKSPACE}/traces/metrics", TraceMetrics(world, release).get_metrics),  # before traces/{trace_id}
        *_evaluations(world, release),
    ]


def _telemetry(world: NemoWorld, release: Release) -> list[Route]:
    telemetry, results = Telemetry(world, release), Results(world)
    return [
        Route(f"{WORKSPACE}/spans/groups", telemetry.list_span_groups),  # before spans/{span_id}
        *_spans(world, release),
        Route(f"{WORKSPACE}/spans/{{span_id}}/annotations", results.list_annotations_of_span),
        Route(f"{WORKSPACE}/traces", telemetry.list_traces),
        Route(f"{WORKSPACE}/traces/{{trace_id}}", telemetry.get_trace),
        Route(f"{WORKSPACE}/sessions/{{session_id}}", telemetry.get_session),
        Route(f"{WORKSPACE}/annotations", results.list_annotations),
    ]


def _spans(world: NemoWorld, release: Release) -> list[Route]:
    telemetry, results = Telemetry(world, release), Results(world)
    return [
        Route(f"{WORKSPACE}/spans", telemetry.list_spans),
        Route(f"{WORKSPACE}/spans/{{span_id}}", telemetry.get_span),
        Route(f"{WORKSPACE}/spans/{{span_id}}/evaluator-results", results.list_results_of_span),
        Route(f"{WORKSPACE}/evaluator-results", results.list_results),
    ]


_DIALECTS: Mapping[NemoDialect, Callable[[NemoWorld, Release], list[Route]]] = {
    "0.2": _experiments,
    "0.3": _evaluations,
    "0.8": _current,
}


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Json(error_body(status), status)
