"""Snapshots of several processes add up, and damaged snapshot files are ignored."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegraph.metrics.definitions import (
    CIRCUITS,
    FAMILIES,
    PROCESSES,
    REQUEST_DURATIONS,
    REQUESTS,
    MetricFamily,
    MetricType,
)
from tracegraph.metrics.exposition import render_metrics
from tracegraph.metrics.multiprocess import SnapshotDirectory
from tracegraph.metrics.snapshot import Snapshot
from tracegraph.upstream.counters import DURATION_BOUNDS_S

AT = ("nemo", "experiments")


def snapshot_of(family: MetricFamily, *values: float) -> Snapshot:
    snapshot = Snapshot()
    snapshot.add(family, (*AT, "OK")[: len(family.labels)], *values)
    return snapshot


@st.composite
def any_snapshots(draw: st.DrawFn) -> Snapshot:
    snapshot = Snapshot()
    for family in draw(st.lists(st.sampled_from(FAMILIES))):
        labels = tuple(draw(st.text(max_size=3)) for _ in family.labels)
        size = len(DURATION_BOUNDS_S) + 2 if family.metric_type is MetricType.HISTOGRAM else 1
        snapshot.add(family, labels, *draw(st.lists(st.integers(0, 1000), min_size=size, max_size=size)))
    return snapshot


@settings(max_examples=30)
@given(any_snapshots())
def test_a_snapshot_survives_encoding_and_decoding(snapshot: Snapshot) -> None:
    assert render_metrics(Snapshot.from_bytes(snapshot.to_bytes())) == render_metrics(snapshot)


@settings(max_examples=30)
@given(any_snapshots(), any_snapshots())
def test_the_sum_of_snapshots_does_not_depend_on_their_order(a: Snapshot, b: Snapshot) -> None:
    one_way, other_way = Snapshot(), Snapshot()
    for snapshot in (a, b):
        one_way.add_all(snapshot)
    for snapshot in (b, a):
        other_way.add_all(snapshot)
    assert {family.name: dict(one_way.samples(family)) for family in FAMILIES} == {
        family.name: dict(other_way.samples(family)) for family in FAMILIES
    }


def test_each_process_adds_the_latest_snapshots_of_the_others(tmp_path: Path) -> None:
    a, b, c = SnapshotDirectory(tmp_path), SnapshotDirectory(tmp_path), SnapshotDirectory(tmp_path)
    a.write(snapshot_of(REQUESTS, 1))
    a.write(snapshot_of(REQUESTS, 2))
    b.write(snapshot_of(REQUESTS, 40))
    c.write(snapshot_of(REQUESTS, 7))  # older than its own current snapshot
    own = snapshot_of(REQUESTS, 500)
    c.merge_peers(own)
    assert dict(own.samples(REQUESTS)) == {(*AT, "OK"): [542]}


def test_the_counters_of_a_retired_process_stay_and_its_gauges_do_not(tmp_path: Path) -> None:
    gone = snapshot_of(REQUESTS, 3)
    gone.add(CIRCUITS, (*AT, "OPEN"), 1)
    SnapshotDirectory(tmp_path).retire(gone)
    own = Snapshot()
    SnapshotDirectory(tmp_path).merge_peers(own)
    assert dict(own.samples(REQUESTS)) == {(*AT, "OK"): [3]}
    assert dict(own.samples(CIRCUITS)) == {}


def test_the_gauges_of_a_killed_process_disappear_with_the_age_of_its_snapshot(tmp_path: Path) -> None:
    SnapshotDirectory(tmp_path).write(snapshot_of(PROCESSES, 1))
    (file,) = tmp_path.iterdir()
    for age_s, processes in ((5, {(): [1]}), (15, {}), (-3600, {})):  # the last: the clock was set back
        written_at = time.time() - age_s
        os.utime(file, (written_at, written_at))
        own = Snapshot()
        SnapshotDirectory(tmp_path).merge_peers(own)
        assert dict(own.samples(PROCESSES)) == processes


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b'{"x": []}', b'{"tracegraph_upstream_requests_total": [[["a"], "x"]]}', b"\xff\x00"],
)
def test_an_invalid_snapshot_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.json").write_bytes(content)
    own = snapshot_of(REQUEST_DURATIONS, *range(len(DURATION_BOUNDS_S) + 2))
    before = render_metrics(own)
    SnapshotDirectory(tmp_path).merge_peers(own)
    assert render_metrics(own) == before


def test_without_the_directory_a_process_reports_its_own_metrics(tmp_path: Path) -> None:
    own = snapshot_of(REQUESTS, 3)
    SnapshotDirectory(tmp_path / "gone").merge_peers(own)
    assert dict(own.samples(REQUESTS)) == {(*AT, "OK"): [3]}
