"""Root runs by LangSmith's v2: its queries, its cursors, its ranges, and requests that share a query."""

from dataclasses import replace
from typing import Any

import pytest
from tracegraph_langsmith.v2_runs import SELECTS

from tests.adapters.conditions import equalities
from tests.adapters.langsmith.conftest import Connect
from tests.adapters.langsmith.v2 import (
    RUNS_V2,
    SESSIONS_V2,
    add_project,
    at,
    bodies,
    pages_of,
    paths,
    project_of,
    refusing,
    request,
    seconds,
)
from tracegraph.adapter import CursorRequest, Key, Page, RangeRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.filters import (
    FloatRange,
    MetadataFilter,
    OrderDirection,
    ScoreFilter,
    SessionFilter,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import Score, Session, SessionRef, SessionStatus, TokenUsage
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import SourceBadRequest, SourceObjectNotFound, SourceUnauthorized, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import TENANT, stable_uuid
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session

P = project_of("p")
ALWAYS = {"is_root": True, "min_start_time": "2000-01-01T00:00:00.000000Z", "include_subtree_usage": True}


@pytest.fixture
def vendor(world: LangSmithWorld) -> Simulator:
    return langsmith.create_app(world, Deployment.of("v2"))


@pytest.fixture
async def adapter(connect: Connect, vendor: Simulator) -> Adapter:
    return await connect(vendor, api="v2")


def key(second: float) -> Key:
    return Key(microseconds(at(second)), "any")


async def read_all(adapter: Adapter, first: SessionPageRequest) -> list[Page[Session]]:
    """Every page of a list, by its tokens."""
    pages = await pages_of(adapter, first)
    while pages[-1].next_hint is not None:
        page = CursorRequest(first.page.limit, str(pages[-1].next_hint))
        pages += await pages_of(adapter, replace(first, page=page))
    return pages


class TestTheQuery:
    async def test_it_asks_for_roots_since_2000_with_the_usage_of_their_trees(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", [1, 2, 3])
        world.runs[P].append(langsmith_run("child", parent=world.runs[P][0]))
        (page,) = await pages_of(adapter, request(P))
        assert (seconds(page), page.next_hint, page.total) == ([3, 2, 1], None, None)
        assert bodies(vendor) == [{"project_ids": [P], "selects": list(SELECTS), "page_size": 5, **ALWAYS}]

    async def test_whole_values_are_selected_only_where_they_are_needed_and_previews_never(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", [1])
        for fields in (frozenset[str](), frozenset({"input"}), frozenset({"raw"})):
            await pages_of(adapter, request(P, fields=fields))
        selected = [{"INPUTS", "OUTPUTS"} & set(body["selects"]) for body in bodies(vendor)]
        assert selected == [set(), {"INPUTS"}, {"INPUTS", "OUTPUTS"}]
        assert not any(name.endswith("_PREVIEW") for body in bodies(vendor) for name in body["selects"])

    async def test_what_is_not_selected_is_deferred(self, adapter: Adapter, world: LangSmithWorld) -> None:
        add_project(world, "p", [1])
        (page,) = await pages_of(adapter, request(P, fields=frozenset({"input"})))
        assert page.items[0].deferred == {"output", "raw"}
        assert page.items[0].input is not None

    @pytest.mark.parametrize(
        ("conditions", "sent"),
        [
            ({"statuses": {SessionStatus.ERROR}}, {"filter": 'eq(status, "error")'}),
            ({"statuses": {SessionStatus.ERROR, SessionStatus.UNKNOWN}}, {}),
            ({"test_case_id": stable_uuid("case")}, {"reference_examples": [stable_uuid("case")]}),
            (
                {"test_case_id": StringFilter(any_of=frozenset({stable_uuid("case"), "no id", stable_uuid("a")}))},
                {"reference_examples": sorted([stable_uuid("a"), stable_uuid("case")])},
            ),
            ({"name": "Chat bot"}, {"filter": 'eq(name, "Chat bot")'}),
            ({"name": 'a"b'}, {}),
            ({"name": StringFilter(starts_with="a")}, {}),
            ({"conversation_id": "thread-1", "text": "why"}, {}),
            ({"latency_ms": FloatRange(gte=1500)}, {"filter": "gte(latency, 1.498)"}),
            (
                {"latency_ms": FloatRange(gte=0, lt=20)},
                {"filter": "and(gte(latency, -0.002), lte(latency, 0.022))"},
            ),
            ({"score": ScoreFilter("accuracy", gte=1)}, {"filter": 'eq(feedback_key, "accuracy")'}),
            (
                {"metadata": (MetadataFilter("env", StringFilter(eq="prod")),)},
                {"filter": 'and(eq(metadata_key, "env"), eq(metadata_value, "prod"))'},
            ),
            (
                {"metadata": (MetadataFilter("attempt", StringFilter(eq="1")),)},
                {"filter": 'eq(metadata_key, "attempt")'},
            ),
            ({"metadata": (MetadataFilter("env", StringFilter(exists=False)),)}, {}),
            (
                {"started_at": TimeRange(at(10), at(20))},
                {
                    "min_start_time": "2026-11-01T09:00:09.999000Z",
                    "max_start_time": "2026-11-01T09:00:20.001000Z",
                },
            ),
        ],
    )
    async def test_conditions_are_pushed_down(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld, conditions: Any, sent: Any
    ) -> None:
        add_project(world, "p", [1])
        frozen: dict[str, Any] = {
            name: frozenset(one) if isinstance(one, set) else one for name, one in conditions.items()
        }
        await pages_of(adapter, request(P, filter=SessionFilter(**equalities(frozen))))
        (body,) = bodies(vendor)
        assert {name: body.get(name) for name in sent} == sent
        assert ("filter" in body) == ("filter" in sent)

    @pytest.mark.parametrize(("limit", "sent"), [(5000, 1000), (0, 1), (137, 137)])
    async def test_a_page_has_up_to_a_thousand_runs(
        self, adapter: Adapter, vendor: Simulator, limit: int, sent: int
    ) -> None:
        await pages_of(adapter, request(P, limit=limit))
        assert bodies(vendor)[0]["page_size"] == sent


class TestPages:
    async def test_2300_sessions_by_100_take_24_calls_with_the_question_for_the_dialect(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", range(2300))
        pages = await read_all(await connect(vendor, api="auto"), request(P, limit=100, fields=frozenset()))
        assert [second for page in pages for second in seconds(page)] == list(range(2299, -1, -1))
        assert len(vendor.calls) <= 24

    async def test_a_token_fits_into_a_cursor_and_works_only_for_the_same_fields(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", range(2500))
        (first,) = await pages_of(adapter, request(P, limit=1000, fields=frozenset()))
        token = str(first.next_hint)
        assert len(token) <= 128
        (second,) = await pages_of(adapter, request(P, page=CursorRequest(7, token), fields=frozenset()))
        assert (len(second.items), bodies(vendor)[-1]["page_size"]) == (1000, 1000)
        vendor.calls.clear()
        (outcome,) = await adapter.list_sessions([request(P, page=CursorRequest(1000, token))])
        assert isinstance(outcome, SourceBadRequest)
        assert vendor.calls == []

    @pytest.mark.parametrize(
        "token", ["", "x", "[]x", '["c"]', '["c",0]', '["c",1001]', '["c",-1]', "[null,5]", "{}"]
    )
    async def test_a_damaged_token_is_refused_without_a_call(
        self, adapter: Adapter, vendor: Simulator, token: str
    ) -> None:
        (outcome,) = await adapter.list_sessions([request(P, page=CursorRequest(5, token), fields=frozenset())])
        assert isinstance(outcome, SourceBadRequest)
        assert vendor.calls == []

    async def test_an_empty_page_with_a_cursor_is_not_the_end(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", [1, 2])
        (first,) = await pages_of(adapter, request(P, limit=1))
        cursor = str(first.next_hint).split('"')[1]
        vendor.faults.add(Fault("status", path=RUNS_V2, status=200, body={"items": [], "next_cursor": cursor}))
        (page,) = await pages_of(adapter, request(P, limit=1))
        assert seconds(page) == [1]
        assert page.provenance.upstream_requests == 2

    async def test_a_page_that_is_too_large_is_read_in_smaller_ones_at_any_place(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        """A cursor is valid only with its page size, so the list goes on from the last start."""
        starts = [*range(20), *[20] * 5, *range(21, 60)]
        add_project(world, "p", starts)
        for run in world.runs[P][:30]:
            run["inputs"] = {"text": "x" * 9000}
        adapter = await connect(vendor, api="v2", max_bytes=120_000)
        pages = await read_all(adapter, request(P, limit=30))
        assert [second for page in pages for second in seconds(page)] == sorted(starts, reverse=True)
        assert len({row.vendor_id for page in pages for row in page.items}) == len(starts)


class TestRanges:
    @pytest.mark.parametrize("inclusive", [True, False])
    async def test_both_bounds_are_included_whatever_the_vendor_does(
        self, adapter: Adapter, world: LangSmithWorld, *, inclusive: bool
    ) -> None:
        world.max_start_inclusive = inclusive
        add_project(world, "p", [1, 2, 3, 3.0005, 4, 5])
        (page,) = await pages_of(adapter, request(P, page=RangeRequest(9, key(3), microseconds(at(2)))))
        assert seconds(page) == [3, 2]

    async def test_a_range_goes_on_by_cursor_within_its_bounds(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", range(10))
        (first,) = await pages_of(adapter, request(P, page=RangeRequest(3, key(7), microseconds(at(2)))))
        pages = [first]
        while pages[-1].next_hint is not None:
            pages += await pages_of(adapter, request(P, page=CursorRequest(3, str(pages[-1].next_hint))))
        assert [second for page in pages for second in seconds(page)] == [7, 6, 5, 4, 3, 2]

    async def test_rows_of_one_start_come_once(self, adapter: Adapter, world: LangSmithWorld) -> None:
        """Sources that share a query resume by the last start, with the names of the rows that they have."""
        world.shuffle_ties = True
        refs = [add_project(world, name, [5] * 40) for name in "pq"]
        outcomes = await pages_of(adapter, *(request(ref, limit=15) for ref in refs))
        for ref, first in zip(refs, outcomes, strict=True):
            rows, page = list(first.items), first
            while page.next_hint is not None:
                (page,) = await pages_of(adapter, request(ref, page=CursorRequest(15, str(page.next_hint))))
                rows += page.items
            assert len({row.vendor_id for row in rows}) == len(rows) == 40


class TestSharedQueries:
    async def test_the_first_sessions_of_twenty_projects_take_one_query(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        """The newest 1,000 runs hold five of each; with the question for the dialect, two calls."""
        refs = [add_project(world, f"p{n}", [50 * k + n for k in range(50)]) for n in range(19)]
        refs.append(add_project(world, "late", [1700, 1690, 1680, 1670, 1660]))
        adapter = await connect(vendor, api="auto")
        pages = await pages_of(adapter, *(request(ref, fields=frozenset()) for ref in refs))
        assert [len(page.items) >= 5 for page in pages] == [True] * 20
        assert seconds(pages[-1]) == [1700, 1690, 1680, 1670, 1660]
        assert len(vendor.calls) <= 2
        assert bodies(vendor)[0]["page_size"] == 1000

    async def test_fewer_rows_are_asked_for_where_few_are_needed_or_rows_are_large(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add_project(world, name, range(300)) for name in "pq"]
        await pages_of(adapter, *(request(ref, limit=5, fields=frozenset()) for ref in refs))
        await pages_of(adapter, *(request(ref, limit=100, fields=frozenset({"input"})) for ref in refs))
        assert [body["page_size"] for body in bodies(vendor)[:2]] == [100, 400]

    @pytest.mark.parametrize("apart", [1, 1000], ids=["interleaved", "one_after_another"])
    async def test_whole_lists_take_as_many_queries_as_their_runs_fill_pages(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld, apart: int
    ) -> None:
        """No project has a page of runs, so no half of the projects can fill its own pages."""
        refs = [add_project(world, f"p{n}", [n * apart + 0.5 + k for k in range(250)]) for n in range(10)]
        pages = await pages_of(adapter, *(request(ref, limit=1000, fields=frozenset()) for ref in refs))
        assert [(len(page.items), page.next_hint) for page in pages] == [(250, None)] * 10
        assert len(bodies(vendor)) == 3

    async def test_a_project_that_cannot_be_read_costs_itself(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        refs = [add_project(world, name, [1, 2]) for name in "pqr"]
        adapter = await connect(refusing(vendor, refs[1], 403), api="v2")
        outcomes = await adapter.list_sessions([request(ref) for ref in refs])
        assert [type(outcome) for outcome in outcomes] == [Page, SourceUnauthorized, Page]


class TestLookUps:
    async def test_sessions_are_looked_up_within_their_projects(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        p, q = add_project(world, "p", range(130)), add_project(world, "q", [1])
        refs = [SessionRef(ref, run["id"]) for ref in (p, q) for run in world.runs[ref]]
        elsewhere = SessionRef(q, world.runs[p][0]["id"])
        found = await adapter.get_sessions([*refs, elsewhere])
        assert set(found) == set(refs)
        assert all(isinstance(session, Session) and session.deferred == frozenset() for session in found.values())
        sent = sorted(bodies(vendor), key=lambda body: -len(body["ids"]))  # they are sent at the same time
        assert [len(body["ids"]) for body in sent] == [100, 32]
        assert [body["project_ids"] for body in sent] == [[p], [p, q]]
        for body in sent:
            assert {name: body[name] for name in ALWAYS} == ALWAYS

    async def test_a_project_that_does_not_exist_has_no_sessions(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        """After the refused calls, one reads the other project, and one shows which projects exist."""
        p = add_project(world, "p", [1])
        known, gone = SessionRef(p, world.runs[p][0]["id"]), SessionRef(stable_uuid("gone"), stable_uuid("run"))
        adapter = await connect(refusing(vendor, gone.experiment_ref, 404), api="v2")
        assert set(await adapter.get_sessions([known, gone])) == {known}
        assert paths(vendor) == [RUNS_V2, SESSIONS_V2]

    async def test_a_failure_is_that_of_each_session(
        self, adapter: Adapter, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        p = add_project(world, "p", [1, 2])
        refs = [SessionRef(p, run["id"]) for run in world.runs[p]]
        vendor.faults.add(Fault("status", status=503, body={}, times=None))
        found = await adapter.get_sessions(refs)
        assert [type(found[ref]) for ref in refs] == [SourceUnavailable] * 2

    async def test_an_id_that_is_no_uuid_is_unknown_without_a_call(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        assert await adapter.get_sessions([SessionRef("x", "y")]) == {}
        (outcome,) = await adapter.list_sessions([request("x")])
        assert isinstance(outcome, SourceObjectNotFound)
        assert vendor.calls == []


class TestASession:
    async def one(self, connect: Connect, vendor: Simulator, world: LangSmithWorld, **fields: Any) -> Session:
        """The session of a run of these fields, with links to a web application."""
        run = langsmith_run("r", start_time=at(0), latency_s=2.5, **fields)
        world.add(langsmith_session("p"), [run])
        adapter = await connect(vendor, api="v2", web_url="https://smith.example/")
        await adapter.get_experiments([P])  # its row has the tenant
        (page,) = await pages_of(adapter, request(P))
        return page.items[0]

    async def test_its_usage_is_that_of_its_tree(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        found = await self.one(
            connect,
            vendor,
            world,
            prompt_tokens=100,
            completion_tokens=20,
            total_tokens=120,
            prompt_token_details={"cache_read": 5, "cache_creation": 7},
            completion_token_details={"reasoning": 11},
            prompt_cost="0.0008",
            completion_cost="0.0004",
            total_cost="0.0012",
            first_token_time=zulu(at(0.4)),
        )
        assert found.tokens == TokenUsage(input=100, output=20, cached=5, total=120, cache_write=7, reasoning=11)
        assert (found.cost_usd, found.input_cost_usd, found.output_cost_usd) == (0.0012, 0.0008, 0.0004)
        assert (found.latency_ms, found.first_token_ms) == (2500.0, 400.0)

    @pytest.mark.parametrize("name", ["cache_creation", "cache_write"])
    async def test_writes_to_the_cache_have_either_of_the_vendors_names(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld, name: str
    ) -> None:
        found = await self.one(connect, vendor, world, total_tokens=9, prompt_token_details={name: 7})
        assert found.tokens is not None
        assert found.tokens.cache_write == 7

    @pytest.mark.parametrize(
        ("status", "latency", "expected"),
        [
            ("success", 1.0, SessionStatus.SUCCESS),
            ("error", 1.0, SessionStatus.ERROR),
            ("pending", None, SessionStatus.RUNNING),
            ("interrupted", 1.0, SessionStatus.UNKNOWN),
        ],
    )
    async def test_its_status_is_the_vendors_in_upper_case(
        self, adapter: Adapter, world: LangSmithWorld, status: str, latency: float | None, expected: SessionStatus
    ) -> None:
        world.add(langsmith_session("p"), [langsmith_run("r", status=status, latency_s=latency)])
        (page,) = await pages_of(adapter, request(P))
        assert (page.items[0].status, page.items[0].vendor_status) == (expected, status.upper())

    async def test_its_thread_is_a_conversation(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        found = await self.one(
            connect, vendor, world, extra={"metadata": {"thread_id": "chat-7", "agent_name": "a"}}
        )
        assert (found.conversation_id, found.agent_name) == ("chat-7", "a")

    async def test_its_input_and_output_are_whole(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        found = await self.one(connect, vendor, world, inputs={"q": "x" * 5000}, outputs={"a": "y" * 5000})
        assert (found.input, found.output) == ("x" * 5000, "y" * 5000)

    async def test_feedback_has_numbers_labels_comments_and_failures(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        found = await self.one(
            connect,
            vendor,
            world,
            feedback_stats={
                "acc": {"n": 1, "avg": 0.4, "comments": ["too short"], "values": {}},
                "verdict": {"n": 1, "avg": None, "values": {"wrong": 1}, "comments": []},
                "two": {"n": 2, "avg": None, "values": {"good": 1, "bad": 1}, "comments": []},
                "broken": {"n": 0, "avg": None, "errors": 1, "values": {}, "comments": []},
            },
        )
        assert found.scores == (
            Score("acc", 0.4, explanation="too short"),
            Score("broken", failed=True),
            Score("verdict", label="wrong"),
        )

    async def test_its_url_is_by_the_rule_of_the_vendors_client(
        self, connect: Connect, vendor: Simulator, world: LangSmithWorld
    ) -> None:
        found = await self.one(connect, vendor, world)
        assert found.url == f"https://smith.example/o/{TENANT}/projects/p/{P}/r/{found.vendor_id}?poll=true"

    async def test_nulls_that_the_vendor_leaves_out_are_the_same(
        self, adapter: Adapter, world: LangSmithWorld
    ) -> None:
        add_project(world, "p", [1], latency_s=None, status="pending")
        (with_nulls,) = await pages_of(adapter, request(P))
        world.omit_nulls = True
        (without,) = await pages_of(adapter, request(P))
        assert list(without.items) == list(with_nulls.items)


async def test_oldest_first_is_no_order_of_v2(adapter: Adapter) -> None:
    (order,) = adapter.capabilities.session_list(None).orders
    assert order[1] is OrderDirection.DESC
