"""A NeMo whose telemetry store is down: its experiments are returned, its figures are errors and never zero."""

from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NEMO, Gateway, Vendors
from tests.worlds import fill
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.simulators.nemo.world import nemo_experiment

FIGURES = """sessionCount aggregate(metric: {kind: LATENCY}) { mean } aggregates { count } models evaluators
  computed: aggregate(metric: {kind: LATENCY}, basis: COMPUTED) { count }
  best: aggregates(basis: BEST) { count } errorRate"""


@pytest.fixture
async def gateway(vendors: Vendors, open_gateway: OpenGateway) -> Gateway:
    fill(vendors, 2, 3)
    vendors.nemo.world.telemetry_down = True
    return await open_gateway()


async def test_its_rows_are_returned_and_its_figures_are_errors(gateway: Gateway) -> None:
    answer = await gateway.ask(f"{{ experiments {{ nodes {{ name source {{ name }} {FIGURES} }} }} }}")
    rows = answer.partial["experiments"]["nodes"]
    assert len(rows) == 6
    absent: dict[str, Any] = dict.fromkeys(
        (
            *("sessionCount", "aggregate", "computed", "errorRate"),
            *("aggregates", "best", "models", "evaluators"),
        )
    )
    assert [{name: row[name] for name in absent} for row in rows if row["source"]["name"] == NEMO] == [absent] * 2
    others = [row["sessionCount"] for row in rows if row["source"]["name"] != NEMO]
    assert others == [3] * 4
    assert {error["extensions"]["source"] for error in answer.errors} == {NEMO}
    assert set(answer.codes) == {"SOURCE_UNAVAILABLE"}
    fields = {tuple(error["path"][3:]) for error in answer.errors}
    assert fields == {(name,) for name in absent if name != "errorRate"}
    assert answer.troubles == {NEMO: "UNAVAILABLE"}


async def test_a_query_without_figures_has_no_error(gateway: Gateway) -> None:
    answer = await gateway.ask("{ experiments { nodes { name createdAt } sources { status } } }")
    assert len(answer.data["experiments"]["nodes"]) == 6
    assert {report["status"] for report in answer.data["experiments"]["sources"]} == {"OK"}
    assert answer.troubles == {}


async def test_an_experiment_by_its_id_has_the_same_errors(gateway: Gateway) -> None:
    query = "query($id: ID!) { experiment(id: $id) { name sessionCount } }"
    answer = await gateway.ask(query, id=experiment_id(NEMO, "n0"))
    assert answer.partial == {"experiment": {"name": "n0", "sessionCount": None}}
    assert answer.codes == ["SOURCE_UNAVAILABLE"]


async def test_the_sources_health_is_degraded(gateway: Gateway) -> None:
    found = (await gateway.ask("{ sources { name health { status lastError { code } } } }")).data["sources"]
    nemo = next(one for one in found if one["name"] == NEMO)
    assert nemo["health"] == {"status": "DEGRADED", "lastError": {"code": "UNAVAILABLE"}}


async def test_a_stale_reply_from_the_cache_does_not_confirm_a_zero(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    vendors.nemo.world.add(nemo_experiment("e"))
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 0, "stale_s": 300})
    await gateway.ask("{ sources { health { status } } }")
    vendors.nemo.world.telemetry_down = True
    answer = await gateway.ask("{ experiments { nodes { sessionCount } } }")
    assert answer.partial["experiments"]["nodes"] == [{"sessionCount": None}]
    assert answer.codes == ["SOURCE_UNAVAILABLE"]
