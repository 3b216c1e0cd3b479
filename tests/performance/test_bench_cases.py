"""The benchmark measures what it says: so many calls a query, and equal answers where answers are compared."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from tests.gateway import in_process
from tools.bench.cases import CALLS_24, HEAVY, LIGHT, rows
from tools.bench.stock import stock_schema
from tools.processes import vendors_running
from tracegraph.config.settings import Settings
from tracegraph.simulators.vendors import DemoVendors


@pytest.fixture(scope="module")
def vendors() -> Iterator[DemoVendors]:
    with vendors_running("tools.bench.vendors") as running:
        yield running


def settings(vendors: DemoVendors) -> Settings:
    keyed = {"langsmith": SecretStr(vendors.langsmith_api_key), "meibel": SecretStr(vendors.meibel_api_key)}
    sources = {
        "nemo": {
            "vendor": "nemo",
            "base_url": vendors.nemo_url,
            "workspace": vendors.nemo_workspace,
            "release": "0.2",
        },
        "langsmith": {
            "vendor": "langsmith",
            "base_url": vendors.langsmith_url,
            "api_key": keyed["langsmith"],
            "api": "v1",
        },
        "meibel": {"vendor": "meibel", "base_url": vendors.meibel_url, "api_key": keyed["meibel"]},
    }
    return Settings.model_validate({"cache": {"url": "off", "share_in_flight": False}, "sources": sources})


def calls(vendors: DemoVendors) -> int:
    told: int = httpx.get(f"{vendors.nemo_url}/__calls").json()["calls"]
    return told


@pytest.mark.parametrize(
    ("query", "expected"), [(LIGHT, 1), (HEAVY, 51), (CALLS_24, 24), (rows(10), 11), (rows(100), 11)]
)
async def test_a_query_makes_so_many_calls_however_often_it_is_asked(
    vendors: DemoVendors, query: str, expected: int
) -> None:
    async with in_process(settings(vendors)) as gateway:
        for _ in range(2):
            before = calls(vendors)
            assert (await gateway.ask(query)).data
            assert calls(vendors) - before == expected


async def test_the_24_calls_show_570_rows(vendors: DemoVendors) -> None:
    async with in_process(settings(vendors)) as gateway:
        data = (await gateway.ask(CALLS_24)).data
    sessions = [len(experiment["sessions"]["nodes"]) for experiment in data["nemo"]["nodes"]]
    assert sum(sessions) + len(sessions) == 20 * 25 + 20
    assert len(data["langsmith"]["nodes"]) + len(data["a1"]["nodes"]) + len(data["a2"]["nodes"]) == 20 + 2 * 25


async def test_stock_strawberry_gives_the_gateways_own_answer(vendors: DemoVendors) -> None:
    async with in_process(settings(vendors)) as gateway:
        answer = await gateway.ask(HEAVY)
    given = await stock_schema(answer.body).execute(HEAVY)
    assert given.errors is None
    assert str(given.data).replace("+00:00", "Z") == str(answer.data)
