"""A source that never replies: its rows are missing after one time-out, and no other source's rows are."""

import asyncio
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.gateway import NAMES, Gateway, Vendors
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

HANG = Fault("hang", times=None)
MEMORY = {"url": "memory://", "ttl_s": 0, "stale_s": 300}
LIST = "{ experiments(first: 50) { nodes { source { name } } sources { source { name } status error { code } } } }"
SESSIONS = "{ sessions(first: 5) { nodes { id } sources { source { name } status error { code } } } }"


async def opened(
    vendors: Vendors, open_gateway: OpenGateway, timeout_s: float, deadline_s: float, **tables: Any
) -> Gateway:
    sources = {name: {**table, "timeout_s": timeout_s} for name, table in vendors.sources().items()}
    return await open_gateway(sources=sources, limits={"deadline_s": deadline_s}, **tables)


def statuses(reports: list[dict[str, Any]]) -> dict[str, tuple[str, str | None]]:
    return {one["source"]["name"]: (one["status"], (one["error"] or {}).get("code")) for one in reports}


@pytest.mark.parametrize("name", NAMES)
async def test_with_a_warm_cache_only_its_own_rows_are_stale(
    vendors: Vendors, open_gateway: OpenGateway, name: str
) -> None:
    fill(vendors)
    gateway = await opened(vendors, open_gateway, timeout_s=3.0, deadline_s=30.0, cache=MEMORY)
    before = await gateway.ask(SESSIONS)
    vendors.named(name).fail(HANG)
    answer = await gateway.ask(SESSIONS)
    assert answer.data["sessions"]["nodes"] == before.data["sessions"]["nodes"]
    found = statuses(answer.data["sessions"]["sources"])
    assert found.pop(name) == ("STALE", "TIMEOUT")
    assert {status for status, _ in found.values()} <= {"OK", "SCAN_LIMITED"}


PAGED = """query($ids: [ID!]!) { comparison(experimentIds: $ids, metrics: [{kind: LATENCY}], basis: COMPUTED) {
  metrics { entries { value } }
  cases(metric: {kind: LATENCY}, first: 5) { nodes { entries { sessions { id } } } }
  sources { source { name } status error { code } }
} }"""


@pytest.mark.parametrize("name", NAMES)
async def test_with_a_warm_cache_a_source_times_out_once_however_many_calls_it_takes(
    vendors: Vendors, open_gateway: OpenGateway, name: str
) -> None:
    """Stale replies replace the look-up, every page of sessions, and the scores."""
    fill(vendors, experiments=1, sessions=130)
    gateway = await opened(vendors, open_gateway, timeout_s=3.0, deadline_s=30.0, cache=MEMORY)
    listed = await gateway.ask("{ experiments(first: 50) { nodes { id } } }")
    ids = [row["id"] for row in listed.data["experiments"]["nodes"]]
    before = await gateway.ask(PAGED, ids=ids)
    vendors.named(name).fail(HANG)
    vendors.forget_calls()
    answer = await gateway.ask(PAGED, ids=ids)
    assert answer.data["comparison"]["metrics"] == before.data["comparison"]["metrics"]
    assert answer.data["comparison"]["cases"] == before.data["comparison"]["cases"]
    assert len(vendors.named(name).calls) == 1
    found = statuses(answer.data["comparison"]["sources"])
    assert found.pop(name) == ("STALE", "TIMEOUT")
    assert set(found.values()) == {("OK", None)}


async def test_the_same_query_repeated_opens_the_circuit(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors)
    vendors.nemo.fail(HANG)
    gateway = await opened(vendors, open_gateway, timeout_s=0.4, deadline_s=30.0, cache={"url": "memory://"})
    for _ in range(3):
        answers = await asyncio.gather(*(gateway.ask(LIST) for _ in range(4)))
        found = [statuses(answer.data["experiments"]["sources"])["nemo"] for answer in answers]
        assert found == [("FAILED", "TIMEOUT")] * 4
    vendors.forget_calls()
    answer = await gateway.ask(LIST)
    assert statuses(answer.data["experiments"]["sources"])["nemo"] == ("FAILED", "CIRCUIT_OPEN")
    assert vendors.nemo.calls == []


async def test_calls_that_a_list_cancels_for_its_nested_lists_open_the_circuit_too(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """The time-out is longer than what the document leaves for the list: its share of the deadline."""
    fill(vendors)
    vendors.nemo.fail(HANG)
    nested = (
        "{ experiments(first: 50) { nodes { sessions(first: 1) { nodes { id } } } sources { error { code } } } }"
    )
    gateway = await opened(vendors, open_gateway, timeout_s=4.5, deadline_s=5.0, cache={"url": "off"})
    for _ in range(3):
        assert (await gateway.ask(nested)).troubles == {"nemo": "TIMEOUT"}
    assert (await gateway.ask(nested)).troubles == {"nemo": "CIRCUIT_OPEN"}


async def test_a_source_whose_calls_succeed_may_use_the_full_deadline(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """Six pages in a row, each slower than a sixth of the time-out's part: no stream fails for their sum."""
    fill(vendors, experiments=6, sessions=1)
    vendors.nemo.fail(Fault("delay", times=None, seconds=0.3))
    gateway = await opened(vendors, open_gateway, timeout_s=1.0, deadline_s=30.0)
    query = '{ experiments(first: 50, filter: {sources: ["nemo"]}) { nodes { sessions { nodes { input } } } } }'
    answer = await gateway.ask(query)
    assert len(answer.data["experiments"]["nodes"]) == 6
