"""Scans of an experiment's sessions for figures: once per request, counted, within the budget, as numbers."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.federation.test_statistics import session
from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Vendors, eventually
from tests.graphql.measured import add, drawn
from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Metric, MetricKind, Session, SessionStatus
from tracegraph.errors import SourceErrorCode
from tracegraph.federation.analytics.dimensions import SessionDimension
from tracegraph.federation.analytics.session_scan import INPUT, SCORES, Columns, SessionScan, SessionScans
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.loaders import Loaders
from tracegraph.simulators.core.faults import Fault
from tracegraph.sources import open_sources

OpenScans = Callable[..., Awaitable[SessionScans]]
ACCURACY = Metric(MetricKind.SCORE, "accuracy")


@pytest.fixture
async def open_scans(vendors: Vendors) -> AsyncIterator[OpenScans]:
    """The scans of one request over the simulated vendors."""
    async with AsyncExitStack() as stack:

        async def open_session_scans(
            reports: list[SourceReport] | None = None, computed_pages: int = 100
        ) -> SessionScans:
            adapters = (await stack.enter_async_context(open_sources(vendors.settings()))).adapters
            fetch = Loaders(adapters).session_page
            return SessionScans(
                adapters, fetch, ScanBudget(computed_pages=computed_pages), [] if reports is None else reports
            )

        yield open_session_scans


@pytest.fixture
async def scans(open_scans: OpenScans) -> SessionScans:
    return await open_scans()


@pytest.mark.parametrize("source", NAMES)
async def test_concurrent_scans_read_the_sessions_once_and_count_every_call(
    vendors: Vendors, scans: SessionScans, source: str
) -> None:
    ref = add(vendors, source, "e", drawn(source, "e", 250))
    needs = [frozenset[str](), frozenset({SCORES}), frozenset[str](), frozenset({SCORES})]
    session_scan = await asyncio.gather(*(scans.scan(source, ref, need) for need in needs))
    calls = len(vendors.named(source).calls)
    assert calls == {NEMO: 1, LANGSMITH: 3, MEIBEL: 3 + 2}[source]
    assert session_scan[1].report.upstream_requests == calls
    again = await scans.scan(source, ref, frozenset({SCORES}))
    assert len(vendors.named(source).calls) == calls
    assert (again.sessions, again.complete) == (250, True)
    assert len(again.values(ACCURACY)) > 200
    assert all(session_.sessions == 250 for session_ in session_scan)


async def test_scores_and_inputs_that_a_list_leaves_out_are_read_only_when_they_are_needed(
    vendors: Vendors, scans: SessionScans
) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 3))
    listed = await scans.scan(MEIBEL, ref)
    assert listed.deferred == {SCORES, INPUT}
    assert (listed.values(ACCURACY).tolist(), set(listed.inputs)) == ([], {None})
    whole = await scans.scan(MEIBEL, ref, frozenset({SCORES, INPUT}))
    assert whole.deferred == frozenset()
    assert len(whole.column(ACCURACY)) == len(whole.inputs) == 3
    assert {call.path_class for call in vendors.meibel.calls} >= {"/v2/sessions/{session_id}"}
    assert (await scans.scan(MEIBEL, ref)).values(ACCURACY).tolist() == []


async def test_a_scan_that_the_budget_ends_is_not_complete(vendors: Vendors, open_scans: OpenScans) -> None:
    reports: list[SourceReport] = []
    scans = await open_scans(reports, computed_pages=2)
    session_scan = await scans.scan(LANGSMITH, add(vendors, LANGSMITH, "e", drawn(LANGSMITH, "e", 250)))
    assert (session_scan.complete, session_scan.error) == (False, None)
    assert 100 < session_scan.sessions <= 200
    assert not session_scan.aggregate(Metric(MetricKind.ERROR_RATE)).complete
    assert [report.status for report in reports] == [SourceReportStatus.SCAN_LIMITED]


@pytest.mark.parametrize("path", ["/v2/agents/e/sessions", "/v2/confidence-scoring/jobs"])
async def test_a_failed_scan_is_shared_by_its_callers_and_reported_once(
    vendors: Vendors, open_scans: OpenScans, path: str
) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 3))
    vendors.meibel.fail(Fault("status", path=path, status=403, times=None))
    reports: list[SourceReport] = []
    scans = await open_scans(reports)
    first, second = [await scans.scan(MEIBEL, ref, frozenset({SCORES})) for _ in range(2)]
    assert first.error is not None
    assert first.error.code is SourceErrorCode.UNAUTHORIZED
    assert second.error is first.error
    assert not first.complete
    assert [report.status for report in reports].count(SourceReportStatus.FAILED) == 1


async def test_one_failed_look_up_costs_its_own_value_and_is_the_sources_failure(
    vendors: Vendors, open_scans: OpenScans
) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 3))
    for row in vendors.meibel.world.sessions[ref]:
        question = {"role": "user", "message": row["session_id"], "signal_id": None, "timestamp": None}
        vendors.meibel.world.messages[row["session_id"]] = [question]
    complete = await (await open_scans()).scan(MEIBEL, ref, frozenset({SCORES, INPUT}))
    lost = complete.session_ids[1]
    vendors.meibel.fail(Fault("status", path=f"/v2/sessions/{lost}", status=403, times=None))
    reports: list[SourceReport] = []
    session_scan = await (await open_scans(reports)).scan(MEIBEL, ref, frozenset({SCORES, INPUT}))
    assert complete.inputs[1] is not None
    assert list(session_scan.inputs) == [complete.inputs[0], None, complete.inputs[2]]
    assert session_scan.values(ACCURACY) == complete.values(ACCURACY)
    assert (session_scan.error, session_scan.complete, session_scan.report.status) == (
        None,
        False,
        SourceReportStatus.FAILED,
    )
    assert [report.error.code for report in reports if report.error] == [SourceErrorCode.UNAUTHORIZED]


async def test_look_ups_that_all_fail_fail_the_scan(vendors: Vendors, open_scans: OpenScans) -> None:
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 3))
    vendors.meibel.fail(Fault("status", path="/v2/sessions/", status=403, times=None))
    session_scan = await (await open_scans()).scan(MEIBEL, ref, frozenset({SCORES, INPUT}))
    assert session_scan.error is not None
    assert session_scan.error.code is SourceErrorCode.UNAUTHORIZED


def test_a_session_that_a_list_repeats_counts_once() -> None:
    columns = Columns()
    for vendor_id, latency in (("s1", 1.0), ("s2", 2.0), ("s1", 3.0)):
        columns.add(replace(session(latency_ms=latency), vendor_id=vendor_id))
    scan = columns.scan("nemo", "e", SourceReport("nemo"), complete=True)
    assert scan.session_ids == ["s1", "s2"]
    assert scan.values(Metric(MetricKind.LATENCY)).tolist() == [1.0, 2.0]


async def test_at_most_four_experiments_of_a_source_are_read_at_a_time(
    vendors: Vendors, scans: SessionScans
) -> None:
    refs = [add(vendors, MEIBEL, f"e{index}", drawn(MEIBEL, f"e{index}", 5)) for index in range(12)]
    await asyncio.gather(*(scans.scan(MEIBEL, ref) for ref in refs))
    assert vendors.meibel.simulator.peak_in_flight <= 4
    assert len(vendors.meibel.calls) == 12


async def test_sessions_that_come_and_go_while_their_list_is_read_leave_the_others_once_each(
    vendors: Vendors, scans: SessionScans
) -> None:
    """Older sessions are inserted between two pages, so that every later row moves."""
    ref = add(vendors, MEIBEL, "e", drawn(MEIBEL, "e", 250))
    rows = vendors.meibel.world.sessions[ref]
    there = {row["session_id"] for row in rows}
    vendors.meibel.fail(Fault("delay", times=None))
    reading = asyncio.ensure_future(scans.scan(MEIBEL, ref))
    assert await eventually(lambda: len(vendors.meibel.calls) > 1)
    older = drawn(MEIBEL, "older", 3)
    add(vendors, MEIBEL, "other", older)
    rows[:0] = vendors.meibel.world.sessions.pop("other")
    session_scan = await reading
    assert there <= set(session_scan.session_ids)
    assert len(set(session_scan.session_ids)) == session_scan.sessions


# -- filters -------------------------------------------------------------------------------------------

ERRORS = SessionFilter(statuses=frozenset({SessionStatus.ERROR}))


@pytest.mark.parametrize("source", NAMES)
async def test_filters_that_are_requested_together_share_a_list_and_its_report(
    vendors: Vendors, open_scans: OpenScans, source: str
) -> None:
    sessions = drawn(source, "e", 60)
    ref = add(vendors, source, "e", sessions)
    reports: list[SourceReport] = []
    scans = await open_scans(reports)
    whole, errors, again = await asyncio.gather(
        scans.scan(source, ref),
        scans.scan(source, ref, session_filter=ERRORS),
        scans.scan(source, ref, session_filter=ERRORS),
    )
    assert len(vendors.named(source).calls) == len(reports) == 1
    assert (whole.sessions, again) == (60, errors)
    assert errors.sessions == sum(one.status == "ERROR" for one in sessions)
    assert set(errors.session_ids) < set(whole.session_ids)


async def test_a_filter_that_is_requested_later_takes_a_list_of_its_own(
    vendors: Vendors, scans: SessionScans
) -> None:
    ref = add(vendors, NEMO, "e", drawn(NEMO, "e", 60))
    await scans.scan(NEMO, ref)
    await scans.scan(NEMO, ref, session_filter=ERRORS)
    assert len(vendors.nemo.calls) == 2
    await asyncio.gather(scans.scan(NEMO, ref), scans.scan(NEMO, ref, session_filter=ERRORS))
    assert len(vendors.nemo.calls) == 2


async def test_keys_that_are_requested_later_are_read_with_a_list_of_their_own(
    vendors: Vendors, scans: SessionScans
) -> None:
    sessions = drawn(NEMO, "e", 20)
    ref = add(vendors, NEMO, "e", sessions)
    without = await scans.scan(NEMO, ref)
    found = await scans.scan(NEMO, ref, by=SessionDimension.STATUS)
    assert without.keys == {}
    assert sorted(map(str, found.keys[SessionDimension.STATUS])) == sorted(one.status for one in sessions)


async def test_the_scores_of_a_part_are_read_for_its_sessions(vendors: Vendors, scans: SessionScans) -> None:
    sessions = drawn(MEIBEL, "e", 60)
    ref = add(vendors, MEIBEL, "e", sessions)
    scan = await scans.scan(MEIBEL, ref, frozenset({SCORES}), ERRORS)
    expected = [one.scores["accuracy"] for one in sessions if one.status == "ERROR" and "accuracy" in one.scores]
    assert sorted(scan.values(ACCURACY)) == sorted(expected)


# -- columns -------------------------------------------------------------------------------------------

session_lists = st.lists(
    st.builds(
        session,
        latency_ms=st.none() | st.floats(0, 1e6),
        cost_usd=st.none() | st.floats(0, 10),
        input=st.none() | st.text(max_size=5),
    ),
    max_size=20,
).map(lambda drawn: [replace(session_, vendor_id=f"s{number}") for number, session_ in enumerate(drawn)])


def scanned(sessions: Sequence[Session]) -> SessionScan:
    columns = Columns()
    for session_ in sessions:
        columns.add(session_)
    return columns.scan("nemo", "e", SourceReport("nemo"), complete=True)


@given(session_lists)
def test_every_column_has_one_value_for_each_session(sessions: list[Session]) -> None:
    scan = scanned(sessions)
    assert scan.sessions == len(scan.test_case_ids) == len(scan.inputs) == len(sessions)
    for kind, field in ((MetricKind.LATENCY, "latency_ms"), (MetricKind.COST, "cost_usd")):
        column = [None if math.isnan(value) else value for value in scan.column(Metric(kind))]
        assert column == [getattr(session_, field) for session_ in sessions]
        assert scan.values(Metric(kind)).tolist() == [value for value in column if value is not None]
        assert (Metric(kind) in scan.metrics) == any(value is not None for value in column)


@given(session_lists, st.randoms(use_true_random=False))
def test_the_order_of_sessions_and_of_pages_plays_no_part_in_figures(
    sessions: list[Session], random: Random
) -> None:
    shuffled = sessions.copy()
    random.shuffle(shuffled)
    scan, shuffled_scan = scanned(sessions), scanned(shuffled)
    assert scan.metrics == shuffled_scan.metrics
    for metric in scan.metrics:
        assert scan.aggregate(metric) == shuffled_scan.aggregate(metric)
