"""What a reader of Phoenix gets wrong: hidden errors, unknown ids, several roots, pages within datasets."""

import pytest
from tracegraph_phoenix.address import normalize_base_url
from tracegraph_phoenix.ids import is_cursor, type_of

from tests.adapters.phoenix.subject import EVALUATION, PROJECT, Subject
from tracegraph.adapter import Page, SourceHealthStatus
from tracegraph.domain.models import SessionRef
from tracegraph.errors import SourceBadRequest, SourceError, SourceObjectNotFound, SourceUnavailable
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.phoenix.world import (
    PhoenixWorld,
    global_id,
    phoenix_dataset,
    phoenix_experiment,
    phoenix_project,
    phoenix_run,
    phoenix_span,
)

P, E = global_id("Project", 1), global_id("Experiment", 1)


@pytest.fixture
def world() -> PhoenixWorld:
    world = PhoenixWorld()
    for number in (1, 2):
        world.add_project(phoenix_project(number))
        world.datasets.append(phoenix_dataset(number))
    for number in (1, 2, 3, 4, 5):
        world.add_experiment(phoenix_experiment(number, global_id("Dataset", 1 + number // 5)))
    world.runs[E] += [phoenix_run(number, "example", traceId=f"{number:032x}") for number in (1, 2)]
    return world


async def test_one_unknown_id_hides_no_other(subject: Subject) -> None:
    known = [P, global_id("Project", 2), E]
    unknown = [global_id("Project", 99), global_id("Experiment", 99)]
    found = await subject.adapter.get_experiments([*unknown, *known])
    assert set(found) == set(known)
    assert not any(isinstance(outcome, SourceError) for outcome in found.values())


async def test_known_ids_take_one_call_for_each_kind(subject: Subject) -> None:
    await subject.adapter.get_experiments([P, global_id("Project", 2), E])
    assert len(subject.simulator.calls) == 2


async def test_a_failing_database_is_no_unknown_id(world: PhoenixWorld, subject: Subject) -> None:
    world.fails = True
    found = await subject.adapter.get_experiments([P, E])
    assert {ref: isinstance(outcome, SourceUnavailable) for ref, outcome in found.items()} == {P: True, E: True}


async def test_an_unknown_run_hides_no_other_and_a_run_belongs_to_one_experiment(subject: Subject) -> None:
    runs = [global_id("ExperimentRun", number) for number in (1, 2)]
    elsewhere = SessionRef(global_id("Experiment", 2), runs[0])
    refs = [SessionRef(E, run) for run in (*runs, global_id("ExperimentRun", 99))]
    found = await subject.adapter.get_sessions([*refs, elsewhere])
    assert set(found) == set(refs[:2])


async def test_a_failure_that_phoenix_does_not_explain_is_an_error_of_the_source(
    world: PhoenixWorld, subject: Subject
) -> None:
    world.fails = True
    assert isinstance(await subject.page(P), SourceUnavailable)
    assert (await subject.adapter.check()).status is SourceHealthStatus.DOWN


async def test_a_server_that_lacks_a_field_is_named_too_old(subject: Subject) -> None:
    body = {"data": None, "errors": [{"message": "Cannot query field 'runs' on type 'Experiment'."}]}
    subject.simulator.faults.add(Fault("wrong_shape", body=body))
    error = await subject.page(E)
    assert isinstance(error, SourceBadRequest)
    assert "Phoenix 20.26" in error.message
    assert "Cannot query" not in error.message


async def test_an_unknown_experiment_has_no_sessions(subject: Subject) -> None:
    assert isinstance(await subject.page(global_id("Experiment", 99)), SourceObjectNotFound)
    page = await subject.page(global_id("Project", 99))
    assert isinstance(page, Page)
    assert page.items == []


async def test_a_token_of_another_kind_is_refused_without_a_call(subject: Subject) -> None:
    assert isinstance(await subject.page(P, token="zzz"), SourceBadRequest)
    assert subject.simulator.calls == []


async def test_each_root_of_a_trace_is_a_session_with_its_own_spans(world: PhoenixWorld, subject: Subject) -> None:
    first, second = phoenix_span(1, trace="t" * 32), phoenix_span(2, trace="t" * 32)
    world.spans[P] += [
        first,
        second,
        phoenix_span(3, trace="t" * 32, parent=first["spanId"]),
        phoenix_span(4, trace="t" * 32, parent=second["spanId"]),
        phoenix_span(5, trace="t" * 32, parent="never received"),
    ]
    assert len(await subject.sessions(P)) == 2
    trees = [{span.vendor_id for span in await subject.spans(P, root["spanId"])} for root in (first, second)]
    ids = [f"{number:016x}" for number in range(1, 6)]
    assert trees == [{ids[0], ids[2], ids[4]}, {ids[1], ids[3], ids[4]}]


async def test_a_trace_without_a_root_is_no_session(world: PhoenixWorld, subject: Subject) -> None:
    world.spans[P].append(phoenix_span(1, parent="of another service"))
    assert await subject.sessions(P) == []


async def test_a_long_trace_is_read_to_its_end(world: PhoenixWorld, subject: Subject) -> None:
    root = phoenix_span(1)
    world.spans[P] += [
        root,
        *(phoenix_span(number, trace=root["traceId"], parent=root["spanId"]) for number in range(2, 2200)),
    ]
    assert len(await subject.spans(P, root["spanId"])) == 2199
    assert len(subject.simulator.calls) == 3


async def test_spans_of_sessions_of_one_experiment_take_one_call(world: PhoenixWorld, subject: Subject) -> None:
    world.spans[P] += [phoenix_span(number) for number in range(1, 21)]
    refs = [SessionRef(P, f"{number:016x}") for number in range(1, 21)]
    found = await subject.adapter.list_spans(refs)
    assert {
        ref: len(spans) for ref, spans in found.items() if not isinstance(spans, SourceError)
    } == dict.fromkeys(refs, 1)
    assert len(subject.simulator.calls) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
async def test_experiments_of_all_datasets_come_once_in_pages_of_any_size(subject: Subject, limit: int) -> None:
    """A dataset with more experiments than a page goes on within."""
    found = [experiment.ref for experiment in await subject.experiments(EVALUATION, limit=limit)]
    assert found == [global_id("Experiment", number) for number in range(1, 6)]


async def test_all_projects_take_one_call(subject: Subject) -> None:
    assert len(await subject.experiments(PROJECT)) == 2
    assert len(subject.simulator.calls) == 1


async def test_the_version_of_the_server_is_known_after_a_check(world: PhoenixWorld, subject: Subject) -> None:
    world.version = "20.99.0"
    assert (await subject.adapter.check()).version == "20.99.0"
    assert subject.adapter.api_version == "20.99.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (global_id("Project", 1), "Project"),
        (global_id("ExperimentRun", 12), "ExperimentRun"),
        (global_id("Project", 0), None),
        (global_id("Project", -1), None),
        ("UHJvamVjdDox ", None),
        ("UHJvamVjdDox\n", None),
        ("UHJvamVjdDo", None),
        ("Project:1", None),
        ("", None),
        ("é", None),
    ],
)
def test_a_global_id_has_one_notation(text: str, expected: str | None) -> None:
    assert type_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MQ==", True),
        ("Y29ubmVjdGlvbjow", True),
        ("OTpEQVRFVElNRToyMDI2LTExLTI5VDE2OjQzOjA0LjY4NzAzOSswMDowMA==", True),
        ("zzz", False),
        ("eA==", False),
    ],
)
def test_a_cursor_is_a_number_or_a_place(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_cursor(text) is expected


@pytest.mark.parametrize("path", ["", "/", "/graphql", "/v1", "/v1/traces", "/v1/traces/"])
def test_a_documented_path_may_be_part_of_the_address(path: str) -> None:
    assert (
        normalize_base_url(f"https://app.phoenix.arize.com/s/team{path}") == "https://app.phoenix.arize.com/s/team"
    )
