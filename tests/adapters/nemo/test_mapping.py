"""NeMo's JSON in the unified vocabulary: every row of the mapping tables (docs/vendors/nemo.md#mapping)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tracegraph_nemo.mapping import Origin, to_experiment, to_session
from tracegraph_nemo.releases import RELEASES
from tracegraph_nemo.wire import EXPERIMENTS, SESSIONS, ExperimentRow, ListBody, R, SessionRow

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
from tracegraph.upstream.lenient_decoder import LenientDecoder, readable_rows
from tracegraph.upstream.lenient_values import text_of

IDENTITY = {"id": "experiment-1", "name": "base"}
ORIGIN = Origin("nemo-a", RELEASES["0.2"])
STARTED = {"session_id": "s1", "started_at": "2026-11-20T10:00:00"}


def read(wire: LenientDecoder[ListBody[R]], row: Any) -> tuple[R, list[str]]:
    """The row as the wire reads it, and the fields that it gave up, sorted."""
    found, dropped_fields = wire.read(json.dumps({"data": [row]}).encode())
    ((_, only),) = readable_rows(found.data)
    return only, sorted(dropped_fields)


def experiment_row(**fields: Any) -> tuple[ExperimentRow, list[str]]:
    return read(EXPERIMENTS, {**IDENTITY, **fields})


def session_row(**fields: Any) -> tuple[SessionRow, list[str]]:
    return read(SESSIONS, {**STARTED, **fields})


def experiment(**fields: Any) -> Experiment:
    return to_experiment(experiment_row(**fields)[0], ORIGIN)


def session(**fields: Any) -> Session:
    return to_session(session_row(**fields)[0], ORIGIN, "base")


class TestExperiment:
    def test_a_full_row_fills_every_field(self) -> None:
        found = experiment(
            experiment_group_id="experiment-group-1",
            agent_name="helper",
            agent_version="2",
            dataset_name="capitals",
            dataset_version="3",
            source_link="https://git.example/run/1",
            metadata={"temperature": 0.2},
            description="Where we stand",
            summary="not shown",
            created_at="2026-11-20T10:00:00",
            updated_at="2026-11-20T12:00:00+02:00",
            evaluator_names=["acc"],
            model_names=["small", "large"],
            run_count=3,
        )
        assert found == Experiment(
            source="nemo-a",
            ref="base",
            vendor_id="experiment-1",
            kind=ExperimentKind.EVALUATION,
            name="base",
            description="Where we stand",
            group_id="experiment-group-1",
            agent_name="helper",
            agent_version="2",
            dataset_name="capitals",
            dataset_version="3",
            models=("small", "large"),
            evaluators=("acc",),
            created_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
            updated_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
            session_count=3,
            source_url="https://git.example/run/1",
            metadata={"temperature": 0.2},
            group_ids=("experiment-group-1",),
            agent_names=("helper",),
            agent_versions=("2",),
        )
        assert not found.deferred

    def test_a_row_of_nulls_says_nothing_and_invents_nothing(self) -> None:
        nulls = dict.fromkeys(set(ExperimentRow.__struct_fields__) - {"id", "name", "default_sort"})
        bare = Experiment("nemo-a", "base", "experiment-1", ExperimentKind.EVALUATION, "base")
        assert experiment(**nulls) == bare
        assert experiment() == bare

    def test_an_agent_may_come_in_a_list(self) -> None:
        """0.2.0 lists the agents that it saw (docs/vendors/nemo.md#releases)."""
        found = experiment(agent_names=["helper", "other"], agent_versions=[])
        assert (found.agent_name, found.agent_version) == ("helper", None)

    def test_a_stated_agent_goes_before_a_list(self) -> None:
        found = experiment(agent_name="a", agent_names=["b"], agent_version="1", agent_versions=["2"])
        assert (found.agent_name, found.agent_version) == ("a", "1")

    def test_zero_runs_are_zero(self) -> None:
        assert experiment(run_count=0).session_count == 0

    @pytest.mark.parametrize("identity", [{"id": None}, {"name": None}, {"name": ""}, {"id": 7}])
    def test_a_row_without_identity_fails_its_page(self, identity: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            experiment(**identity)

    def test_values_that_do_not_parse_are_left_out_and_named(self) -> None:
        row, dropped_fields = experiment_row(
            run_count=-1,
            created_at="yesterday",
            updated_at=1763632800,
            metadata="none",
            model_names=["small", 7, "large", None],
            description="kept",
        )
        found = to_experiment(row, ORIGIN)
        assert (found.session_count, found.created_at, found.updated_at, found.metadata) == (None,) * 4
        assert (found.models, found.description) == (("small", "large"), "kept")
        assert dropped_fields == [
            "created_at",
            "metadata",
            "model_names",
            "model_names",
            "run_count",
            "updated_at",
        ]


class TestAggregates:
    FIGURES = {"sum": 9.0, "mean": 3.0, "median": 2.0, "p90": 6.0, "p95": 6.5, "p99": 7.0, "count": 3}  # noqa: RUF012

    def reported(self, metric: Metric, population: AggregatePopulation, **figures: Any) -> Aggregate:
        return Aggregate(metric, AggregateBasis.REPORTED, population, **figures)

    def test_latency_cost_and_scores_by_evaluator_with_all_their_figures(self) -> None:
        found = experiment(
            latency_ms=self.FIGURES,
            cost_usd={**self.FIGURES, "sum": "0.03"},
            aggregate_scores={"faithfulness/v1": self.FIGURES, "acc": {"mean": 0.0, "count": 2}},
        ).aggregates
        sessions = AggregatePopulation.SESSIONS
        assert found == (
            self.reported(Metric(MetricKind.LATENCY), sessions, **self.FIGURES),
            self.reported(Metric(MetricKind.COST), sessions, **{**self.FIGURES, "sum": 0.03}),
            self.reported(Metric(MetricKind.SCORE, "acc"), sessions, mean=0.0, count=2),
            self.reported(Metric(MetricKind.SCORE, "faithfulness/v1"), sessions, **self.FIGURES),
        )

    @pytest.mark.parametrize("mark", [{"test_case_count": 2}, {"experiment_ids": ["experiment-group-1"]}])
    def test_a_release_that_averages_test_cases_says_so(self, mark: dict[str, Any]) -> None:
        """From 0.3.0 on (docs/vendors/nemo.md#numbers)."""
        (found,) = experiment(latency_ms=self.FIGURES, **mark).aggregates
        assert found.population is AggregatePopulation.TEST_CASES

    @pytest.mark.parametrize(
        "nothing", [None, {}, {"count": 0}, {"count": 0, "mean": 0.0}, {"count": 3}, {"mean": None, "count": 2}]
    )
    def test_an_aggregate_that_says_nothing_is_left_out(self, nothing: Any) -> None:
        assert experiment(latency_ms=nothing, cost_usd=nothing, aggregate_scores={"acc": nothing}).aggregates == ()

    def test_one_figure_that_does_not_parse_costs_itself_only(self) -> None:
        row, dropped_fields = experiment_row(
            latency_ms={**self.FIGURES, "p99": "fast"},
            aggregate_scores={"acc": {"mean": "NaN", "sum": 1, "count": -2}, "f1": {"mean": 0.5}, "bleu": 3},
        )
        latency, acc, f1 = to_experiment(row, ORIGIN).aggregates
        assert (latency.p95, latency.p99) == (6.5, None)
        assert (acc.mean, acc.sum, acc.count) == (None, 1.0, None)
        assert (f1.mean, f1.count) == (0.5, None)
        assert dropped_fields == ["aggregate_scores"] * 3 + ["latency_ms"]

    def test_nan_and_infinity_are_no_numbers(self) -> None:
        body = b'{"data": [{"id": "e", "name": "n", "cost_usd": {"mean": NaN, "sum": Infinity, "p90": 1}}]}'
        ((_, row),) = readable_rows(EXPERIMENTS.read(body)[0].data)
        (cost,) = to_experiment(row, ORIGIN).aggregates
        assert (cost.mean, cost.sum, cost.p90) == (None, None, 1.0)


class TestSession:
    def test_a_full_row_fills_every_field(self) -> None:
        found = session(
            ended_at="2026-11-20T10:00:01.500",
            latency_ms=1500,
            status="success",
            test_case_id="paris",
            trace_id="t1",
            root_span_id="r1",
            input="What?",
            output="Paris",
            input_tokens=100,
            output_tokens=20,
            cached_tokens=5,
            cost_total_usd=0.01,
            evaluator_scores={"f/v1": 0.75, "acc": 0},
        )
        assert found == Session(
            source="nemo-a",
            experiment_ref="base",
            vendor_id="s1",
            status=SessionStatus.SUCCESS,
            started_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
            vendor_status="success",
            ended_at=datetime(2026, 11, 20, 10, 0, 1, 500_000, tzinfo=UTC),
            latency_ms=1500.0,
            trace_id="t1",
            root_span_id="r1",
            test_case_id="paris",
            input="What?",
            output="Paris",
            tokens=TokenUsage(100, 20, 5, 120),
            cost_usd=0.01,
            scores_by_evaluator={"acc": 0.0, "f/v1": 0.75},
            conversation_id="s1",
        )
        assert found.scores == (Score("acc", 0.0), Score("f/v1", 0.75)), "by name"
        assert not found.deferred

    def test_a_row_of_nulls_says_nothing_and_invents_nothing(self) -> None:
        nulls = dict.fromkeys(set(SessionRow.__struct_fields__) - {"session_id", "started_at"})
        bare = Session(
            "nemo-a",
            "base",
            "s1",
            SessionStatus.UNKNOWN,
            started_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
            conversation_id="s1",
        )
        assert session(**nulls) == bare
        assert session() == bare

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("success", SessionStatus.SUCCESS),
            ("error", SessionStatus.ERROR),
            ("cancelled", SessionStatus.CANCELLED),
            ("unknown", SessionStatus.UNKNOWN),
            ("paused", SessionStatus.UNKNOWN),
        ],
    )
    def test_the_vendors_status_stands_beside_the_unified_one(self, word: str, status: SessionStatus) -> None:
        found = session(status=word)
        assert (found.status, found.vendor_status) == (status, word)

    def test_latency_without_a_figure_is_the_time_between_start_and_end(self) -> None:
        assert session(ended_at="2026-11-20T10:00:00.250Z").latency_ms == 250.0
        assert session(ended_at="2026-11-20T09:00:00Z").latency_ms is None, "an end before the start"
        assert session(latency_ms=0, ended_at="2026-11-20T10:00:00.250Z").latency_ms == 0.0

    @pytest.mark.parametrize(
        ("given", "total"),
        [
            ({"input_tokens": 100, "output_tokens": 20, "cached_tokens": 5}, 120),
            ({"input_tokens": 100}, 100),
            ({"output_tokens": 0}, 0),
            ({"cached_tokens": 5}, None),
        ],
    )
    def test_total_tokens_are_the_sum_of_the_known_counts(self, given: dict[str, int], total: int | None) -> None:
        tokens = session(**given).tokens
        assert tokens is not None
        assert tokens.total == total

    @pytest.mark.parametrize(("given", "cost"), [("0.01", 0.01), (0, 0.0), (1e-06, 1e-06), (None, None)])
    def test_money_comes_as_number_or_text(self, given: Any, cost: float | None) -> None:
        assert session(cost_total_usd=given).cost_usd == cost

    def test_values_that_do_not_parse_are_left_out_and_named(self) -> None:
        row, dropped_fields = session_row(
            input_tokens=-1,
            cost_total_usd="1e999",
            latency_ms="fast",
            ended_at="9999-12-31T23:59:59-05:00",
            status={"code": 1},
            evaluator_scores={"acc": "NaN", "f1": 0.5, "bleu": None},
            trace_id=5,
        )
        found = to_session(row, ORIGIN, "base")
        assert (found.tokens, found.cost_usd, found.latency_ms, found.ended_at, found.trace_id) == (None,) * 5
        assert found.scores == (Score("f1", 0.5),)
        assert dropped_fields == [
            "cost_total_usd",
            "ended_at",
            "evaluator_scores",
            "input_tokens",
            "latency_ms",
            "status",
            "trace_id",
        ]

    @pytest.mark.parametrize(
        "identity", [{"session_id": None}, {"started_at": None}, {"started_at": "soon"}, {"started_at": 5}]
    )
    def test_a_row_without_identity_or_start_fails_its_page(self, identity: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            session(**identity)

    @pytest.mark.parametrize("row", [7, None, "s1", []])
    def test_a_row_that_is_no_object_fails_its_page(self, row: Any) -> None:
        with pytest.raises(ValueError):
            read(SESSIONS, row)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, None),
        ("", ""),
        ('{"question": "as it came"}', '{"question": "as it came"}'),
        ({"question": "What?"}, "What?"),
        ({"question": 7}, '{"question":7}'),
        ({"a": "x", "b": "ü"}, '{"a":"x","b":"ü"}'),
        ([1, 2], "[1,2]"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_input_and_output_are_text(given: Any, text: str | None) -> None:
    assert text_of(given) == text
    assert session(input=given).input == text
