"""Every kind of simulator response against the vendors' own OpenAPI contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.data import SampleWorlds
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.nemo import app as nemo

if TYPE_CHECKING:  # slow to import
    import jsonschema  # type: ignore[import-untyped]  # it has no types of its own
    from pydantic import BaseModel

CONTRACTS = Path(__file__).parent.parent / "contracts"
NEMO = "/apis/intake/v2/workspaces/{workspace}/experiments"
NEMO_SESSIONS = NEMO + "/{name}/sessions"
LANGSMITH = "/api/v1/sessions"
MEIBEL = "/agents/{agent_id}/sessions"


class Contract:
    """One OpenAPI document, to validate responses."""

    def __init__(self, name: str) -> None:
        self._document: Row = json.loads((CONTRACTS / f"{name}.json").read_text())

    def check(self, path: str, answer: httpx.Response) -> None:
        """Fail unless the answer's body fits the response that the contract has for its status."""
        responses = self._document["paths"][path]["get"]["responses"]
        schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
        self._validator(schema).validate(answer.json())

    def check_part(self, name: str, part: Any) -> None:
        """Fail unless a part fits the named schema."""
        self._validator(self._document["components"]["schemas"][name]).validate(part)
        self.check_keys(name, [part])

    def check_keys(self, name: str, parts: list[Row]) -> None:
        """Fail unless the parts have only keys that the named schema knows."""
        known_keys = self._document["components"]["schemas"][name]["properties"].keys()
        assert {key for part in parts for key in part} <= known_keys

    def _validator(self, schema: Row) -> jsonschema.Draft202012Validator:
        import jsonschema  # noqa: PLC0415

        whole = {**schema, "components": self._document["components"]}
        return jsonschema.Draft202012Validator(whole)


@pytest.fixture
def sample_nemo_client(worlds: SampleWorlds, connect: Connect) -> httpx.AsyncClient:
    """A client of the sample's NeMo."""
    return connect(nemo.create_app(worlds.nemo), "/apis/intake/v2/workspaces/research")


@pytest.fixture
def sample_langsmith_client(worlds: SampleWorlds, connect: Connect) -> httpx.AsyncClient:
    """A client of the sample's LangSmith."""
    headers = {"X-API-Key": worlds.langsmith.api_key}
    return connect(langsmith.create_app(worlds.langsmith), "/api/v1", headers)


@pytest.fixture
def sample_meibel_client(worlds: SampleWorlds, connect: Connect) -> httpx.AsyncClient:
    """A client of the sample's Meibel."""
    return connect(meibel.create_app(worlds.meibel), "/v2", {"Meibel-API-Key": worlds.meibel.api_key})


async def test_nemo_experiments(sample_nemo_client: httpx.AsyncClient) -> None:
    contract = Contract("nemo-experiments")
    answer = await sample_nemo_client.get("/experiments?page_size=1000")
    contract.check(NEMO, answer)
    assert len(answer.json()["data"]) == 14
    contract.check_keys("ExperimentResponse", answer.json()["data"])


async def test_a_nemo_experiment(sample_nemo_client: httpx.AsyncClient) -> None:
    answer = await sample_nemo_client.get("/experiments/support-super%40v2")
    Contract("nemo-experiments").check_part("ExperimentResponse", answer.json())


@pytest.mark.parametrize("query", ["?page=0", "?page_size=5000", "?page=x"])
async def test_nemos_errors_of_invalid_parameters(sample_nemo_client: httpx.AsyncClient, query: str) -> None:
    answer = await sample_nemo_client.get(f"/experiments{query}")
    assert answer.status_code == 422
    Contract("nemo-experiments").check(NEMO, answer)
    sessions = await sample_nemo_client.get(f"/experiments/support-baseline/sessions{query}")
    Contract("nemo-experiment-sessions").check(NEMO_SESSIONS, sessions)


async def test_nemo_sessions_of_every_experiment(
    worlds: SampleWorlds, sample_nemo_client: httpx.AsyncClient
) -> None:
    contract = Contract("nemo-experiment-sessions")
    for name in worlds.nemo.sessions:
        path = name.replace("+", "%2B").replace("@", "%40")
        answer = await sample_nemo_client.get(f"/experiments/{path}/sessions?page_size=1000")
        contract.check(NEMO_SESSIONS, answer)
        contract.check_keys("ExperimentSessionResponse", answer.json()["data"])


async def test_nemos_other_errors_of_sessions(worlds: SampleWorlds, sample_nemo_client: httpx.AsyncClient) -> None:
    contract = Contract("nemo-experiment-sessions")
    contract.check(NEMO_SESSIONS, await sample_nemo_client.get("/experiments/nope/sessions"))
    worlds.nemo.telemetry_down = True
    try:
        contract.check(NEMO_SESSIONS, await sample_nemo_client.get("/experiments/support-baseline/sessions"))
        Contract("nemo-experiments").check(NEMO, await sample_nemo_client.get("/experiments"))
    finally:
        worlds.nemo.telemetry_down = False


@pytest.mark.parametrize(
    "query", ["", "?include_stats=true", "?include_stats=true&facets=true&sort_by=latency_p99", "?limit=1"]
)
async def test_langsmith_sessions(sample_langsmith_client: httpx.AsyncClient, query: str) -> None:
    contract = Contract("langsmith-tracer-sessions")
    answer = await sample_langsmith_client.get(f"/sessions{query}")
    contract.check(LANGSMITH, answer)
    contract.check_keys("TracerSession", answer.json())


async def test_a_langsmith_session(worlds: SampleWorlds, sample_langsmith_client: httpx.AsyncClient) -> None:
    session_id = worlds.langsmith.sessions[0]["id"]
    answer = await sample_langsmith_client.get(f"/sessions/{session_id}?include_stats=true")
    Contract("langsmith-tracer-sessions").check_part("TracerSession", answer.json())


@pytest.mark.parametrize("query", ["?limit=101", "?offset=-1", "?sort_by=x", "?id=x", "?reference_free=x"])
async def test_langsmiths_errors_of_invalid_parameters(
    sample_langsmith_client: httpx.AsyncClient, query: str
) -> None:
    answer = await sample_langsmith_client.get(f"/sessions{query}")
    assert answer.status_code == 422
    Contract("langsmith-tracer-sessions").check(LANGSMITH, answer)


async def test_meibel_sessions_of_every_agent(
    worlds: SampleWorlds, sample_meibel_client: httpx.AsyncClient
) -> None:
    contract = Contract("meibel-agent-sessions")
    for agent_id in worlds.meibel.sessions:
        answer = await sample_meibel_client.get(f"/agents/{agent_id}/sessions?limit=1000")
        contract.check(MEIBEL, answer)
        contract.check_keys("SessionSummary", answer.json()["data"])


@pytest.mark.parametrize("query", ["?sort_order=x", "?offset=-1", "?limit=0"])
async def test_meibels_errors_of_invalid_parameters(
    worlds: SampleWorlds, sample_meibel_client: httpx.AsyncClient, query: str
) -> None:
    answer = await sample_meibel_client.get(f"/agents/{worlds.meibel.agents[0]['id']}/sessions{query}")
    assert answer.status_code == 422
    Contract("meibel-agent-sessions").check(MEIBEL, answer)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/agents?limit=100", "AgentListResponse"),
        ("/agents/{agent_id}", "AgentDetailResponse"),
        ("/agents/{agent_id}/sessions?limit=1000", "SessionListResponse"),
        ("/sessions/{session_id}", "AgentExecutionDetailsResponse"),
        ("/sessions/{session_id}/messages", "SessionMessagesResponse"),
        ("/confidence-scoring/summary/agent/{agent_name}", "ScoreSummary"),
        ("/confidence-scoring/summary/agent/{agent_name}/session/{session_id}", "ScoreSummary"),
    ],
)
async def test_parts_outside_meibels_contract_fit_the_models_of_its_sdk(
    worlds: SampleWorlds, sample_meibel_client: httpx.AsyncClient, path: str, model: str
) -> None:
    agent = worlds.meibel.agents[0]
    session_id = worlds.meibel.sessions[agent["id"]][0]["session_id"]
    concrete_path = path.format(agent_id=agent["id"], agent_name=agent["name"], session_id=session_id)
    body = (await sample_meibel_client.get(concrete_path)).json()
    sdks = sdk_model(model)
    sdks.model_validate(body)
    assert body.keys() <= sdks.model_fields.keys()


def sdk_model(name: str) -> type[BaseModel]:
    from meibel import models  # noqa: PLC0415 - slow to import

    model: type[BaseModel] = getattr(models, name)
    return model


async def test_meibels_scoring_jobs_fit_the_model_of_its_sdk(sample_meibel_client: httpx.AsyncClient) -> None:
    jobs = (await sample_meibel_client.get("/confidence-scoring/jobs?agent_name=support-concierge")).json()
    assert jobs
    for job in jobs:
        sdk_model("ScoringJobResponse").model_validate(job)
