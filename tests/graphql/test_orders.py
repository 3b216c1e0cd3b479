"""Every order, direction and filter in each dialect of the vendors, against an oracle that sorts rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import OpenGateway
from tests.examples import examples
from tests.gateway import Gateway, Vendors, in_process
from tests.graphql.ordered_worlds import (
    DIALECT_PARAMETERS,
    EXPERIMENTS,
    SESSIONS,
    Dialects,
    Place,
    Row,
    Subject,
    expected,
    experiment_value,
    opened,
    session_value,
    ties_by_id,
)
from tests.worlds import hours, minutes
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

FIGURES = [
    ({"kind": "LATENCY"}, "MEDIAN"),
    ({"kind": "LATENCY"}, "P99"),
    ({"kind": "LATENCY"}, "MEAN"),
    ({"kind": "ERROR_RATE"}, "MEAN"),
    ({"kind": "COST"}, "SUM"),
    ({"kind": "TOTAL_TOKENS"}, "SUM"),
    ({"kind": "SCORE", "evaluator": "acc"}, "MEAN"),
    ({"kind": "SCORE", "evaluator": "acc"}, "COUNT"),
]
EXPERIMENT_ORDERS: list[Row] = [
    *({"field": field} for field in ("CREATED_AT", "UPDATED_AT", "NAME", "SESSION_COUNT")),
    *({"field": "METRIC", "metric": metric, "statistic": statistic} for metric, statistic in FIGURES),
]
EXPERIMENT_FILTERS: list[Row] = [
    {},
    {"kinds": ["EVALUATION"]},
    {"name": {"contains": "1"}},
    {"sources": ["nemo", "meibel"]},
    {"createdAt": {"gte": hours(1).isoformat(), "lt": hours(3).isoformat()}},
]
SESSION_ORDERS: list[Row] = [
    *({"field": field} for field in ("STARTED_AT", "LATENCY", "COST", "TOTAL_TOKENS")),
    {"field": "SCORE", "evaluator": "acc"},
]
SESSION_FILTERS: list[Row] = [
    {},
    {"statuses": ["SUCCESS"]},
    {"statuses": ["ERROR", "RUNNING"]},
    {"startedAt": {"gte": minutes(1).isoformat(), "lt": minutes(4).isoformat()}},
]
DIRECTIONS = st.sampled_from(["ASC", "DESC"])
SEEDS = st.integers(0, 2**32)
PAGE_SIZES = st.integers(1, 4)
EVERYTHING = 100


@pytest.fixture(params=DIALECT_PARAMETERS, ids=str)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """The gateway over vendors in one combination of dialects."""
    dialects: Dialects = request.param
    async with opened(dialects) as found:
        yield found


async def page(subject: Subject, query: str, variables: Row) -> Any:
    """Return one page of a list whose sources are all healthy."""
    found = (await subject.gateway.ask(query, **variables)).data["page"]
    assert {report["status"] for report in found["sources"]} <= {"OK"}, found["sources"]
    return found


async def all_pages(subject: Subject, query: str, variables: Row, size: int) -> list[Row]:
    """Return the rows of all pages, read from the first to the last."""
    found: list[Row] = []
    after = None
    for _ in range(EVERYTHING):
        one = await page(subject, query, {**variables, "first": size, "after": after})
        found += [edge["node"] for edge in one["edges"]]
        after = one["pageInfo"]["endCursor"]
        if not one["pageInfo"]["hasNextPage"]:
            return found
    raise AssertionError("the traversal does not end")


Value = Callable[[Row, Row], Any]
"""Reads the value of a row in an order."""


PlaceOf = Callable[[Row], Place]


def place_of(value: Value, order: Row, node: Row) -> Place:
    """Return the place of a row in the order."""
    return value(node, order), node["source"]["name"], f"{node['vendorId']}{_experiment(node)}"


def places(nodes: list[Row], value: Value, order: Row) -> list[Place]:
    """Return the place of each row in the order."""
    return [place_of(value, order, node) for node in nodes]


def _experiment(node: Row) -> str:
    """Return the rest of a session's id: one id may occur in two experiments."""
    experiment = node.get("experiment")
    return "" if experiment is None else f"\0{experiment['vendorId']}"


OrderedList = tuple[Row, str, Row]
"""An order without its direction, the direction, and a filter."""


def lists_in(orders: list[Row], filters: list[Row]) -> st.SearchStrategy[OrderedList]:
    """Return lists in every order, both directions and under every filter."""
    return st.tuples(st.sampled_from(orders), DIRECTIONS, st.sampled_from(filters))


LAW = hypothesis_settings(max_examples=examples(50), suppress_health_check=list(HealthCheck))
MIRROR = hypothesis_settings(LAW, max_examples=examples(40))


@LAW
@given(SEEDS, lists_in(EXPERIMENT_ORDERS, EXPERIMENT_FILTERS), PAGE_SIZES)
async def test_small_pages_of_experiments_are_the_sorted_list(
    subject: Subject, seed: int, ordered_list: OrderedList, size: int
) -> None:
    """The oracle sorts the list in the default order by what each row shows."""
    order, direction, matching = ordered_list
    subject.fill(Random(seed))
    variables = {"filter": matching, "metric": order.get("metric", {"kind": "LATENCY"})}
    listed = await page(subject, EXPERIMENTS, {**variables, "first": EVERYTHING})
    nodes = [edge["node"] for edge in listed["edges"]]
    wanted = expected(places(nodes, experiment_value, order), direction)
    ordered = {**variables, "orderBy": {**order, "direction": direction}}
    found = places(await all_pages(subject, EXPERIMENTS, ordered, size), experiment_value, order)
    assert ties_by_id(found) == ties_by_id(wanted)


@LAW
@given(SEEDS, lists_in(SESSION_ORDERS, SESSION_FILTERS), PAGE_SIZES)
async def test_small_pages_of_sessions_are_the_sorted_list(
    subject: Subject, seed: int, ordered_list: OrderedList, size: int
) -> None:
    """The oracle sorts the list in the default order by what each row shows."""
    order, direction, matching = ordered_list
    subject.fill(Random(seed))
    listed = await page(subject, SESSIONS, {"filter": matching, "first": EVERYTHING})
    nodes = [edge["node"] for edge in listed["edges"]]
    wanted = expected(places(nodes, session_value, order), direction)
    ordered = {"filter": matching, "orderBy": {**order, "direction": direction}}
    found = places(await all_pages(subject, SESSIONS, ordered, size), session_value, order)
    assert ties_by_id(found) == ties_by_id(wanted)


async def pages_backwards(subject: Subject, query: str, variables: Row, size: int) -> list[Row]:
    """Return the edges of all pages, read from the last to the first, in the order of the list."""
    found: list[Row] = []
    before = None
    for _ in range(EVERYTHING):
        one = await page(subject, query, {**variables, "last": size, "before": before})
        assert one["pageInfo"]["hasNextPage"] is (before is not None)
        found = one["edges"] + found
        before = one["pageInfo"]["startCursor"]
        if not one["pageInfo"]["hasPreviousPage"]:
            return found
    raise AssertionError("the traversal does not end")


async def require_mirror(subject: Subject, query: str, variables: Row, size: int, place: PlaceOf) -> None:
    """Pages from the end hold the rows of the list in its order, and every cursor turns in both directions."""

    def of(edges: list[Row]) -> list[Place]:
        return ties_by_id([place(edge["node"]) for edge in edges])

    listed = await page(subject, query, {**variables, "first": EVERYTHING})
    edges = listed["edges"]
    backwards = await pages_backwards(subject, query, variables, size)
    assert of(backwards) == of(edges)
    for index in range(0, len(edges), 3):
        for cursor in (edges[index]["cursor"], _cursor_of(backwards, edges[index])):
            before = await page(subject, query, {**variables, "last": EVERYTHING, "before": cursor})
            after = await page(subject, query, {**variables, "first": EVERYTHING, "after": cursor})
            found = [*before["edges"], edges[index], *after["edges"]]
            assert of(found) == of(edges)


def _cursor_of(edges: list[Row], wanted: Row) -> str:
    (cursor,) = [edge["cursor"] for edge in edges if edge["node"]["id"] == wanted["node"]["id"]]
    return str(cursor)


@MIRROR
@given(SEEDS, lists_in(EXPERIMENT_ORDERS, EXPERIMENT_FILTERS), PAGE_SIZES)
async def test_pages_of_experiments_from_the_end_mirror_those_from_the_start(
    subject: Subject, seed: int, ordered_list: OrderedList, size: int
) -> None:
    order, direction, matching = ordered_list
    subject.fill(Random(seed))
    variables = {
        "filter": matching,
        "metric": order.get("metric", {"kind": "LATENCY"}),
        "orderBy": {**order, "direction": direction},
    }
    await require_mirror(subject, EXPERIMENTS, variables, size, partial(place_of, experiment_value, order))


@pytest.mark.slow
@MIRROR
@given(SEEDS, lists_in(SESSION_ORDERS, SESSION_FILTERS), PAGE_SIZES)
async def test_pages_of_sessions_from_the_end_mirror_those_from_the_start(
    subject: Subject, seed: int, ordered_list: OrderedList, size: int
) -> None:
    order, direction, matching = ordered_list
    subject.fill(Random(seed))
    variables = {"filter": matching, "orderBy": {**order, "direction": direction}}
    await require_mirror(subject, SESSIONS, variables, size, partial(place_of, session_value, order))


async def test_a_cursor_before_the_first_row_of_a_list_whose_nulls_the_vendor_lists_first_goes_on(
    subject: Subject,
) -> None:
    vendors = subject.vendors
    vendors.langsmith.world.nulls_first = True
    vendors.nemo.world.add(nemo_experiment("first", created_at=hours(-9)), [])
    vendors.langsmith.world.add(langsmith_session("run"), [langsmith_run("run")])
    vendors.langsmith.world.add(langsmith_session("empty"), [])
    variables = {"metric": {"kind": "LATENCY"}, "orderBy": {"field": "UPDATED_AT", "direction": "ASC"}}
    whole = await page(subject, EXPERIMENTS, {**variables, "first": EVERYTHING})
    rest = await page(
        subject, EXPERIMENTS, {**variables, "first": EVERYTHING, "after": whole["edges"][0]["cursor"]}
    )
    ids = [edge["node"]["id"] for edge in whole["edges"]]
    assert whole["edges"][0]["node"]["vendorId"] == "experiment-first"
    assert len(ids) == 3
    assert [edge["node"]["id"] for edge in rest["edges"]] == ids[1:]


async def test_a_cursor_of_a_page_from_the_end_goes_on_in_a_list_whose_nulls_the_vendor_lists_first(
    subject: Subject,
) -> None:
    """No earlier request relied on the vendor's order, so the list is read as a whole."""
    world = subject.vendors.langsmith.world
    world.nulls_first = True
    for number in range(3):
        world.add(langsmith_session(f"run{number}"), [langsmith_run(f"{number}", start_time=minutes(number))])
        world.add(langsmith_session(f"empty{number}"), [])
    order = {"field": "UPDATED_AT", "direction": "ASC"}
    variables = {"metric": {"kind": "LATENCY"}, "orderBy": order, "filter": {"vendors": ["langsmith"]}}
    from_the_end = await page(subject, EXPERIMENTS, {**variables, "last": 5})
    cursor = from_the_end["edges"][0]["cursor"]
    rest = await page(subject, EXPERIMENTS, {**variables, "first": EVERYTHING, "after": cursor})
    assert [edge["node"]["id"] for edge in rest["edges"]] == [
        edge["node"]["id"] for edge in from_the_end["edges"][1:]
    ]


class TestCalls:
    """What an order costs: one call where the vendor sorts, else the whole list."""

    @pytest.mark.parametrize("direction", ["ASC", "DESC"])
    async def test_a_vendor_that_sorts_is_asked_for_one_page(self, subject: Subject, direction: str) -> None:
        """NeMo sorts by figures from 0.3 on, LangSmith by the median latency in both dialects."""
        nemo, langsmith = subject.vendors.nemo, subject.vendors.langsmith
        for number in range(30):
            nemo.world.add(nemo_experiment(f"n{number:02}"), [nemo_session(f"{number}", latency_ms=number * 10.0)])
            run = langsmith_run(f"{number}", latency_s=number / 50)
            langsmith.world.add(langsmith_session(f"l{number:02}"), [run])
        order = {"field": "METRIC", "metric": {"kind": "LATENCY"}, "statistic": "MEDIAN", "direction": direction}
        variables = {"metric": {"kind": "LATENCY"}, "orderBy": order, "filter": {"vendors": ["nemo", "langsmith"]}}
        await page(subject, EXPERIMENTS, {**variables, "first": 1})
        subject.vendors.forget_calls()
        await page(subject, EXPERIMENTS, {**variables, "first": 5})
        lists = [call for call in [*nemo.calls, *langsmith.calls] if call.path.endswith(("ations", "sessions"))]
        sorts = {value for call in lists for name in ("sort", "sort_by") for value in call.query.get(name, [])}
        sign = "-" if direction == "DESC" else ""
        if subject.dialects.nemo == "0.2":
            assert sorts == {"latency_p50"}
        else:
            assert sorts == {f"{sign}latency_ms.median", "LATENCY_P50"}
            assert len(nemo.calls) == 1
        assert len(langsmith.calls) == 1

    async def test_sessions_by_latency_are_sorted_by_nemo(self, subject: Subject) -> None:
        """From 0.3 on."""
        nemo = subject.vendors.nemo
        rows = [nemo_session(f"{number:03}", latency_ms=float(number * 7 % 100)) for number in range(100)]
        nemo.world.add(nemo_experiment("long"), rows)
        variables = {"filter": {"sources": ["nemo"]}, "orderBy": {"field": "LATENCY"}, "first": 3}
        found = await page(subject, SESSIONS, variables)
        assert [edge["node"]["latencyMs"] for edge in found["edges"]] == [99.0, 98.0, 97.0]
        sorts = [call.query.get("sort") for call in nemo.calls if call.path.endswith("/long/sessions")]
        assert sorts == ([None] if subject.dialects.nemo == "0.2" else [["-latency_ms"]])


async def test_a_source_that_is_longer_than_the_budget_gives_the_rows_that_it_read(vendors: Vendors) -> None:
    """They are in order, the source is SCAN_LIMITED, and the total is unknown."""
    for number in range(250):
        run = langsmith_run(f"{number}", total_cost=f"{number % 50}.5", start_time=minutes(number))
        vendors.langsmith.world.add(langsmith_session(f"l{number:03}"), [run])
    settings = vendors.settings(limits={"scan_pages": 2})
    async with in_process(settings) as gateway:
        order = {"field": "METRIC", "metric": {"kind": "COST"}, "statistic": "SUM", "direction": "DESC"}
        variables = {"metric": {"kind": "COST"}, "orderBy": order, "filter": {"vendors": ["langsmith"]}}
        found = (await gateway.ask(EXPERIMENTS, first=100, **variables)).data["page"]
        (report,) = found["sources"]
        assert (report["status"], report["totalCount"]) == ("SCAN_LIMITED", None)
        costs = [edge["node"]["aggregate"]["sum"] for edge in found["edges"]]
        assert len(costs) == 100
        assert costs == sorted(costs, reverse=True)
        after = found["pageInfo"]["endCursor"]
        rest = (await gateway.ask(EXPERIMENTS, first=100, after=after, **variables)).data["page"]
        assert rest["pageInfo"]["hasNextPage"] is False
        names = [edge["node"]["name"] for edge in [*found["edges"], *rest["edges"]]]
        assert len(names) == len(set(names)) == 199, "two pages of 100 that share a row"


async def test_an_experiment_whose_figure_cannot_be_read_fails_its_source_alone(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    """Meibel counts sessions in a list for each agent. The other agents stand."""
    for name in ("a", "b"):
        vendors.meibel.world.add(meibel_agent(name), [meibel_session(f"{name}1")])
    vendors.meibel.fail(Fault("status", path="/v2/agents/a/sessions", times=None))
    gateway = await open_gateway()
    variables = {"metric": {"kind": "COST"}, "orderBy": {"field": "SESSION_COUNT"}, "first": 9}
    found = (await gateway.ask(EXPERIMENTS, **variables)).data["page"]
    statuses = {report["source"]["name"]: report["status"] for report in found["sources"]}
    assert statuses == {"nemo": "OK", "langsmith": "OK", "meibel": "FAILED"}
    assert [(edge["node"]["vendorId"], edge["node"]["sessionCount"]) for edge in found["edges"]] == [("b", 1)]


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (EXPERIMENTS, {"field": "METRIC"}),
        (EXPERIMENTS, {"field": "NAME", "metric": {"kind": "COST"}}),
        (EXPERIMENTS, {"field": "METRIC", "metric": {"kind": "SCORE"}}),
        (SESSIONS, {"field": "SCORE"}),
        (SESSIONS, {"field": "COST", "evaluator": "acc"}),
    ],
)
async def test_an_order_without_its_metric_is_refused(gateway: Gateway, query: str, order: Row) -> None:
    """So is an order with one that it does not take."""
    variables = {"metric": {"kind": "COST"}} if query is EXPERIMENTS else {}
    assert (await gateway.ask(query, orderBy=order, **variables)).codes == ["BAD_USER_INPUT"]
