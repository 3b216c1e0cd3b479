"""A NeMo whose totals are wrong: the rows that exist come all the same, once each, and in few calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tracegraph_nemo import open_adapter

from tests.adapters.conftest import Serve
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.options import SourceSettings
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import ExperimentFilter, ExperimentOrder, OrderDirection, SessionOrder
from tracegraph.domain.models import Experiment, ExperimentKind, Session
from tracegraph.errors import SourceError
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments, list_sessions_of
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReportStatus

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
BASE = Experiment(source="nemo", ref="base", vendor_id="base", kind=ExperimentKind.EVALUATION, name="base")
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
    "huge": lambda *_: 10**30,
    "large": lambda *_: 10**9,
    "a text": lambda *_: "many",
    "another one each time": lambda held, number: held + (number * 37) % 91 - 45,
}
WRONGLY = pytest.mark.parametrize("state", list(WRONG.values()), ids=list(WRONG))


class Vendor:
    """Holds so many experiments, or sessions of one, a minute apart, and states what it is made to."""

    def __init__(self, held: int, state: State) -> None:
        self.held = held
        self.state = state
        self.calls = 0
        self._numbers = count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        request = Request(scope)
        numbers = range(self.held)
        if request.query_params.get("sort", "").startswith("-"):
            numbers = numbers[::-1]
        size = int(request.query_params["page_size"])
        start = (int(request.query_params["page"]) - 1) * size
        row = _session if scope["path"].endswith("/sessions") else _experiment
        body: dict[str, Any] = {"data": [row(number) for number in numbers[start : start + size]]}
        stated = self.state(self.held, next(self._numbers))
        if stated is not None:
            body["pagination"] = {"total_results": stated}
        await Response(orjson.dumps(body) if stated != 10**30 else _with_huge(body))(scope, receive, send)


def _with_huge(body: dict[str, Any]) -> bytes:
    return orjson.dumps({**body, "pagination": {"total_results": 77}}).replace(b"77}", b"1" + b"0" * 30 + b"}")


def _session(number: int) -> dict[str, Any]:
    return {"session_id": f"s{number}", "started_at": (START + timedelta(minutes=number)).isoformat()}


def _experiment(number: int) -> dict[str, Any]:
    created = (START + timedelta(minutes=number)).isoformat()
    return {"id": f"id-{number}", "name": f"e{number}", "created_at": created, "run_count": 1}


Open = Callable[[Vendor], Awaitable[Adapter]]


@pytest.fixture
async def connect(serve: Serve) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def start(vendor: Vendor) -> Adapter:
            upstream = await serve(vendor, source="nemo")
            settings = SourceSettings("nemo", "nemo", {"release": "0.2"})
            adapter = await stack.enter_async_context(open_adapter(settings, upstream))
            return CheckedAdapter(adapter)

        yield start


async def session_page(
    adapter: Adapter, direction: OrderDirection, wanted: MergeRequest, said: int | None = None
) -> Listing[Session]:
    async def fetch(_: str, request: SessionPageRequest) -> Page[Session]:
        (answer,) = await adapter.list_sessions([request])
        if isinstance(answer, SourceError):
            raise answer
        return answer

    request = SessionPageRequest((), OffsetRequest(0), order=SessionOrder(direction=direction))
    experiment = BASE if said is None else _saying(said)
    return await list_sessions_of(adapter, experiment, request, wanted, fetch)


def _saying(count_of_sessions: int) -> Experiment:
    return Experiment(
        source="nemo",
        ref="base",
        vendor_id="base",
        kind=ExperimentKind.EVALUATION,
        name="base",
        session_count=count_of_sessions,
    )


async def experiment_page(
    adapter: Adapter, direction: OrderDirection, wanted: MergeRequest
) -> Listing[Experiment]:
    order = ExperimentOrder(direction=direction)
    return await list_experiments([adapter], {"nemo": ExperimentFilter()}, order, wanted)


def in_order(prefix: str, held: int, direction: OrderDirection) -> list[str]:
    names = [f"{prefix}{number}" for number in range(held)]
    return names if direction is OrderDirection.ASC else names[::-1]


@BOTH
@WRONGLY
@pytest.mark.parametrize("held", [0, 1, 5, 100, 250, 1003])
async def test_the_first_sessions_are_the_right_ones_in_few_calls(
    connect: Open, state: State, direction: OrderDirection, held: int
) -> None:
    vendor = Vendor(held, state)
    found = await session_page(await connect(vendor), direction, MergeRequest(20))
    assert [row.node.vendor_id for row in found.merged.rows] == in_order("s", held, direction)[:20]
    assert found.reports[0].status is SourceReportStatus.OK
    assert found.merged.has_next == (held > 20)
    assert vendor.calls < 20


@BOTH
@WRONGLY
async def test_reading_on_gives_every_session_once(connect: Open, state: State, direction: OrderDirection) -> None:
    vendor = Vendor(130, state)
    adapter = await connect(vendor)
    seen: list[str] = []
    positions, more = Positions(), True
    while more:
        before = vendor.calls
        found = await session_page(adapter, direction, MergeRequest(30, positions, ScanBudget(pages=60)))
        assert found.reports[0].error is None
        assert vendor.calls - before < 20
        seen += [row.node.vendor_id for row in found.merged.rows]
        positions, more = found.merged.positions_at_end(), found.merged.has_next
    assert seen == in_order("s", 130, direction)


@WRONGLY
async def test_a_total_that_the_rows_contradict_is_no_count(connect: Open, state: State) -> None:
    for direction in OrderDirection:
        vendor = Vendor(5, state)
        adapter = await connect(vendor)
        stated = (await session_page(adapter, direction, MergeRequest(20))).total_count
        assert stated in {None, 5}, "what is stated is another number than that of the rows"
        assert (await experiment_page(adapter, direction, MergeRequest(20))).total_count is None


@BOTH
@WRONGLY
@pytest.mark.parametrize("held", [0, 1, 5, 21, 40])
async def test_experiments_all_come_in_few_calls(
    connect: Open, state: State, direction: OrderDirection, held: int
) -> None:
    vendor = Vendor(held, state)
    found = await experiment_page(await connect(vendor), direction, MergeRequest(50))
    assert [row.node.ref for row in found.merged.rows] == in_order("e", held, direction)
    assert (found.reports[0].status, found.merged.has_next) == (SourceReportStatus.OK, False)
    assert vendor.calls <= 2


@pytest.mark.parametrize("said", [0, 1, 100, 249, 250, 251, 300, 10**6, 10**40])
@WRONGLY
async def test_the_session_count_of_an_experiment_is_only_a_hint(connect: Open, state: State, said: int) -> None:
    vendor = Vendor(250, state)
    found = await session_page(await connect(vendor), OrderDirection.DESC, MergeRequest(20), said)
    assert [row.node.vendor_id for row in found.merged.rows] == in_order("s", 250, OrderDirection.DESC)[:20]
    assert vendor.calls < 20


async def test_right_totals_cost_one_call(connect: Open) -> None:
    vendor = Vendor(250, lambda held, _: held)
    adapter = await connect(vendor)
    found = await session_page(adapter, OrderDirection.DESC, MergeRequest(20), 250)
    assert (vendor.calls, found.total_count) == (1, 250)


async def test_exactly_a_page_of_experiments_ends_with_it(connect: Open) -> None:
    vendor = Vendor(3, lambda held, _: held)
    adapter = await connect(vendor)
    full = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(3))
    beyond = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(3, 3))
    assert (len(full.items), full.total, full.next_hint) == (3, 3, 3)
    assert (list(beyond.items), beyond.next_hint) == ([], None)
