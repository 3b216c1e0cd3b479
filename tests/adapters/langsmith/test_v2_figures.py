"""Figures over an experiment with many sessions, read by LangSmith's v2."""

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.adapters.langsmith.conftest import Connect
from tests.adapters.langsmith.v2 import INFO, RUNS_V2, project_of
from tracegraph.domain.models import COST, LATENCY
from tracegraph.federation.analytics.session_scan import SessionScans
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.loaders import Loaders
from tracegraph.simulators.core.times import EPOCH

P = project_of("p")
SESSIONS = 100_000


class LargeProject:
    """A vendor with one project, the newest run first; `calls` are the requested paths."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.app = Starlette(routes=[Route(INFO, self._info), Route(RUNS_V2, self._runs, methods=["POST"])])

    async def _info(self, _: Request) -> Response:
        self.calls.append(INFO)
        return JSONResponse({"instance_flags": {"ch_query_enabled": False, "sdb_query_enabled": True}})

    async def _runs(self, request: Request) -> Response:
        self.calls.append(RUNS_V2)
        body = orjson.loads(await request.body())
        begin = int(body.get("cursor", 0))
        end = min(begin + body["page_size"], SESSIONS)
        items = [self._run(number) for number in range(begin, end)]
        following = str(end) if end < SESSIONS else None
        return Response(orjson.dumps({"items": items, "next_cursor": following}), media_type="application/json")

    @staticmethod
    def _run(number: int) -> dict[str, object]:
        start = EPOCH.timestamp() + SESSIONS - number
        return {
            "id": f"00000000-0000-4000-8000-{number:012}",
            "project_id": P,
            "status": "SUCCESS",
            "start_time": f"{EPOCH.fromtimestamp(start, EPOCH.tzinfo).isoformat()}",
            "latency_seconds": 1.5,
            "total_cost": 0.01,
        }


@pytest.mark.slow
async def test_100_000_sessions_are_read_in_101_calls(connect: Connect) -> None:
    """One of them asks for the dialect. The default of `computed_pages` suffices."""
    vendor = LargeProject()
    adapter = await connect(vendor.app, api="auto")
    reports: list[SourceReport] = []
    scans = SessionScans([adapter], Loaders([adapter]).session_page, ScanBudget(), reports)
    scan = await scans.scan("ls", P)
    assert (scan.error, scan.complete, scan.sessions) == (None, True, SESSIONS)
    assert len(vendor.calls) == reports[0].upstream_requests == 101
    assert scan.aggregate(LATENCY).mean == 1500.0
    assert scan.aggregate(COST).count == SESSIONS
