"""The calls that the adapter makes, and what it does where MLflow has gaps."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic import SecretStr
from tracegraph_mlflow import Options
from tracegraph_mlflow.figures import METRICS

from tests.adapters.mlflow.conftest import Connect
from tracegraph.adapter import ExperimentQuery, Key, Page, RangeRequest, SessionPageRequest, WholeRequest
from tracegraph.adapter.protocol import Adapter, ListsSpans, ReportsAggregates
from tracegraph.domain.filters import (
    ExperimentFilter,
    OrderDirection,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
    StringFilter,
)
from tracegraph.domain.models import (
    Aggregate,
    Experiment,
    ExperimentKind,
    MetricKind,
    Session,
    SessionRef,
    SessionStatus,
)
from tracegraph.domain.sort_values import microseconds
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.mlflow.world import (
    MlflowWorld,
    mlflow_experiment,
    mlflow_feedback,
    mlflow_run,
    mlflow_span,
    mlflow_trace,
)

FIRST = RangeRequest(10)
EVALUATION, PROJECT = ExperimentKind.EVALUATION, ExperimentKind.PROJECT


def paths(vendor: Simulator) -> list[str]:
    return [call.path_class.rpartition("/mlflow/")[2] for call in vendor.calls]


def add_run(world: MlflowWorld, name: str = "base", experiment_id: str = "2", **fields: Any) -> str:
    row = mlflow_run(name, experiment_id, **fields)
    world.runs.append(row)
    return f"{experiment_id}/{row['info']['run_id']}"


def add_traces(world: MlflowWorld, ref: str, *names: str, **fields: Any) -> list[str]:
    experiment_id, _, run_id = ref.partition("/")
    rows = [mlflow_trace(name, experiment_id, run_id=run_id or None, **fields) for name in names]
    world.traces += rows
    return [row["trace_info"]["trace_id"] for row in rows]


async def evaluations(adapter: Adapter, limit: int = 10, **conditions: Any) -> Page[Experiment]:
    query = ExperimentQuery(ExperimentFilter(**conditions), kind=EVALUATION)
    return await adapter.list_experiments(query, RangeRequest(limit))


async def sessions(adapter: Adapter, *refs: str, page: RangeRequest = FIRST, **more: Any) -> Page[Session]:
    (found,) = await adapter.list_sessions([SessionPageRequest(refs, page, **more)])
    if isinstance(found, SourceError):
        raise found
    return found


async def figures(adapter: Adapter, ref: str, *kinds: MetricKind) -> Sequence[Aggregate]:
    """The reported figures of an experiment, of all kinds without `kinds`."""
    experiment = (await adapter.get_experiments([ref]))[ref]
    assert isinstance(experiment, Experiment)
    reader = cast("ReportsAggregates", adapter)
    found = (await reader.get_aggregates([experiment], frozenset(kinds) or None))[ref]
    if isinstance(found, SourceError):
        raise found
    return found


async def spans(adapter: Adapter, *refs: SessionRef) -> Mapping[SessionRef, object]:
    return await cast("ListsSpans", adapter).list_spans(refs)


def ids(page: Page[Session]) -> list[str]:
    return [row.vendor_id for row in page.items]


class TestExperiments:
    async def test_a_list_of_runs_reads_the_experiments_first(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        ref = add_run(world)
        page = await evaluations(adapter)
        assert [row.ref for row in page.items] == [ref]
        assert paths(vendor) == ["experiments/search", "runs/search"]
        assert page.provenance.upstream_requests == 2
        assert vendor.calls[1].body["experiment_ids"] == ["1", "2"]

    async def test_both_lists_read_the_experiments_by_the_same_call(
        self, adapter: Adapter, vendor: Simulator
    ) -> None:
        """A query for both kinds makes it once: equal calls in flight are one."""
        await evaluations(adapter)
        await adapter.list_experiments(ExperimentQuery(kind=PROJECT), WholeRequest(1000))
        assert vendor.calls[0].body == vendor.calls[2].body

    async def test_runs_of_named_experiments_take_one_call(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        ref = add_run(world)
        add_run(world, "other", "1")
        page = await evaluations(adapter, group_id=StringFilter(any_of=frozenset({"2", "x"})))
        assert [row.ref for row in page.items] == [ref]
        page = await evaluations(adapter, refs=frozenset({ref, "1", "x"}))
        assert [row.ref for row in page.items] == [ref]
        assert paths(vendor) == ["runs/search", "runs/search"]

    @pytest.mark.parametrize(
        "conditions",
        [
            {"group_id": StringFilter(eq="x")},
            {"refs": frozenset({"1"})},
            {"refs": frozenset({f"2/{'a' * 32}"}), "group_id": StringFilter(eq="1")},
        ],
    )
    async def test_names_that_no_run_has_take_no_call(
        self, adapter: Adapter, vendor: Simulator, conditions: Any
    ) -> None:
        assert (await evaluations(adapter, **conditions)).items == ()
        assert vendor.calls == []

    async def test_a_server_without_experiments_has_no_runs(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        world.experiments.clear()
        assert (await evaluations(adapter)).items == ()
        assert paths(vendor) == ["experiments/search"]

    async def test_more_experiments_than_a_page_are_read_to_the_end(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        world.experiments = [mlflow_experiment(str(number)) for number in range(1, 2502)]
        await evaluations(adapter)
        assert paths(vendor) == ["experiments/search"] * 3 + ["runs/search"]
        assert len(vendor.calls[-1].body["experiment_ids"]) == 2501

    async def test_other_runs_and_deleted_ones_are_not_listed(self, adapter: Adapter, world: MlflowWorld) -> None:
        refs = [
            add_run(world, "training", tags={"mlflow.runType": "other"}),
            add_run(world, "deleted", lifecycle_stage="deleted"),
        ]
        assert (await evaluations(adapter)).items == []
        assert dict(await adapter.get_experiments(refs)) == {}

    async def test_a_run_is_unknown_in_another_experiment(self, adapter: Adapter, world: MlflowWorld) -> None:
        run_id = add_run(world).partition("/")[2]
        assert dict(await adapter.get_experiments([f"1/{run_id}"])) == {}

    async def test_a_deleted_experiment_is_unknown(self, adapter: Adapter, world: MlflowWorld) -> None:
        world.experiments.append(mlflow_experiment("3", lifecycle_stage="deleted"))
        assert dict(await adapter.get_experiments(["3"])) == {}

    async def test_a_range_of_runs_goes_on_by_its_token(self, adapter: Adapter, world: MlflowWorld) -> None:
        refs = [add_run(world, str(number), started=EPOCH + timedelta(hours=number)) for number in range(5)]
        query = ExperimentQuery(kind=EVALUATION)
        after = Key(microseconds(EPOCH + timedelta(hours=3)), "any")
        page = await adapter.list_experiments(query, RangeRequest(2, after))
        assert [row.ref for row in page.items] == [refs[3], refs[2]]
        rest = await adapter.list_experiments(query, RangeRequest(2, after, token=str(page.next_hint)))
        assert [row.ref for row in rest.items] == [refs[1], refs[0]]
        assert rest.next_hint is None


class TestFigures:
    async def test_only_the_kinds_that_are_needed_take_calls(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        ref = add_run(world)
        add_traces(world, ref, "a", duration="1s")
        add_traces(world, ref, "b", duration="2s", state="ERROR")
        add_traces(world, "2", "c", duration="9s")
        latency, errors = await figures(adapter, ref, MetricKind.LATENCY, MetricKind.ERROR_RATE)
        assert (latency.mean, latency.max) == (1500.0, 2000.0)
        assert (errors.mean, errors.count) == (0.5, 2)
        assert paths(vendor) == ["runs/get", *["traces/metrics"] * 2]
        await figures(adapter, ref)
        assert len(vendor.calls) == 4 + len(METRICS)

    async def test_each_evaluator_has_a_figure(self, adapter: Adapter, world: MlflowWorld) -> None:
        verdicts = [mlflow_feedback("exact", 0.5), mlflow_feedback("tone", "friendly")]
        add_traces(world, "1", "a", assessments=verdicts)
        add_traces(world, "1", "b", assessments=[mlflow_feedback("exact", value=True)])
        (found,) = await figures(adapter, "1", MetricKind.SCORE)
        assert (found.metric.evaluator, found.mean, found.min, found.max) == ("exact", 0.75, 0.5, 1)

    async def test_the_cost_is_that_of_the_spans(self, adapter: Adapter, world: MlflowWorld) -> None:
        costs = [mlflow_span(name, attributes={"mlflow.llm.cost": {"total_cost": 0.25}}) for name in "ab"]
        add_traces(world, "1", "a", spans=costs)
        (found,) = await figures(adapter, "1", MetricKind.COST)
        assert (found.sum, found.mean) == (0.5, None)

    async def test_a_failed_call_is_the_experiments_error(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("status", path="/api/3.0/mlflow/traces/metrics", status=503))
        with pytest.raises(SourceUnavailable):
            await figures(adapter, "1", MetricKind.COST)

    async def test_a_page_of_one_session_has_the_total(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        add_traces(world, "1", "a", "b", "c")
        assert (await sessions(adapter, "1", page=RangeRequest(1))).total == 3
        assert paths(vendor) == ["traces/search", "traces/metrics"]
        assert (await sessions(adapter, "1", page=RangeRequest(2))).total is None


class TestSessions:
    async def test_the_sessions_of_a_run_are_its_traces_and_those_linked_to_it(
        self, adapter: Adapter, world: MlflowWorld
    ) -> None:
        ref = add_run(world)
        (own,) = add_traces(world, ref, "own")
        (linked, other) = add_traces(world, "2", "linked", "other")
        world.linked.add((ref.partition("/")[2], linked))
        page = await sessions(adapter, ref)
        assert sorted(ids(page)) == sorted([own, linked])
        assert {row.experiment_ref for row in page.items} == {ref}
        found = await adapter.get_sessions([SessionRef(ref, one) for one in (own, linked, other)])
        assert sorted(one.session_id for one in found) == sorted([own, linked])

    async def test_the_sessions_of_several_projects_take_one_call(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        add_traces(world, "1", "a")
        add_traces(world, "2", "b")
        page = await sessions(adapter, "1", "2", "no ref")
        assert sorted(row.experiment_ref for row in page.items) == ["1", "2"]
        assert paths(vendor) == ["traces/search"]

    @pytest.mark.parametrize(("ref", "path"), [("7", "experiments/get"), (f"2/{'a' * 32}", "runs/get")])
    async def test_an_empty_list_takes_a_call_that_finds_the_experiment(
        self, adapter: Adapter, vendor: Simulator, ref: str, path: str
    ) -> None:
        """MLflow has no trace of an unknown experiment."""
        with pytest.raises(SourceObjectNotFound) as error:
            await sessions(adapter, ref)
        assert paths(vendor) == ["traces/search", path]
        assert error.value.upstream_requests == 2
        assert (await sessions(adapter, "1")).items == []
        assert (
            await sessions(adapter, ref, filter=SessionFilter(statuses=frozenset({SessionStatus.ERROR})))
        ).items == []

    @pytest.mark.parametrize("direction", OrderDirection)
    async def test_the_order_by_latency_has_no_bounds(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld, direction: OrderDirection
    ) -> None:
        """A bound would leave out the traces that have no latency yet, which come last."""
        for name, duration in (("a", "1s"), ("b", "2s"), ("c", None)):
            add_traces(world, "1", name, duration=duration)
        order = SessionOrder(SessionOrderField.LATENCY, direction)
        page = await sessions(adapter, "1", page=RangeRequest(5, Key(1500.0, "any")), order=order)
        expected = [1000.0, 2000.0] if direction is OrderDirection.ASC else [2000.0, 1000.0]
        assert [row.latency_ms for row in page.items] == [*expected, None]
        assert "filter" not in vendor.calls[0].body

    async def test_a_full_last_page_precedes_an_empty_one(self, adapter: Adapter, world: MlflowWorld) -> None:
        add_traces(world, "1", "a", "b")
        page = await sessions(adapter, "1", page=RangeRequest(2))
        rest = await sessions(adapter, "1", page=RangeRequest(2, token=str(page.next_hint)))
        assert (len(page.items), rest.items, rest.next_hint) == (2, [], None)

    async def test_a_token_of_another_list_is_a_bad_request(self, adapter: Adapter) -> None:
        with pytest.raises(SourceBadRequest):
            await sessions(adapter, "1", page=RangeRequest(2, token="zzz"))

    async def test_look_ups_read_spans_only_where_the_list_lacks_something(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        (plain,) = add_traces(world, "1", "plain")
        failure = mlflow_span("root", status={"code": "STATUS_CODE_ERROR", "message": "broken"})
        (failed,) = add_traces(world, "1", "failed", state="ERROR", spans=[failure])
        await adapter.get_sessions([SessionRef("1", plain)])
        assert paths(vendor) == ["traces/search"]
        found = await adapter.get_sessions([SessionRef("1", plain), SessionRef("1", failed)])
        assert paths(vendor)[1:] == ["traces/search", "traces/batchGet"]
        assert vendor.calls[-1].query == {"trace_ids": [failed]}
        assert [getattr(found[SessionRef("1", one)], "error", None) for one in (plain, failed)] == [None, "broken"]

    async def test_spans_that_cannot_be_read_fail_only_their_sessions(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        (plain,) = add_traces(world, "1", "plain")
        (failed,) = add_traces(world, "1", "failed", state="ERROR")
        vendor.faults.add(Fault("status", path="/api/3.0/mlflow/traces/batchGet", status=503))
        found = await adapter.get_sessions([SessionRef("1", plain), SessionRef("1", failed)])
        assert isinstance(found[SessionRef("1", plain)], Session)
        assert isinstance(found[SessionRef("1", failed)], SourceUnavailable)

    async def test_an_id_that_quotes_cannot_hold_takes_no_call(self, adapter: Adapter, vendor: Simulator) -> None:
        assert dict(await adapter.get_sessions([SessionRef("1", "it's"), SessionRef("1", "")])) == {}
        assert vendor.calls == []


class TestSpans:
    async def test_the_spans_of_twenty_sessions_take_one_call(
        self, adapter: Adapter, vendor: Simulator, world: MlflowWorld
    ) -> None:
        refs = [SessionRef("1", one) for one in add_traces(world, "1", *map(str, range(21)))]
        found = await spans(adapter, *refs)
        assert list(found) == refs
        assert [len(call.query["trace_ids"]) for call in vendor.calls] == [20, 1]

    async def test_the_trace_of_another_experiment_has_none(self, adapter: Adapter, world: MlflowWorld) -> None:
        (trace_id,) = add_traces(world, "1", "a")
        assert dict(await spans(adapter, SessionRef("2", trace_id))) == {}


class TestErrors:
    async def test_an_unknown_path_is_the_sources_error(self, connect: Connect, vendor: Simulator) -> None:
        adapter = await connect()
        vendor.faults.add(Fault("status", status=404, body={"detail": "Not Found"}))
        with pytest.raises(SourceNotFound) as error:
            await sessions(adapter, "1")
        assert not isinstance(error.value, SourceObjectNotFound)

    async def test_a_web_page_is_a_bad_response(self, adapter: Adapter, vendor: Simulator) -> None:
        vendor.faults.add(Fault("html"))
        with pytest.raises(SourceBadResponse):
            await sessions(adapter, "1")

    @pytest.mark.parametrize(
        ("options", "headers"),
        [
            ({"token": SecretStr("made-up-token")}, "Bearer made-up-token"),
            ({"username": "ann", "password": SecretStr("made-up")}, "Basic YW5uOm1hZGUtdXA="),
        ],
    )
    async def test_the_credential_is_sent_with_every_call(
        self, connect: Connect, world: MlflowWorld, vendor: Simulator, options: Any, headers: str
    ) -> None:
        world.token, world.user = None, ("ann", "made-up")
        if "token" in options:
            world.token = "made-up-token"
        await evaluations(await connect(**options))
        assert [call.headers["authorization"] for call in vendor.calls] == [headers] * 2
        with pytest.raises(SourceUnauthorized):
            await evaluations(await connect())

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"username": "ann"}, "set both"),
            ({"password": SecretStr("made-up")}, "set both"),
            ({"token": SecretStr("a"), "username": "ann", "password": SecretStr("b")}, "set either"),
            ({"web_url": "mlflow"}, "address"),
        ],
    )
    def test_options_that_contradict_each_other_are_refused(self, options: Row, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Options.model_validate(options)
