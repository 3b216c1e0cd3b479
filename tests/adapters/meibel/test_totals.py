"""A Meibel whose totals are wrong, or that repeats rows: each row comes once, and in few calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tracegraph_meibel import open_adapter

from tests.adapters.conftest import Serve
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrder, OrderDirection, SessionOrder
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments, list_sessions_of
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReportStatus

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
AGENT = Experiment(source="mb", ref="a", vendor_id="a", kind=ExperimentKind.AGENT, name="a")
BOTH = pytest.mark.parametrize("direction", list(OrderDirection), ids=["oldest first", "newest first"])

State = Callable[[int, int], Any]
"""What the vendor says of so many rows in its nth answer."""

WRONG: dict[str, State] = {
    "one too many": lambda held, _: held + 1,
    "twice too many": lambda held, _: 2 * held + 7,
    "one too few": lambda held, _: held - 1,
    "half": lambda held, _: held // 2,
    "none": lambda *_: 0,
    "absent": lambda *_: None,
    "negative": lambda *_: -5,
    "large": lambda *_: 10**12,
    "a text": lambda *_: "many",
    "another one each time": lambda held, number: held + (number * 37) % 91 - 45,
}
WRONGLY = pytest.mark.parametrize("state", list(WRONG.values()), ids=list(WRONG))


class Vendor:
    """Holds so many agents, and as many sessions of each, a minute apart; `cap` rows an answer at most."""

    def __init__(self, held: int, state: State, cap: int = 100) -> None:
        self.held = held
        self.state = state
        self.cap = cap
        self.calls = 0
        self._numbers = count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        query = Request(scope).query_params
        numbers = range(self.held)[:: -1 if query["sort_order"] == "desc" else 1]
        start, limit = int(query["offset"]), min(int(query["limit"]), self.cap)
        row = _session if scope["path"].endswith("/sessions") else _agent
        body: dict[str, Any] = {"data": [row(number) for number in numbers[start : start + limit]]}
        stated = self.state(self.held, next(self._numbers))
        if stated is not None:
            body["total"] = stated
        await Response(orjson.dumps(body))(scope, receive, send)


def _session(number: int) -> dict[str, Any]:
    return {"session_id": f"s{number}", "start_time": (START + timedelta(minutes=number)).isoformat()}


def _agent(number: int) -> dict[str, Any]:
    return {"id": f"a{number}", "created_at": (START + timedelta(minutes=number)).isoformat()}


Open = Callable[[Any], Awaitable[Adapter]]


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def start(vendor: Any) -> Adapter:
            upstream = await serve(vendor, source="mb")
            settings = SourceSettings("mb", "meibel", {"api_key": SecretStr("k"), "scores": False})
            return await stack.enter_async_context(open_adapter(settings, upstream))

        yield start


async def session_page(adapter: Adapter, direction: OrderDirection, wanted: MergeRequest) -> Listing[Session]:
    async def fetch(_: str, request: SessionPageRequest) -> Page[Session]:
        (answer,) = await adapter.list_sessions([request])
        if isinstance(answer, SourceError):
            raise answer
        return answer

    request = SessionPageRequest((), OffsetRequest(0), order=SessionOrder(direction=direction))
    return await list_sessions_of(adapter, AGENT, request, wanted, fetch)


async def agent_page(adapter: Adapter, direction: OrderDirection, wanted: MergeRequest) -> Listing[Experiment]:
    order = ExperimentOrder(direction=direction)
    return await list_experiments([adapter], {"mb": ExperimentFilter()}, order, wanted)


READ: dict[str, Callable[..., Awaitable[Listing[Any]]]] = {"s": session_page, "a": agent_page}
EITHER = pytest.mark.parametrize("prefix", list(READ), ids=["sessions", "agents"])


def in_order(prefix: str, held: int, direction: OrderDirection) -> list[str]:
    names = [f"{prefix}{number}" for number in range(held)]
    return names if direction is OrderDirection.ASC else names[::-1]


@EITHER
@BOTH
@WRONGLY
@pytest.mark.parametrize("held", [0, 1, 5, 21, 250])
async def test_the_first_rows_are_the_right_ones_in_few_calls(
    connect: Open, prefix: str, state: State, direction: OrderDirection, held: int
) -> None:
    vendor = Vendor(held, state)
    found = await READ[prefix](await connect(vendor), direction, MergeRequest(20))
    assert [row.node.vendor_id for row in found.merged.rows] == in_order(prefix, held, direction)[:20]
    assert found.reports[0].status is SourceReportStatus.OK
    assert found.merged.has_next == (held > 20)
    assert vendor.calls < 10


@EITHER
@BOTH
@WRONGLY
async def test_reading_on_gives_every_row_once(
    connect: Open, prefix: str, state: State, direction: OrderDirection
) -> None:
    vendor = Vendor(130, state)
    adapter = await connect(vendor)
    seen: list[str] = []
    positions, more = Positions(), True
    while more:
        before = vendor.calls
        found = await READ[prefix](adapter, direction, MergeRequest(30, positions, ScanBudget(pages=60)))
        assert found.reports[0].error is None
        assert vendor.calls - before < 10
        seen += [row.node.vendor_id for row in found.merged.rows]
        positions, more = found.merged.positions_at_end(), found.merged.has_next
    assert seen == in_order(prefix, 130, direction)


@EITHER
@WRONGLY
async def test_a_total_that_the_rows_contradict_is_no_count(connect: Open, prefix: str, state: State) -> None:
    found = await READ[prefix](await connect(Vendor(5, state)), OrderDirection.ASC, MergeRequest(20))
    assert found.total_count is None


@EITHER
async def test_a_right_total_of_a_server_that_gives_fewer_rows_is_the_count(connect: Open, prefix: str) -> None:
    vendor = Vendor(45, lambda held, _: held, cap=20)
    found = await READ[prefix](await connect(vendor), OrderDirection.ASC, MergeRequest(100))
    assert ([row.node.vendor_id for row in found.merged.rows], found.total_count) == (
        in_order(prefix, 45, OrderDirection.ASC),
        45,
    )


@WRONGLY
async def test_an_unknown_session_is_looked_up_in_few_calls(connect: Open, state: State) -> None:
    vendor = Vendor(130, state)
    assert await (await connect(vendor)).get_sessions([SessionRef("a", "nobody")]) == {}
    assert vendor.calls <= 6


async def test_a_list_that_repeats_a_row_is_not_read_again_and_again(connect: Open) -> None:
    """Whether the row comes twice in one page or in two."""
    calls = 0

    async def vendor(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        offset = int(Request(scope).query_params["offset"])
        rows = [_session(number) for number in (1, 2, 2, 3)] if not offset else [_session(3), _session(4)]
        await Response(orjson.dumps({"data": rows, "total": 6}))(scope, receive, send)

    assert await (await connect(vendor)).get_sessions([SessionRef("a", "nobody")]) == {}
    assert calls == 4
