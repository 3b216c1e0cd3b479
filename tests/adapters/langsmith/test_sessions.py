"""Root runs through the LangSmith adapter: its queries, its pages, and requests that share a query."""

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.testing import capture_logs
from tracegraph_langsmith.client import RUN_FIELDS

from tests.adapters.langsmith.conftest import Connect
from tracegraph.adapter.paging import CursorRequest, Key, Page, PageRequest, RangeRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.filters import (
    OrderDirection,
    SessionFilter,
    SessionOrder,
    StringFilter,
    TimeRange,
    session_sort_value,
)
from tracegraph.domain.models import Session, SessionRef, SessionStatus
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceObjectNotFound,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

P, Q = stable_uuid("session:p"), stable_uuid("session:q")
NEWEST_FIRST = SessionOrder()
OLDEST_FIRST = SessionOrder(direction=OrderDirection.ASC)
HOSTILE = ["", "..", "a/b", '"), eq(status, "', "\ud800", "x" * 5000, f"{P}/", f" {P}", f"{{{P}}}"]


def add(world: LangSmithWorld, name: str, starts: Sequence[float], **fields: Any) -> str:
    """A project whose runs start so many seconds after the epoch; its id."""
    runs = [
        langsmith_run(f"{name}{number}", start_time=EPOCH + timedelta(seconds=start), **fields)
        for number, start in enumerate(starts)
    ]
    world.add(langsmith_session(name), runs)
    return stable_uuid(f"session:{name}")


def session_request(
    *refs: str, limit: int = 5, after: int | None = None, hint: Any = None, **rest: Any
) -> SessionPageRequest:
    page: PageRequest = CursorRequest(limit, hint)
    if after is not None:
        page = RangeRequest(limit, Key(after, "any"), token=hint)
    return SessionPageRequest(refs, page, **rest)


def micros(seconds: float) -> int:
    return microseconds(EPOCH + timedelta(seconds=seconds))


def seconds(page: Page[Session]) -> list[float]:
    return [(session.started_at - EPOCH).total_seconds() for session in page.items]


async def listed(adapter: Adapter, *requests: SessionPageRequest) -> list[Page[Session]]:
    outcomes = await adapter.list_sessions(requests)
    assert len(outcomes) == len(requests)
    for answer in outcomes:
        assert isinstance(answer, Page), answer
    return [answer for answer in outcomes if isinstance(answer, Page)]


def bodies(vendor: Simulator) -> list[dict[str, Any]]:
    assert all((call.method, call.path) == ("POST", "/api/v1/runs/query") for call in vendor.calls)
    return [call.body for call in vendor.calls]


class TestTheQuery:
    async def test_it_is_one_query_for_the_roots_of_the_project(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1, 2, 3])
        world.runs[P].append(langsmith_run("child", parent=world.runs[P][0]))
        (page,) = await listed(adapter, session_request(P))
        assert seconds(page) == [3, 2, 1]
        assert (page.offset, page.next_hint, page.total, page.provenance) == (None, None, None, FetchInfo(1))
        assert bodies(vendor) == [
            {"session": [P], "is_root": True, "order": "desc", "limit": 5, "select": list(RUN_FIELDS)}
        ]

    async def test_oldest_first_is_the_vendors_ascending_order(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1, 2, 3])
        (page,) = await listed(adapter, session_request(P, order=OLDEST_FIRST))
        assert seconds(page) == [1, 2, 3]
        assert bodies(vendor)[0]["order"] == "asc"

    @pytest.mark.parametrize(("limit", "sent"), [(1000, 100), (0, 1)])
    async def test_the_vendors_bounds_on_limit_are_respected(
        self, adapter: Adapter, vendor: Simulator, limit: int, sent: int
    ) -> None:
        await listed(adapter, session_request(P, limit=limit))
        assert bodies(vendor)[0]["limit"] == sent

    @pytest.mark.parametrize(
        ("wanted", "sent"),
        [
            ({"statuses": {SessionStatus.SUCCESS}}, 'eq(status, "success")'),
            ({"statuses": {SessionStatus.ERROR}}, 'eq(status, "error")'),
            ({"statuses": {SessionStatus.RUNNING}}, 'eq(status, "pending")'),
            (
                {"statuses": {SessionStatus.ERROR, SessionStatus.RUNNING}},
                'or(eq(status, "error"), eq(status, "pending"))',
            ),
            ({"statuses": {SessionStatus.ERROR, SessionStatus.CANCELLED}}, 'eq(status, "error")'),
            ({"statuses": {SessionStatus.ERROR, SessionStatus.UNKNOWN}}, None),
            (
                {"started_at": TimeRange(gte=datetime(2026, 1, 2, tzinfo=UTC))},
                'gte(start_time, "2026-01-02T00:00:00.000000Z")',
            ),
            (
                {"started_at": TimeRange(lt=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))},
                'lt(start_time, "2026-01-02T03:04:05.000678Z")',
            ),
            ({"started_at": TimeRange()}, None),
            (
                {
                    "statuses": {SessionStatus.ERROR},
                    "started_at": TimeRange(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
                },
                'and(eq(status, "error"), gte(start_time, "2026-01-01T00:00:00.000000Z"), '
                'lt(start_time, "2026-01-02T00:00:00.000000Z"))',
            ),
        ],
    )
    async def test_statuses_and_times_are_conditions_of_its_filter(
        self, adapter: Adapter, vendor: Simulator, wanted: dict[str, Any], sent: str | None
    ) -> None:
        if "statuses" in wanted:
            wanted |= {"statuses": frozenset(wanted["statuses"])}
        await listed(adapter, session_request(P, filter=SessionFilter(**wanted)))
        assert bodies(vendor)[0].get("filter") == sent

    async def test_a_test_case_is_its_reference_example(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1, 2])
        case = stable_uuid("case")
        world.runs[P][0]["reference_example_id"] = case
        (page,) = await listed(
            adapter, session_request(P, filter=SessionFilter(test_case_id=StringFilter(eq=case)))
        )
        assert seconds(page) == [1]
        assert bodies(vendor)[0]["reference_example"] == [case]

    @pytest.mark.parametrize(
        "wanted",
        [
            SessionFilter(test_case_id=StringFilter(eq='x"), eq(status, "error')),
            SessionFilter(test_case_id=StringFilter(eq="case-1")),
            SessionFilter(statuses=frozenset({SessionStatus.CANCELLED})),
            SessionFilter(statuses=frozenset()),
        ],
    )
    async def test_a_filter_that_no_run_can_match_is_an_empty_list_without_a_call(
        self, adapter: Adapter, vendor: Simulator, wanted: SessionFilter
    ) -> None:
        (page,) = await listed(adapter, session_request(P, filter=wanted))
        assert (page.items, page.next_hint, page.provenance, vendor.calls) == ((), None, FetchInfo(0), [])

    @pytest.mark.parametrize("ref", HOSTILE)
    async def test_a_project_with_an_impossible_id_is_not_found_without_a_call(
        self, adapter: Adapter, vendor: Simulator, ref: str
    ) -> None:
        outcomes = await adapter.list_sessions(
            [session_request(ref), session_request(ref, ref), session_request()]
        )
        assert [type(answer) for answer in outcomes] == [SourceObjectNotFound] * 3
        assert vendor.calls == []

    @pytest.mark.parametrize("ref", HOSTILE)
    async def test_a_project_with_an_impossible_id_does_not_affect_the_others_of_its_list(
        self, adapter: Adapter, world: LangSmithWorld, vendor: Simulator, ref: str
    ) -> None:
        add(world, "p", range(3))
        alone, beside = await listed(adapter, session_request(P), session_request(ref, P))
        assert len(alone.items) == 3
        assert beside.items == alone.items
        assert [call.body["session"] for call in vendor.calls] == [[P]]

    async def test_the_filters_are_ones_that_the_vendor_honours(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(6))
        world.runs[P][4]["status"] = "error"
        window = TimeRange(EPOCH + timedelta(seconds=2), EPOCH + timedelta(seconds=5))
        errors = frozenset({SessionStatus.ERROR})
        (within, failed) = await listed(
            adapter,
            session_request(P, filter=SessionFilter(started_at=window)),
            session_request(P, filter=SessionFilter(started_at=window, statuses=errors)),
        )
        assert (seconds(within), seconds(failed)) == ([4, 3, 2], [4])


class TestResuming:
    async def test_a_key_is_resumed_by_range_itself_included(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(9))
        newest, oldest = await listed(
            adapter,
            session_request(P, limit=3, after=micros(4)),
            session_request(P, limit=3, after=micros(4), order=OLDEST_FIRST),
        )
        assert (seconds(newest), seconds(oldest)) == ([4, 3, 2], [4, 5, 6])
        assert {body["order"]: body["filter"] for body in bodies(vendor)} == {
            "desc": 'lte(start_time, "2026-11-01T09:00:04.000000Z")',
            "asc": 'gte(start_time, "2026-11-01T09:00:04.000000Z")',
        }

    async def test_next_is_the_vendors_cursor_with_the_body_it_was_given_for(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(300))
        (first,) = await listed(adapter, session_request(P, limit=100, after=micros(299)))
        (second,) = await listed(adapter, session_request(P, limit=100, after=micros(200), hint=first.next_hint))
        assert seconds(first) + seconds(second) == [*range(299, 99, -1)]
        before, after = bodies(vendor)
        assert after.pop("cursor")
        assert before == after

    async def test_the_last_page_ends_the_list_though_it_is_full(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(3))
        (page,) = await listed(adapter, session_request(P, limit=3))
        assert page.next_hint is None

    async def test_a_group_of_one_start_longer_than_a_page_is_read_through_by_hints(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        world.shuffle_ties = True
        add(world, "p", [7] * 250)
        found = (await traversed(adapter, [P], limit=100))[P]
        assert sorted(session.vendor_id for session in found) == sorted(run["id"] for run in world.runs[P])

    async def test_a_key_without_a_time_has_nothing_behind_it(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        """Missing values come last, and every run has a start."""
        add(world, "p", [1])
        (page,) = await listed(adapter, SessionPageRequest((P,), RangeRequest(5, Key(None, "x"))))
        assert (page.items, page.next_hint, vendor.calls) == ((), None, [])

    @pytest.mark.parametrize(
        "page",
        [
            RangeRequest(5, Key(10**30, "x")),
            CursorRequest(5, "made up"),
            CursorRequest(5, "\ud800"),
            CursorRequest(5, '["\\ud800"]'),
            CursorRequest(5, "[1]"),
            CursorRequest(5, f"[null,{10**30}]"),
            CursorRequest(5, f"[null,null,[],[],{10**30}]"),
            CursorRequest(5, "[null,null,7]"),
            CursorRequest(5, f'["c",null,[],["{P}"]]'),
            RangeRequest(5, token="{}"),
        ],
    )
    async def test_an_impossible_position_is_a_bad_request_without_a_call(
        self, adapter: Adapter, vendor: Simulator, page: PageRequest
    ) -> None:
        (answer,) = await adapter.list_sessions([SessionPageRequest((P,), page)])
        assert isinstance(answer, SourceBadRequest)
        assert vendor.calls == []

    async def test_a_refused_cursor_is_replaced_by_the_start_of_the_run_before_it(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(300))
        (first,) = await listed(adapter, session_request(P, limit=100))
        world.cursor_generation += 1
        (second,) = await listed(adapter, session_request(P, limit=50, hint=first.next_hint))
        assert seconds(first) + seconds(second) == [*range(299, 149, -1)]
        assert second.provenance.upstream_requests == 2

    async def test_a_token_fits_into_a_clients_cursor(self, adapter: Adapter, world: LangSmithWorld) -> None:
        add(world, "p", range(300))
        add(world, "q", range(300))
        pages = await listed(
            adapter, session_request(P), session_request(P, after=micros(7)), session_request(P, Q, limit=100)
        )
        assert all(isinstance(page.next_hint, str) and len(page.next_hint) <= 128 for page in pages)


class TestRunsOfOneStart:
    async def test_they_are_ordered_by_id_whatever_the_vendors_order(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        world.shuffle_ties = True
        add(world, "p", [2, 1, 1, 1, 1, 1, 0])
        for order in (NEWEST_FIRST, OLDEST_FIRST):
            (page,) = await listed(adapter, session_request(P, limit=10, order=order))
            ids = [session.vendor_id for session in page.items]
            assert ids[1:6] == sorted(ids[1:6])

    async def test_a_page_ends_before_them_if_more_may_follow(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        world.shuffle_ties = True
        add(world, "p", [5, 4, 3, 3, 3, 2, 1])
        (first,) = await listed(adapter, session_request(P, limit=4))
        (second,) = await listed(adapter, session_request(P, limit=4, hint=first.next_hint))
        assert (seconds(first), seconds(second)) == ([5, 4], [3, 3, 3, 2])

    async def test_a_page_that_would_end_within_its_first_start_is_read_again_as_a_full_one(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [5, 5, 5, 5, *range(4)])
        (page,) = await listed(adapter, session_request(P, limit=2))
        assert seconds(page) == [5, 5, 5, 5, 3, 2, 1, 0]
        assert [body["limit"] for body in bodies(vendor)] == [2, 100]
        assert page.provenance == FetchInfo(2)

    async def test_more_than_a_page_of_them_continue_in_the_vendors_order(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        world.shuffle_ties = True
        add(world, "p", [1] * 150)
        (first,) = await listed(adapter, session_request(P, limit=10))
        (second,) = await listed(adapter, session_request(P, limit=100, hint=first.next_hint))
        assert (len(first.items), len(second.items), second.next_hint) == (100, 50, None)
        assert len({session.vendor_id for page in (first, second) for session in page.items}) == 150


class TestSeveralRequests:
    async def test_none_make_no_call(self, adapter: Adapter, vendor: Simulator) -> None:
        assert list(await adapter.list_sessions([])) == []
        assert vendor.calls == []

    async def test_the_merged_sessions_of_several_projects_are_one_query(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1, 3])
        add(world, "q", [2, 4])
        (page,) = await listed(adapter, session_request(P, Q, limit=3))
        assert seconds(page) == [4, 3, 2]
        assert [session.experiment_ref for session in page.items] == [Q, P, Q]
        assert bodies(vendor)[0]["session"] == [P, Q]
        (rest,) = await listed(adapter, session_request(P, Q, limit=3, hint=page.next_hint))
        assert (seconds(rest), rest.next_hint) == ([1], None)

    async def test_first_pages_of_twenty_projects_that_interleave_are_one_call(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add(world, f"p{n}", [n + 20 * turn for turn in range(5)]) for n in range(20)]
        pages = await listed(adapter, *(session_request(ref) for ref in refs))
        assert [seconds(page) for page in pages] == [
            [n + 20 * turn for turn in (4, 3, 2, 1, 0)] for n in range(20)
        ]
        assert all(
            session.experiment_ref == ref for ref, page in zip(refs, pages, strict=True) for session in page.items
        )
        (body,) = bodies(vendor)
        assert (body["session"], body["limit"]) == (refs, 100)

    async def test_the_sum_of_what_they_report_is_the_calls_that_were_made(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add(world, f"p{n}", [n * 50 + turn for turn in range(40)]) for n in range(6)]
        pages = await listed(adapter, *(session_request(ref) for ref in refs))
        assert sum(page.provenance.upstream_requests for page in pages) == len(vendor.calls) > 1
        assert pages[0].provenance.upstream_requests >= 1

    async def test_a_project_that_holds_the_newest_runs_leaves_after_one_round(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        busy = add(world, "busy", range(1000, 1300))
        quiet = [add(world, f"q{n}", [n, n + 10, n + 20]) for n in range(9)]
        pages = await listed(adapter, *(session_request(ref, limit=2) for ref in [busy, *quiet]))
        assert [seconds(page)[:2] for page in pages] == [[1299, 1298], *([n + 20, n + 10] for n in range(9))]
        first, second = bodies(vendor)
        assert first["session"] == [busy, *quiet]
        assert second["session"] == quiet
        assert second["filter"] == 'lte(start_time, "2026-11-01T09:20:00.000000Z")'

    async def test_projects_that_ran_one_after_another_are_read_side_by_side_after_two_rounds(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add(world, f"p{n}", range(n * 1000, n * 1000 + 120)) for n in range(20)]
        vendor.faults.add(Fault("delay", times=None, seconds=0.02))
        pages = await listed(adapter, *(session_request(ref) for ref in refs))
        assert [seconds(page)[0] for page in pages] == [n * 1000 + 119 for n in range(20)]
        assert len(vendor.calls) <= 20
        assert vendor.peak_in_flight >= 4

    async def test_small_projects_are_read_to_their_end_together(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add(world, f"p{n}", range(n * 1000, n * 1000 + 10)) for n in range(20)]
        pages = await listed(adapter, *(session_request(ref, limit=100) for ref in refs))
        assert [(len(page.items), page.next_hint) for page in pages] == [(10, None)] * 20
        assert len(vendor.calls) == 2

    async def test_a_project_without_runs_is_empty_and_ends(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        busy, empty = add(world, "busy", range(150)), add(world, "empty", [])
        pages = await listed(adapter, session_request(busy), session_request(empty))
        assert (pages[1].items, pages[1].next_hint) == ((), None)
        assert [body["session"] for body in bodies(vendor)] == [[busy, empty], [empty]]

    @pytest.mark.parametrize(
        "others",
        [
            {"filter": SessionFilter(statuses=frozenset({SessionStatus.SUCCESS}))},
            {"order": OLDEST_FIRST},
            {"after": micros(1)},
        ],
    )
    async def test_requests_with_another_filter_order_or_position_have_separate_queries(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld, others: dict[str, Any]
    ) -> None:
        add(world, "p", [1, 2])
        add(world, "q", [1, 2])
        pages = await listed(adapter, session_request(P), session_request(Q, **others))
        assert all(page.items for page in pages)
        assert sorted(body["session"] for body in bodies(vendor)) == sorted([[P], [Q]])

    async def test_requests_with_one_key_share_a_query(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(9))
        add(world, "q", range(9))
        pages = await listed(
            adapter, session_request(P, limit=2, after=micros(5)), session_request(Q, limit=3, after=micros(5))
        )
        assert [seconds(page) for page in pages] == [[5, 4, 3, 2, 1, 0]] * 2
        assert len(vendor.calls) == 1

    async def test_two_requests_for_one_project_both_have_its_rows(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(3))
        pages = await listed(adapter, session_request(P, limit=1), session_request(P.upper(), limit=3))
        assert [seconds(page) for page in pages] == [[2, 1, 0]] * 2
        assert bodies(vendor)[0]["session"] == [P]

    async def test_a_page_that_goes_on_is_continued_right_after_its_last_row(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(150))
        add(world, "q", range(150))
        first, other = await listed(adapter, session_request(P, limit=2), session_request(Q, limit=2))
        (second,) = await listed(adapter, session_request(P, limit=2, hint=first.next_hint))
        assert other.next_hint is not None
        assert seconds(second)[0] == seconds(first)[-1] - 1

    async def test_every_row_has_its_own_raw_object(self, adapter: Adapter, world: LangSmithWorld) -> None:
        add(world, "p", [1, 3])
        add(world, "q", [2, 4])
        for page in await listed(adapter, session_request(P), session_request(Q)):
            for session in page.items:
                assert session.raw is not None
                assert session.raw.decode()["id"] == session.vendor_id

    @pytest.mark.parametrize("seed", range(40))
    async def test_whatever_the_runs_every_list_comes_whole_in_order_and_once(
        self, adapter: Adapter, world: LangSmithWorld, seed: int
    ) -> None:
        """Lists of many ties, read on hint by hint while the vendor orders equals anew in every call."""
        chance = random.Random(seed)
        world.shuffle_ties = True
        span = chance.choice([1, 3, 40, 1000])
        refs = [
            add(world, f"p{n}", [chance.randrange(span) for _ in range(chance.choice([0, 1, 7, 60, 230]))])
            for n in range(chance.randint(2, 7))
        ]
        order = chance.choice([NEWEST_FIRST, OLDEST_FIRST])
        found = await traversed(adapter, refs, limit=chance.choice([1, 2, 5, 50, 100]), order=order)
        for ref in refs:
            starts = [session_sort_value(session) for session in found[ref]]
            assert starts == sorted(starts, reverse=order.direction is OrderDirection.DESC)  # type: ignore[type-var]
            ids = [session.vendor_id for session in found[ref]]
            assert len(ids) == len(set(ids))
            assert set(ids) == {run["id"] for run in world.runs[ref]}


async def traversed(
    adapter: Adapter, refs: Sequence[str], limit: int, order: SessionOrder = NEWEST_FIRST
) -> dict[str, list[Session]]:
    """The whole lists of several projects, all requested at once, page after page."""
    found: dict[str, list[Session]] = {ref: [] for ref in refs}
    going: dict[str, Any] = dict.fromkeys(refs)
    while going:
        requests = [session_request(ref, limit=limit, hint=hint, order=order) for ref, hint in going.items()]
        pages = dict(zip(list(going), await listed(adapter, *requests), strict=True))
        going = {}
        for ref, page in pages.items():
            assert page.items or page.next_hint is None
            found[ref] += page.items
            if page.next_hint is not None:
                going[ref] = page.next_hint
    return found


class TestFailures:
    async def test_a_pool_that_fails_fails_every_request_and_counts_each_call_once(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1])
        add(world, "q", [1])
        vendor.faults.add(Fault("status", status=503))
        outcomes = await adapter.list_sessions([session_request(P), session_request(Q), session_request("nobody")])
        assert [type(answer) for answer in outcomes] == [
            SourceUnavailable,
            SourceUnavailable,
            SourceObjectNotFound,
        ]
        errors = [answer for answer in outcomes if isinstance(answer, SourceError)]
        assert [error.upstream_requests for error in errors] == [1, 0, 0]
        assert errors[0].reference == errors[1].reference
        assert errors[0].http_status == errors[1].http_status == 503
        assert str(errors[0]) == str(errors[1]) != ""

    async def test_a_request_that_was_complete_before_the_failure_succeeds(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        busy, quiet = add(world, "busy", range(1000, 1300)), add(world, "quiet", range(9))
        vendor.faults.add(Fault("delay", seconds=0), Fault("status", status=500))
        outcomes = await adapter.list_sessions([session_request(busy), session_request(quiet)])
        assert isinstance(outcomes[0], Page)
        assert isinstance(outcomes[1], SourceUnavailable)
        assert outcomes[0].provenance.upstream_requests + outcomes[1].upstream_requests == len(vendor.calls) == 2

    async def test_one_project_that_the_vendor_does_not_know_leaves_the_others(self, connect: Connect) -> None:
        unknown = stable_uuid("nobody")
        refs = [stable_uuid(str(n)) for n in range(7)]

        async def answer(request: Request) -> JSONResponse:
            body = orjson.loads(await request.body())
            if unknown in body["session"]:
                return JSONResponse({"detail": "Project not found"}, 404)
            runs = [langsmith_run(ref) | {"session_id": ref} for ref in body["session"]]
            return JSONResponse({"runs": runs, "cursors": {}})

        adapter = await connect(runs_endpoint(answer))
        outcomes = await adapter.list_sessions([session_request(ref) for ref in [*refs[:3], unknown, *refs[3:]]])
        assert [type(answer) for answer in outcomes] == [*[Page] * 3, SourceObjectNotFound, *[Page] * 4]

    async def test_runs_of_other_projects_are_ignored(self, connect: Connect) -> None:
        runs = [
            langsmith_run("a") | {"session_id": Q},
            langsmith_run("b") | {"session_id": P},
            langsmith_run("c") | {"session_id": None},
        ]
        adapter = await connect(runs_endpoint(lambda _: JSONResponse({"runs": runs, "cursors": {"next": ""}})))
        with capture_logs() as logs:
            (page,) = await listed(adapter, session_request(P))
        assert [session.name for session in page.items] == ["b"]
        assert page.items[0].raw is not None
        assert page.items[0].raw.decode()["name"] == "b"
        assert page.next_hint is None
        assert [(log["event"], log["count"]) for log in logs] == [("rows.unreadable", 1), ("rows.foreign", 1)]

    async def test_a_page_that_goes_on_is_never_empty(self, connect: Connect) -> None:
        outcomes = [
            {"runs": [langsmith_run("a") | {"session_id": Q}], "cursors": {"next": "more"}},
            {"runs": [langsmith_run("b") | {"session_id": P}], "cursors": {"next": "still more"}},
            {"runs": [], "cursors": {"next": "for ever"}},
        ]
        adapter = await connect(runs_endpoint(lambda _: JSONResponse(outcomes.pop(0))))
        (page,) = await listed(adapter, session_request(P))
        assert [session.name for session in page.items] == ["b"]
        assert page.provenance == FetchInfo(2)
        (end,) = await listed(adapter, session_request(P, hint=page.next_hint))
        assert (end.items, end.next_hint) == ((), None)

    async def test_a_cursor_that_leads_nowhere_is_a_bad_response(self, connect: Connect) -> None:
        body = {"runs": [langsmith_run("a") | {"session_id": P}], "cursors": {"next": "round"}}
        adapter = await connect(runs_endpoint(lambda _: JSONResponse(body)))
        outcomes = await adapter.list_sessions([session_request(P, limit=2), session_request(Q, limit=2)])
        assert [type(answer) for answer in outcomes] == [SourceBadResponse] * 2
        (page,) = await listed(adapter, session_request(P))
        (answer,) = await adapter.list_sessions([session_request(P, hint=page.next_hint)])
        assert isinstance(answer, SourceBadResponse)

    @pytest.mark.parametrize("order", [NEWEST_FIRST, OLDEST_FIRST])
    @pytest.mark.parametrize(
        "starts", [range(250), [n // 7 for n in range(100)], range(50)], ids=["many", "equal", "full"]
    )
    async def test_a_vendor_without_cursors_is_read_on_by_time(
        self, connect: Connect, starts: Sequence[float], order: SessionOrder
    ) -> None:
        vendor = WithoutCursors(starts)
        adapter = await connect(runs_endpoint(vendor.answer))
        seen: list[str] = []
        hint: Any = None
        for _ in range(20):
            (page,) = await listed(adapter, session_request(P, limit=50, hint=hint, order=order))
            seen += [session.vendor_id for session in page.items]
            hint = page.next_hint
            if hint is None:
                break
        assert sorted(seen) == sorted(run["id"] for run in vendor.runs)
        assert hint is None

    async def test_a_vendor_that_ignores_ranges_too_ends_with_its_first_page(self, connect: Connect) -> None:
        vendor = WithoutCursors(range(60))
        vendor.applies_ranges = False
        adapter = await connect(runs_endpoint(vendor.answer))
        (page,) = await listed(adapter, session_request(P, limit=50))
        assert (len(page.items), page.next_hint, page.provenance) == (50, None, FetchInfo(2))

    @pytest.mark.parametrize("body", [{"runs": [], "cursors": None}, {"runs": []}])
    async def test_cursors_may_be_missing(self, connect: Connect, body: Any) -> None:
        adapter = await connect(runs_endpoint(lambda _: JSONResponse(body)))
        (page,) = await listed(adapter, session_request(P))
        assert (page.items, page.next_hint) == ((), None)


class WithoutCursors:
    """A vendor that sends full pages and never a cursor."""

    def __init__(self, starts: Sequence[float]) -> None:
        self.applies_ranges = True
        self.runs = [
            langsmith_run(f"r{n}", start_time=EPOCH + timedelta(seconds=start)) | {"session_id": P}
            for n, start in enumerate(starts)
        ]

    async def answer(self, request: Request) -> JSONResponse:
        """Answer with the first runs of the range."""
        body = orjson.loads(await request.body())
        runs = sorted(self.runs, key=itemgetter("start_time"), reverse=body["order"] == "desc")
        bound = re.search(r'(lte|gte)\(start_time, "([^"]*)"\)', body.get("filter", ""))
        if bound is not None and self.applies_ranges:
            limit = datetime.fromisoformat(bound[2])
            starts = [datetime.fromisoformat(run["start_time"]).replace(tzinfo=UTC) for run in runs]
            inside = [start <= limit if bound[1] == "lte" else start >= limit for start in starts]
            runs = [run for run, is_inside in zip(runs, inside, strict=True) if is_inside]
        return JSONResponse({"runs": runs[: body["limit"]], "cursors": {"next": None}})


def runs_endpoint(answer: Callable[[Request], Any]) -> Starlette:
    """A vendor that knows run queries only and answers them as given."""
    return Starlette(routes=[Route("/api/v1/runs/query", answer, methods=["POST"])])


class TestGetSessions:
    async def test_fifty_are_one_call(self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld) -> None:
        add(world, "p", range(60))
        refs = [SessionRef(P, run["id"]) for run in world.runs[P][:50]]
        found = await adapter.get_sessions(refs)
        assert list(found) == refs
        assert all(isinstance(one, Session) and one.ref == ref for ref, one in found.items())
        assert bodies(vendor) == [
            {"id": [ref.session_id for ref in refs], "limit": 100, "select": list(RUN_FIELDS)}
        ]

    async def test_a_hundred_and_fifty_are_two(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", range(150))
        refs = [SessionRef(P, run["id"]) for run in world.runs[P]]
        assert len(await adapter.get_sessions(refs)) == 150
        assert len(vendor.calls) == 2

    async def test_they_are_complete_with_their_raw_object(self, adapter: Adapter, world: LangSmithWorld) -> None:
        add(world, "p", [1])
        ref = SessionRef(P, world.runs[P][0]["id"])
        found = (await adapter.get_sessions([ref]))[ref]
        assert isinstance(found, Session)
        assert (found.deferred, found.input) == (frozenset(), "question of p0")
        assert found.raw is not None
        assert found.raw.decode()["inputs"] == {"question": "question of p0"}

    async def test_a_child_run_or_one_of_another_project_is_unknown(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1])
        child = langsmith_run("child", parent=world.runs[P][0])
        world.runs[P].append(child)
        refs = [
            SessionRef(P, child["id"]),
            SessionRef(Q, world.runs[P][0]["id"]),
            SessionRef(P, stable_uuid("nobody")),
        ]
        assert await adapter.get_sessions(refs) == {}

    async def test_each_is_found_under_the_requested_ref(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add(world, "p", [1])
        run = world.runs[P][0]["id"]
        refs = [SessionRef(P.upper(), run), SessionRef(P, run.upper())]
        assert list(await adapter.get_sessions(refs)) == refs
        assert bodies(vendor)[0]["id"] == [run]

    @pytest.mark.parametrize("text", HOSTILE)
    async def test_an_id_that_is_no_uuid_is_unknown_without_a_call(
        self, adapter: Adapter, vendor: Simulator, text: str
    ) -> None:
        assert await adapter.get_sessions([SessionRef(P, text), SessionRef(text, P)]) == {}
        assert vendor.calls == []
