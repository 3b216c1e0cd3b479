"""Results of evaluators, and annotations: what was said about spans (0.3.0 and later)."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import ordered
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.nemo.requests import (
    Page,
    authorize,
    one_of,
    present,
    reject_unknown_parameters,
    require_telemetry,
)
from tracegraph.simulators.nemo.spans import sessions_with_experiments, span_ids
from tracegraph.simulators.nemo.telemetry import listed
from tracegraph.simulators.nemo.telemetry_filters import Fields, Filter
from tracegraph.simulators.nemo.world import NemoWorld

RESULT_FIELDS = Fields(
    noun="evaluator result",
    texts=frozenset({"session_id", "span_id", "name", "created_by"}),
    enums={"data_type": ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT"), "status": ("SCORED", "FAILED")},
    times=frozenset({"created_at"}),
    numbers=frozenset({"value"}),
)


ANNOTATION_FIELDS = Fields(
    noun="annotation",
    texts=frozenset({"session_id", "span_id", "name", "created_by"}),
    enums={"kind": ("feedback", "note", "label", "metadata")},
    times=frozenset({"created_at"}),
)


_BY_TIME = ("created_at", "-created_at")


class Results:
    """The lists of evaluator results and of annotations. Both are 500 while the telemetry store is down."""

    def __init__(self, world: NemoWorld) -> None:
        self._world = world

    async def list_results(self, request: Request) -> Response:
        """List evaluator results, newest first by default."""
        sorts = (*_BY_TIME, "value", "-value")
        return self._list(request, sorts, RESULT_FIELDS, self._results, "evaluator_result_id")

    async def list_annotations(self, request: Request) -> Response:
        """List annotations, newest first by default."""
        return self._list(request, _BY_TIME, ANNOTATION_FIELDS, self._annotations, "annotation_id")

    async def list_results_of_span(self, request: Request) -> Response:
        """List the evaluator results of one span, without paging."""
        return self._of_span(request, self._results)

    async def list_annotations_of_span(self, request: Request) -> Response:
        """List the annotations of one span, without paging."""
        return self._of_span(request, self._annotations)

    def _list(
        self,
        request: Request,
        sorts: tuple[str, ...],
        fields: Fields,
        read: Callable[[Row], list[Row]],
        id_key: str,
    ) -> Response:
        authorize(self._world, request)
        query = request.query_params
        page, sort = Page(query, 10), one_of(query, "sort", sorts, "-created_at")
        reject_unknown_parameters(query)
        wanted = Filter(query, fields)
        require_telemetry(self._world)
        name = sort.removeprefix("-")
        found = ordered(
            [row for row in read(wanted.exact) if wanted.matches(row)],
            lambda row: _sort_value(row, name),
            lambda row: row[id_key],
            descending=sort.startswith("-"),
        )
        return listed(page, found, page.cut(found), sort, wanted)

    def _of_span(self, request: Request, read: Callable[[Row], list[Row]]) -> Response:
        authorize(self._world, request)
        require_telemetry(self._world)
        span_id = request.path_params["span_id"]
        return Json([row for row in read({"span_id": span_id}) if row.get("span_id") == span_id])

    def _results(self, exact: Row) -> list[Row]:
        """Return the results that may have these values of `session_id` and `span_id`."""
        session_id, span_id = exact.get("session_id"), exact.get("span_id")
        owners = sessions_with_experiments(
            self._world,
            lambda _, session: (
                session_id in {None, session["session_id"]}
                and (span_id is None or span_id in span_ids(self._world, session))
            ),
        )
        return [result for _, session in owners for result in self._results_of(session)]

    def _results_of(self, session: Row) -> list[Row]:
        moment = session.get("ended_at") or session["started_at"]
        common = {
            "span_id": session["root_span_id"],
            "session_id": session["session_id"],
            "workspace": self._world.workspace,
            "data_type": "NUMERIC",
            "status": "SCORED",
            "created_at": moment,
            "ingested_at": moment,
        }
        stated = self._world.evaluator_results.get(session["session_id"])
        results = _derived(session) if stated is None else stated
        return [present(common | _identified(session, result)) for result in results]

    def _annotations(self, _: Row) -> list[Row]:
        return [{"workspace": self._world.workspace, **row} for row in self._world.annotations]


def _derived(session: Row) -> list[Row]:
    """Return a result for each score of a session, and for each evaluator that failed."""
    explanations = session.get("explanations") or {}
    scores, failed = session.get("evaluator_scores") or {}, session.get("failed_evaluators") or []
    return [
        *({"name": name, "value": value, "comment": explanations.get(name)} for name, value in scores.items()),
        *({"name": name, "status": "FAILED", "comment": explanations.get(name)} for name in failed),
    ]


def _identified(session: Row, result: Row) -> Row:
    identity = stable_uuid(f"result:{session['session_id']}:{session['trace_id']}:{result['name']}").replace(
        "-", ""
    )
    return {"evaluator_result_id": f"eval-{identity}"} | result


def _sort_value(row: Row, name: str) -> Any:
    return parse(row[name]) if name == "created_at" else row.get(name)
