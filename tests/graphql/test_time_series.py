"""A time series equals brute force over the sessions as clients read them, over every vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from tests.conftest import OpenGateway
from tests.examples import diagonal, plays_all
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Gateway, Vendors
from tests.graphql.measured import add, drawn
from tests.graphql.ordered_worlds import DIALECT_PARAMETERS
from tests.graphql.ordered_worlds import opened as open_dialects
from tests.graphql.rows import METRICS, plain_figures, value_of
from tests.graphql.test_filters_and_orders import SESSIONS, picked, rows_of
from tests.worlds import Row, minutes
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.core.faults import Fault

STATISTICS = "count sum mean min p25 median p75 p90 p95 p99 max"
SERIES = f"""
query($id: ID!, $metrics: [MetricInput!]!, $interval: TimeInterval!, $range: ClosedDateTimeRange!,
      $zone: String! = "UTC", $filter: ExperimentSessionFilter) {{
  experiment(id: $id) {{
    timeSeries(metrics: $metrics, interval: $interval, range: $range, timeZone: $zone, filter: $filter) {{
      complete
      buckets {{ start end sessionCount errorCount aggregates {{ basis complete {STATISTICS} }} }}
    }}
    aggregates(metrics: $metrics, basis: COMPUTED, filter: $filter) {{ count sum min max }}
  }}
}}"""
BEGIN, END = -40 * 24 * 60, 260 * 24 * 60
"""Minutes around 2026-11-01, so that the clocks of all time zones but India's change within them."""
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
WIDTHS = {"MINUTE": 16, "HOUR": 24 * 40, "DAY": 24 * 250, "WEEK": 24 * 300, "MONTH": 24 * 300}
"""The interval, and the longest range in hours."""


@dataclass(frozen=True)
class Opened:
    """A gateway, and the sessions of one experiment of each source as clients read them."""

    rng: Random
    gateway: Gateway
    ids: dict[str, str]
    rows: dict[str, list[Row]]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=DIALECT_PARAMETERS, ids=str)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    """90 sessions in ten months, over changes of the clock, and many within two days."""
    rng = Random(19)
    async with open_dialects(request.param) as subject:
        vendors, gateway = subject.vendors, subject.gateway
        ids = {}
        for source in NAMES:
            sessions = [
                replace(one, minute=rng.randrange(BEGIN, END) if index % 2 else rng.randrange(2 * 24 * 60))
                for index, one in enumerate(drawn(source, "e", 90))
            ]
            ids[source] = experiment_id(source, add(vendors, source, "e", sessions))
        rows = {
            source: await rows_of(gateway, SESSIONS, first=200, filter={"experimentIds": [ids[source]]})
            for source in NAMES
        }
        yield Opened(rng, gateway, ids, rows)


def label(interval: str, moment: datetime) -> object:
    """What the clock and the calendar show in common for all moments of an interval."""
    match interval:
        case "MINUTE":
            return moment.strftime("%Y-%m-%d %H:%M %z")
        case "HOUR":
            return moment.strftime("%Y-%m-%d %H %z")
        case "DAY":
            return moment.date()
        case "WEEK":
            return moment.isocalendar()[:2]
        case _:
            return moment.year, moment.month


def by_label(rows: Sequence[Row], interval: str, zone: str) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = {}
    for row in sorted(rows, key=lambda row: datetime.fromisoformat(row["startedAt"])):
        moment = datetime.fromisoformat(row["startedAt"]).astimezone(ZoneInfo(zone))
        found.setdefault(label(interval, moment), []).append(row)
    return found


def text(moment: datetime) -> str:
    return moment.isoformat()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("source", "interval"), diagonal(NAMES, WIDTHS))
@pytest.mark.parametrize("filtered", [False, True])
async def test_every_figure_of_every_interval_equals_brute_force(
    world: Opened, source: str, interval: str, *, filtered: bool
) -> None:
    rng = world.rng
    for zone in ZONES if plays_all() else rng.sample(ZONES, 2):
        first = minutes(rng.randrange(24 * 60) if interval == "MINUTE" else rng.randrange(BEGIN, END // 4))
        last = first + timedelta(hours=rng.uniform(0.1, 1) * WIDTHS[interval])
        span = {"gte": text(first), "lt": text(last)}
        wanted = {"statuses": ["ERROR", "SUCCESS"], "totalTokens": {"gte": 1000}} if filtered else {}
        answer = await world.gateway.ask(
            SERIES, id=world.ids[source], metrics=METRICS, interval=interval, range=span, zone=zone, filter=wanted
        )
        series = answer.data["experiment"]["timeSeries"]
        buckets = series["buckets"]
        matching = picked(world.rows[source], wanted | {"startedAt": span})
        assert series["complete"]
        assert [one["start"] for one in buckets[1:]] == [one["end"] for one in buckets[:-1]]
        assert sum(one["sessionCount"] for one in buckets) == len(matching)
        expected = list(by_label(matching, interval, zone).values())
        filled = [one for one in buckets if one["sessionCount"]]
        assert [one["sessionCount"] for one in filled] == [len(rows) for rows in expected]
        for bucket, rows in zip(filled, expected, strict=True):
            assert all(within(bucket, row) for row in rows)
            assert bucket["errorCount"] == sum(row["status"] == "ERROR" for row in rows)
            for metric, figure in zip(METRICS, bucket["aggregates"], strict=True):
                values = plain_figures([value_of(row, metric) for row in rows])
                assert figure == {"basis": "COMPUTED", "complete": True, **values}


def within(bucket: Row, row: Row) -> bool:
    start, end = (datetime.fromisoformat(bucket[name]) for name in ("start", "end"))
    return start <= datetime.fromisoformat(row["startedAt"]) < end


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("source", "zone"), diagonal(NAMES, ZONES))
async def test_the_intervals_of_all_time_sum_to_the_figures_of_the_experiment(
    world: Opened, source: str, zone: str
) -> None:
    span = {"gte": text(minutes(BEGIN)), "lt": text(minutes(END))}
    answer = await world.gateway.ask(
        SERIES, id=world.ids[source], metrics=METRICS, interval="DAY", range=span, zone=zone
    )
    found = answer.data["experiment"]
    columns = zip(*(bucket["aggregates"] for bucket in found["timeSeries"]["buckets"]), strict=True)
    for whole, parts in zip(found["aggregates"], columns, strict=True):
        assert sum(one["count"] for one in parts) == whole["count"]
        known = [one for one in parts if one["count"]]
        if known:
            assert sum(one["sum"] for one in known) == pytest.approx(whole["sum"], rel=1e-9)
            assert min(one["min"] for one in known) == whole["min"]
            assert max(one["max"] for one in known) == whole["max"]


# -- intervals -----------------------------------------------------------------------------------------


async def test_intervals_without_sessions_are_there_with_counts_of_zero(
    vendors: Vendors, gateway: Gateway
) -> None:
    ref = add(vendors, NEMO, "e", [replace(one, minute=0) for one in drawn(NEMO, "e", 2)])
    span = {"gte": text(minutes(-90)), "lt": text(minutes(30))}
    answer = await gateway.ask(
        SERIES, id=experiment_id(NEMO, ref), metrics=METRICS[:1], interval="HOUR", range=span
    )
    buckets = answer.data["experiment"]["timeSeries"]["buckets"]
    assert [bucket["sessionCount"] for bucket in buckets] == [0, 0, 2]
    assert [bucket["end"] for bucket in buckets[:2]] == [bucket["start"] for bucket in buckets[1:]]
    assert buckets[0]["aggregates"][0]["count"] == 0
    assert buckets[0]["aggregates"][0]["mean"] is None


@pytest.mark.parametrize(("zone", "hours"), [("Europe/Berlin", 25), ("UTC", 24), ("America/New_York", 24)])
async def test_the_day_on_which_the_clock_goes_back_has_25_hours(
    vendors: Vendors, gateway: Gateway, zone: str, hours: int
) -> None:
    ref = add(vendors, NEMO, "e", [])
    day = datetime(2026, 10, 25, tzinfo=ZoneInfo(zone))
    span = {"gte": text(day), "lt": text(day + timedelta(days=1))}
    for interval, count in (("HOUR", hours), ("DAY", 1)):
        answer = await gateway.ask(
            SERIES, id=experiment_id(NEMO, ref), metrics=[], interval=interval, range=span, zone=zone
        )
        assert len(answer.data["experiment"]["timeSeries"]["buckets"]) == count


# -- how sessions are read -----------------------------------------------------------------------------

PANEL = """
query($id: ID!, $range: ClosedDateTimeRange!, $within: DateTimeRange!) { experiment(id: $id) {
  hours: timeSeries(metrics: [{kind: LATENCY}], interval: HOUR, range: $range) { complete }
  days: timeSeries(metrics: [{kind: COST}], interval: DAY, range: $range, filter: {statuses: [ERROR]}) { complete }
  range: aggregate(metric: {kind: COST}, basis: COMPUTED, filter: {startedAt: $within}) { count }
  %s
} }"""


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("whole", ["", "whole: aggregate(metric: {kind: COST}, basis: COMPUTED) { count }"])
async def test_one_list_serves_all_panels_of_a_dashboard(
    vendors: Vendors, gateway: Gateway, source: str, whole: str
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", 90))
    span = {"gte": text(minutes(-60)), "lt": text(minutes(40))}
    answer = await gateway.ask(PANEL % whole, id=experiment_id(source, ref), range=span, within=span)
    assert answer.data["experiment"]["range"]["count"] < 90
    lists = [call for call in vendors.named(source).calls if "/e/sessions" in call.path or "runs" in call.path]
    assert len(lists) == 1


@pytest.mark.parametrize(("source", "pages"), [(NEMO, 1), (LANGSMITH, 1), (MEIBEL, 1)])
async def test_a_list_ends_where_the_range_does(
    vendors: Vendors, gateway: Gateway, source: str, pages: int
) -> None:
    """300 sessions take three pages of LangSmith and Meibel; the first 60 lie within the range."""
    ref = add(vendors, source, "e", drawn(source, "e", 300))
    span = {"gte": text(minutes(-60)), "lt": text(minutes(60))}
    answer = await gateway.ask(PANEL % "", id=experiment_id(source, ref), range=span, within=span)
    assert answer.errors == []
    lists = [call for call in vendors.named(source).calls if "/e/sessions" in call.path or "runs" in call.path]
    assert len(lists) == pages


async def test_a_range_that_the_filter_excludes_makes_no_call(vendors: Vendors, gateway: Gateway) -> None:
    ref = add(vendors, LANGSMITH, "e", drawn(LANGSMITH, "e", 5))
    answer = await gateway.ask(
        """query($id: ID!) { experiment(id: $id) { timeSeries(
          metrics: [], interval: DAY, range: {gte: "2026-11-01T00:00:00Z", lt: "2026-11-03T00:00:00Z"}
          filter: {startedAt: {gte: "2026-12-01T00:00:00Z"}}
        ) { complete buckets { sessionCount } } } }""",
        id=experiment_id(LANGSMITH, ref),
    )
    assert answer.data["experiment"]["timeSeries"] == {
        "complete": True,
        "buckets": [{"sessionCount": 0}, {"sessionCount": 0}],
    }
    assert not any("runs" in call.path for call in vendors.langsmith.calls)


# -- errors --------------------------------------------------------------------------------------------

DAY = {"gte": "2026-11-01T00:00:00Z", "lt": "2026-11-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"zone": "Mars/Olympus"}, "timeZone"),
        ({"range": {"gte": DAY["lt"], "lt": DAY["gte"]}}, "gte must be before lt"),
        ({"range": {"gte": DAY["gte"], "lt": DAY["gte"]}}, "gte must be before lt"),
        ({"interval": "MINUTE"}, "more than 1000 intervals"),
        ({"metrics": [{"kind": "SCORE"}]}, "SCORE requires an evaluator"),
    ],
)
async def test_a_wrong_argument_is_an_error_of_the_field_and_makes_no_list(
    vendors: Vendors, gateway: Gateway, changed: dict[str, Any], part: str
) -> None:
    ref = add(vendors, LANGSMITH, "e", drawn(LANGSMITH, "e", 5))
    asked = {"id": experiment_id(LANGSMITH, ref), "metrics": METRICS[:1], "interval": "DAY", "range": DAY}
    query = SERIES.replace("aggregates(metrics: $metrics, basis: COMPUTED, filter: $filter)", "aggregates")
    answer = await gateway.ask(query, **asked | changed)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert part in answer.errors[0]["message"]
    assert answer.partial["experiment"]["timeSeries"] is None
    assert answer.partial["experiment"]["aggregates"] is not None
    assert not any("runs" in call.path for call in vendors.langsmith.calls)


@pytest.mark.parametrize("source", NAMES)
async def test_the_failure_of_a_source_is_an_error_of_the_field(
    vendors: Vendors, gateway: Gateway, source: str
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", 5))
    path = {NEMO: "/sessions", LANGSMITH: "/api/v1/runs", MEIBEL: "/v2/agents/e/sessions"}[source]
    if source == NEMO:
        path = f"/apis/intake/v2/workspaces/default/experiments/{ref}{path}"
    vendors.named(source).fail(Fault("status", path=path, status=403, times=None))
    answer = await gateway.ask(
        SERIES, id=experiment_id(source, ref), metrics=METRICS[:1], interval="DAY", range=DAY
    )
    assert answer.partial["experiment"] == {"timeSeries": None, "aggregates": None}
    assert answer.codes == ["SOURCE_UNAUTHORIZED"] * 2


async def test_scores_that_cannot_be_read_cost_no_other_figure(vendors: Vendors, gateway: Gateway) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 5))
    vendors.meibel.fail(Fault("status", path="/v2/confidence-scoring", status=403, times=None))
    asked = {"id": experiment_id(MEIBEL, ref), "interval": "DAY", "range": DAY}
    answer = await gateway.ask(SERIES, **asked, metrics=[METRICS[0], METRICS[-1]])
    (bucket,) = answer.data["experiment"]["timeSeries"]["buckets"]
    assert (bucket["sessionCount"], len(bucket["aggregates"])) == (5, 1)
    assert answer.troubles == {MEIBEL: "UNAUTHORIZED"}
    answer = await gateway.ask(SERIES, **asked, metrics=METRICS[-1:])
    assert answer.partial["experiment"]["timeSeries"] is None
    assert set(answer.codes) == {"SOURCE_UNAUTHORIZED"}


@pytest.mark.parametrize("source", NAMES)
async def test_a_series_is_incomplete_when_the_page_budget_ends(
    vendors: Vendors, open_gateway: OpenGateway, source: str
) -> None:
    size = 2_100 if source == NEMO else 300
    ref = add(vendors, source, "e", drawn(source, "e", size))
    gateway = await open_gateway(limits={"computed_pages": 2})
    span = {"gte": text(minutes(-10)), "lt": text(minutes(5000))}
    answer = await gateway.ask(
        SERIES, id=experiment_id(source, ref), metrics=METRICS[:1], interval="WEEK", range=span
    )
    series = answer.data["experiment"]["timeSeries"]
    assert not series["complete"]
    assert 0 < sum(bucket["sessionCount"] for bucket in series["buckets"]) < size
    assert answer.troubles == {source: "SCAN_LIMITED"}
