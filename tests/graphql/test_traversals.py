"""Complete traversals of long lists: the number of calls, and the effect of a page budget."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import OpenGateway
from tests.gateway import Gateway, Vendors
from tests.graphql.pages import PAGE, SESSIONS, nodes, pages
from tests.worlds import minutes
from tracegraph.simulators.langsmith.world import langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

ROWS = 2_000
PAGE_MAXIMA = {"nemo": 1_000, "langsmith": 100, "meibel": 100}


def fill(vendors: Vendors, rows: int) -> None:
    """So many experiments at each vendor, a minute apart in turn, up to now; Meibel's rows hold their times."""
    vendors.meibel.world.created_at_in_summary = True
    began = datetime.now(UTC) - timedelta(minutes=3 * rows)
    for index in range(rows):
        first, second, third = (began + timedelta(minutes=3 * index + turn) for turn in range(3))
        vendors.nemo.world.add(nemo_experiment(f"n{index:05}", created_at=first, run_count=1), [])
        vendors.langsmith.world.add(langsmith_session(f"l{index:05}", start_time=second), [])
        vendors.meibel.world.add(meibel_agent(f"m{index:05}", created_at=third), [])


@pytest.mark.slow
async def test_a_traversal_by_100_makes_at_most_1_3_times_the_fewest_calls(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """With the cache: a page or part of a page that was read serves the next page, too."""
    fill(vendors, ROWS)
    gateway = await open_gateway(cache={"url": "memory://", "ttl_s": 300})
    found = await pages(gateway, PAGE, "experiments", first=100)
    names = [node["name"] for page in found for node in nodes(page)]
    assert len(names) == len(set(names)) == 3 * ROWS
    fewest = sum(math.ceil(ROWS / page_max) for page_max in PAGE_MAXIMA.values())
    assert sum(vendors.call_counts) <= 1.3 * fewest


async def test_a_middle_page_takes_as_many_calls_as_the_first_plus_or_minus_one_per_source(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, 900)
    after, counts = None, []
    for _ in range(18):
        vendors.forget_calls()
        page = (await gateway.ask(PAGE, first=100, after=after)).data["experiments"]
        after = page["pageInfo"]["endCursor"]
        counts.append(vendors.call_counts)
    for first, middle in zip(counts[0], counts[-1], strict=True):
        assert abs(first - middle) <= 1


@pytest.mark.slow
async def test_one_row_in_5000_is_reached_within_the_budget_by_following_cursors(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """Meibel has no filter on an agent's version: the gateway reads on, ten pages per request."""
    vendors.meibel.world.created_at_in_summary = True
    for index in range(5_000):
        version = "rare" if index == 3_333 else "1"
        vendors.meibel.world.add(meibel_agent(f"m{index:05}", created_at=minutes(index), version=version), [])
    gateway = await open_gateway(limits={"scan_pages": 10})
    found = await pages(
        gateway, PAGE, "experiments", first=5, filter={"agentVersion": {"eq": "rare"}, "vendors": ["meibel"]}
    )
    assert [node["name"] for page in found for node in nodes(page)] == ["M03333"]
    statuses = [page["sources"][0]["status"] for page in found]
    assert statuses == ["SCAN_LIMITED"] * (len(found) - 1) + ["OK"]
    assert len(found) == pytest.approx(5_000 / (10 * 98), abs=1)
    assert vendors.call_counts[2] <= 11 * len(found)


async def test_a_rare_session_is_reached_within_the_budget(vendors: Vendors, open_gateway: OpenGateway) -> None:
    """NeMo has no range on the start of sessions: the gateway seeks the position and stops after the range."""
    sessions = [nemo_session(f"s{index:05}", started_at=minutes(index)) for index in range(5_000)]
    vendors.nemo.world.add(nemo_experiment("long"), sessions)
    gateway = await open_gateway()
    started = {"gte": minutes(2_000).isoformat(), "lt": minutes(2_003).isoformat()}
    for direction in ("ASC", "DESC"):
        vendors.forget_calls()
        found = await pages(
            gateway,
            SESSIONS,
            "sessions",
            first=20,
            filter={"sources": ["nemo"], "startedAt": started},
            orderBy={"field": "STARTED_AT", "direction": direction},
        )
        ids = [node["vendorId"] for page in found for node in nodes(page)]
        assert ids == (["s02000", "s02001", "s02002"] if direction == "ASC" else ["s02002", "s02001", "s02000"])
        assert vendors.call_counts[0] < 40
