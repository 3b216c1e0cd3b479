"""The Meibel simulator behaves as docs/vendors/meibel.md describes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session

DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def world() -> MeibelWorld:
    """Three agents, one a day and one without a date; the first has four sessions, one an hour."""
    world = MeibelWorld()
    statuses = ("COMPLETED", "FAILED", "RUNNING", "ON_HOLD")
    sessions = [
        meibel_session(f"s{hour}", start_time=DAY + timedelta(hours=hour), status=status)
        for hour, status in enumerate(statuses)
    ]
    world.add(meibel_agent("ada", created_at=DAY, display_name="Zeta"), sessions)
    world.add(meibel_agent("bob", created_at=DAY + timedelta(days=1), display_name="Mu", type="draft"))
    world.add(meibel_agent("cid", created_at=None, display_name="Alpha"))
    return world


@pytest.fixture
def client(world: MeibelWorld, connect: Connect) -> httpx.AsyncClient:
    """A client with the valid key and paths under /v2."""
    return connect(meibel.create_app(world), "/v2", {"Meibel-API-Key": world.api_key})


async def get(client: httpx.AsyncClient, path: str) -> Any:
    """Return the JSON of a response with 200."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def agents(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the ids of the listed agents."""
    return [row["id"] for row in (await get(client, f"/agents{query}"))["data"]]


async def sessions(client: httpx.AsyncClient, query: str = "") -> list[str]:
    """Return the ids of the first agent's listed sessions."""
    return [row["session_id"] for row in (await get(client, f"/agents/ada/sessions{query}"))["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bob", "ada", "cid"]),
        ("?sort_order=asc", ["ada", "bob", "cid"]),
        ("?sort_by=name&sort_order=asc", ["ada", "bob", "cid"]),
        ("?sort_by=display_name&sort_order=asc", ["cid", "bob", "ada"]),
        ("?sort_by=weight", ["bob", "ada", "cid"]),
        ("?offset=1&limit=1", ["ada"]),
        ("?offset=9", []),
        ("?published_only=true", ["ada", "cid"]),
    ],
)
async def test_agents_can_be_sorted_and_paged(client: httpx.AsyncClient, query: str, expected: list[str]) -> None:
    assert await agents(client, query) == expected


async def test_the_default_limit_is_ten_agents(world: MeibelWorld, client: httpx.AsyncClient) -> None:
    world.agents += [meibel_agent(f"more-{number}") for number in range(20)]
    answer = await get(client, "/agents")
    assert (len(answer["data"]), answer["total"], answer["offset"], answer["limit"]) == (10, 23, 0, 10)


async def test_agents_without_a_date_can_come_first(world: MeibelWorld, client: httpx.AsyncClient) -> None:
    world.nulls_first = True
    assert (await agents(client))[0] == "cid"
    assert (await agents(client, "?sort_order=asc"))[0] == "cid"


async def test_an_agents_date_is_in_its_detail_only_unless_configured(
    world: MeibelWorld, client: httpx.AsyncClient
) -> None:
    assert "created_at" not in (await get(client, "/agents"))["data"][0]
    assert (await get(client, "/agents/ada"))["created_at"] == "2026-11-01T00:00:00Z"
    assert (await get(client, "/agents/cid"))["created_at"] is None
    world.created_at_in_summary = True
    assert "created_at" in (await get(client, "/agents"))["data"][0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["s3", "s2", "s1", "s0"]),
        ("?sort_order=asc", ["s0", "s1", "s2", "s3"]),
        ("?sort_by=status&sort_order=asc", ["s0", "s1", "s3", "s2"]),
        ("?sort_by=colour", ["s3", "s2", "s1", "s0"]),
        ("?status=FAILED", ["s1"]),
        ("?status=CANCELED", []),
        ("?status=on_fire", ["s3", "s2", "s1", "s0"]),
        ("?offset=1&limit=2", ["s2", "s1"]),
        ("?offset=4", []),
    ],
)
async def test_sessions_come_newest_first_and_unknown_statuses_are_ignored(
    client: httpx.AsyncClient, query: str, expected: list[str]
) -> None:
    assert await sessions(client, query) == expected


async def test_a_page_can_be_capped_while_total_counts_all_rows(
    world: MeibelWorld, client: httpx.AsyncClient
) -> None:
    world.max_rows = 3
    answer = await get(client, "/agents/ada/sessions?limit=100")
    assert (len(answer["data"]), answer["total"], answer["limit"]) == (3, 4, 100)


async def test_the_contracts_list_of_sessions_has_no_offset_and_no_limit(
    world: MeibelWorld, client: httpx.AsyncClient
) -> None:
    world.echo_paging = False
    assert (await get(client, "/agents/ada/sessions")).keys() == {"data", "total"}


@pytest.mark.parametrize("path", ["/agents", "/agents/ada/sessions"])
async def test_ties_can_be_shuffled_from_call_to_call(
    world: MeibelWorld, client: httpx.AsyncClient, path: str
) -> None:
    world.agents += [meibel_agent(f"more-{number}") for number in range(20)]
    world.sessions["ada"] = [meibel_session(f"more-{number}") for number in range(20)]
    ask = f"{path}?limit=30"
    assert await get(client, ask) == await get(client, ask)
    world.shuffle_ties = True
    assert await get(client, ask) != await get(client, ask)


@pytest.mark.parametrize(
    "query", ["?sort_order=newest", "?sort_order=ASC", "?offset=-1", "?limit=0", "?limit=all"]
)
@pytest.mark.parametrize("path", ["/agents", "/agents/ada/sessions"])
async def test_a_parameter_outside_of_the_contract_is_422(
    client: httpx.AsyncClient, path: str, query: str
) -> None:
    answer = await client.get(path + query)
    assert answer.status_code == 422
    assert {"type", "loc", "msg"} <= answer.json()["detail"][0].keys()


@pytest.mark.parametrize(
    "path", ["/agents/nobody", "/agents/nobody/sessions", "/sessions/none", "/sessions/none/messages", "/nothing"]
)
async def test_an_unknown_path_is_404_with_a_code(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert isinstance(answer.json()["message"], str)


async def test_a_wrong_key_is_401_with_a_code(world: MeibelWorld, connect: Connect) -> None:
    answer = await connect(meibel.create_app(world)).get("/v2/agents")
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


async def test_a_sessions_detail_has_messages_and_no_times(world: MeibelWorld, client: httpx.AsyncClient) -> None:
    said: Row = {"role": "user", "message": "Hello", "signal_id": None, "timestamp": "2026-11-01T00:00:00Z"}
    world.messages["s0"] = [said]
    detail = await get(client, "/sessions/s0")
    assert detail["messages"] == [said]
    assert detail["token_usage"] == [{"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}]
    assert not {"start_time", "end_time", "session_id"} & detail.keys()
    item = (await get(client, "/sessions/s0/messages"))["messages"][0]
    assert (item["type"], item["message"]) == ("user_message", "Hello")


async def test_a_detail_has_null_without_metered_usage(world: MeibelWorld, client: httpx.AsyncClient) -> None:
    world.sessions["ada"][0]["token_usage"] = None
    assert (await get(client, "/sessions/s0"))["token_usage"] == [None]


@pytest.fixture
def scored(world: MeibelWorld) -> MeibelWorld:
    """The world with jobs of two scales, one of them not done, and one of another agent."""
    world.jobs = [
        meibel_job("s0", "correctness", 8, agent_name="ada"),
        meibel_job("s0", "observed_consistency", 0.5, agent_name="ada"),
        meibel_job("s1", "correctness", 4, agent_name="ada"),
        meibel_job("s1", "faithfulness", None, agent_name="ada"),
        meibel_job("s9", "correctness", 1, agent_name="bob"),
    ]
    return world


async def test_one_call_lists_every_scoring_job_of_an_agent(
    scored: MeibelWorld, client: httpx.AsyncClient
) -> None:
    assert await get(client, "/confidence-scoring/jobs?agent_name=ada") == scored.jobs[:4]
    assert await get(client, "/confidence-scoring/jobs?agent_session_id=s1") == scored.jobs[2:4]
    assert await get(client, "/confidence-scoring/jobs") == scored.jobs


@pytest.mark.usefixtures("scored")
async def test_a_summary_averages_by_module_and_mixes_scales_in_the_aggregate(client: httpx.AsyncClient) -> None:
    summary = await get(client, "/confidence-scoring/summary/agent/ada")
    assert summary["module_scores"] == {"correctness": 6.0, "observed_consistency": 0.5}
    assert summary["n_jobs_per_module"] == {"correctness": 2, "observed_consistency": 1}
    assert summary["aggregate_score"] == pytest.approx(12.5 / 3)
    assert summary["status"] == "in_progress"


@pytest.mark.usefixtures("scored")
async def test_a_session_has_a_summary_of_its_own(client: httpx.AsyncClient) -> None:
    summary = await get(client, "/confidence-scoring/summary/agent/ada/session/s0")
    assert summary["status"] == "completed"
    assert summary["aggregate_score"] == 4.25


async def test_a_summary_without_jobs_is_all_null(client: httpx.AsyncClient) -> None:
    assert set((await get(client, "/confidence-scoring/summary/agent/ada")).values()) == {None}
