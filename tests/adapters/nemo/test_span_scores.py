"""What the verdicts about the spans of a session say of the session (docs/vendors/nemo.md#spans)."""

from __future__ import annotations

import pytest
from tracegraph_nemo.span_mapping import failed_evaluators
from tracegraph_nemo.wire import ResultRow

FAILED = ResultRow("span", "tone", status="FAILED", comment="judge timed out")


@pytest.mark.parametrize(
    ("rows", "failed"),
    [
        ([FAILED], {"tone"}),
        ([FAILED, ResultRow("other", "tone", status="FAILED")], {"tone"}),
        ([FAILED, ResultRow("other", "tone", 0.5)], set()),
        ([FAILED, ResultRow("span", "tone", 0.5)], set()),
        ([ResultRow("span", "acc", 1.0), FAILED], {"tone"}),
        ([], set()),
    ],
    ids=["one", "all", "one of two", "an earlier one", "another evaluator", "none"],
)
def test_an_evaluator_has_failed_where_all_its_verdicts_did(rows: list[ResultRow], failed: set[str]) -> None:
    assert failed_evaluators(rows) == failed
