"""Intervals and groups partition the sessions: their figures are those of the sessions in each part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.federation.test_statistics import session
from tracegraph.domain.models import COST, ERROR_RATE, LATENCY, Metric, MetricKind, Session, SessionStatus
from tracegraph.federation.analytics.dimensions import SessionDimension, key_of
from tracegraph.federation.analytics.intervals import TimeInterval, boundaries, zone_named
from tracegraph.federation.analytics.session_columns import SessionScan
from tracegraph.federation.analytics.session_groups import session_groups
from tracegraph.federation.analytics.session_lists import columns_by
from tracegraph.federation.analytics.time_series import time_series
from tracegraph.federation.report import SourceReport

METRICS = (LATENCY, COST, ERROR_RATE, Metric(MetricKind.SCORE, "e"))
BEGIN, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 10, tzinfo=UTC)
spans = st.integers(0, (END - BEGIN) // timedelta(seconds=1) - 1)
rows = st.builds(
    lambda status, seconds, latency, cost, score, **texts: replace(
        session(status, latency_ms=latency, cost_usd=cost, scores_by_evaluator={"e": score}, **texts),
        started_at=BEGIN + timedelta(seconds=seconds),
    ),
    st.sampled_from(SessionStatus),
    spans,
    st.none() | st.floats(0, 1e6),
    st.none() | st.floats(0, 10),
    st.none() | st.floats(0, 1),
    name=st.sampled_from([None, "a", "b"]),
    agent_name=st.sampled_from([None, "a"]),
    models=st.sampled_from([(), ("m",), ("m", "n"), ("n", "m")]),
    conversation_id=st.sampled_from([None, "1", "2", "3"]),
)
session_lists = st.lists(rows, max_size=30).map(
    lambda drawn: [replace(one, vendor_id=f"s{number}") for number, one in enumerate(drawn)]
)


def scanned(sessions: Sequence[Session], *dimensions: SessionDimension, complete: bool = True) -> SessionScan:
    columns = columns_by(dimensions)
    for one in sessions:
        columns.add(one)
    return columns.scan("nemo", "e", SourceReport("nemo"), complete=complete)


@given(session_lists, st.sampled_from(TimeInterval), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
def test_each_interval_has_the_figures_of_the_sessions_that_started_within(
    sessions: list[Session], interval: TimeInterval, zone: str
) -> None:
    last = BEGIN + timedelta(minutes=900) if interval is TimeInterval.MINUTE else END
    inside = [one for one in sessions if one.started_at < last]
    series = time_series(scanned(inside), METRICS, boundaries(BEGIN, last, interval, zone_named(zone)))
    assert sum(bucket.session_count for bucket in series.buckets) == len(inside)
    for bucket in series.buckets:
        members = [one for one in inside if bucket.start <= one.started_at < bucket.end]
        assert bucket.session_count == len(members)
        assert bucket.error_count == sum(one.status is SessionStatus.ERROR for one in members)
        assert list(bucket.aggregates) == [scanned(members).aggregate(metric) for metric in METRICS]


@given(session_lists, st.sampled_from(SessionDimension), st.integers(0, 5))
def test_groups_partition_the_sessions_and_have_the_figures_of_their_members(
    sessions: list[Session], by: SessionDimension, first: int
) -> None:
    found = session_groups(scanned(sessions, by), by, METRICS, first)
    assert sum(group.session_count for group in found.groups) + found.other_count == len(sessions)
    keys = [group.key for group in found.groups]
    assert len(set(keys)) == len(keys) == min(first, len({key_of(one, by) for one in sessions}))
    for group in found.groups:
        members = [one for one in sessions if key_of(one, by) == group.key]
        assert group.session_count == len(members) > 0
        assert list(group.aggregates) == [scanned(members).aggregate(metric) for metric in METRICS]
    others = [one for one in sessions if key_of(one, by) not in keys]
    assert found.other_count == len(others)


@given(session_lists, st.sampled_from(SessionDimension))
def test_the_largest_groups_come_first_and_groups_of_one_size_by_key_with_null_last(
    sessions: list[Session], by: SessionDimension
) -> None:
    groups = session_groups(scanned(sessions, by), by, (), 100).groups
    places = [(-group.session_count, group.key is None, group.key or "") for group in groups]
    assert places == sorted(places)


def test_sessions_of_the_same_models_are_one_group_whatever_their_order() -> None:
    drawn = [("b", "a"), ("a", "b"), ("a", "b", "a"), ("a",), ()]
    assert [key_of(session(models=models), SessionDimension.MODEL) for models in drawn] == [
        "a, b",
        "a, b",
        "a, b",
        "a",
        None,
    ]


def test_parts_of_an_incomplete_scan_are_incomplete() -> None:
    drawn = [replace(session(), started_at=BEGIN)]
    scan = scanned(drawn, SessionDimension.STATUS, complete=False)
    series = time_series(scan, METRICS, [BEGIN, END])
    groups = session_groups(scan, SessionDimension.STATUS, METRICS, 5)
    assert (series.complete, groups.complete) == (False, False)
    for aggregates in (series.buckets[0].aggregates, groups.groups[0].aggregates):
        assert not any(aggregate.complete for aggregate in aggregates)
