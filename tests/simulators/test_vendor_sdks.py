"""The vendors' own SDKs work with the simulators over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.data import SampleWorlds
from tracegraph.simulators.vendors import DemoVendors, demo_vendors

if TYPE_CHECKING:  # slow to import
    from langsmith import Client
    from meibel import MeibelClient

# The SDK warns that its readers of the v1 API go in 2027; that API is what is simulated.
V1_READERS_GO = pytest.mark.filterwarnings(r"ignore:(list_runs|read_run)\(\) is deprecated")


@pytest.fixture(scope="module")
def vendors(worlds: SampleWorlds) -> Iterator[DemoVendors]:
    """The demo's three servers."""
    with demo_vendors(worlds) as running:
        yield running


@contextmanager
def langsmith_client(vendors: DemoVendors, api_key: str, path: str = "") -> Iterator[Client]:
    """LangSmith's client, without its background thread for tracing."""
    from langsmith import Client  # noqa: PLC0415

    client = Client(
        api_url=vendors.langsmith_url + path,
        api_key=api_key,
        auto_batch_tracing=False,
        retry_config=0,  # type: ignore[arg-type]  # urllib3 takes a number of retries too
    )
    try:
        yield client
    finally:
        client.session.close()


@pytest.fixture(params=["", "/api/v1"])
def langsmith(vendors: DemoVendors, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client with the valid key, at the default host and at the API's prefix."""
    with langsmith_client(vendors, vendors.langsmith_api_key, request.param) as client:
        yield client


@pytest.fixture
def meibel(vendors: DemoVendors) -> Iterator[MeibelClient]:
    """A client with the valid key."""
    from meibel import MeibelClient  # noqa: PLC0415

    with MeibelClient(base_url=vendors.meibel_url, api_key=vendors.meibel_api_key) as client:
        yield client


def roots(worlds: SampleWorlds, name: str) -> list[Row]:
    """Return the root runs of a LangSmith session of the sample."""
    session = next(row for row in worlds.langsmith.sessions if row["name"] == name)
    return [run for run in worlds.langsmith.runs[session["id"]] if run["parent_run_id"] is None]


def test_langsmith_lists_projects_with_their_figures(worlds: SampleWorlds, langsmith: Client) -> None:
    projects = {project.name: project for project in langsmith.list_projects(include_stats=True)}
    assert len(projects) == 12
    large = projects["support-large-77d0be13"]
    runs = roots(worlds, "support-large-77d0be13")
    assert large.run_count == len(runs) == 120
    assert large.total_cost == sum(Decimal(run["total_cost"]) for run in runs if run["total_cost"])
    assert large.latency_p50 is not None
    assert 1 < large.latency_p50.total_seconds() < 10
    assert large.reference_dataset_id is not None


def test_langsmith_lists_projects_and_experiments_apart(langsmith: Client) -> None:
    assert len(list(langsmith.list_projects(reference_free=True))) == 5
    dataset = langsmith.read_project(project_name="triage-router-3f6a").reference_dataset_id
    assert len(list(langsmith.list_projects(reference_dataset_id=dataset))) == 3


def test_langsmith_reads_projects_by_id(langsmith: Client) -> None:
    project = langsmith.read_project(project_name="default", include_stats=True)
    assert project.run_count == 3
    assert langsmith.read_project(project_id=str(project.id)).name == "default"
    assert [listed.id for listed in langsmith.list_projects(project_ids=[project.id])] == [project.id]


@V1_READERS_GO
def test_langsmith_lists_every_root_run_of_a_project(worlds: SampleWorlds, langsmith: Client) -> None:
    runs = list(langsmith.list_runs(project_name="prod-triage", is_root=True))
    assert [str(run.id) for run in runs] == [run["id"] for run in reversed(roots(worlds, "prod-triage"))]
    assert all(run.inputs["question"] for run in runs)


@V1_READERS_GO
def test_langsmith_lists_runs_by_filter_and_by_id(langsmith: Client) -> None:
    run_filter = "and(eq(is_root, true), neq(error, null))"
    failed = list(langsmith.list_runs(project_name="staging-support-chat", filter=run_filter, limit=5))
    assert len(failed) == 5
    assert {run.status for run in failed} == {"error"}
    ids = [run.id for run in failed]
    assert {run.id for run in langsmith.list_runs(run_ids=ids)} == set(ids)


@V1_READERS_GO
def test_langsmith_reads_one_run(worlds: SampleWorlds, langsmith: Client) -> None:
    root = roots(worlds, "default")[0]
    assert langsmith.read_run(root["id"]).trace_id == UUID(root["id"])


def test_langsmiths_sdk_reports_a_wrong_key(vendors: DemoVendors) -> None:
    from langsmith.utils import LangSmithAuthError  # noqa: PLC0415

    with langsmith_client(vendors, "lsv2_wrong") as client, pytest.raises(LangSmithAuthError):
        list(client.list_projects())


def test_langsmiths_sdk_reports_a_missing_workspace_of_an_org_scoped_key(
    worlds: SampleWorlds, langsmith: Client
) -> None:
    from langsmith.utils import LangSmithUserError  # noqa: PLC0415

    worlds.langsmith.org_scoped_key = True
    try:
        with pytest.raises(LangSmithUserError, match="workspace"):
            list(langsmith.list_projects())
        langsmith.workspace_id = worlds.langsmith.tenant_id
        assert len(list(langsmith.list_projects())) == 12
    finally:
        worlds.langsmith.org_scoped_key = False


def test_meibel_lists_agents(meibel: MeibelClient) -> None:
    agents = meibel.agents.list(limit=100, sort_by="name", sort_order="asc").collect()
    assert [agent.name for agent in agents] == sorted(agent.name for agent in agents)
    assert len(agents) == 10
    assert meibel.agents.get(agents[0].id).name == agents[0].name


def test_meibel_reads_the_first_page_of_sessions_only(worlds: SampleWorlds, meibel: MeibelClient) -> None:
    """Its SDK looks for a `next_cursor` that the API does not have (trap 9)."""
    agent = worlds.meibel.agents[0]
    assert len(worlds.meibel.sessions[agent["id"]]) == 600
    assert len(meibel.agents.sessions.list(agent["id"]).collect()) == 10
    assert len(meibel.agents.sessions.list(agent["id"], limit=100, offset=50).collect()) == 100


def test_meibel_reads_a_session_its_messages_and_its_scores(worlds: SampleWorlds, meibel: MeibelClient) -> None:
    agent = worlds.meibel.agents[0]
    newest = meibel.agents.sessions.list(agent["id"], status="COMPLETED", limit=1).collect()[0]
    detail = meibel.sessions.get(newest.session_id)
    assert [message.role for message in detail.messages] == ["user", "assistant"]
    assert len(meibel.sessions.get_messages(newest.session_id).messages) == 2
    jobs = meibel.confidence_scoring.list_scoring_jobs(agent_name=agent["name"])
    summary = meibel.confidence_scoring.get_agent_scoring_summary(agent["name"])
    assert summary.n_jobs_per_module is not None
    assert sum(summary.n_jobs_per_module.values()) == sum(job.status == "completed" for job in jobs)


def test_meibels_sdk_reports_errors(vendors: DemoVendors, meibel: MeibelClient) -> None:
    from meibel import MeibelClient  # noqa: PLC0415
    from meibel.exceptions import AuthenticationError, NotFoundError  # noqa: PLC0415

    with pytest.raises(NotFoundError, match="Agent not found"):
        meibel.agents.get("nobody")
    wrong = MeibelClient(base_url=vendors.meibel_url, api_key="wrong")
    with wrong, pytest.raises(AuthenticationError, match="API key"):
        wrong.agents.list().collect()
