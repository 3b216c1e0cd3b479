"""The spans of a session become trees, whatever parents and starts the vendor reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.models import SessionRef, Span
from tracegraph.federation.spans import PlacedSpan, arranged

SESSION = SessionRef("base", "s0")
IDS = [f"{number}" for number in range(8)]


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


def span(name: str, parent: str | None = None, second: int | None = None) -> Span:
    return Span(name, parent_id=parent, started_at=None if second is None else at(second))


def arrange(*spans: Span) -> Sequence[PlacedSpan]:
    return arranged("source", SESSION, spans)


def outline(placed: Sequence[PlacedSpan]) -> Sequence[tuple[str, int]]:
    return [(one.span.vendor_id, one.depth) for one in placed]


SPANS = st.lists(
    st.builds(
        span,
        st.sampled_from(IDS),
        st.none() | st.sampled_from([*IDS, "missing"]),
        st.none() | st.integers(0, 3),
    )
)


@given(SPANS)
def test_each_span_comes_once_and_parents_come_before_children(spans: list[Span]) -> None:
    placed = arrange(*spans)
    ids = [one.span.vendor_id for one in placed]
    assert sorted(ids) == sorted({one.vendor_id for one in spans})
    for index, one in enumerate(placed):
        assert one.parent_id is None or one.parent_id in ids[:index]


@given(SPANS)
def test_depths_follow_from_parents_and_subtrees_are_contiguous(spans: list[Span]) -> None:
    path: list[str] = []
    for one in arrange(*spans):
        del path[one.depth :]
        assert one.depth == len(path)
        assert one.parent_id == (path[-1] if path else None)
        path.append(one.span.vendor_id)


@given(SPANS)
def test_a_known_parent_is_kept_unless_it_is_a_descendant(spans: list[Span]) -> None:
    placed = {one.span.vendor_id: one for one in arrange(*spans)}
    for one in placed.values():
        reported = one.span.parent_id
        if one.parent_id is None and reported in placed:
            above: set[str] = set()
            parent: str | None = reported
            while parent is not None and parent not in above:
                above.add(parent)
                parent = placed[parent].parent_id
            assert one.span.vendor_id in above
        else:
            assert one.parent_id == (reported if reported in placed else None)


DISTINCT = st.lists(
    st.builds(span, st.sampled_from(IDS), st.none() | st.sampled_from(IDS), st.integers(0, 3)),
    unique_by=lambda one: one.vendor_id,
)


@given(DISTINCT.flatmap(lambda spans: st.tuples(st.just(spans), st.permutations(spans))))
def test_the_order_does_not_depend_on_the_vendors(both: tuple[list[Span], list[Span]]) -> None:
    """Vendors list equal starts in any order, another one for each call."""
    spans, shuffled = both
    assert outline(arrange(*spans)) == outline(arrange(*shuffled))


def test_a_child_that_comes_and_ends_before_its_parent_is_below_it() -> None:
    assert outline(arrange(span("child", "root", 0), span("root", None, 5))) == [("root", 0), ("child", 1)]


def test_a_span_of_a_missing_parent_is_a_root() -> None:
    (orphan,) = arrange(span("orphan", "gone", 1))
    assert (orphan.depth, orphan.parent_id, orphan.span.parent_id) == (0, None, "gone")


def test_a_circle_of_parents_opens_at_its_earliest_span() -> None:
    placed = arrange(span("a", "c", 3), span("b", "a", 1), span("c", "b", 2), span("leaf", "c", 0))
    assert outline(placed) == [("b", 0), ("c", 1), ("leaf", 2), ("a", 2)]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert outline(arrange(span("a", "a", 1))) == [("a", 0)]


def test_siblings_of_one_start_are_ordered_by_id() -> None:
    assert outline(arrange(span("b", None, 1), span("a", None, 1), span("c", None, 0))) == [
        ("c", 0),
        ("a", 0),
        ("b", 0),
    ]


def test_a_span_without_a_start_stands_behind_the_one_before_it() -> None:
    placed = arrange(span("1", None, 1), span("2"), span("3", None, 2))
    assert outline(placed) == [("1", 0), ("2", 0), ("3", 0)]


def test_a_span_without_a_start_stands_behind_one_of_several_with_equal_starts() -> None:
    placed = arrange(span("z", None, 1), span("b"), span("a"), span("m", None, 1))
    assert outline(placed) == [("m", 0), ("z", 0), ("b", 0), ("a", 0)]


def test_a_chain_of_thousands_of_spans_has_no_limit_of_depth() -> None:
    chain = [span(f"{number:05}", f"{number - 1:05}", 0) for number in range(5000)]
    assert [one.depth for one in arrange(*reversed(chain))] == list(range(5000))
