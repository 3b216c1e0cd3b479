"""Queries over an MLflow server: the calls that each takes, and what comes by a look-up."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.adapters.mlflow.test_adapter import add_run, add_traces, paths
from tests.gateway import Gateway, in_process, settings_of
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.mlflow.world import MlflowWorld, mlflow_span


@pytest.fixture
async def gateway(vendor: Simulator, world: MlflowWorld) -> AsyncIterator[Gateway]:
    """A gateway over a server with two MLflow experiments and two evaluation runs."""
    for name, answers in (("base", "ab"), ("tuned", "abc")):
        add_traces(world, add_run(world, name), *[f"{name} {one}" for one in answers], request_preview='"why?"')
    failure = mlflow_span("root", status={"code": "STATUS_CODE_ERROR", "message": "no entry"})
    add_traces(world, "1", "failed", state="ERROR", spans=[failure])
    async with running(vendor) as url:
        source = {"vendor": "mlflow", "base_url": url}
        async with in_process(settings_of(cache={"url": "off"}, sources={"mlflow-a": source})) as opened:
            yield opened


async def test_a_list_of_both_kinds_takes_two_calls(gateway: Gateway, vendor: Simulator) -> None:
    answer = await gateway.ask("{ experiments(first: 10) { nodes { kind name } } }")
    kinds = Counter(node["kind"] for node in answer.data["experiments"]["nodes"])
    assert kinds == {"PROJECT": 2, "EVALUATION": 2}
    assert sorted(paths(vendor)) == ["experiments/search", "runs/search"]


async def test_a_figure_takes_one_call_for_each_experiment(gateway: Gateway, vendor: Simulator) -> None:
    answer = await gateway.ask("{ experiments { nodes { aggregate(metric: {kind: LATENCY}) { mean } } } }")
    assert [node["aggregate"] for node in answer.data["experiments"]["nodes"]] == [{"mean": 1500.0}] * 4
    assert Counter(paths(vendor)) == {"experiments/search": 1, "runs/search": 1, "traces/metrics": 4}


async def test_fields_with_other_figures_share_a_batch(gateway: Gateway, vendor: Simulator) -> None:
    figures = "a: aggregate(metric: {kind: LATENCY}) { mean } b: aggregate(metric: {kind: ERROR_RATE}) { mean }"
    query = f"{{ experiments(filter: {{kinds: [EVALUATION]}}) {{ nodes {{ {figures} }} }} }}"
    await gateway.ask(query)
    assert Counter(paths(vendor))["traces/metrics"] == 2 * 2


async def test_the_number_of_sessions_is_counted_by_the_server(gateway: Gateway) -> None:
    answer = await gateway.ask("{ experiments(orderBy: {field: SESSION_COUNT}) { nodes { name sessionCount } } }")
    shown = {node["name"]: node["sessionCount"] for node in answer.data["experiments"]["nodes"]}
    assert shown == {"eval": 5, "tuned": 3, "base": 2, "live": 1}


@pytest.mark.parametrize("condition", ["", '(filter: {text: "no entry"})'])
async def test_the_error_of_a_session_is_looked_up(gateway: Gateway, condition: str) -> None:
    nodes = f"nodes {{ sessions{condition} {{ nodes {{ error }} }} }}"
    query = f'{{ experiments(filter: {{name: {{eq: "live"}}}}) {{ {nodes} }} }}'
    (node,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert node["sessions"]["nodes"] == [{"error": "no entry"}]
