"""The orders of compared cases: laws over made-up tables, and the order as clients see it."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors
from tests.graphql.side_by_side import ACCURACY, Held, Ran, by_case, case_means, latency, made_up, put
from tests.worlds import Row
from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Metric, MetricKind
from tracegraph.errors import SourceError, SourceUnavailable
from tracegraph.federation.analytics.case_order import CaseOrder, CaseOrderField
from tracegraph.federation.analytics.case_table import CaseColumn, CaseTable, scanned_cases
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.federation.analytics.session_columns import SessionScan
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport
from tracegraph.graphql.comparison.case_pages import CaseConnection, PageOfCases, decode_case_cursor
from tracegraph.graphql.comparison.cases import PairedCases, SelectedCases
from tracegraph.graphql.comparison.data import ComparisonData
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.relay.cursor import CursorBinding
from tracegraph.simulators.core.faults import Fault

# -- laws ------------------------------------------------------------------------------------------------

FASTER, BETTER = Metric(MetricKind.LATENCY), Metric(MetricKind.SCORE, "accuracy")

keys = st.sampled_from(["a", "b", "c", "d", "é", "🙂", "long " * 30 + "1", "long " * 30 + "2", "long"])
values = st.none() | st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.0]) | st.floats(-1e6, 1e6)
sessions = st.lists(st.tuples(keys, values), max_size=14)
orders = st.builds(CaseOrder, st.sampled_from(CaseOrderField), st.sampled_from(OrderDirection), st.integers(0, 2))
FAILED = SourceUnavailable("s", "It is down.")


def column(metric: Metric, ran: Sequence[tuple[str, float | None]]) -> CaseColumn:
    """Return the cases of an experiment with these sessions."""
    figures = array("d", [math.nan if value is None else value for _, value in ran])
    scan = SessionScan(
        "s",
        "e",
        [str(index) for index in range(len(ran))],
        [key for key, _ in ran],
        [None] * len(ran),
        array("q", [0] * len(ran)),
        {metric: figures},
        complete=True,
        report=SourceReport("s"),
    )
    return CaseColumn.build(scan, scanned_cases(scan, CaseKey.TEST_CASE_ID), metric)


@st.composite
def tables(draw: st.DrawFn) -> CaseTable:
    """Three experiments, one of which may have failed; the baseline is any of the others."""
    metric = draw(st.sampled_from([FASTER, BETTER]))
    columns: list[CaseColumn | SourceError] = [column(metric, draw(sessions)) for _ in range(3)]
    baseline = draw(st.integers(0, 2))
    if draw(st.booleans()):
        columns[(baseline + 1) % 3] = FAILED
    return CaseTable(metric, columns, baseline, CaseKey.TEST_CASE_ID)


class Cases:
    """The list of a table's cases in one order."""

    def __init__(self, table: CaseTable, order: CaseOrder) -> None:
        by_key = order.field is CaseOrderField.KEY
        self.order = CaseOrder(order.field, order.direction, None if by_key else order.experiment)
        self.binding = CursorBinding.of("Comparison.cases", (table.metric, self.order), str if by_key else float)
        self.selected = SelectedCases(table, table.cases(), complete=True)
        context = RequestContext([], Loaders([]), ScanBudget(), PageLimits())
        self._paired = PairedCases(ComparisonData(context, [], 0), CaseKey.TEST_CASE_ID)

    def page(self, count: int, cursor: str | None = None, *, backwards: bool = False) -> CaseConnection:
        place = decode_case_cursor(self.binding, cursor)
        page = PageOfCases(count, place, backwards)
        return CaseConnection(self._paired, self.selected, self.order, page, self.binding)

    def all(self) -> list[Any]:
        return [row.case for row in self.page(1000).nodes]


def figure(table: CaseTable, order: CaseOrder, case: Any) -> float | None:
    """Return what an order compares: of DELTA how much worse the case is, of VALUE the value."""
    value, base = table.value(order.experiment or 0, case), table.value(table.baseline, case)
    if order.field is CaseOrderField.VALUE or value is None:
        return value
    return None if base is None else (value - base) * (1 if table.metric == FASTER else -1)


@given(tables(), orders, orders)
def test_the_cases_are_the_same_set_in_every_order(table: CaseTable, order: CaseOrder, other: CaseOrder) -> None:
    listed = Cases(table, order).all()
    assert len(listed) == len(set(listed)) == len(table.cases())
    assert set(listed) == set(Cases(table, other).all())


@given(tables(), orders)
def test_cases_are_sorted_with_missing_values_last_and_ties_by_key(table: CaseTable, order: CaseOrder) -> None:
    listed = Cases(table, order).all()
    if order.field is CaseOrderField.KEY:
        heads = [case.head for case in listed]
        assert heads == sorted(heads, reverse=order.direction is OrderDirection.DESC)
        return
    for before, after in pairwise(listed):
        first, second = figure(table, order, before), figure(table, order, after)
        if first is None or second is None or first == second:
            assert second is None if first is None else (second is None or before < after)
            assert first is not None or before < after
        else:
            assert (first > second) == (order.direction is OrderDirection.DESC)


@given(tables(), orders, st.integers(1, 5))
def test_pages_in_either_direction_concatenate_to_the_whole_list(
    table: CaseTable, order: CaseOrder, count: int
) -> None:
    cases = Cases(table, order)
    forward, page = list[Any](), cases.page(count)
    forward += [edge.node.case for edge in page.edges]
    while page.has_next_page:
        page = cases.page(count, page.edges[-1].cursor)
        forward += [edge.node.case for edge in page.edges]
    page = cases.page(count, backwards=True)
    back = [edge.node.case for edge in page.edges]
    while page.has_previous_page:
        page = cases.page(count, page.edges[0].cursor, backwards=True)
        back = [edge.node.case for edge in page.edges] + back
    assert forward == back == cases.all()


@given(tables(), orders, st.data())
def test_a_cursor_resumes_where_its_case_was_after_other_cases_went(
    table: CaseTable, order: CaseOrder, data: st.DataObject
) -> None:
    """Also after the case itself went."""
    cases = Cases(table, order)
    edges, whole = cases.page(1000).edges, cases.all()
    left = data.draw(st.sets(st.sampled_from(whole))) if whole else set[Any]()
    cases.selected.cases[:] = [case for case in cases.selected.cases if case in left]
    for index, edge in enumerate(edges):
        rest = [row.case for row in cases.page(1000, edge.cursor).nodes]
        assert rest == [case for case in whole[index + 1 :] if case in left]


# -- through the gateway ---------------------------------------------------------------------------------

CASES = """query($ids: [ID!]!, $baseline: ID, $joinOn: CaseKey! = TEST_CASE_ID, $metric: MetricInput!,
                 $outcome: CaseOutcome, $text: String, $by: CaseOrder,
                 $first: Int, $after: String, $last: Int, $before: String) {
  comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {
    cases(metric: $metric, outcome: $outcome, text: $text, orderBy: $by,
          first: $first, after: $after, last: $last, before: $before) {
      totalCount
      edges { cursor node { key entries { value delta outcome } } }
      pageInfo { hasNextPage hasPreviousPage }
    }
  }
}"""

LATENCY: Row = {"kind": "LATENCY"}
SCORE: Row = {"kind": "SCORE", "evaluator": ACCURACY}


async def cases(gateway: Gateway, ids: list[str], metric: Row = LATENCY, **variables: Any) -> list[Any]:
    answer = await gateway.ask(CASES, ids=ids, metric=metric, **variables)
    return [edge["node"] for edge in answer.data["comparison"]["cases"]["edges"]]


def found(nodes: Sequence[Any]) -> list[str]:
    return [node["key"] for node in nodes]


def three(random: Random, sessions: int = 40) -> list[Held]:
    sources = (NEMO, LANGSMITH, NEMO)
    return [made_up(random, source, f"p{index}", sessions=sessions) for index, source in enumerate(sources)]


@pytest.mark.parametrize(
    ("field", "direction", "metric"),
    list(product(["KEY", "DELTA", "VALUE"], ["ASC", "DESC"], [LATENCY, SCORE])),
    ids=lambda one: one if isinstance(one, str) else one["kind"],
)
async def test_cases_come_in_the_requested_order(
    vendors: Vendors, gateway: Gateway, field: str, direction: str, metric: Row
) -> None:
    """DELTA has the worst cases first under DESC: of scores, these are the most negative deltas."""
    ids = put(vendors, *three(Random(21), sessions=16))
    plain = await cases(gateway, ids, metric)
    nodes = await cases(gateway, ids, metric, by={"field": field, "direction": direction, "experimentId": ids[2]})
    descending = direction == "DESC"
    if field == "KEY":
        assert found(nodes) == sorted(found(plain), reverse=descending)
        return
    by_key = {node["key"]: node["entries"][2][field.lower()] for node in plain}
    if field == "DELTA" and metric is SCORE:
        descending = not descending
    expected = sorted(
        by_key,
        key=lambda key: (by_key[key] is None, (by_key[key] or 0) * (-1 if descending else 1), key),
    )
    assert found(nodes) == expected
    assert None in by_key.values()


async def test_without_an_order_keys_ascend_and_cursors_are_those_of_that_order(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(vendors, *three(Random(22)))
    plain = (await gateway.ask(CASES, ids=ids, metric=LATENCY)).data
    assert (
        await gateway.ask(CASES, ids=ids, metric=LATENCY, by={"field": "KEY", "direction": "ASC"})
    ).data == plain
    keys = [edge["node"]["key"] for edge in plain["comparison"]["cases"]["edges"]]
    assert keys == sorted(keys)


@pytest.mark.parametrize("metric", [LATENCY, SCORE], ids=["latency", "score"])
async def test_the_largest_regressions_come_first_by_delta(
    vendors: Vendors, gateway: Gateway, metric: Row
) -> None:
    after = [(1500, 0.5), (1000, 0.75), (9000, 0.0), (500, 1.0), (None, None)]
    ids = put(
        vendors,
        Held(NEMO, "a", [Ran(f"c{index}", None, 1000, 0.75) for index in range(5)]),
        Held(NEMO, "b", [Ran(f"c{index}", None, took, right) for index, (took, right) in enumerate(after)]),
    )
    nodes = await cases(gateway, ids, metric, by={"field": "DELTA"})
    assert found(nodes) == ["c2", "c0", "c1", "c3", "c4"]
    assert [node["entries"][1]["outcome"] for node in nodes] == [
        "REGRESSED", "REGRESSED", "EQUAL", "IMPROVED", "MISSING",
    ]  # fmt: skip


async def test_the_default_experiment_is_the_first_that_is_not_the_baseline(
    vendors: Vendors, gateway: Gateway
) -> None:
    ids = put(vendors, *three(Random(23)))
    for baseline, experiment in ((0, 1), (1, 0), (2, 0)):
        one = {"baseline": ids[baseline], "metric": LATENCY}
        default = await gateway.ask(CASES, ids=ids, by={"field": "VALUE"}, **one)
        named = await gateway.ask(CASES, ids=ids, by={"field": "VALUE", "experimentId": ids[experiment]}, **one)
        assert default.data == named.data
        edges = default.data["comparison"]["cases"]["edges"]
        values = [edge["node"]["entries"][experiment]["value"] for edge in edges]
        assert [value for value in values if value is not None] == sorted(filter(None, values), reverse=True)


async def test_an_experiment_beside_itself_is_passed_over_for_the_default(
    vendors: Vendors, gateway: Gateway
) -> None:
    one, other = put(vendors, *three(Random(23))[:2])
    default = await cases(gateway, [one, one, other], by={"field": "DELTA"})
    assert default == await cases(gateway, [one, one, other], by={"field": "DELTA", "experimentId": other})
    beside_itself = await cases(gateway, [one, one], by={"field": "DELTA"})
    keys = found([node for node in beside_itself if node["entries"][1]["delta"] == 0])
    assert keys == sorted(keys)


async def test_the_baseline_can_be_ordered_by_its_own_values(vendors: Vendors, gateway: Gateway) -> None:
    held = three(Random(24))[:2]
    ids = put(vendors, *held)
    nodes = await cases(gateway, ids, by={"field": "VALUE", "direction": "ASC", "experimentId": ids[0]})
    means = case_means(held[0], by_case, latency)
    assert found(nodes) == sorted(means, key=lambda key: (means[key] is None, means[key] or 0, key))


@pytest.mark.parametrize("field", ["KEY", "DELTA", "VALUE"])
async def test_pages_both_ways_are_the_whole_list_with_an_outcome_and_a_text(
    vendors: Vendors, gateway: Gateway, field: str
) -> None:
    ids = put(vendors, *three(Random(25)))
    list_of: Row = {"by": {"field": field}, "outcome": "REGRESSED", "text": "ASE-"}
    whole = await cases(gateway, ids, **list_of)
    assert len(whole) > 2
    for forward in (True, False):
        pages, cursor = list[list[Any]](), None
        for _ in range(len(whole)):
            place = {"first": 2, "after": cursor} if forward else {"last": 2, "before": cursor}
            answer = await gateway.ask(CASES, ids=ids, metric=LATENCY, **list_of, **place)
            page = answer.data["comparison"]["cases"]
            assert page["totalCount"] == len(whole)
            pages.append([edge["node"] for edge in page["edges"]])
            cursor = page["edges"][-1 if forward else 0]["cursor"]
            if not page["pageInfo"]["hasNextPage" if forward else "hasPreviousPage"]:
                break
        assert [node for page in (pages if forward else pages[::-1]) for node in page] == whole


async def test_a_cursor_is_valid_for_its_order_and_text_only(vendors: Vendors, gateway: Gateway) -> None:
    held = three(Random(26))
    ids = put(vendors, *held)
    first = {"ids": ids, "metric": LATENCY, "text": "case", "by": {"field": "DELTA"}, "first": 1}
    cursor = (await gateway.ask(CASES, **first)).data["comparison"]["cases"]["edges"][0]["cursor"]
    for changed in (
        {"by": None},
        {"by": {"field": "VALUE"}},
        {"by": {"field": "KEY"}},
        {"by": {"field": "DELTA", "direction": "ASC"}},
        {"by": {"field": "DELTA", "experimentId": ids[2]}},
        {"text": None},
        {"text": "CASE"},
        {"metric": {"kind": "COST"}},
        {"outcome": "EQUAL"},
        {"joinOn": "INPUT"},
        {"ids": ids[::-1]},
        {"ids": ids[:2]},
    ):
        answer = await gateway.ask(CASES, **(first | {"after": cursor} | changed))
        assert answer.codes == ["INVALID_CURSOR"], changed
        backwards = {"first": None, "last": 1, "before": cursor}
        assert (await gateway.ask(CASES, **(first | backwards | changed))).codes == ["INVALID_CURSOR"], changed
    same = {"by": {"field": "DELTA", "direction": "DESC", "experimentId": ids[1]}}
    assert (await gateway.ask(CASES, **(first | {"after": cursor} | same))).codes == []


@pytest.mark.parametrize("field", ["KEY", "VALUE"])
async def test_an_experiment_that_is_not_compared_is_refused(
    vendors: Vendors, gateway: Gateway, field: str
) -> None:
    *ids, other = put(vendors, *three(Random(27)))
    unknown = Held(MEIBEL, "nowhere", []).id
    for compared, experiment in ((ids, other), ([*ids, unknown], unknown)):
        by = {"field": field, "experimentId": experiment}
        answer = await gateway.ask(CASES, ids=compared, metric=LATENCY, by=by)
        assert (answer.partial, answer.codes) == ({"comparison": {"cases": None}}, ["BAD_USER_INPUT"])
    answer = await gateway.ask(CASES, ids=ids, metric=LATENCY, by={"field": field, "experimentId": "nonsense"})
    assert answer.codes == ["INVALID_ID"]


@pytest.mark.parametrize("field", ["DELTA", "VALUE"])
async def test_cases_stay_without_values_where_the_source_of_the_order_failed(
    vendors: Vendors, gateway: Gateway, field: str
) -> None:
    sessions = [Ran(f"c{index}", "x") for index in range(3)]
    ids = put(vendors, *(Held(source, source, sessions) for source in (NEMO, LANGSMITH)))
    vendors.langsmith.fail(Fault("status", status=403, path="/api/v1/runs/query", times=None))
    answer = await gateway.ask(CASES, ids=ids, metric=LATENCY, by={"field": field}, text="c")
    page = answer.data["comparison"]["cases"]
    assert [edge["node"]["key"] for edge in page["edges"]] == ["c0", "c1", "c2"]
    assert {edge["node"]["entries"][1]["value"] for edge in page["edges"]} == {None}
    assert page["totalCount"] is None
    assert answer.troubles == {LANGSMITH: "UNAUTHORIZED"}
