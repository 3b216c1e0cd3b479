"""A constructed answer for the runs of a trace by v2, through the wire structs and the mapping."""

import json
from pathlib import Path

from tracegraph_langsmith.mapping import to_span
from tracegraph_langsmith.v2_wire import TRACE_RUNS

from tests.worlds import Row
from tracegraph.domain.models import Score, TokenUsage
from tracegraph.upstream.raw import RawDocument, RawRow

SAMPLES = Path(__file__).parents[2] / "contracts" / "langsmith-v2"


def test_the_sample_of_a_trace_is_read_in_full() -> None:
    sample: Row = json.loads((SAMPLES / "trace-runs.json").read_text())["body"]
    body = json.dumps(sample).encode()
    runs, dropped = TRACE_RUNS.read(body)
    assert dropped == []
    root, child = [to_span(run, RawRow(RawDocument(body), ("items",))) for run in runs.items if run is not None]
    assert (root.parent_id, child.parent_id) == (None, root.vendor_id)
    assert (root.error, root.model, root.tokens) == (
        "KeyError: no such page",
        "small",
        TokenUsage(100, 20, 5, 120),
    )
    assert root.scores == (Score("acc", 0.4), Score("verdict", label="wrong"))


def test_a_run_without_a_start_is_a_span_without_one() -> None:
    """Every field of a v2 run is optional. A session needs its start, a span does not."""
    sample: Row = json.loads((SAMPLES / "trace-runs.json").read_text())["body"]
    sample["items"][1] |= {"start_time": None}
    runs, dropped = TRACE_RUNS.read(json.dumps(sample).encode())
    assert dropped == []
    _, child = [to_span(run, RawRow(RawDocument(b""), ("items",))) for run in runs.items if run is not None]
    assert (child.started_at, child.ended_at is None, child.vendor_id) == (None, False, sample["items"][1]["id"])
