"""How the adapter reads MLflow's values: what is text, what is JSON within text, what is absent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from tracegraph_mlflow import wire
from tracegraph_mlflow.client import authorization, normalize_base_url
from tracegraph_mlflow.figures import aggregates, request_of
from tracegraph_mlflow.links import Links
from tracegraph_mlflow.mapping import Ref, newest_scores, to_evaluation, to_project, to_session
from tracegraph_mlflow.spans import completed, hex_id, spans_of, value_of

from tracegraph.domain.models import (
    Experiment,
    MetricKind,
    Score,
    Session,
    SessionStatus,
    Span,
    SpanKind,
    TokenUsage,
)
from tracegraph.domain.secrets import resolved_secrets
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.mlflow.world import (
    mlflow_experiment,
    mlflow_feedback,
    mlflow_run,
    mlflow_span,
    mlflow_trace,
    span_hex,
    typed,
)
from tracegraph.upstream.raw import RawDocument, RawRow

LINKS = Links("https://mlflow.example.com")
RAW = RawRow(RawDocument(b"{}"), ())
LONG = "x" * 1000


def session(**fields: Any) -> Session:
    trace = mlflow_trace("a", "1", **fields)["trace_info"]
    (row,) = wire.TRACES.read(orjson.dumps({"traces": [trace]}))[0].traces
    assert row is not None
    return to_session("mlflow-a", "1", row, RAW, None)


def evaluation(**fields: Any) -> Experiment:
    (row,) = wire.RUNS.read(orjson.dumps({"runs": [mlflow_run("a", "1", **fields)]}))[0].runs
    assert row is not None
    return to_evaluation("mlflow-a", row, RAW, LINKS)


def project(**fields: Any) -> Experiment:
    row = wire.EXPERIMENT.read(orjson.dumps({"experiment": mlflow_experiment("1", **fields)}))[0].experiment
    return to_project("mlflow-a", row, RAW, LINKS)


def complete(*spans: Row, **info: Any) -> wire.CompleteTrace:
    body = {"traces": [mlflow_trace("a", "1", spans=list(spans), **info)]}
    (trace,) = wire.COMPLETE_TRACES.read(orjson.dumps(body))[0].traces
    assert trace is not None
    return trace


def spans(*rows: Row, **info: Any) -> list[Span]:
    return list(spans_of(complete(*rows, **info), RAW))


def scores(*assessments: Row) -> list[Score]:
    trace = complete(assessments=list(assessments))
    return list(newest_scores(trace.trace_info.assessments or ()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.116s", 116.0), ("7.853s", 7853.0), ("1s", 1000.0), ("0s", 0.0), ("0.0005s", 0.5)]
    + [(text, None) for text in ("-1s", "1", "soon", "1e3s", "1.5 s", "s", f"{'9' * 13}s")],
)
def test_a_duration_is_seconds_in_a_text(text: str, expected: float | None) -> None:
    found = session(duration=text)
    assert found.latency_ms == expected
    assert found.ended_at == (None if expected is None else EPOCH + timedelta(milliseconds=expected))


def test_a_trace_in_progress_has_no_end() -> None:
    found = session(duration=None, state="IN_PROGRESS", response_preview=None)
    assert (found.status, found.latency_ms, found.ended_at, found.output) == (
        SessionStatus.RUNNING,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("state", ["STATE_UNSPECIFIED", "PAUSED", None])
def test_any_other_state_is_unknown(state: str | None) -> None:
    assert session(state=state).status is SessionStatus.UNKNOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"input_tokens": 7, "output_tokens": 2}', TokenUsage(7, 2, None, 9)),
        ('{"total_tokens": 9, "cache_creation_input_tokens": 1}', TokenUsage(total=9, cache_write=1)),
        ('{"input_tokens": -1, "output_tokens": 2}', TokenUsage(None, 2, None, 2)),
        *[(text, None) for text in ("{}", "", "no JSON", "[]", '"a"', "null", '{"input_tokens": "many"}')],
    ],
)
def test_tokens_are_json_in_a_text(text: str, expected: TokenUsage | None) -> None:
    assert session(metadata={"mlflow.trace.tokenUsage": text}).tokens == expected


@pytest.mark.parametrize("text", ["", "x", "[]", "null", '{"total_cost": -1}', '{"total_cost": NaN}'])
def test_an_unreadable_cost_is_unknown(text: str) -> None:
    assert session(metadata={"mlflow.trace.cost": text}).cost_usd is None


@pytest.mark.parametrize(
    ("preview", "expected"),
    [
        ('"Paris"', "Paris"),
        ('{"q": "why?"}', "why?"),
        ('{"q": "why?", "n": 1}', '{"q":"why?","n":1}'),
        ("cut {", "cut {"),
        ("4", "4"),
        (None, None),
        (LONG, LONG),
    ],
)
def test_a_preview_is_json_in_a_text(preview: str | None, expected: str | None) -> None:
    found = session(request_preview=preview, response_preview=preview)
    assert (found.input, found.output) == (expected, expected)
    assert found.deferred == ({"input", "output"} if preview == LONG else frozenset())


def test_a_look_up_has_the_whole_texts_of_the_root_span() -> None:
    listed = session(request_preview=LONG, response_preview=LONG, state="ERROR")
    assert listed.deferred == {"input", "output", "error"}
    texts = {"mlflow.spanInputs": {"q": "x" * 2000}, "mlflow.spanOutputs": ["a"]}
    failed = {"code": "STATUS_CODE_ERROR", "message": "broken"}
    found = completed(
        listed, complete(mlflow_span("root", attributes=texts), mlflow_span("b", parent="root", status=failed))
    )
    assert (found.input, found.output, found.error) == ("x" * 2000, '["a"]', "broken")
    assert found.deferred == frozenset()


def test_a_look_up_without_spans_keeps_the_preview() -> None:
    listed = session(request_preview=LONG)
    assert completed(listed, complete()).input == LONG


def test_metadata_are_what_users_set() -> None:
    found = session(metadata={"mlflow.trace.user": "ann", "k": "1"}, tags={"tier": "gold"})
    assert found.metadata == {"mlflow.trace.user": "ann", "k": "1", "tier": "gold"}
    assert evaluation(tags={"team": "a"}, params={"model": "small"}).metadata == {"team": "a", "model": "small"}
    assert project().metadata is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, Score("a", 0.5)),
        (1, Score("a", 1.0)),
        (True, Score("a", 1.0, "true")),
        (False, Score("a", 0.0, "false")),
        (" Yes", Score("a", 1.0, " Yes")),
        ("no", Score("a", 0.0, "no")),
        ("friendly", Score("a", None, "friendly")),
        ("", Score("a")),
        ({"a": 1}, Score("a", None, '{"a":1}')),
        (None, Score("a")),
    ],
)
def test_a_verdict_has_the_number_that_the_server_counts(value: Any, expected: Score) -> None:
    assert scores(mlflow_feedback("a", value)) == [expected]


def test_an_evaluator_that_failed_has_no_number() -> None:
    failed = mlflow_feedback("a", None, feedback={"value": None, "error": {"error_code": "ValueError"}})
    assert scores(failed) == [Score("a", failed=True)]
    found = session(assessments=[failed, mlflow_feedback("b", 1, rationale="because")])
    assert found.scores == (Score("a", failed=True), Score("b", 1.0, None, "because"))


def test_the_newest_valid_verdict_counts_and_an_expectation_is_none() -> None:
    later = EPOCH + timedelta(hours=1)
    expected = {"assessment_name": "c", "expectation": {"value": "Paris"}, "valid": True}
    found = scores(
        mlflow_feedback("a", 0.9, created=later),
        mlflow_feedback("a", 0.1),
        mlflow_feedback("b", 0.2),
        mlflow_feedback("b", 0.8, created=later, valid=False),
        expected,
    )
    assert found == [Score("a", 0.9), Score("b", 0.2)]


def test_the_kinds_of_spans() -> None:
    words = {
        "CHAT_MODEL": SpanKind.LLM,
        "WORKFLOW": SpanKind.CHAIN,
        "MEMORY": SpanKind.UNKNOWN,
        "agent": SpanKind.AGENT,
    }
    found = spans(*[mlflow_span(word, kind=word) for word in words])
    assert [one.kind for one in found] == list(words.values())
    assert [one.vendor_kind for one in found] == list(words)


def test_ids_are_bytes_in_base64() -> None:
    root, child = spans(mlflow_span("root"), mlflow_span("child", parent="root"))
    assert (root.vendor_id, child.parent_id) == (span_hex("root"), span_hex("root"))
    assert [hex_id(text) for text in ("T4aV1z4eAQU=", "no base64!", "=")] == [
        "4f8695d73e1e0105",
        "no base64!",
        "=",
    ]


def test_a_span_without_an_end_is_running() -> None:
    (found,) = spans(mlflow_span("a", seconds=None, status={"code": "STATUS_CODE_UNSET"}))
    assert (found.status, found.latency_ms) == (SessionStatus.RUNNING, None)
    (found,) = spans(mlflow_span("a", status={"code": "STATUS_CODE_UNSET"}))
    assert found.status is SessionStatus.UNKNOWN


def test_the_error_of_a_span_is_its_message_or_its_exception() -> None:
    exception = {"key": "exception.message", "value": typed("no entry")}
    events = [{"name": "other"}, {"name": "exception", "attributes": [exception]}]
    failed = {"code": "STATUS_CODE_ERROR"}
    found = spans(
        mlflow_span("a", status={**failed, "message": "ValueError: no entry"}, events=events),
        mlflow_span("b", status=failed, events=events),
        mlflow_span("c", events=events),
    )
    assert [one.error for one in found] == ["ValueError: no entry", "no entry", None]


def test_a_span_has_the_verdicts_about_it() -> None:
    about = mlflow_feedback("a", 0.5, span_id=span_hex("root"))
    root, child = spans(
        mlflow_span("root"), mlflow_span("child", parent="root"), assessments=[about, mlflow_feedback("b", 1)]
    )
    assert (root.scores, child.scores) == ((Score("a", 0.5),), ())


@pytest.mark.parametrize("value", ["a", 4, 0.5, True, ["a", 1], {"a": {"b": [1]}}])
def test_a_typed_value_is_the_value(value: Any) -> None:
    assert value_of(typed(value)) == value


@pytest.mark.parametrize("odd", [None, "plain", {}, {"kvlist_value": None}, {"array_value": {"values": None}}])
def test_an_odd_value_of_an_attribute_fails_nothing(odd: Any) -> None:
    row = mlflow_span("a", attributes={"mlflow.llm.model": "m"})
    row["attributes"].append({"key": "mlflow.spanInputs", "value": odd})
    (found,) = spans(row)
    assert found.model == "m"


@pytest.mark.parametrize(
    ("source", "expected"),
    [('{"dataset_id": "d-1"}', "d-1"), ('{"dataset_id": 7}', None), ("[]", None), ("no JSON", None), (None, None)],
)
def test_the_id_of_a_dataset_is_json_in_its_source(source: str | None, expected: str | None) -> None:
    found = evaluation(dataset={"name": "cases", "digest": "1", "source": source})
    assert (found.dataset_name, found.dataset_version, found.dataset_id) == ("cases", "1", expected)


def test_a_run_that_goes_on_was_updated_at_its_start() -> None:
    found = evaluation(seconds=None)
    assert (found.ended_at, found.updated_at, found.vendor_status) == (None, EPOCH, "RUNNING")


@pytest.mark.parametrize("time", [None, -1, 10**18, "soon"])
def test_an_unreadable_time_of_creation_is_unknown(time: Any) -> None:
    assert project(creation_time=time).created_at is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, None),
        ({"mlflow.source.git.repoURL": "", "mlflow.source.git.commit": ""}, None),
        (
            {"mlflow.source.git.repoURL": "git@github.com:a/b.git", "mlflow.source.git.commit": "abcdef1"},
            "https://github.com/a/b/commit/abcdef1",
        ),
    ],
)
def test_the_source_of_a_run_is_its_commit(tags: dict[str, str], expected: str | None) -> None:
    assert evaluation(tags=tags).source_url == expected


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (LINKS.evaluation("2", "ab"), "/#/experiments/2/evaluation-runs?selectedRunUuid=ab"),
        (LINKS.trace("2", "tr-a&b"), "/#/experiments/2/traces?selectedEvaluationId=tr-a%26b"),
    ],
)
def test_links_lead_to_the_user_interface(link: str | None, expected: str) -> None:
    assert link == f"https://mlflow.example.com{expected}"


@pytest.mark.parametrize(
    "url",
    [
        *("http://h:5000", "http://h:5000/", "http://h:5000/#/experiments/1", "http://h:5000/api/2.0/mlflow"),
        *("http://h:5000/api/3.0/mlflow/", "http://h:5000/api", "http://h:5000/ajax-api/2.0/mlflow"),
    ],
)
def test_an_address_is_the_tracking_uri(url: str) -> None:
    assert normalize_base_url(url) == "http://h:5000"


def test_a_prefix_before_the_api_stays() -> None:
    assert normalize_base_url("https://h/mlflow/api/2.0/mlflow") == "https://h/mlflow"


@pytest.mark.parametrize(
    ("token", "username", "password", "expected"),
    [
        ("made-up", None, None, "Bearer made-up"),
        (None, "ann", "made-up", "Basic YW5uOm1hZGUtdXA="),
        (None, None, None, None),
    ],
)
def test_a_credential_is_a_header(
    token: str | None, username: str | None, password: str | None, expected: str | None
) -> None:
    secrets: list[SecretStr | None] = [None if one is None else SecretStr(one) for one in (token, password)]
    header = authorization(secrets[0], username, secrets[1])
    assert (None if header is None else header.get_secret_value()) == expected
    assert password is None or "YW5uOm1hZGUtdXA=" in resolved_secrets()


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ({"values": {"AVG": -1.0}}, MetricKind.LATENCY),
        ({"values": {"AVG": None, "NOSUCH": 1.0}}, MetricKind.LATENCY),
        ({"values": {"AVG": 0.5}, "dimensions": {}}, MetricKind.SCORE),
        ({"values": {"COUNT": 0.0}, "dimensions": {"trace_status": "OK"}}, MetricKind.ERROR_RATE),
        ({"values": {"COUNT": 3.0}, "dimensions": {"trace_status": "IN_PROGRESS"}}, MetricKind.ERROR_RATE),
    ],
)
def test_a_point_without_a_figure_is_no_aggregate(point: Row, kind: MetricKind) -> None:
    points = wire.POINTS.read(orjson.dumps({"data_points": [point]}))[0]
    assert list(aggregates(kind, points)) == []


@pytest.mark.parametrize("kind", list(MetricKind))
def test_statistics_of_a_run_are_those_of_its_traces(kind: MetricKind) -> None:
    if kind is MetricKind.FIRST_TOKEN_LATENCY:  # MLflow does not have it
        return
    assert request_of(Ref("1", "ab"), kind)["filters"] == ["trace.metadata.`mlflow.sourceRun` = 'ab'"]
    assert "filters" not in request_of(Ref("1"), kind)


Read = Callable[[bytes], Any]


@pytest.mark.parametrize("read", [wire.EXPERIMENTS.read, wire.RUNS.read, wire.TRACES.read, wire.POINTS.read])
def test_an_empty_object_is_an_empty_list_and_another_object_is_none(read: Read) -> None:
    read(b"{}")
    with pytest.raises(ValueError, match="no list"):
        read(b'{"message": "sign in"}')


def test_the_verdict_on_the_trace_comes_before_a_newer_one_on_a_span() -> None:
    own = mlflow_feedback("judge", 1)
    newer = mlflow_feedback("judge", 0, created=EPOCH + timedelta(hours=1), span_id=span_hex("a root"))
    assert scores(own, newer) == [Score("judge", 1.0, None, None)]


def test_a_verdict_of_an_evaluation_is_on_the_root_span() -> None:
    assert scores(mlflow_feedback("judge", 1, span_id=span_hex("a root"))) == [Score("judge", 1.0, None, None)]


def test_a_verdict_that_is_no_finite_number_has_no_label() -> None:
    body = orjson.dumps({"traces": [mlflow_trace("a", "1", assessments=[mlflow_feedback("judge", 7)])]})
    (trace,) = wire.COMPLETE_TRACES.read(body.replace(b'"value":7', b'"value":NaN'))[0].traces
    assert trace is not None
    assert newest_scores(trace.trace_info.assessments or ()) == [Score("judge", None, None, None)]
