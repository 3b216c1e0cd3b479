"""Figures of a part of a run's sessions, against the sessions and the totals that the services answer."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.live.gateway import Json, Live

pytestmark = pytest.mark.live

NAMES = ("base", "graded", "talk", "nightly@main")
COLUMNS = {"LATENCY": "latency_ms", "COST": "cost_total_usd", "INPUT_TOKENS": "input_tokens"}
FIGURES = """
    query Figures($id: ID!, $metrics: [MetricInput!]!, $range: ClosedDateTimeRange!, $zone: String! = "UTC",
                  $interval: TimeInterval!, $part: ExperimentSessionFilter) {
      experiment(id: $id) {
        aggregates(metrics: $metrics, basis: COMPUTED, filter: $part) { count sum min max complete }
        timeSeries(metrics: $metrics, interval: $interval, range: $range, timeZone: $zone) {
          complete
          buckets { start end sessionCount errorCount aggregates { count sum } }
        }
        sessionGroups(by: STATUS, metrics: $metrics) { complete otherCount groups { key sessionCount } }
      }
    }
"""


def moment(text: str) -> datetime:
    """A time as the service writes it: UTC, with or without a zone."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def figures(live: Live, name: str, interval: str = "HOUR", **variables: Any) -> Json:
    """The gateway's figures of one run, over a day around its sessions."""
    (experiment_id,) = live.ids(name)
    first = live.seeded.epoch - timedelta(hours=2)
    span = {"gte": first.isoformat(), "lt": (first + timedelta(hours=14)).isoformat()}
    metrics = [{"kind": kind} for kind in COLUMNS]
    asked = {"id": experiment_id, "metrics": metrics, "range": span, "interval": interval} | variables
    found: Json = live.gateway.data(FIGURES, **asked)["experiment"]
    return found


def sums(rows: list[Json]) -> list[tuple[int, Any]]:
    """Count and sum of each column over the rows that have a value."""
    columns = ([row[column] for row in rows if row[column] is not None] for column in COLUMNS.values())
    return [(len(values), pytest.approx(sum(values)) if values else None) for values in columns]


@pytest.mark.parametrize("status", ["success", "error", "cancelled"])
def test_filtered_figures_are_those_of_the_services_sessions(live: Live, status: str) -> None:
    for name in NAMES:
        rows = [row for row in live.intake.held_sessions(name) if row["status"] == status]
        shown = figures(live, name, part={"statuses": [status.upper()]})["aggregates"]
        assert [(one["count"], one["sum"]) for one in shown] == sums(rows)
        assert all(one["complete"] for one in shown)


@pytest.mark.parametrize(("interval", "zone"), [("MINUTE", "UTC"), ("HOUR", "Asia/Kolkata"), ("DAY", "UTC")])
def test_each_interval_has_the_sessions_of_the_service_that_started_within(
    live: Live, interval: str, zone: str
) -> None:
    for name in NAMES:
        rows = live.intake.held_sessions(name)
        series = figures(live, name, interval, zone=zone)["timeSeries"]
        assert series["complete"]
        assert sum(bucket["sessionCount"] for bucket in series["buckets"]) == len(rows)
        for bucket in series["buckets"]:
            start, end = moment(bucket["start"]), moment(bucket["end"])
            inside = [row for row in rows if start <= moment(row["started_at"]) < end]
            assert bucket["sessionCount"] == len(inside)
            assert bucket["errorCount"] == sum(row["status"] == "error" for row in inside)
            assert [(one["count"], one["sum"]) for one in bucket["aggregates"]] == sums(inside)


def test_a_series_equals_the_services_own_totals_over_time(live: Live) -> None:
    """Where each session has one trace, the runs that the service counts by the hour are the sessions."""
    if not live.release.has_totals:
        pytest.skip("only releases from 0.4.0 on have totals over time")
    lower = {"filter[started_at][$gte]": "2000-01-01T00:00:00Z", "filter[evaluation_name]": "base"}
    points = live.intake.get("traces/metrics", bucket="hour", **lower)["data"]
    held = {
        moment(point["bucket_start"]): (point["run_count"], point["failed_run_count"])
        for point in points
        if point["run_count"]
    }
    buckets = figures(live, "base")["timeSeries"]["buckets"]
    shown = {
        moment(one["start"]): (one["sessionCount"], one["errorCount"]) for one in buckets if one["sessionCount"]
    }
    assert {start.replace(minute=0, second=0, microsecond=0): counts for start, counts in shown.items()} == held


def test_groups_by_status_are_those_of_the_services_sessions(live: Live) -> None:
    for name in NAMES:
        held = Counter(row["status"].upper() for row in live.intake.held_sessions(name))
        found = figures(live, name)["sessionGroups"]
        assert {group["key"]: group["sessionCount"] for group in found["groups"]} == held
        assert (found["complete"], found["otherCount"]) == (True, 0)
