"""What LangSmith's JSON means in the gateway's vocabulary (docs/vendors/langsmith.md#mapping)."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic_core import to_json
from structlog.testing import capture_logs
from tracegraph_langsmith import wire
from tracegraph_langsmith.mapping import to_experiment, to_session

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import (
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Experiment,
    ExperimentKind,
    Metric,
    MetricKind,
    Score,
    Session,
    SessionStatus,
    TokenUsage,
)
from tracegraph.errors import SourceBadResponse
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.upstream.lenient_decoder import readable_rows
from tracegraph.upstream.messages import UpstreamResponse
from tracegraph.upstream.raw import RawDocument, RawRow, decode

DATASET = "0e1f7d6e-3f4d-4a9b-8a59-6a1e9d2f0001"
EXAMPLE = "0e1f7d6e-3f4d-4a9b-8a59-6a1e9d2f0002"
RAW = RawRow(RawDocument(b"{}"), ())


def reply(body: Any) -> UpstreamResponse:
    content = body if isinstance(body, bytes) else to_json(body, inf_nan_mode="constants")
    return UpstreamResponse("ls", "test", content, FetchInfo(1))


def experiment(**fields: Any) -> Experiment:
    ((_, row),) = readable_rows([*decode(reply([langsmith_session("p") | fields]), wire.SESSIONS)])
    assert row is not None
    return to_experiment("ls", row, RAW)


def session(**fields: Any) -> Session:
    run = langsmith_run("r") | {"session_id": DATASET} | fields
    ((_, row),) = readable_rows(decode(reply({"runs": [run], "cursors": {"next": None}}), wire.RUNS).runs)
    assert row is not None
    return to_session("ls", row, RAW)


def aggregates(**fields: Any) -> dict[str, Aggregate]:
    return {aggregate.metric.name: aggregate for aggregate in experiment(**fields).aggregates}


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


class TestExperiment:
    def test_it_is_looked_up_by_its_id(self) -> None:
        found = experiment(id="ABCDEF00-0000-4000-8000-000000000001")
        assert found.source == "ls"
        assert found.ref == found.vendor_id == "abcdef00-0000-4000-8000-000000000001"

    def test_with_a_reference_dataset_it_is_an_evaluation_of_that_dataset(self) -> None:
        found = experiment(reference_dataset_id=DATASET)
        assert (found.kind, found.dataset_id) == (ExperimentKind.EVALUATION, DATASET)

    def test_without_one_it_is_a_project(self) -> None:
        found = experiment()
        assert (found.kind, found.dataset_id) == (ExperimentKind.PROJECT, None)

    def test_name_and_description_are_its_own(self) -> None:
        found = experiment(name="nightly", description="every night")
        assert (found.name, found.description) == ("nightly", "every night")

    @pytest.mark.parametrize("name", [None, ""])
    def test_without_a_name_it_goes_by_its_id(self, name: str | None) -> None:
        found = experiment(name=name)
        assert found.name == found.ref

    def test_its_times_are_utc_whether_naive_zulu_or_with_an_offset(self) -> None:
        found = experiment(
            start_time="2026-11-20T10:00:00.123456",
            last_run_start_time="2026-11-20T10:00:00Z",
            end_time="2026-11-20T10:00:00+02:00",
        )
        assert found.created_at == at(2026, 11, 20, 10, 0, 0, 123456)
        assert found.updated_at == at(2026, 11, 20, 10)
        assert found.ended_at == at(2026, 11, 20, 8)
        assert all(time and time.tzinfo is UTC for time in (found.created_at, found.updated_at, found.ended_at))

    def test_agent_models_and_dataset_version_come_from_its_metadata(self) -> None:
        metadata = {
            "agent_name": "helper",
            "agent_version": 7,
            "dataset_version": "2026-11-01T00:00:00+00:00",
            "models": ["m1", "m2", "m1"],
            "git": {"branch": "main"},
        }
        found = experiment(extra={"metadata": metadata, "tags": []})
        assert (found.agent_name, found.agent_version) == ("helper", "7")
        assert found.dataset_version == "2026-11-01T00:00:00+00:00"
        assert found.models == ("m1", "m2")
        assert found.metadata == metadata

    @pytest.mark.parametrize(
        ("metadata", "models"),
        [
            ({"models": "m1"}, ("m1",)),
            ({"model": "m2"}, ("m2",)),
            ({"models": [], "model": "m2"}, ("m2",)),
            ({"models": [{"id": "m1"}, 5, "m3"]}, ("m3",)),
            ({"models": {"a": 1}}, ()),
            ({}, ()),
        ],
    )
    def test_models_are_a_list_or_one_name(self, metadata: dict[str, Any], models: tuple[str, ...]) -> None:
        assert experiment(extra={"metadata": metadata}).models == models

    @pytest.mark.parametrize("value", [True, ["x"], {}, "", None])
    def test_metadata_of_other_kinds_names_no_agent(self, value: Any) -> None:
        assert experiment(extra={"metadata": {"agent_name": value}}).agent_name is None

    @pytest.mark.parametrize("extra", [None, {}, {"metadata": None}])
    def test_without_metadata_it_has_none(self, extra: Any) -> None:
        found = experiment(extra=extra)
        assert (found.metadata, found.agent_name, found.models) == (None, None, ())

    def test_its_runs_are_its_sessions(self) -> None:
        assert experiment(run_count=9).session_count == 9
        assert experiment(run_count=0).session_count == 0
        assert experiment(run_count=None).session_count is None

    def test_its_evaluators_are_all_feedback_keys_sorted_categories_included(self) -> None:
        found = experiment(
            feedback_stats={"tone": {"n": 1, "avg": None}, "acc": {"n": 1, "avg": 1}},
            session_feedback_stats={"f1": {"n": 1, "avg": 0.5}},
        )
        assert found.evaluators == ("acc", "f1", "tone")

    def test_it_lacks_the_fields_that_langsmith_does_not_report_and_is_complete(self) -> None:
        found = experiment()
        assert (found.dataset_name, found.group_id, found.url, found.deferred) == (None, None, None, frozenset())

    def test_its_raw_object_is_the_rows_own(self) -> None:
        assert experiment().raw is RAW


class TestAggregates:
    def test_latencies_are_seconds_there_and_milliseconds_here(self) -> None:
        found = aggregates(latency_p50=1.25, latency_p99=1.001, first_token_p50=0.3, first_token_p99=0.29)
        assert (found["latency"].median, found["latency"].p99) == (1250.0, 1001.0)
        first = found["first_token_latency"]
        assert (first.median, first.p99) == (300.0, 290.0)

    @pytest.mark.parametrize("cost", ["0.0312", 0.0312])
    def test_costs_are_strings_or_numbers(self, cost: Any) -> None:
        assert aggregates(total_cost=cost)["cost"].sum == 0.0312

    def test_tokens_are_sums(self) -> None:
        found = aggregates(prompt_tokens=100, completion_tokens=20, total_tokens=121)
        assert {name: found[name].sum for name in ("input_tokens", "output_tokens", "total_tokens")} == {
            "input_tokens": 100.0,
            "output_tokens": 20.0,
            "total_tokens": 121.0,
        }

    def test_the_error_rate_is_a_mean_of_unknown_count(self) -> None:
        found = experiment(error_rate=0.25)
        assert found.error_rate == 0.25
        assert found.aggregates == (
            Aggregate(Metric(MetricKind.ERROR_RATE), AggregateBasis.REPORTED, AggregatePopulation.RUNS, mean=0.25),
        )

    def test_zero_is_a_figure(self) -> None:
        found = aggregates(error_rate=0, total_cost="0", total_tokens=0, latency_p50=0)
        assert (found["error_rate"].mean, found["cost"].sum) == (0.0, 0.0)
        assert (found["total_tokens"].sum, found["latency"].median) == (0.0, 0.0)

    def test_without_stats_there_are_no_aggregates(self) -> None:
        assert experiment().aggregates == ()

    def test_one_figure_of_two_is_an_aggregate_with_the_other_missing(self) -> None:
        latency = aggregates(latency_p99=2.0)["latency"]
        assert (latency.median, latency.p99) == (None, 2000.0)

    def test_feedback_is_a_score_over_the_runs(self) -> None:
        stats = {"n": 9, "avg": 0.8, "stdev": 0.1, "min": 0.5, "max": 1, "median": 0.9, "values": {}}
        assert aggregates(feedback_stats={"acc": stats})["score:acc"] == Aggregate(
            Metric(MetricKind.SCORE, "acc"),
            AggregateBasis.REPORTED,
            AggregatePopulation.RUNS,
            count=9,
            mean=0.8,
            stddev=0.1,
            min=0.5,
            median=0.9,
            max=1.0,
        )

    def test_a_summary_evaluator_wins_over_feedback_of_its_name(self) -> None:
        found = aggregates(
            feedback_stats={"acc": {"n": 9, "avg": 0.8}, "len": {"n": 9, "avg": 3}},
            session_feedback_stats={"acc": {"n": 1, "avg": 0.7}},
        )
        assert found["score:acc"].mean == 0.7
        assert found["score:acc"].population is AggregatePopulation.EVALUATIONS
        assert found["score:len"].population is AggregatePopulation.RUNS

    def test_a_category_is_no_score(self) -> None:
        assert "score:tone" not in aggregates(feedback_stats={"tone": {"n": 3, "avg": None, "values": {"a": 3}}})

    def test_scores_come_in_the_order_of_their_names(self) -> None:
        found = aggregates(feedback_stats={"b": {"avg": 1}, "a": {"avg": 1}})
        assert list(found) == ["score:a", "score:b"]


class TestSession:
    def test_it_is_identified_by_its_run_and_project(self) -> None:
        found = session(id=EXAMPLE.upper(), trace_id=EXAMPLE)
        assert (found.vendor_id, found.experiment_ref) == (EXAMPLE, DATASET)
        assert (found.trace_id, found.root_span_id) == (EXAMPLE, EXAMPLE)

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("success", SessionStatus.SUCCESS),
            ("error", SessionStatus.ERROR),
            ("pending", SessionStatus.RUNNING),
            ("interrupted", SessionStatus.UNKNOWN),
            (None, SessionStatus.UNKNOWN),
        ],
    )
    def test_the_vendors_status_stands_beside_the_unified_one(
        self, word: str | None, status: SessionStatus
    ) -> None:
        found = session(status=word)
        assert (found.status, found.vendor_status) == (status, word)

    def test_its_latency_runs_from_start_to_end(self) -> None:
        found = session(start_time="2026-11-20T10:00:00", end_time="2026-11-20T10:00:01.234567Z")
        assert found.started_at == at(2026, 11, 20, 10)
        assert found.ended_at == at(2026, 11, 20, 10, 0, 1, 234567)
        assert found.latency_ms == 1234.567

    def test_a_latency_that_the_vendor_states_wins(self) -> None:
        assert session(latency_seconds=0.3).latency_ms == 300.0

    def test_a_running_session_has_neither_end_nor_latency(self) -> None:
        found = session(status="pending", end_time="2026-11-20T10:00:01", latency_seconds=4)
        assert (found.ended_at, found.latency_ms) == (None, None)

    def test_without_an_end_there_is_no_latency(self) -> None:
        assert session(end_time=None).latency_ms is None

    def test_an_end_before_the_start_gives_no_latency(self) -> None:
        assert session(start_time="2026-11-20T10:00:01", end_time="2026-11-20T10:00:00").latency_ms is None

    def test_the_first_token_is_timed_from_the_start(self) -> None:
        found = session(start_time="2026-11-20T10:00:00", first_token_time="2026-11-20T10:00:00.250000+00:00")
        assert found.first_token_ms == 250.0
        assert session(first_token_time=None).first_token_ms is None

    def test_its_test_case_is_the_reference_example(self) -> None:
        assert session(reference_example_id=EXAMPLE).test_case_id == EXAMPLE

    def test_name_and_error_are_the_runs(self) -> None:
        found = session(name="chat", error="ValueError('x')")
        assert (found.name, found.error) == ("chat", "ValueError('x')")

    def test_the_text_is_whole_beside_a_preview_that_the_vendor_cut(self) -> None:
        found = session(inputs={"a": "long"}, inputs_preview="lo", outputs={"b": "x"}, outputs_preview="")
        assert (found.input, found.output) == ("long", "x")

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, None),
            ({"question": "why?"}, "why?"),
            ({"question": ""}, ""),
            ("why?", "why?"),
            ({"n": 5}, '{"n":5}'),
            ({"a": "x", "b": "y"}, '{"a":"x","b":"y"}'),
            ({}, None),
            ([{"role": "user"}], '[{"role":"user"}]'),
            ({"big": 2**80}, '{"big":1208925819614629174706176}'),
            ({"wörter": ["é"]}, '{"wörter":["é"]}'),
            ({"odd": float("nan"), "x": 1}, '{"odd":null,"x":1}'),
        ],
    )
    def test_its_input_is_the_only_string_or_compact_json(self, value: Any, text: str | None) -> None:
        assert session(inputs=value).input == session(outputs=value).output == text

    def test_tokens_are_the_vendors_with_its_own_total(self) -> None:
        found = session(
            prompt_tokens=100,
            completion_tokens=20,
            total_tokens=125,
            prompt_token_details={"cache_read": 5, "audio": 1},
        )
        assert found.tokens == TokenUsage(input=100, output=20, cached=5, total=125)

    @pytest.mark.parametrize(
        ("given", "taken", "total"), [(100, 20, 120), (100, None, 100), (None, 20, 20), (0, 0, 0)]
    )
    def test_otherwise_the_total_is_the_sum_of_the_known_counts(
        self, given: int | None, taken: int | None, total: int
    ) -> None:
        found = session(prompt_tokens=given, completion_tokens=taken, total_tokens=None)
        assert found.tokens == TokenUsage(input=given, output=taken, total=total)

    def test_without_any_count_there_are_no_tokens(self) -> None:
        assert session(prompt_tokens=None, completion_tokens=None, total_tokens=None).tokens is None

    @pytest.mark.parametrize(("cost", "usd"), [("0.001", 0.001), (0.001, 0.001), ("0", 0.0), (None, None)])
    def test_its_cost_is_a_string_or_a_number(self, cost: Any, usd: float | None) -> None:
        assert session(total_cost=cost).cost_usd == usd

    def test_its_scores_are_numeric_feedback_by_name(self) -> None:
        found = session(feedback_stats={"b": {"n": 1, "avg": 1}, "a": {"avg": 0.5}, "tone": {"avg": None}})
        assert found.scores == (Score("a", 0.5), Score("b", 1.0))
        assert session(feedback_stats=None).scores == ()

    def test_agent_and_metadata_come_from_extra(self) -> None:
        found = session(extra={"metadata": {"agent_name": "helper", "agent_version": "1.2"}})
        assert (found.agent_name, found.agent_version) == ("helper", "1.2")
        assert found.metadata == {"agent_name": "helper", "agent_version": "1.2"}

    def test_langsmith_counts_no_messages_and_leaves_nothing_out_of_lists(self) -> None:
        found = session()
        assert (found.message_count, found.deferred) == (None, frozenset())

    def test_a_root_is_its_own_trace(self) -> None:
        root, child, stray = (
            readable_rows(
                decode(reply({"runs": [langsmith_run("r") | {"session_id": "p"} | fields]}), wire.RUNS).runs
            )[0][1]
            for fields in ({}, {"parent_run_id": EXAMPLE}, {"trace_id": EXAMPLE})
        )
        assert (root.is_root, child.is_root, stray.is_root) == (True, False, False)


class TestUnreadableValues:
    UNREADABLE: tuple[tuple[str, Any], ...] = (
        ("run_count", -1),
        ("run_count", "many"),
        ("total_tokens", 1.5),
        ("latency_p50", -0.1),
        ("latency_p50", 1e300),
        ("total_cost", "a lot"),
        ("total_cost", "NaN"),
        ("total_cost", "Infinity"),
        ("total_cost", "1e999999"),
        ("error_rate", 25.0),
        ("start_time", "yesterday"),
        ("start_time", 5),
        ("start_time", "5"),
        ("start_time", "0001-01-01T00:00:00+14:00"),
        ("end_time", "2026-13-01T00:00:00Z"),
        ("extra", []),
        ("feedback_stats", [1]),
        ("reference_dataset_id", 7),
    )

    @pytest.mark.parametrize(("name", "value"), UNREADABLE)
    def test_one_is_null_and_its_row_stands(self, name: str, value: Any) -> None:
        with capture_logs() as logs:
            found = experiment(**{name: value, "description": "kept"})
        assert found.description == "kept"
        assert found == experiment(**{name: None, "description": "kept"})
        assert [(log["event"], log["log_level"], log["count"], log["fields"]) for log in logs] == [
            ("wire.unparsable", "warning", 1, [name])
        ]

    def test_a_nan_is_null_in_one_feedback_key_and_not_in_the_others(self) -> None:
        body = orjson.dumps([langsmith_session("p")]).replace(
            b'"trace_tier"', b'"feedback_stats":{"a":{"n":2,"avg":NaN},"b":{"n":-2,"avg":1},"c":[]},"trace_tier"'
        )
        with capture_logs() as logs:
            ((_, row),) = readable_rows([*decode(reply(body), wire.SESSIONS)])
        (score,) = to_experiment("ls", row, RAW).aggregates
        assert (score.metric.evaluator, score.mean, score.count) == ("b", 1.0, None)
        assert [(log["count"], log["fields"]) for log in logs] == [(3, ["feedback_stats"])]

    def test_a_page_logs_them_once_without_their_values(self) -> None:
        fields = {"session_id": "p", "end_time": "soon", "total_tokens": "secret"}
        runs = [langsmith_run(str(n)) | fields for n in range(3)]
        with capture_logs() as logs:
            answer = decode(reply({"runs": runs, "cursors": {}}), wire.RUNS)
        assert [run.end_time for _, run in readable_rows(answer.runs)] == [None, None, None]
        assert logs == [
            {
                "event": "wire.unparsable",
                "log_level": "warning",
                "source": "ls",
                "kind": "test",
                "count": 6,
                "fields": ["end_time", "total_tokens"],
            }
        ]

    def test_readable_pages_are_not_logged(self) -> None:
        with capture_logs() as logs:
            experiment()
            session()
        assert logs == []

    @pytest.mark.parametrize(
        "body",
        [
            b"<html></html>",
            b"",
            b"null",
            b"{}",
            b"[null]",
            b'["row"]',
            b"[{}]",
            b'[{"id": null}]',
            b'[{"id": ""}]',
            b'[{"id": 5, "run_count": -1}]',
        ],
    )
    def test_no_json_another_shape_or_a_row_without_id_is_a_bad_response(self, body: bytes) -> None:
        with pytest.raises(SourceBadResponse):
            decode(reply(body), wire.SESSIONS)

    def test_half_a_character_in_a_name_costs_that_character_only(self) -> None:
        ((_, row),) = readable_rows([*decode(reply(b'[{"id": "a", "name": "x\\ud800"}]'), wire.SESSIONS)])
        assert row.name == "x\ufffd"

    @pytest.mark.parametrize(
        "body",
        [
            {"runs": [{"id": "a"}]},
            {"runs": [{"id": "a", "start_time": "then"}]},
            {"runs": [{"start_time": "2026-11-20T10:00:00"}]},
            {"runs": None},
            {"items": []},
            {"runs": [], "cursors": {"next": 5}},
            [],
        ],
    )
    def test_so_is_a_run_without_start_and_a_cursor_that_is_none(self, body: Any) -> None:
        with pytest.raises(SourceBadResponse):
            decode(reply(body), wire.RUNS)

    def test_a_row_needs_nothing_but_its_id(self) -> None:
        ((_, row),) = readable_rows([*decode(reply([{"id": DATASET}]), wire.SESSIONS)])
        found = to_experiment("ls", row, RAW)
        assert found == Experiment("ls", DATASET, DATASET, ExperimentKind.PROJECT, DATASET)

    def test_a_run_needs_its_id_and_start(self) -> None:
        run = {"id": EXAMPLE, "start_time": "2026-11-20T10:00:00", "session_id": DATASET}
        ((_, row),) = readable_rows(decode(reply({"runs": [run]}), wire.RUNS).runs)
        assert to_session("ls", row, RAW) == Session(
            "ls", DATASET, EXAMPLE, SessionStatus.UNKNOWN, at(2026, 11, 20, 10), root_span_id=EXAMPLE
        )
