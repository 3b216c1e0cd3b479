"""Readings of several processes add up; what they lay down for each other may be damaged."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegraph.metrics.definitions import CIRCUITS, FAMILIES, PROCESSES, REQUEST_TIMES, REQUESTS, Family, Kind
from tracegraph.metrics.exposition import render_metrics
from tracegraph.metrics.multiprocess import SnapshotDirectory
from tracegraph.metrics.snapshot import Snapshot
from tracegraph.upstream.counters import DURATION_BOUNDS_S

AT = ("nemo", "experiments")


def one(family: Family, *values: float) -> Snapshot:
    readings = Snapshot()
    readings.add(family, (*AT, "OK")[: len(family.labels)], *values)
    return readings


@st.composite
def any_readings(draw: st.DrawFn) -> Snapshot:
    readings = Snapshot()
    for family in draw(st.lists(st.sampled_from(FAMILIES))):
        labels = tuple(draw(st.text(max_size=3)) for _ in family.labels)
        size = len(DURATION_BOUNDS_S) + 2 if family.kind is Kind.HISTOGRAM else 1
        readings.add(family, labels, *draw(st.lists(st.integers(0, 1000), min_size=size, max_size=size)))
    return readings


@settings(max_examples=30)
@given(any_readings())
def test_readings_come_out_of_their_bytes_as_they_went_in(readings: Snapshot) -> None:
    assert render_metrics(Snapshot.unpacked(readings.packed())) == render_metrics(readings)


@settings(max_examples=30)
@given(any_readings(), any_readings())
def test_the_order_of_adding_changes_nothing(a: Snapshot, b: Snapshot) -> None:
    one_way, other_way = Snapshot(), Snapshot()
    for readings in (a, b):
        one_way.add_all(readings)
    for readings in (b, a):
        other_way.add_all(readings)
    assert {family.name: dict(one_way.of(family)) for family in FAMILIES} == {
        family.name: dict(other_way.of(family)) for family in FAMILIES
    }


def test_each_process_adds_what_the_others_laid_down_last(tmp_path: Path) -> None:
    a, b, c = SnapshotDirectory(tmp_path), SnapshotDirectory(tmp_path), SnapshotDirectory(tmp_path)
    a.put(one(REQUESTS, 1))
    a.put(one(REQUESTS, 2))
    b.put(one(REQUESTS, 40))
    c.put(one(REQUESTS, 7))  # older than what it knows itself
    own = one(REQUESTS, 500)
    c.add_others(own)
    assert dict(own.of(REQUESTS)) == {(*AT, "OK"): [542]}


def test_a_process_that_left_keeps_its_counts_and_takes_its_circuits_along(tmp_path: Path) -> None:
    gone = one(REQUESTS, 3)
    gone.add(CIRCUITS, (*AT, "OPEN"), 1)
    SnapshotDirectory(tmp_path).leave(gone)
    own = Snapshot()
    SnapshotDirectory(tmp_path).add_others(own)
    assert dict(own.of(REQUESTS)) == {(*AT, "OK"): [3]}
    assert dict(own.of(CIRCUITS)) == {}


def test_a_process_that_was_killed_is_seen_by_what_it_lays_down_no_more(tmp_path: Path) -> None:
    SnapshotDirectory(tmp_path).put(one(PROCESSES, 1))
    (file,) = tmp_path.iterdir()
    for age_s, processes in ((5, {(): [1]}), (15, {}), (-3600, {})):  # the last: the clock was set back
        written_at = time.time() - age_s
        os.utime(file, (written_at, written_at))
        own = Snapshot()
        SnapshotDirectory(tmp_path).add_others(own)
        assert dict(own.of(PROCESSES)) == processes


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b'{"x": []}', b'{"tracegraph_upstream_requests_total": [[["a"], "x"]]}', b"\xff\x00"],
)
def test_what_cannot_be_read_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.json").write_bytes(content)
    own = one(REQUEST_TIMES, *range(len(DURATION_BOUNDS_S) + 2))
    before = render_metrics(own)
    SnapshotDirectory(tmp_path).add_others(own)
    assert render_metrics(own) == before


def test_a_folder_that_is_gone_leaves_the_own_figures(tmp_path: Path) -> None:
    own = one(REQUESTS, 3)
    SnapshotDirectory(tmp_path / "gone").add_others(own)
    assert dict(own.of(REQUESTS)) == {(*AT, "OK"): [3]}
