"""The vendors' own SDKs work with the simulators over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, get_args
from uuid import UUID

import pytest

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.data import SampleWorlds
from tracegraph.simulators.vendors import DemoVendors, Dialects, demo_vendors

if TYPE_CHECKING:  # slow to import
    from langsmith import Client, Langsmith
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


@pytest.fixture
def langsmith_v2(vendors: DemoVendors) -> Iterator[Langsmith]:
    """LangSmith's generated client of v2, which here refuses answers that do not fit its own types."""
    from langsmith import Langsmith  # noqa: PLC0415

    with Langsmith(
        base_url=vendors.langsmith_url,
        api_key=vendors.langsmith_api_key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


def project_id(worlds: SampleWorlds, name: str) -> str:
    """Return the id of a LangSmith session of the sample."""
    return str(next(row["id"] for row in worlds.langsmith.sessions if row["name"] == name))


def test_langsmiths_v2_client_lists_sessions_with_their_figures(
    worlds: SampleWorlds, langsmith_v2: Langsmith
) -> None:
    pages = langsmith_v2.sessions.list_v2(include_stats=True, include_facets=True, page_size=5)
    sessions = {session.name: session for session in pages}
    assert len(sessions) == 12
    large = sessions["support-large-77d0be13"]
    assert (large.type, large.run_count) == ("EXPERIMENT", len(roots(worlds, "support-large-77d0be13")))
    assert large.feedback_stats is not None
    assert large.feedback_stats["correctness"].median is not None
    assert langsmith_v2.sessions.retrieve_v2(large.id).tenant_id == worlds.langsmith.tenant_id


def test_langsmiths_v2_client_lists_every_field_of_every_root_run(
    worlds: SampleWorlds, langsmith_v2: Langsmith
) -> None:
    from langsmith.types.run_select_field import RunSelectField  # noqa: PLC0415

    found = langsmith_v2.runs.query_v2(
        project_ids=[project_id(worlds, "prod-triage")],
        is_root=True,
        min_start_time="2000-01-01T00:00:00Z",
        include_subtree_usage=True,
        page_size=100,
        selects=list(get_args(RunSelectField)),
    )
    runs = list(found)
    assert [run.id for run in runs] == [run["id"] for run in reversed(roots(worlds, "prod-triage"))]
    assert {run.status for run in runs} == {"SUCCESS", "ERROR"}
    assert any(run.prompt_token_details for run in runs)
    assert all(run.thread_id and run.is_root for run in runs)


def test_langsmiths_v2_client_reads_a_run_its_address_and_its_trace(
    worlds: SampleWorlds, langsmith_v2: Langsmith
) -> None:
    root, project = roots(worlds, "default")[0]["id"], project_id(worlds, "default")
    run = langsmith_v2.runs.retrieve_v2(root, project_id=project, selects=["ID", "NAME"])
    assert (run.id, run.name) == (root, "answer_question")
    assert project in (langsmith_v2.runs.get_url(root, project_id=project, trace_id=root).url or "")
    trace = langsmith_v2.traces.list_runs(root, project_id=project, selects=["ID", "PARENT_RUN_IDS"])
    assert [run.parent_run_ids for run in trace.items or []] == [[], [root]]
    traces = langsmith_v2.traces.query(project_id=project, min_start_time="2000-01-01T00:00:00Z")
    assert len(list(traces)) == 3


def test_langsmiths_v2_client_reads_datasets_and_the_runs_of_experiments_by_example(
    worlds: SampleWorlds, langsmith_v2: Langsmith
) -> None:
    datasets = {dataset.name: dataset for dataset in langsmith_v2.datasets.list_v2()}
    assert {name: dataset.example_count for name, dataset in datasets.items()} == {"support": 120, "triage": 40}
    experiments = [project_id(worlds, name) for name in ("triage-router-3f6a", "triage-router-v2-9e11")]
    examples = langsmith_v2.datasets.experiment_runs.query(
        datasets["triage"].id, experiment_ids=experiments, selects=["ID", "PROJECT_ID", "FEEDBACK_STATS"]
    )
    projects = [{run.project_id for run in example.runs or []} for example in examples]
    assert projects == [set(experiments)] * 40


def test_langsmith_lists_datasets_and_feedback(worlds: SampleWorlds, langsmith: Client) -> None:
    assert {dataset.name for dataset in langsmith.list_datasets()} == {"support", "triage"}
    run = next(run for run in roots(worlds, "triage-router-3f6a") if "correctness" in run["feedback_stats"])
    scores = {feedback.key: feedback.score for feedback in langsmith.list_feedback(run_ids=[run["id"]])}
    assert scores["correctness"] == run["feedback_stats"]["correctness"]["avg"]


def test_langsmith_without_v1_reads_a_run_from_v2(worlds: SampleWorlds) -> None:
    """The client reads the flags of `/info`, then v2."""
    root = roots(worlds, "default")[0]
    start = parse(root["start_time"])
    with (
        demo_vendors(worlds, dialects=Dialects("0.8", "v2")) as vendors,
        langsmith_client(vendors, vendors.langsmith_api_key) as client,
        pytest.warns(DeprecationWarning, match="read_run"),
    ):
        run = client.read_run(root["id"], project_id=project_id(worlds, "default"), start_time=start)
    assert str(run.trace_id) == root["id"]


def test_langsmiths_v2_client_reports_errors(worlds: SampleWorlds, langsmith_v2: Langsmith) -> None:
    from langsmith import (  # noqa: PLC0415
        AuthenticationError,
        BadRequestError,
        NotFoundError,
        UnprocessableEntityError,
    )

    project = project_id(worlds, "default")
    with pytest.raises(NotFoundError, match="run not found"):
        langsmith_v2.runs.retrieve_v2(project, project_id=project)
    with pytest.raises(UnprocessableEntityError, match="page_size"):
        langsmith_v2.runs.query_v2(project_ids=[project], page_size=1001)
    with pytest.raises(BadRequestError, match="cursor"):
        langsmith_v2.runs.query_v2(project_ids=[project], cursor="made up")
    with pytest.raises(AuthenticationError):
        langsmith_v2.with_options(api_key="lsv2_wrong").sessions.list_v2()


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
    log = meibel.sessions.get_messages(newest.session_id).messages
    assert [item.type for item in log] == ["user_message", "tool_call", "assistant_message"]
    assert log[1].tool_name == "search_manuals"
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
