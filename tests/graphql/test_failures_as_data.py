"""A source's failure is data where the schema has a field for it, without an error beside the data."""

from tests.gateway import Gateway, Vendors
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.nemo.world import nemo_experiment


async def test_the_report_of_a_failed_source_has_the_error(gateway: Gateway, vendors: Vendors) -> None:
    vendors.langsmith.world.add(langsmith_session("there"), [])
    vendors.nemo.fail(Fault("status", status=401))

    answer = await gateway.ask(
        "{ experiments { nodes { name } sources { source { name } status error "
        "{ code message retryable httpStatus } } } }"
    )

    nemo, *others = sorted(answer.data["experiments"]["sources"], key=lambda one: one["source"]["name"] != "nemo")
    assert answer.data["experiments"]["nodes"] == [{"name": "there"}]
    assert nemo["status"] == "FAILED"
    assert nemo["error"].pop("message").startswith("Source 'nemo' rejected the credential (401). (Reference ")
    assert nemo["error"] == {"code": "UNAUTHORIZED", "retryable": False, "httpStatus": 401}
    assert [other["error"] for other in others] == [None, None]


async def test_the_health_of_a_failing_source_has_the_error(gateway: Gateway, vendors: Vendors) -> None:
    vendors.nemo.world.add(nemo_experiment("there"))
    vendors.meibel.fail(Fault("status", status=403))

    answer = await gateway.ask("{ sources { name health { status lastError { code httpStatus } } } }")

    assert {one["name"]: one["health"] for one in answer.data["sources"]} == {
        "nemo": {"status": "UP", "lastError": None},
        "langsmith": {"status": "UP", "lastError": None},
        "meibel": {"status": "DOWN", "lastError": {"code": "UNAUTHORIZED", "httpStatus": 403}},
    }
