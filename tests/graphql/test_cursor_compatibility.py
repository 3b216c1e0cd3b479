"""Cursors of earlier releases stay valid: the names in a cursor's digest are part of the format."""

from datetime import UTC, datetime

import pytest
import strawberry

from tracegraph.domain import filters as query
from tracegraph.domain import models as model
from tracegraph.federation.analytics.cases import CaseKey, CaseOutcome
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.types import inputs

TIME = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
SINCE, UNTIL = inputs.DateTimeRange(gte=TIME, lt=None), inputs.DateTimeRange(gte=None, lt=TIME)
IDS = [strawberry.ID("RXhwZXJpbWVudDpuZW1vOmEx")]
ALL_OF_AN_EXPERIMENT = inputs.ExperimentFilter(
    sources=["nemo", "meibel"],
    vendors=["nemo"],
    kinds=[model.ExperimentKind.AGENT, model.ExperimentKind.EVALUATION],
    ids=IDS,
    name=inputs.StringFilter(eq="a", in_=["b", "a"], contains="c"),
    agent_name="x",
    agent_version="1",
    dataset_name="d",
    dataset_version="2",
    group_id="g",
    created_at=SINCE,
    updated_at=UNTIL,
)
ALL_OF_A_SESSION = inputs.SessionFilter(
    sources=["langsmith"],
    vendors=None,
    experiment_ids=IDS,
    statuses=[model.SessionStatus.ERROR, model.SessionStatus.RUNNING],
    test_case_id="t",
    started_at=inputs.DateTimeRange(gte=TIME, lt=TIME),
)
BY_TIME = Positions(
    SortKey(1_700_000_000_000_000, "nemo", "e-1"),
    {
        "langsmith": Position(
            SortKey(1_700_000_000_000_001, "langsmith", "2b3c4d5e-0000-4000-8000-000000000001"), 41
        ),
        "meibel/0a1b2c3d": Position(None, -1),
    },
)
BY_NAME = Positions(SortKey("name \u00e9", "nemo", "e-1"), {"meibel": Position(SortKey(None, "meibel", "x"), 7)})
COMPARED = [("nemo", "a1"), ("langsmith", "b2")]
SCORE = model.Metric(model.MetricKind.SCORE, "accuracy")
OLDEST = query.ExperimentOrder(query.ExperimentOrderField.UPDATED_AT, query.OrderDirection.ASC)
NAMES = query.ExperimentOrder(query.ExperimentOrderField.NAME, query.OrderDirection.DESC)


@pytest.mark.parametrize(
    ("field", "arguments", "positions", "cursor"),
    [
        (
            "Query.experiments",
            (ALL_OF_AN_EXPERIMENT.cursor_binding, OLDEST),
            BY_TIME,
            "AcRD9KlXZwIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
            "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAABownBNQ",
        ),
        (
            "Query.experiments",
            (inputs.ANY_EXPERIMENT.cursor_binding, query.ExperimentOrder()),
            BY_TIME,
            "AcRDOGQbpQIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
            "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAAB5x9z7A",
        ),
        (
            "Query.experiments",
            (inputs.ANY_EXPERIMENT.cursor_binding, NAMES),
            BY_NAME,
            "AcRDDlKcQwIHbWVpYmVsBW5lbW8CAQIIbmFtZSDDqQRlLTEAAAJ4AQdtZWliZWwCDq4F8rk",
        ),
        (
            "Query.sessions",
            (ALL_OF_A_SESSION.cursor_binding, query.SessionOrder(direction=query.OrderDirection.ASC)),
            BY_TIME,
            "ATw3zfyp0gIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
            "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAAB0Rcbnw",
        ),
        (
            "Experiment.sessions:nemo:a1",
            (inputs.ANY_SESSION.cursor_binding, query.SessionOrder()),
            BY_TIME,
            "AVPzxiwosAIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
            "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAAB04x0Lw",
        ),
        (
            "Comparison.cases",
            (COMPARED, 1, CaseKey.INPUT, SCORE, CaseOutcome.REGRESSED),
            BY_NAME,
            "AaBOzinmrgIHbWVpYmVsBW5lbW8CAQIIbmFtZSDDqQRlLTEAAAJ4AQdtZWliZWwCDmK10Q4",
        ),
    ],
)
def test_a_cursor_of_an_earlier_release_continues_at_its_position(
    field: str, arguments: object, positions: Positions, cursor: str
) -> None:
    binding = CursorBinding.of(field, arguments, by_text=positions is BY_NAME)
    assert decode_cursor(binding, cursor) == positions
    assert encode_cursor(binding, positions) == cursor


def test_a_type_without_a_fixed_name_is_rejected() -> None:
    with pytest.raises(TypeError, match="add one to _NAMES"):
        CursorBinding.of("Query.experiments", (object(),))
