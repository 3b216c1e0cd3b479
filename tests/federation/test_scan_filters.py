"""Which list serves which filter: it has every row of the filter, and the fewest lists serve all filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.federation.test_statistics import session
from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import Paging
from tracegraph.domain.conditions import FloatRange, ScoreFilter, StringFilter, TimeRange
from tracegraph.domain.filters import SessionFilter, active_conditions
from tracegraph.domain.models import Session, SessionStatus
from tracegraph.federation.analytics.scan_filters import (
    EVERY_SESSION,
    has_no_time,
    narrowing_part,
    readable_part,
    serves,
    widest,
    within,
)

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
times = st.integers(0, 5).map(lambda count: BEGIN + timedelta(hours=count))
ranges = st.builds(TimeRange, st.none() | times, st.none() | times)
statuses = st.sampled_from([SessionStatus.ERROR, SessionStatus.SUCCESS])
filters = st.builds(
    SessionFilter,
    statuses=st.none() | st.frozensets(statuses),
    started_at=st.none() | ranges,
    name=st.none() | st.builds(StringFilter, eq=st.sampled_from("ab")),
    latency_ms=st.none() | st.builds(FloatRange, st.sampled_from([None, 1.0, 2.0])),
    text=st.none() | st.sampled_from("xy"),
    score=st.none() | st.builds(ScoreFilter, st.just("e"), st.sampled_from([None, 0.5])),
)
sessions = st.builds(
    lambda status, start, name, latency, text, score: replace(
        session(status, name=name, latency_ms=latency, input=text, scores_by_evaluator={"e": score}),
        started_at=start,
    ),
    statuses,
    times,
    st.none() | st.sampled_from("ab"),
    st.none() | st.sampled_from([0.5, 1.5, 2.5]),
    st.none() | st.sampled_from("xy"),
    st.none() | st.sampled_from([0.0, 1.0]),
)
names = st.sampled_from(["statuses", "name", "latency_ms", "text", "score", "started_at"])
capabilities = st.frozensets(names).map(lambda pushed: ListCapabilities(Paging.OFFSET, 100, filters=pushed))


@given(filters, filters, sessions)
def test_a_list_that_serves_a_filter_has_every_row_of_it(
    listed: SessionFilter, wanted: SessionFilter, row: Session
) -> None:
    if serves(listed, wanted) and wanted.matches(row):
        assert listed.matches(row)


@given(filters)
def test_the_list_without_a_filter_and_the_same_list_serve_every_filter(wanted: SessionFilter) -> None:
    assert serves(EVERY_SESSION, wanted)
    assert serves(wanted, wanted)


@given(filters, capabilities)
def test_the_narrowing_part_serves_the_filter_and_has_only_what_shortens_the_list(
    wanted: SessionFilter, declared: ListCapabilities
) -> None:
    part = narrowing_part(wanted, declared)
    assert serves(part, wanted)
    assert active_conditions(part) == active_conditions(wanted) & (declared.filters | {"started_at", "ids"})


@given(st.lists(filters, max_size=6))
def test_the_fewest_filters_serve_all(wanted: list[SessionFilter]) -> None:
    kept = widest(wanted)
    assert all(any(serves(one, other) for one in kept) for other in wanted)
    assert not any(serves(one, other) for one in kept for other in kept if one is not other)
    assert set(kept) <= set(wanted)


@given(filters, st.frozensets(st.sampled_from(["input", "output", "scores"])), sessions)
def test_the_readable_part_drops_no_row_that_matches_and_reads_no_missing_field(
    wanted: SessionFilter, missing: frozenset[str], row: Session
) -> None:
    part = readable_part(wanted, missing)
    assert part.text is None or missing.isdisjoint({"input", "output"})
    assert part.score is None or "scores" not in missing
    assert not wanted.matches(row) or part.matches(row)


@given(filters, ranges, sessions)
def test_a_filter_within_a_range_has_the_rows_of_both(
    wanted: SessionFilter, span: TimeRange, row: Session
) -> None:
    both = within(wanted, span)
    assert both.matches(row) == (wanted.matches(row) and span.matches(row.started_at))
    assert not (has_no_time(both) and both.matches(row))
