"""The format of cursors: names and layout are fixed, and a cursor of an older layout is refused."""

import base64
from datetime import UTC, datetime

import pytest
import strawberry

from tracegraph.domain import filters as query
from tracegraph.domain import models as model
from tracegraph.errors import InvalidCursor
from tracegraph.federation.analytics.cases import CaseKey, CaseOutcome
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import SortKey
from tracegraph.graphql.relay.cursor import CursorBinding, decode_cursor, encode_cursor
from tracegraph.graphql.types import filter_inputs as inputs

TIME = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
SINCE, UNTIL = inputs.DateTimeRange(gte=TIME, lt=None), inputs.DateTimeRange(gte=None, lt=TIME)
IDS = [strawberry.ID("RXhwZXJpbWVudDpuZW1vOmEx")]
ALL_OF_AN_EXPERIMENT = inputs.ExperimentFilter(
    sources=["nemo", "meibel"],
    vendors=["nemo"],
    kinds=[model.ExperimentKind.AGENT, model.ExperimentKind.EVALUATION],
    ids=IDS,
    name=inputs.StringFilter(eq="a", in_=["b", "a"], contains="c"),
    agent_name=inputs.StringFilter(eq="x"),
    agent_version=inputs.StringFilter(eq="1"),
    dataset_name=inputs.StringFilter(eq="d"),
    dataset_version=inputs.StringFilter(eq="2"),
    group_id=inputs.StringFilter(eq="g"),
    created_at=SINCE,
    updated_at=UNTIL,
)
ALL_OF_A_SESSION = inputs.SessionFilter(
    sources=["langsmith"],
    vendors=None,
    experiment_ids=IDS,
    statuses=[model.SessionStatus.ERROR, model.SessionStatus.RUNNING],
    test_case_id=inputs.StringFilter(eq="t"),
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
FIRST = query.SessionOrder(direction=query.OrderDirection.ASC)
NAMES = query.ExperimentOrder(query.ExperimentOrderField.NAME, query.OrderDirection.DESC)


LISTS: list[tuple[str, object, Positions]] = [
    ("Query.experiments", (ALL_OF_AN_EXPERIMENT.cursor_binding, OLDEST), BY_TIME),
    ("Query.experiments", (inputs.ANY_EXPERIMENT.cursor_binding, query.ExperimentOrder()), BY_TIME),
    ("Query.experiments", (inputs.ANY_EXPERIMENT.cursor_binding, NAMES), BY_NAME),
    (
        "Query.sessions",
        (ALL_OF_A_SESSION.cursor_binding, FIRST),
        BY_TIME,
    ),
    ("Experiment.sessions:nemo:a1", (inputs.ANY_SESSION.cursor_binding, query.SessionOrder()), BY_TIME),
    ("Comparison.cases", (COMPARED, 1, CaseKey.INPUT, SCORE, CaseOutcome.REGRESSED), BY_NAME),
]
CURSORS = [
    "A8RDSsJompXCksQKAWxhbmdzbWl0aMQFAW5lbW-Sk88ABgokGB5AAAHEBAFlLTGTzwAGCiQYHkABAMQRACs8TV4AAE"
    "AAgAAAAAAAAAEBkpTECgFsYW5nc21pdGgCKcCUxBABbWVpYmVsLzBhMWIyYzNkAP_AdVSzYQ",
    "A8RDOGQbpZXCksQKAWxhbmdzbWl0aMQFAW5lbW-Sk88ABgokGB5AAAHEBAFlLTGTzwAGCiQYHkABAMQRACs8TV4AAE"
    "AAgAAAAAAAAAEBkpTECgFsYW5nc21pdGgCKcCUxBABbWVpYmVsLzBhMWIyYzNkAP_AeHn_pw",
    "A8RDDlKcQ5XCksQHAW1laWJlbMQFAW5lbW-Sk8QIAW5hbWUgw6kBxAQBZS0xk8AAxAIBeAGRlMQHAW1laWJlbAIHwIpkkZQ",
    "Azw3_NHM_pXCksQKAWxhbmdzbWl0aMQFAW5lbW-Sk88ABgokGB5AAAHEBAFlLTGTzwAGCiQYHkABAMQRACs8TV4AAE"
    "AAgAAAAAAAAAEBkpTECgFsYW5nc21pdGgCKcCUxBABbWVpYmVsLzBhMWIyYzNkAP_AwBxcaA",
    "A1PzxiwosJXCksQKAWxhbmdzbWl0aMQFAW5lbW-Sk88ABgokGB5AAAHEBAFlLTGTzwAGCiQYHkABAMQRACs8TV4AAE"
    "AAgAAAAAAAAAEBkpTECgFsYW5nc21pdGgCKcCUxBABbWVpYmVsLzBhMWIyYzNkAP_Afpy02g",
    "A6BOzinmrpXCksQHAW1laWJlbMQFAW5lbW-Sk8QIAW5hbWUgw6kBxAQBZS0xk8AAxAIBeAGRlMQHAW1laWJlbAIHwDdW22Y",
]
OLDER_CURSORS = [
    "AcRD9KlXZwIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
    "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAABownBNQ",
    "AcRDOGQbpQIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
    "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAAB5x9z7A",
    "AcRDDlKcQwIHbWVpYmVsBW5lbW8CAQIIbmFtZSDDqQRlLTEAAAJ4AQdtZWliZWwCDq4F8rk",
    "ATw3zfyp0gIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
    "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAAB0Rcbnw",
    "AVPzxiwosAIKbGFuZ3NtaXRoBW5lbW8CAQGAgPKBg4mFBgRlLTEAAYKA8oGDiYUGACs8TV4AAEAAgAAAAAAAAAEBCm"
    "xhbmdzbWl0aAJSEG1laWJlbC8wYTFiMmMzZAAB04x0Lw",
    "AaBOzinmrgIHbWVpYmVsBW5lbW8CAQIIbmFtZSDDqQRlLTEAAAJ4AQdtZWliZWwCDmK10Q4",
]
"""Of the version before this one, which had a layout of its own."""


def binding_of(field: str, arguments: object, positions: Positions) -> CursorBinding:
    return CursorBinding.of(field, arguments, str if positions is BY_NAME else int)


@pytest.mark.parametrize(("in_list", "cursor"), list(zip(LISTS, CURSORS, strict=True)))
def test_a_cursor_of_this_version_continues_at_its_position(
    in_list: tuple[str, object, Positions], cursor: str
) -> None:
    binding, positions = binding_of(*in_list), in_list[2]
    assert decode_cursor(binding, cursor) == positions
    assert encode_cursor(binding, positions) == cursor


@pytest.mark.parametrize(("in_list", "cursor"), list(zip(LISTS, OLDER_CURSORS, strict=True)))
def test_a_cursor_of_the_version_before_is_refused_as_one_of_another_version(
    in_list: tuple[str, object, Positions], cursor: str
) -> None:
    with pytest.raises(InvalidCursor, match="from another version of this gateway: start again without `after`"):
        decode_cursor(binding_of(*in_list), cursor)


@pytest.mark.parametrize(
    ("cursor", "older"),
    [
        pair
        for in_list, *pair in zip(LISTS, CURSORS, OLDER_CURSORS, strict=True)
        if str(in_list[1]).find("StringFilter(eq=") < 0
    ],
)
def test_the_names_in_the_digests_are_those_of_the_version_before(cursor: str, older: str) -> None:
    """Filters that have string conditions now are other filters than before."""
    assert base64.urlsafe_b64decode(cursor[:8])[1:] == base64.urlsafe_b64decode(older[:8])[1:]


def test_a_type_without_a_fixed_name_is_rejected() -> None:
    with pytest.raises(TypeError, match="add one to _NAMES"):
        CursorBinding.of("Query.experiments", (object(),))
