"""One project that LangSmith refuses leaves the others; a query that it refuses for all ends after few calls."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.adapters.langsmith.conftest import Connect
from tracegraph.adapter.paging import CursorRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceErrorCode,
    SourceNotFound,
    SourceObjectNotFound,
    SourceUnauthorized,
)
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy

Refuse = Callable[[Sequence[str]], int | None]
"""The status of a query over these projects, None where it is answered."""


class Workspace:
    """A vendor whose projects have one run each; `calls` are the requested paths."""

    def __init__(
        self, projects: Sequence[str], refuse: Refuse, *, lists_projects: bool = True, runs_each: int = 1
    ) -> None:
        self.runs_each = runs_each
        self.projects = projects
        self.refuse = refuse
        self.lists_projects = lists_projects
        self.calls: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/api/v1/sessions", self._sessions),
                Route("/api/v1/runs/query", self._runs, methods=["POST"]),
            ]
        )

    async def _sessions(self, request: Request) -> JSONResponse:
        self.calls.append("sessions")
        if not self.lists_projects:
            return JSONResponse({"detail": "Not Found"}, 404)
        wanted = request.query_params.getlist("id") or self.projects
        return JSONResponse([langsmith_session("p") | {"id": one} for one in self.projects if one in wanted])

    async def _runs(self, request: Request) -> JSONResponse:
        self.calls.append("runs")
        body = orjson.loads(await request.body())
        status = self.refuse(body["session"])
        if status is not None:
            return JSONResponse({"detail": "no"}, status)
        runs = [
            langsmith_run(f"{one} {number}" if number else one) | {"session_id": one}
            for one in body["session"]
            for number in range(self.runs_each)
        ]
        page = runs[: body["limit"]]
        return JSONResponse({"runs": page, "cursors": {"next": "more" if len(page) < len(runs) else None}})


def names(count: int) -> list[str]:
    return [stable_uuid(f"project {number}") for number in range(count)]


def merged(*refs: str) -> SessionPageRequest:
    return SessionPageRequest(refs, CursorRequest(100))


def refuses(status: int, *bad: str) -> Refuse:
    return lambda wanted: status if not set(bad).isdisjoint(wanted) else None


@pytest.mark.parametrize("count", [2, 3, 20])
async def test_a_deleted_project_loses_its_rows_and_is_no_failure(connect: Connect, count: int) -> None:
    *there, gone = names(count)
    vendor = Workspace(there, refuses(404, gone))
    (page,) = await (await connect(vendor.app)).list_sessions([merged(*there[:1], gone, *there[1:])])
    assert isinstance(page, Page)
    assert {one.experiment_ref for one in page.items} == set(there)
    assert page.error is None
    assert vendor.calls == ["runs", "sessions", "runs"]
    assert page.provenance.upstream_requests == 3


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("count", [2, 3, 20])
async def test_a_refused_project_loses_its_rows_and_is_reported(connect: Connect, status: int, count: int) -> None:
    refs = names(count)
    vendor = Workspace(refs, refuses(status, refs[1]))
    (page,) = await (await connect(vendor.app)).list_sessions([merged(*refs)])
    assert isinstance(page, Page)
    assert {one.experiment_ref for one in page.items} == {*refs} - {refs[1]}
    assert page.error is not None
    assert page.error.http_status == status
    assert page.provenance.upstream_requests == len(vendor.calls) <= 15


@pytest.mark.parametrize("count", [2, 3, 6, 20])
async def test_a_project_that_keeps_failing_does_not_open_the_circuit_for_the_others(
    connect: Connect, count: int
) -> None:
    refs = names(count)
    adapter = await connect(Workspace(refs, refuses(500, refs[1])).app, breaker=CircuitBreakerPolicy())
    for _ in range(10):
        (page,) = await adapter.list_sessions([merged(*refs)])
        assert isinstance(page, Page)
        assert {one.experiment_ref for one in page.items} == {*refs} - {refs[1]}
        assert page.error is not None
        assert page.error.http_status == 500


@pytest.mark.parametrize("count", [2, 6, 20])
async def test_a_vendor_that_fails_for_every_project_opens_the_circuit(connect: Connect, count: int) -> None:
    refs = names(count)
    vendor = Workspace(refs, lambda _: 500)
    adapter = await connect(vendor.app, breaker=CircuitBreakerPolicy())
    codes = [await _code(adapter, refs) for _ in range(10)]
    assert codes[-1] is SourceErrorCode.CIRCUIT_OPEN
    calls = len(vendor.calls)
    await _code(adapter, refs)
    assert len(vendor.calls) == calls


async def _code(adapter: Adapter, refs: Sequence[str]) -> SourceErrorCode:
    (error,) = await adapter.list_sessions([merged(*refs)])
    assert isinstance(error, SourceError)
    return error.code


@pytest.mark.parametrize("status", [400, 403, 404, 422, 500])
async def test_in_lists_of_one_project_each_the_others_stand(connect: Connect, status: int) -> None:
    refs = names(5)
    vendor = Workspace([*refs[:1], *refs[2:]], refuses(status, refs[1]))
    answers = await (await connect(vendor.app)).list_sessions([merged(ref) for ref in refs])
    assert [isinstance(answer, Page) for answer in answers] == [True, False, True, True, True]
    error = answers[1]
    assert isinstance(error, SourceError)
    assert (error.http_status, isinstance(error, SourceObjectNotFound)) == (status, status == 404)
    spent = [
        answer.provenance.upstream_requests if isinstance(answer, Page) else answer.upstream_requests
        for answer in answers
    ]
    assert sum(spent) == len(vendor.calls)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
@pytest.mark.parametrize("together", [True, False])
async def test_a_query_that_fails_for_all_is_not_bisected_further(
    connect: Connect,
    status: int,
    together: bool,  # noqa: FBT001 - a parameter
) -> None:
    refs = names(100)
    vendor = Workspace(refs, lambda _: status)
    requests = [merged(*refs)] if together else [merged(ref) for ref in refs]
    answers = await (await connect(vendor.app)).list_sessions(requests)
    assert all(isinstance(one, SourceError) and one.http_status == status for one in answers)
    assert len(vendor.calls) <= 35


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_an_error_of_one_of_several_projects_behind_a_cursor_is_a_refusal(
    connect: Connect, status: int
) -> None:
    """The gateway then reads by range, which finds the project."""
    refs = names(3)
    vendor = Workspace(refs, refuses(status, refs[1]))
    page = CursorRequest(100, '["a cursor"]')
    (answer,) = await (await connect(vendor.app)).list_sessions([SessionPageRequest(tuple(refs), page)])
    assert isinstance(answer, SourceBadRequest)
    assert len(vendor.calls) == answer.upstream_requests


async def test_a_page_without_a_failing_project_has_a_token_too_long_for_a_clients_cursor(
    connect: Connect,
) -> None:
    """So the client's next request asks for the project again."""
    there, refused = names(2)
    vendor = Workspace([there, refused], refuses(403, refused), runs_each=150)
    (page,) = await (await connect(vendor.app)).list_sessions([merged(there, refused)])
    assert isinstance(page, Page)
    assert (len(page.items), type(page.error)) == (100, SourceUnauthorized)
    assert isinstance(page.next_hint, str)
    assert len(page.next_hint) > 128


@pytest.mark.parametrize("count", [1, 2, 20])
@pytest.mark.parametrize("lists_projects", [True, False])
async def test_a_query_that_the_vendor_has_ended_is_not_found_for_the_source(
    connect: Connect,
    count: int,
    lists_projects: bool,  # noqa: FBT001 - a parameter
) -> None:
    refs = names(count)
    vendor = Workspace(refs, lambda _: 404, lists_projects=lists_projects)
    adapter = await connect(vendor.app)
    (error,) = await adapter.list_sessions([merged(*refs)])
    assert type(error) is SourceNotFound
    assert error.code is SourceErrorCode.NOT_FOUND
    assert error.upstream_requests == len(vendor.calls) <= 4
    health = await adapter.check()
    assert health.status is SourceHealthStatus.DOWN
    assert isinstance(health.last_error, SourceNotFound)


async def test_check_succeeds_although_its_project_was_deleted(connect: Connect) -> None:
    vendor = Workspace(names(1), lambda _: None)

    def deleted(_: Sequence[str]) -> int:
        vendor.projects = []
        return 404

    vendor.refuse = deleted
    assert (await (await connect(vendor.app)).check()).status is SourceHealthStatus.UP


def endless(answer: Callable[[dict[str, Any]], Sequence[Any]]) -> tuple[Starlette, list[Any]]:
    """A vendor that has a further page, with a new cursor, for ever."""
    calls: list[Any] = []

    async def runs(request: Request) -> JSONResponse:
        body = orjson.loads(await request.body())
        calls.append(body)
        return JSONResponse({"runs": answer(body), "cursors": {"next": f"cursor {len(calls)}"}})

    return Starlette(routes=[Route("/api/v1/runs/query", runs, methods=["POST"])]), calls


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_pages_that_repeat_the_first_for_ever_are_a_bad_response(connect: Connect, count: int) -> None:
    refs = names(count)
    rows = [langsmith_run(f"r{number}") | {"session_id": stable_uuid("nobody")} for number in range(100)]
    app, calls = endless(lambda _: rows)
    answers = await (await connect(app)).list_sessions([merged(ref) for ref in refs])
    assert [type(answer) for answer in answers] == [SourceBadResponse] * count
    assert "do not advance" in str(answers[0])
    assert len(calls) <= 10


async def test_requests_end_when_the_first_page_repeats_for_ever(connect: Connect) -> None:
    refs = names(3)
    rows = [langsmith_run(f"r{number}") | {"session_id": refs[0]} for number in range(100)]
    app, calls = endless(lambda _: rows)
    answers = await (await connect(app)).list_sessions([merged(ref) for ref in refs])
    assert [type(answer) for answer in answers] == [Page, SourceBadResponse, SourceBadResponse]
    assert len(calls) <= 10
