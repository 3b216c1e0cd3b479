"""A short soak, and tests of its oracle, which must detect wrong pages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.soak.expected import Item
from tools.soak.listing import Mismatch, Traversal
from tools.soak.run import Plan, soak
from tools.soak.summary import summary, violations

ROWS = {f"{source}{number}": (source, number) for number in range(4) for source in ("a", "b")}


def item(name: str) -> Item:
    source, number = ROWS[name]
    at = datetime(2026, 11, 1 + number, tzinfo=UTC)
    return Item(source, name, name, at, {"id": name, "source": {"name": source}})


def page(*names: str, has_next: bool = True, **statuses: str) -> Any:
    all_statuses = {"a": "OK", "b": "OK"} | statuses
    return {
        "edges": [{"node": dict(item(name).node)} for name in names],
        "pageInfo": {"hasNextPage": has_next},
        "sources": [{"source": {"name": name}, "status": status} for name, status in all_statuses.items()],
    }


def traversal() -> Traversal:
    return Traversal([item(name) for name in ROWS], lambda row: row.sort_key("ASC"))


def test_correct_pages_are_accepted_to_the_end() -> None:
    checked = traversal()
    assert checked.check_page(page("a0", "b0", "a1"), 3) == 3
    assert checked.check_page(page("b1", "a2", "b2", "a3", "b3", has_next=False), 5) == 5
    assert checked.ended


def test_rows_of_a_failed_source_may_come_late() -> None:
    checked = traversal()
    checked.check_page(page("a0", "a1", "a2", b="FAILED"), 3)
    checked.check_page(page("b0", "b1", "b2", "a3", "b3", has_next=False), 5)
    assert checked.ended


def test_a_page_continues_after_any_edge() -> None:
    checked = traversal()
    checked.check_page(page("a0", "b0", "a1"), 3, resume_index=1)
    checked.check_page(page("b0", "a1", "b1"), 3)


@pytest.mark.parametrize(
    "wrong",
    [
        page("a0", "a1", "b0"),
        page("a0", "b0", "b0"),
        page("a0", "b0"),
        page("b0", "a1", "b1"),
        page("a0", "a1", "a2"),
        page("a0", "b0", "a1", has_next=False),
        page("a0", "b1", "a1", b="FAILED"),
    ],
    ids=[
        "out of order",
        "twice",
        "too few",
        "one lost",
        "one source lost",
        "ended early",
        "a gap in a failed source",
    ],
)
def test_a_wrong_page_is_detected(wrong: Any) -> None:
    with pytest.raises(Mismatch):
        traversal().check_page(wrong, 3)


def test_a_wrong_field_is_detected() -> None:
    wrong = page("a0", "b0", "a1")
    wrong["edges"][1]["node"]["id"] = "b9"
    with pytest.raises(Mismatch, match="row 1"):
        traversal().check_page(wrong, 3)


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="there is no /proc to read a process's memory from"
)
@pytest.mark.parametrize("seconds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_mixed_queries_while_vendors_fail_have_no_violations(seconds: float) -> None:
    plan = Plan(seconds=seconds, seed=5, connections=16)
    result = asyncio.run(soak(plan))
    assert violations(plan, result) == [], summary(plan, result)
    assert result.stats.rows > 0
    assert len(result.faults) > 0
