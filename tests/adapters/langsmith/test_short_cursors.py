"""Tokens with a vendor's cursor that is short enough for a client's cursor."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.adapters.langsmith.conftest import Connect
from tests.adapters.langsmith.v2 import RUNS_V2, pages_of, project_of, request
from tracegraph.adapter import CursorRequest
from tracegraph.domain.models import Session
from tracegraph.errors import SourceBadResponse

P = project_of("p")
IDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in (1, 2, 9, 3, 4, 5)]
"""The third, fourth and fifth run start at the same time. The vendor orders them by no id."""

SECONDS = (50, 40, 30, 30, 30, 20)


class Vendor:
    """Six runs, newest first. Its cursors are numbers, which `refuses` makes it refuse."""

    def __init__(self) -> None:
        self.refuses = False
        self.bodies: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route(RUNS_V2, self._runs, methods=["POST"])])

    async def _runs(self, http_request: Request) -> Response:
        body = json.loads(await http_request.body())
        self.bodies.append(body)
        if "cursor" in body and self.refuses:
            return JSONResponse({"title": "Bad Request", "detail": "expired"}, 400)
        runs = [
            {"id": run_id, "project_id": P, "start_time": f"2026-11-01T09:00:{second}Z"}
            for run_id, second in zip(IDS, SECONDS, strict=True)
            if f"2026-11-01T09:00:{second}" <= body.get("max_start_time", "9")
        ]
        begin = int(body.get("cursor", 0))
        end = begin + body["page_size"]
        return JSONResponse({"items": runs[begin:end], "next_cursor": str(end) if end < len(runs) else None})


def ids_of(*sessions: Session) -> list[str]:
    return [session.vendor_id for session in sessions]


@pytest.mark.parametrize("refuses", [False, True])
async def test_the_runs_of_one_start_follow_its_first_in_the_order_of_their_ids(
    connect: Connect, *, refuses: bool
) -> None:
    """A refused cursor is replaced by a range that begins with the run before it. No run is lost or repeated."""
    vendor = Vendor()
    adapter = await connect(vendor.app, api="v2")
    (first,) = await pages_of(adapter, request(P, limit=3))
    vendor.refuses = refuses
    page = CursorRequest(3, str(first.next_hint))
    (second,) = await pages_of(adapter, request(P, page=page))
    assert ids_of(*first.items) == IDS[:3]
    assert ids_of(*second.items) == IDS[3:]
    assert ["cursor" in body for body in vendor.bodies] == [False, True, *[False] * refuses]
    assert second.provenance.upstream_requests == 1 + refuses


async def test_a_request_for_far_more_runs_than_the_cursor_gives_goes_on_by_range_in_one_call(
    connect: Connect,
) -> None:
    """A cursor is valid only with the page size of its list."""
    vendor = Vendor()
    adapter = await connect(vendor.app, api="v2")
    (first,) = await pages_of(adapter, request(P, limit=2))
    (second,) = await pages_of(adapter, request(P, page=CursorRequest(5, str(first.next_hint))))
    assert ids_of(*first.items, *second.items) == [*IDS[:2], *sorted(IDS[2:5]), IDS[5]]
    assert [(body["page_size"], "cursor" in body) for body in vendor.bodies] == [(2, False), (6, False)]


@pytest.mark.parametrize("limit", [2, 3, 4])
async def test_a_request_for_a_few_more_runs_than_the_cursor_gives_keeps_the_cursor(
    connect: Connect, limit: int
) -> None:
    vendor = Vendor()
    adapter = await connect(vendor.app, api="v2")
    (first,) = await pages_of(adapter, request(P, limit=2))
    await pages_of(adapter, request(P, page=CursorRequest(limit, str(first.next_hint))))
    assert [(body["page_size"], "cursor" in body) for body in vendor.bodies] == [(2, False), (2, True)]


async def test_a_cursor_for_other_fields_is_replaced_without_a_call(connect: Connect) -> None:
    vendor = Vendor()
    adapter = await connect(vendor.app, api="v2")
    (first,) = await pages_of(adapter, request(P, limit=3, fields=frozenset()))
    page = CursorRequest(3, str(first.next_hint))
    (second,) = await pages_of(adapter, request(P, page=page, fields=frozenset({"input"})))
    assert ids_of(*second.items) == IDS[3:]
    assert ["cursor" in body for body in vendor.bodies] == [False, False]


@pytest.mark.parametrize("projects", [(P,), (P, project_of("q"))])
async def test_runs_without_a_project_are_a_bad_response_never_no_rows(
    connect: Connect, projects: tuple[str, ...]
) -> None:
    """Whose runs they are is unknown."""

    async def runs(_: Request) -> Response:
        row = {"id": IDS[0], "start_time": "2026-11-01T09:00:00Z", "project_id": None}
        return JSONResponse({"items": [row], "next_cursor": None})

    adapter = await connect(Starlette(routes=[Route(RUNS_V2, runs, methods=["POST"])]), api="v2")
    (outcome,) = await adapter.list_sessions([request(*projects)])
    assert isinstance(outcome, SourceBadResponse)


async def test_one_run_without_a_project_costs_itself(connect: Connect) -> None:
    async def runs(_: Request) -> Response:
        rows = [{"id": run_id, "start_time": "2026-11-01T09:00:00Z", "project_id": P} for run_id in IDS[:2]]
        return JSONResponse({"items": [rows[0], rows[1] | {"project_id": None}]})

    adapter = await connect(Starlette(routes=[Route(RUNS_V2, runs, methods=["POST"])]), api="v2")
    (page,) = await pages_of(adapter, request(P))
    assert ids_of(*page.items) == IDS[:1]
    assert len(page.skipped) == 1
