"""Lists of more than 1000 experiments, which NeMo refuses with 413: read by time, through the gateway's lists."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from tracegraph_nemo.adapter import NemoAdapter
from tracegraph_nemo.client import NemoClient
from tracegraph_nemo.time_partitions import PartitionedLists

from tests.adapters.conftest import Serve
from tests.conftest import OpenGateway
from tests.examples import slow_but
from tests.gateway import Vendors
from tests.upstream.reading import POLICY, reading
from tracegraph.adapter.paging import ExperimentQuery, Key, OffsetRequest, Page, PageRequest
from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import Experiment
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceUnavailable
from tracegraph.federation.lists import Listing, MergeRequest, ScanBudget, list_experiments
from tracegraph.federation.merge import Positions
from tracegraph.federation.report import SourceReportStatus
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.times import naive, parse
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREATED, UPDATED, NAME = list(ExperimentOrderField)[:3]
ASC, DESC = OrderDirection
NEWEST = ExperimentOrder(CREATED, DESC)
EVERYTHING = ExperimentFilter()
BOUND = {CREATED: "created_at", UPDATED: "updated_at", NAME: "created_at"}
SOME_ORDERS = slow_but(
    [NEWEST, ExperimentOrder(NAME, DESC)], [NEWEST, ExperimentOrder(UPDATED, ASC), ExperimentOrder(NAME, DESC)]
)
ORDERS = slow_but(
    [NEWEST, ExperimentOrder(UPDATED, ASC), ExperimentOrder(NAME, DESC)],
    [ExperimentOrder(field, direction) for field in (CREATED, UPDATED, NAME) for direction in OrderDirection],
)


class Clock:
    """Seconds since 1970, that pass when the test says so."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


Open = Callable[..., Awaitable[NemoAdapter]]


@pytest.fixture
def connect(serve: Serve) -> Open:
    """Opens an adapter on an application; several on one are the copies of a gateway."""

    async def start(app: ASGIApp, clock: Clock | None = None, *, cached: bool = False) -> NemoAdapter:
        time, upstream = clock or Clock(), await serve(app, source="nemo-a")
        client = NemoClient(reading(upstream, time) if cached else upstream, "default", None)
        return NemoAdapter("nemo-a", client, "0.2", clock=time, wall_clock=time)

    return start


def after(limit: int, hint: int | str | None) -> OffsetRequest:
    """The request behind a page that gave this `next_hint`."""
    return OffsetRequest(limit, hint) if isinstance(hint, int) else OffsetRequest(limit, token=hint)


def world_of(times: Sequence[datetime], **fields: Any) -> NemoWorld:
    """An experiment created at each of the times, by names and updates that follow another order."""
    rng = Random(len(times))
    world = NemoWorld()
    for number, time in enumerate(times):
        name = f"{rng.choice('aBcD')}{rng.randrange(10**6):06}-{number}"
        updated = naive(time + timedelta(seconds=rng.randrange(10**6)))
        world.experiments.append(nemo_experiment(name, created_at=time, updated_at=updated, run_count=1, **fields))
    return world


def evenly(count: int, over: timedelta = timedelta(days=100), end: datetime = NOW) -> list[datetime]:
    return [end - over * number / count for number in range(count)]


def bulk(count: int) -> list[datetime]:
    """Within an hour, a month ago."""
    return evenly(count, timedelta(hours=1), NOW - timedelta(days=30))


def bursts() -> list[datetime]:
    """Three times 600 within ten minutes."""
    return [
        time for days in (2, 40, 300) for time in evenly(600, timedelta(minutes=10), NOW - timedelta(days=days))
    ]


def expected(
    world: NemoWorld, order: ExperimentOrder, admits: Callable[[Any], bool] = lambda _: True
) -> list[str]:
    """A plain sort, equals by id."""

    def value(row: Any) -> Any:
        return row["name"].casefold() if order.field is NAME else parse(row[BOUND[order.field]])

    rows = sorted(filter(admits, world.experiments), key=lambda row: row["id"])
    rows.sort(key=value, reverse=order.direction is DESC)
    return [row["name"] for row in rows]


async def page_of(
    adapter: NemoAdapter,
    first: int,
    positions: Positions,
    order: ExperimentOrder = NEWEST,
    wanted: ExperimentFilter = EVERYTHING,
) -> Listing[Experiment]:
    listing = await list_experiments(
        [adapter], {"nemo-a": wanted}, order, MergeRequest(first, positions, ScanBudget())
    )
    error = listing.reports[0].error
    if error is not None:
        raise error
    return listing


def names(listing: Listing[Experiment]) -> list[str]:
    return [row.node.name for row in listing.merged.rows]


async def pages(
    adapter: NemoAdapter,
    first: int = 100,
    order: ExperimentOrder = NEWEST,
    wanted: ExperimentFilter = EVERYTHING,
) -> AsyncIterator[Listing[Experiment]]:
    """Every page to the list's end, each from the last one's cursor."""
    positions = Positions()
    while True:
        listing = await page_of(adapter, first, positions, order, wanted)
        yield listing
        if not listing.merged.has_next:
            return
        positions = listing.merged.positions_at_end()


async def everything(
    adapter: NemoAdapter,
    first: int = 100,
    order: ExperimentOrder = NEWEST,
    wanted: ExperimentFilter = EVERYTHING,
) -> list[str]:
    """The names on every page."""
    return [name async for listing in pages(adapter, first, order, wanted) for name in names(listing)]


def word(order: ExperimentOrder) -> str:
    return f"{order.field.value} {order.direction.value}"


@pytest.mark.slow
class TestFiveThousand:
    """All come once and in order; a page is one or two calls, apart from searching the first row and the end."""

    @pytest.mark.parametrize(
        ("times", "order", "first", "counts"),
        [
            (evenly(5000), NEWEST, 100, [4, *48 * [1], 5]),
            (evenly(5000), ExperimentOrder(UPDATED, ASC), 1000, [9, 2, 2, 2, 7]),
            (bulk(5000), NEWEST, 1000, [14, 2, 2, 2, 6]),
            (evenly(5000), ExperimentOrder(NAME, ASC), 2500, [14, 6]),
        ],
        ids=["created", "updated", "created within an hour", "by name"],
    )
    async def test_list(
        self, connect: Open, times: Sequence[datetime], order: ExperimentOrder, first: int, counts: list[int]
    ) -> None:
        world = world_of(times)
        simulator = nemo.create_app(world)
        seen: list[str] = []
        calls: list[int] = []
        async for listing in pages(await connect(simulator), first, order):
            seen += names(listing)
            calls.append(len(simulator.calls))
            assert listing.reports[0].upstream_requests == calls[-1]
            simulator.calls.clear()
        assert seen == expected(world, order)
        assert calls == counts


class TestOrder:
    @pytest.mark.parametrize("order", ORDERS, ids=word)
    async def test_every_order_equals_a_plain_sort(self, connect: Open, order: ExperimentOrder) -> None:
        rng = Random(5)
        world = world_of([NOW - timedelta(seconds=rng.expovariate(1e-6)) for _ in range(1100)])
        adapter = await connect(nemo.create_app(world))
        assert await everything(adapter, 250, order) == expected(world, order)

    @pytest.mark.parametrize("order", SOME_ORDERS, ids=word)
    async def test_groups_of_equal_times_come_whole(self, connect: Open, order: ExperimentOrder) -> None:
        """NeMo lists equal times by name, the gateway by id: groups are put in order as a whole."""
        start = NOW - timedelta(days=3)
        sizes = [900, 1, 250, 3]
        times = [start + timedelta(minutes=number) for number, size in enumerate(sizes) for _ in range(size)]
        world = world_of(times)
        for row in world.experiments:
            row["updated_at"] = row["created_at"]
        adapter = await connect(nemo.create_app(world))
        assert await everything(adapter, 400, order) == expected(world, order)

    @pytest.mark.parametrize("order", slow_but([NEWEST], [NEWEST, ExperimentOrder(CREATED, ASC)]), ids=word)
    async def test_bursts_far_from_each_other_come_whole(self, connect: Open, order: ExperimentOrder) -> None:
        world = world_of(bursts())
        assert await everything(await connect(nemo.create_app(world)), 500, order) == expected(world, order)

    @pytest.mark.parametrize("direction", list(OrderDirection))
    async def test_times_of_the_future_and_of_long_ago_come_too(
        self, connect: Open, direction: OrderDirection
    ) -> None:
        far = [
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
            NOW + timedelta(days=400),
            datetime(1, 1, 1, tzinfo=UTC),
        ]
        world = world_of([*evenly(1001), datetime(1969, 7, 20, tzinfo=UTC)])
        for number, time in enumerate(far):
            world.experiments.append(nemo_experiment(f"far-{number}", created_at=time, run_count=1))
        order = ExperimentOrder(CREATED, direction)
        assert await everything(await connect(nemo.create_app(world)), 300, order) == expected(world, order)


class TestFilters:
    async def test_a_pushed_filter_stays_on_every_slice(self, connect: Open) -> None:
        world = world_of(evenly(1200), dataset_name="capitals")
        world.experiments += world_of(evenly(300), dataset_name="rivers").experiments
        simulator = nemo.create_app(world)
        found = await everything(
            await connect(simulator), 300, wanted=ExperimentFilter(dataset_name=StringFilter(eq="capitals"))
        )
        assert found == expected(world, NEWEST, lambda row: row["dataset_name"] == "capitals")
        assert all(call.query["filter[dataset_name]"] == ["capitals"] for call in simulator.calls)

    async def test_a_condition_of_the_gateway_is_applied_to_every_slice(self, connect: Open) -> None:
        world = world_of(evenly(1500))
        wanted = ExperimentFilter(name=StringFilter(contains="7-1"))
        found = await everything(await connect(nemo.create_app(world)), 50, wanted=wanted)
        assert found == expected(world, NEWEST, lambda row: "7-1" in row["name"])

    @pytest.mark.parametrize("order", [NEWEST, ExperimentOrder(CREATED, ASC), ExperimentOrder(NAME)], ids=word)
    async def test_no_slice_leaves_the_requested_range(self, connect: Open, order: ExperimentOrder) -> None:
        world = world_of(evenly(1500))
        times = TimeRange(NOW - timedelta(days=90), NOW - timedelta(days=10))
        simulator = nemo.create_app(world)
        wanted = ExperimentFilter(created_at=times)
        found = await everything(await connect(simulator), 500, order, wanted)
        assert found == expected(world, order, lambda row: times.matches(parse(row["created_at"])))
        assert times.gte is not None
        assert times.lt is not None
        for call in simulator.calls:
            ((earliest,), (latest,)) = (call.query[f"filter[created_at][{sign}]"] for sign in ("$gte", "$lte"))
            assert times.gte <= parse(earliest) <= parse(latest) < times.lt

    async def test_a_range_on_the_other_time_stays_as_it_is(self, connect: Open) -> None:
        world = world_of(evenly(1500))
        times = TimeRange(gte=NOW - timedelta(days=95))
        simulator = nemo.create_app(world)
        order = ExperimentOrder(UPDATED, DESC)
        found = await everything(await connect(simulator), 500, order, ExperimentFilter(created_at=times))
        assert found == expected(world, order, lambda row: times.matches(parse(row["created_at"])))
        assert {call.query["filter[created_at][$gte]"][0] for call in simulator.calls} == {
            "2026-08-17T12:00:00.000000Z"
        }

    async def test_a_range_of_less_than_1000_is_an_ordinary_list(self, connect: Open) -> None:
        simulator = nemo.create_app(world_of(evenly(1500)))
        wanted = ExperimentFilter(created_at=TimeRange(gte=NOW - timedelta(days=1)))
        listing = await page_of(await connect(simulator), 10, Positions(), NEWEST, wanted)
        assert (len(simulator.calls), listing.total_count) == (1, 16)

    async def test_a_release_without_filters_on_agents_is_detected_once(self, connect: Open) -> None:
        world = world_of(evenly(1100), agent_name="x")
        world.shape = "agent_lists"
        simulator = nemo.create_app(world)
        found = await everything(
            await connect(simulator), 500, wanted=ExperimentFilter(agent_name=StringFilter(eq="x"))
        )
        assert len(found) == 1100
        assert sum("filter[agent_name]" in call.query for call in simulator.calls) == 1

    async def test_lists_with_other_fields_share_what_was_learned(self, connect: Open) -> None:
        """NeMo returns all fields whichever are needed. So a list of names is known to be too long, too."""
        simulator = nemo.create_app(world_of(bulk(1200)))
        adapter = await connect(simulator)
        await adapter.list_experiments(ExperimentQuery(), OffsetRequest(5))
        before = len(simulator.calls)
        page = await adapter.list_experiments(ExperimentQuery(fields=frozenset()), OffsetRequest(5))
        assert len(page.items) >= 3
        assert all("filter[created_at][$gte]" in call.query for call in simulator.calls[before:])


class TestChangesWhilePaging:
    @pytest.mark.parametrize("order", SOME_ORDERS, ids=word)
    async def test_a_list_that_grows_too_long_and_shrinks_again_loses_nothing(
        self, connect: Open, order: ExperimentOrder
    ) -> None:
        """990 experiments, 1010 from the third page on, 990 again from the sixth."""
        world = world_of(evenly(990))
        stay = expected(world, order)
        others = world_of(evenly(20, timedelta(days=120), NOW + timedelta(days=10))).experiments
        others = [row | {"name": f"other-{row['name']}", "id": f"other-{row['id']}"} for row in others]
        adapter = await connect(nemo.create_app(world))
        seen: list[str] = []
        async for listing in pages(adapter, 100, order):
            seen += names(listing)
            if len(seen) == 300:
                world.experiments += others
            if len(seen) == 600:
                world.experiments = world.experiments[:990]
        assert [name for name in seen if not name.startswith("other-")] == stay
        assert len(set(seen)) == len(seen)

    @pytest.mark.parametrize("direction", list(OrderDirection))
    async def test_rows_added_and_deleted_at_every_page_move_no_others(
        self, connect: Open, direction: OrderDirection
    ) -> None:
        rng = Random(3)
        order = ExperimentOrder(CREATED, direction)
        world = world_of(evenly(1600))
        stay = {row["name"] for row in world.experiments[::2]}
        oracle = expected(world, order, lambda row: row["name"] in stay)
        adapter = await connect(nemo.create_app(world))
        seen: list[str] = []
        async for listing in pages(adapter, 100, order):
            seen += names(listing)
            added = world_of([NOW - timedelta(days=rng.uniform(-5, 110)) for _ in range(20)]).experiments
            world.experiments += [row | {"id": f"new-{row['name']}"} for row in added]
            gone = rng.sample([row["name"] for row in world.experiments if row["name"] not in stay], 20)
            world.experiments = [row for row in world.experiments if row["name"] not in gone]
        assert [name for name in seen if name in stay] == oracle

    async def test_a_list_that_is_too_long_after_a_page_by_offset_goes_on_by_time(self, connect: Open) -> None:
        """A whole list is read behind an offset that no longer answers."""
        world = world_of(evenly(1000))
        simulator = nemo.create_app(world)
        adapter = await connect(simulator)
        query = ExperimentQuery(order=ExperimentOrder(NAME))
        first = await adapter.list_experiments(query, OffsetRequest(600))
        assert (first.offset, first.next_hint) == (0, 600)
        world.experiments += world_of([NOW]).experiments
        found: set[str] = set()
        hint = first.next_hint
        while hint is not None:
            page = await adapter.list_experiments(query, after(600, hint))
            assert page.offset is None
            found |= {one.name for one in page.items}
            hint = page.next_hint
        assert len(found) == 1001


class TestResuming:
    @pytest.mark.parametrize("order", slow_but([NEWEST], [NEWEST, ExperimentOrder(UPDATED, ASC)]), ids=word)
    async def test_any_edge_leads_on_in_another_copy_of_the_gateway(
        self, connect: Open, order: ExperimentOrder
    ) -> None:
        world = world_of(evenly(1300))
        oracle = expected(world, order)
        simulator = nemo.create_app(world)
        listing = await page_of(await connect(simulator), 1000, Positions(), order)
        for edge in [0, 1, 500, 899, 900, 999]:
            positions = listing.merged.positions_after(listing.merged.rows[edge])
            following = await page_of(await connect(simulator), 7, positions, order)
            assert names(following) == oracle[edge + 1 : edge + 8], edge

    async def test_every_page_may_be_served_by_a_copy_without_hints(self, connect: Open) -> None:
        world = world_of(evenly(1300))
        simulator = nemo.create_app(world)
        seen: list[str] = []
        positions = Positions()
        more = True
        while more:
            listing = await page_of(await connect(simulator), 200, positions)
            seen += names(listing)
            positions, more = listing.merged.positions_at_end(), listing.merged.has_next
        assert seen == expected(world, NEWEST)

    async def test_behind_a_key_without_a_time_nothing_follows(self, connect: Open) -> None:
        simulator = nemo.create_app(world_of(evenly(1001)))
        page = await (await connect(simulator)).list_experiments(
            ExperimentQuery(), OffsetRequest(10, after=Key(None, "experiment-x"))
        )
        assert (list(page.items), page.offset, page.next_hint, page.total) == ([], None, None, None)
        assert len(simulator.calls) == 1


class TestPages:
    async def test_a_page_is_requested_by_a_closed_range_and_has_neither_offset_nor_total(
        self, connect: Open
    ) -> None:
        simulator = nemo.create_app(world_of(evenly(1500)))
        adapter = await connect(simulator)
        first = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(100))
        simulator.calls.clear()
        key = Key(microseconds(NOW - timedelta(days=50)), "experiment-x")
        page = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(100, 300, key))
        (call,) = simulator.calls
        assert {name: value for name, (value,) in call.query.items()} == {
            "page": "1",
            "page_size": "1000",
            "sort": "-created_at",
            "filter[created_at][$gte]": "2026-09-18T04:00:00.000001Z",
            "filter[created_at][$lte]": "2026-10-01T12:00:00.000000Z",
        }
        assert (first.offset, first.total, page.offset, page.total) == (None, None, None, None)
        assert len(page.items) == 200
        assert isinstance(page.next_hint, str)
        assert page.provenance.upstream_requests == 1

    @pytest.mark.parametrize("order", SOME_ORDERS, ids=word)
    async def test_pages_adjoin_and_only_the_last_is_sparse(self, connect: Open, order: ExperimentOrder) -> None:
        world = world_of(evenly(1500))
        adapter = await connect(nemo.create_app(world))
        found: list[str] = []
        hint: int | str | None = None
        while True:
            page = await adapter.list_experiments(ExperimentQuery(order=order), after(200, hint))
            found += [one.name for one in page.items]
            hint = page.next_hint
            if hint is None:
                break
            assert len(page.items) >= 100
        listed = ExperimentOrder(CREATED, ASC) if order.field is NAME else order
        assert found == expected(world, listed)

    async def test_the_last_page_ends_the_list_though_many_slices_were_empty(self, connect: Open) -> None:
        world = world_of([*evenly(1001, timedelta(hours=1)), NOW - timedelta(days=9000)])
        adapter = await connect(nemo.create_app(world))
        key = Key(microseconds(NOW - timedelta(hours=2)), "x")
        page = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(10, after=key))
        assert ([one.name for one in page.items], page.next_hint) == ([world.experiments[-1]["name"]], None)


class TestCalls:
    async def test_the_refused_call_is_made_once_a_minute(self, connect: Open) -> None:
        simulator = nemo.create_app(world_of(evenly(1500)))
        clock = Clock()
        adapter = await connect(simulator, clock)

        async def first_page() -> list[bool]:
            simulator.calls.clear()
            await page_of(adapter, 100, Positions())
            return ["filter[created_at][$gte]" in call.query for call in simulator.calls]

        assert (await first_page())[0] is False
        clock.now += 59
        assert await first_page() == [True]
        clock.now += 2
        assert await first_page() == [False, True]

    async def test_a_list_that_became_shorter_is_listed_by_offset_within_a_minute(self, connect: Open) -> None:
        world = world_of(evenly(1500))
        clock = Clock()
        adapter = await connect(nemo.create_app(world), clock)
        assert (await page_of(adapter, 10, Positions())).total_count is None
        del world.experiments[900:]
        clock.now += 61
        assert (await page_of(adapter, 10, Positions())).total_count == 900

    async def test_a_second_reading_uses_the_hints_of_gaps_and_of_the_end(self, connect: Open) -> None:
        times = [*evenly(700, timedelta(hours=1)), *evenly(700, timedelta(hours=1), NOW - timedelta(days=60))]
        simulator = nemo.create_app(world_of(times))
        adapter = await connect(simulator)
        counts = []
        for _ in range(2):
            simulator.calls.clear()
            await everything(adapter, 350)
            counts.append(len(simulator.calls))
        assert counts == [10, 8]

    async def test_pages_that_begin_in_one_slice_share_a_call_where_a_cache_holds_replies(
        self, connect: Open
    ) -> None:
        world = world_of(evenly(2000))
        simulator = nemo.create_app(world)
        clock = Clock()
        adapter = await connect(simulator, clock, cached=True)
        first = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(100))
        simulator.calls.clear()
        clock.now += POLICY.ttl_s + 1
        keys = [Key(microseconds(parse(row["created_at"])), row["name"]) for row in world.experiments[:500:50]]
        found = [await adapter.list_experiments(ExperimentQuery(), OffsetRequest(100, after=key)) for key in keys]
        assert {page.next_hint for page in found} == {first.next_hint}
        assert len(simulator.calls) == 1
        assert [page.items[0].name for page in found] == [row["name"] for row in world.experiments[:500:50]]

    async def test_a_cached_slice_that_has_become_too_long_is_cut_anew(self, connect: Open) -> None:
        world = world_of(evenly(2000))
        clock = Clock()
        adapter = await connect(nemo.create_app(world), clock, cached=True)
        await adapter.list_experiments(ExperimentQuery(), OffsetRequest(100))
        clock.now += POLICY.ttl_s + 1
        world.experiments += world_of(evenly(600, timedelta(days=1))).experiments
        page = await adapter.list_experiments(ExperimentQuery(), OffsetRequest(100))
        assert [one.name for one in page.items] == expected(world, NEWEST)[: len(page.items)]

    async def test_a_failure_counts_the_calls_that_were_made_before_it(self, connect: Open) -> None:
        simulator = nemo.create_app(world_of(bulk(1200)))
        adapter = await connect(simulator)
        simulator.faults.add(Fault("status", status=413, times=3), Fault("status", status=503))
        with pytest.raises(SourceUnavailable) as failure:
            await adapter.list_experiments(ExperimentQuery(), OffsetRequest(10))
        assert failure.value.upstream_requests == len(simulator.calls) == 4
        assert len(await everything(adapter, 500)) == 1200

    async def test_readers_at_the_same_time_each_get_everything(self, connect: Open) -> None:
        world = world_of(evenly(1100, timedelta(days=1)))
        adapter = await connect(nemo.create_app(world))
        orders = [NEWEST, NEWEST, ExperimentOrder(CREATED, ASC), ExperimentOrder(NAME)]
        found = await asyncio.gather(*(everything(adapter, 300, order) for order in orders))
        assert found == [expected(world, order) for order in orders]

    async def test_only_the_latest_lists_are_remembered(self) -> None:
        async def nothing(query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
            raise AssertionError((query, page))

        lists = PartitionedLists("nemo-a", nothing, Clock(), Clock(), shares_slices=False)
        queries = [
            ExperimentQuery(ExperimentFilter(dataset_name=StringFilter(eq=str(number)))) for number in range(65)
        ]
        for query in queries:
            lists.mark_too_long(query)
        assert [lists.is_too_long(query) for query in queries] == [False] + 64 * [True]


class TestUnsplittableSlices:
    async def test_more_than_1000_of_one_microsecond_are_an_error_that_requests_a_narrower_filter(
        self, connect: Open
    ) -> None:
        simulator = nemo.create_app(world_of([NOW - timedelta(hours=5)] * 1001))
        with pytest.raises(SourceBadRequest, match="narrow the filter") as failure:
            await (await connect(simulator)).list_experiments(ExperimentQuery(), OffsetRequest(10))
        assert failure.value.http_status == 413
        assert failure.value.upstream_requests == len(simulator.calls)

    async def test_rows_before_them_are_still_listed(self, connect: Open) -> None:
        world = world_of([*evenly(300, timedelta(hours=1)), *[NOW - timedelta(hours=5)] * 1001])
        listing = await page_of(await connect(nemo.create_app(world)), 100, Positions())
        assert names(listing) == expected(world, NEWEST)[:100]

    async def test_a_service_that_ignores_the_range_is_an_error_not_wrong_rows(self, connect: Open) -> None:
        class Heedless:
            calls = 0

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                self.calls += 1
                row = {"id": "experiment-a", "name": "a", "created_at": "2020-01-01T00:00:00"}
                status = 413 if len(Request(scope).query_params) == 3 else 200
                body = orjson.dumps({"data": [row], "pagination": {"total_results": 1}})
                await Response(body, status, media_type="application/json")(scope, receive, send)

        vendor = Heedless()
        with pytest.raises(SourceBadResponse, match="outside") as failure:
            await (await connect(vendor)).list_experiments(ExperimentQuery(), OffsetRequest(10))
        assert failure.value.upstream_requests == vendor.calls == 2


async def test_sessions_of_the_most_recently_active_experiments_are_found(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    world = world_of(evenly(1200))
    vendors.nemo.world.experiments = world.experiments
    active = expected(world, ExperimentOrder(UPDATED, DESC))
    for number, name in enumerate(active[:12]):
        vendors.nemo.world.sessions[name] = [
            nemo_session(f"s{number:02}", started_at=NOW - timedelta(hours=number))
        ]
    gateway = await open_gateway()
    answer = await gateway.ask("{ sessions(first: 20) { nodes { vendorId } sources { source { name } status } } }")
    assert [node["vendorId"] for node in answer.data["sessions"]["nodes"]] == [f"s{n:02}" for n in range(10)]
    statuses = {one["source"]["name"]: one["status"] for one in answer.data["sessions"]["sources"]}
    assert statuses["nemo"] == SourceReportStatus.SCAN_LIMITED.value
