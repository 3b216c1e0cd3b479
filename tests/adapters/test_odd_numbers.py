"""Impossible numbers and times from the vendors: that value is null, and the row remains."""

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
import pytest
from tracegraph_langsmith import mapping as langsmith_mapping
from tracegraph_langsmith import v2_wire as langsmith_v2
from tracegraph_langsmith import wire as langsmith
from tracegraph_meibel import mapping as meibel_mapping
from tracegraph_meibel import wire as meibel
from tracegraph_nemo import mapping as nemo_mapping
from tracegraph_nemo import wire as nemo
from tracegraph_nemo.releases import RELEASES

from tracegraph.domain.models import Experiment, Score, Session
from tracegraph.upstream.raw import RawDocument, RawRow

NEMO = nemo_mapping.Origin("nemo", RELEASES["0.2"])
NO_NUMBER = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"many"', "[]", "true"]
"""As they stand in the JSON."""
ODDLY = pytest.mark.parametrize("odd", [*NO_NUMBER, "-1", "-0.5"])


T = TypeVar("T")


def only(rows: Sequence[T | None]) -> T:
    """The one row, which could be read."""
    (row,) = rows
    assert row is not None
    return row


def body_of(document: Any, odd: str) -> bytes:
    """The document, with the odd number in the place of each "@"."""
    return orjson.dumps(document).replace(b'"@"', odd.encode())


def nemo_session(odd: str, **fields: Any) -> Session:
    row = {"session_id": "s1", "started_at": "2026-05-01T12:00:00Z", "test_case_id": "paris", **fields}
    found, _ = nemo.SESSIONS.read(body_of({"data": [row]}, odd))
    return nemo_mapping.to_session(only(found.data), NEMO, "e")


def nemo_experiment(odd: str, **fields: Any) -> Experiment:
    found, _ = nemo.EXPERIMENTS.read(body_of({"data": [{"id": "1", "name": "e", **fields}]}, odd))
    return nemo_mapping.to_experiment(only(found.data), NEMO)


def meibel_session(odd: str, **fields: Any) -> Session:
    row = {"session_id": "s1", "start_time": "2026-05-01T12:00:00Z", "status": "COMPLETED", **fields}
    body = body_of({"data": [row], "total": 1}, odd)
    found, _ = meibel.SESSIONS.read(body)
    raw = RawRow(RawDocument(body), ("data", 0))
    return meibel_mapping.listed_session("mb", "a", only(found.data), raw, frozenset())


def langsmith_session(interface: str, **fields: Any) -> Session:
    row = {"id": "r1", "session_id": "p", "project_id": "p", "start_time": "2026-05-01T12:00:00Z", **fields}
    body = orjson.dumps({"runs": [row], "items": [row]})
    raw = RawRow(RawDocument(body), ("items", 0))
    if interface == "v1":
        return langsmith_mapping.to_session("ls", only(langsmith.RUNS.read(body)[0].runs), raw)
    return langsmith_mapping.to_session("ls", only(langsmith_v2.RUNS.read(body)[0].items), raw)


@ODDLY
@pytest.mark.parametrize(
    ("field", "mapped"),
    [("latency_ms", "latency_ms"), ("cost_total_usd", "cost_usd"), ("input_tokens", "tokens")],
)
def test_a_nemo_sessions_odd_number_is_null_and_its_row_stands(odd: str, field: str, mapped: str) -> None:
    found = nemo_session(odd, **{field: "@"})
    assert getattr(found, mapped) is None
    assert found.test_case_id == "paris"


@ODDLY
def test_a_nemo_sessions_odd_tokens_leave_the_others(odd: str) -> None:
    found = nemo_session(odd, input_tokens=5, output_tokens="@", cached_tokens="@")
    assert found.tokens is not None
    assert (found.tokens.input, found.tokens.output, found.tokens.cached) == (5, None, None)


@pytest.mark.parametrize("odd", NO_NUMBER)
def test_a_nemo_score_that_is_no_number_is_no_score(odd: str) -> None:
    found = nemo_session(odd, evaluator_scores={"good": 0.5, "odd": "@"})
    assert found.scores == (Score("good", 0.5),)


@ODDLY
def test_a_nemo_experiments_odd_statistics_are_null_and_the_others_stand(odd: str) -> None:
    found = nemo_experiment(odd, run_count="@", latency_ms={"mean": "@", "p90": 7.0}, cost_usd={"sum": "@"})
    (latency,) = found.aggregates
    assert (found.session_count, latency.mean, latency.p90) == (None, None, 7.0)


@ODDLY
@pytest.mark.parametrize("key", ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"])
def test_a_meibel_sessions_odd_tokens_are_null_and_its_row_stands(odd: str, key: str) -> None:
    found = meibel_session(odd, token_usage={key: "@"}, messages_count="@", agent_name="helper")
    assert (found.tokens, found.message_count, found.agent_name) == (None, None, "helper")


@pytest.mark.parametrize("odd", NO_NUMBER)
def test_a_meibel_score_that_is_no_number_is_no_score(odd: str) -> None:
    context = {"agent_session_id": "s1"}
    job = {"agent_identity_context": context, "module": "correctness", "status": "completed", "score": 7}
    found, _ = meibel.SCORING_JOBS.read(body_of([job, job | {"module": "odd", "score": "@"}], odd))
    assert meibel_mapping.verdicts_by_session(found) == {
        "s1": meibel_mapping.Verdicts((Score("correctness", 7.0),))
    }


def test_an_end_before_the_start_is_no_end_and_gives_no_latency() -> None:
    before = "2026-05-01T11:00:00Z"
    of_langsmith = [langsmith_session(interface, end_time=before) for interface in ("v1", "v2")]
    for found in (nemo_session("", ended_at=before), meibel_session("", end_time=before), *of_langsmith):
        assert (found.ended_at, found.latency_ms) == (None, None)


def test_a_latency_that_the_vendor_states_stands_beside_an_end_before_the_start() -> None:
    found = nemo_session("", ended_at="2026-05-01T11:00:00Z", latency_ms=5.0)
    assert (found.ended_at, found.latency_ms) == (None, 5.0)
