"""LangSmith's v2 for tests: deployments, requests, and what reached the vendor."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracegraph.adapter import CursorRequest, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.models import Session
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

INFO, RUNS_V1, RUNS_V2 = "/api/v1/info", "/api/v1/runs/query", "/api/v2/runs/query"
SESSIONS_V1, SESSIONS_V2 = "/api/v1/sessions", "/api/v2/sessions"
DATASETS_V1, DATASETS_V2 = "/api/v1/datasets", "/api/v2/datasets"


def project_of(name: str) -> str:
    """The id of the project of that name."""
    return stable_uuid(f"session:{name}")


def add_project(world: LangSmithWorld, name: str, starts: Sequence[float], **fields: Any) -> str:
    """Add a project whose runs start so many seconds after the epoch, and return its id."""
    runs = [
        langsmith_run(f"{name}{number}", start_time=EPOCH + timedelta(seconds=start), **fields)
        for number, start in enumerate(starts)
    ]
    world.add(langsmith_session(name), runs)
    return project_of(name)


def request(*refs: str, page: PageRequest | None = None, limit: int = 5, **rest: Any) -> SessionPageRequest:
    """A request for sessions, by default for the first page."""
    return SessionPageRequest(refs, page or CursorRequest(limit), **rest)


async def pages_of(adapter: Adapter, *requests: SessionPageRequest) -> list[Page[Session]]:
    """The pages of requests that succeed."""
    outcomes = await adapter.list_sessions(requests)
    for outcome in outcomes:
        assert isinstance(outcome, Page), outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Page)]


def seconds(page: Page[Session]) -> list[float]:
    """The starts of a page's rows, in seconds after the epoch."""
    return [(session.started_at - EPOCH).total_seconds() for session in page.items]


def paths(vendor: Simulator) -> list[str]:
    """The paths of the calls that reached the vendor, in order."""
    return [call.path for call in vendor.calls]


def bodies(vendor: Simulator) -> list[dict[str, Any]]:
    """The bodies of the run queries by v2 that reached the vendor."""
    return [call.body for call in vendor.calls if call.path == RUNS_V2]


def refusing(vendor: Simulator, project: str, status: int) -> ASGIApp:
    """The vendor, which refuses every run query over this project."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != RUNS_V2:
            await vendor(scope, receive, send)
            return
        message = await receive()

        async def again() -> Message:
            return message

        if project in orjson.loads(message["body"])["project_ids"]:
            await JSONResponse({"detail": "no"}, status)(scope, again, send)
        else:
            await vendor(scope, again, send)

    return app


def at(second: float) -> datetime:
    """A time after the epoch."""
    return EPOCH + timedelta(seconds=second)
