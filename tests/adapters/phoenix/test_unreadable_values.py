"""An unreadable object costs only itself: its list counts it as skipped, and all others are as they were."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.adapters.phoenix.subject import EVALUATION, PROJECT, Subject
from tracegraph.adapter import CursorRequest, ExperimentQuery, Page, SessionPageRequest, WholeRequest
from tracegraph.domain.filters import ExperimentFilter, SessionFilter, SessionOrder
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef
from tracegraph.errors import SourceBadResponse, SourceError
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.phoenix.app import answer
from tracegraph.simulators.phoenix.world import (
    PhoenixWorld,
    global_id,
    phoenix_annotation,
    phoenix_dataset,
    phoenix_experiment,
    phoenix_project,
    phoenix_run,
    phoenix_span,
)

P, E = global_id("Project", 1), global_id("Experiment", 1)


@pytest.fixture
def world() -> PhoenixWorld:
    """Two projects, an experiment in each of two datasets, three root spans, two runs."""
    world = PhoenixWorld()
    for number in (1, 2):
        world.add_project(phoenix_project(number))
        world.datasets.append(phoenix_dataset(number))
        world.add_experiment(phoenix_experiment(number, global_id("Dataset", number)))
    verdicts = [phoenix_annotation(name, score=0.5) for name in ("good", "odd")]
    world.spans[P] += [phoenix_span(number, spanAnnotations=verdicts) for number in (1, 2, 3)]
    world.runs[E] += [phoenix_run(number, "example") for number in (1, 2)]
    return world


async def damaged(
    world: PhoenixWorld, subject: Subject, read: Callable[[], Any], change: Callable[[Row], None]
) -> Any:
    """What the adapter reads when the reply to its first query is changed: the query is asked twice."""
    await read()
    body = subject.simulator.calls[-1].body
    reply = answer(world, body["query"], body["variables"])
    change(reply["data"])
    subject.simulator.faults.add(Fault("wrong_shape", body=reply))
    return await read()


async def experiments(
    subject: Subject, kind: ExperimentKind, refs: frozenset[str] | None = None
) -> Page[Experiment]:
    query = ExperimentQuery(ExperimentFilter(refs=refs), kind=kind)
    return await subject.adapter.list_experiments(query, WholeRequest(100))


def without(path: tuple[Any, ...]) -> Callable[[Row], None]:
    """Removes the member at a path."""

    def change(data: Row) -> None:
        value: Any = data
        for step in path[:-1]:
            value = value[step]
        del value[path[-1]]

    return change


async def test_an_experiment_without_an_id_costs_only_itself(world: PhoenixWorld, subject: Subject) -> None:
    path = ("datasets", "edges", 1, "node", "experiments", "edges", 0, "node", "id")
    page = await damaged(world, subject, lambda: experiments(subject, EVALUATION), without(path))
    assert ([row.ref for row in page.items], page.skipped) == ([E], (1,))


async def test_a_dataset_without_an_id_costs_only_its_experiments(world: PhoenixWorld, subject: Subject) -> None:
    path = ("datasets", "edges", 0, "node", "id")
    page = await damaged(world, subject, lambda: experiments(subject, EVALUATION), without(path))
    assert ([row.ref for row in page.items], page.skipped) == ([global_id("Experiment", 2)], (0,))


async def test_a_project_without_an_id_is_skipped(world: PhoenixWorld, subject: Subject) -> None:
    path = ("projects", "edges", 0, "node", "id")
    page = await damaged(world, subject, lambda: experiments(subject, PROJECT), without(path))
    assert ([row.ref for row in page.items], page.skipped) == ([global_id("Project", 2)], (0,))


@pytest.mark.parametrize(("ref", "name"), [(P, "spans"), (E, "runs")])
async def test_a_session_without_a_start_is_skipped(
    world: PhoenixWorld, subject: Subject, ref: str, name: str
) -> None:
    path = ("node", name, "edges", 0, "node", "startTime")
    page = await damaged(world, subject, lambda: subject.page(ref), without(path))
    assert (len(page.items), page.skipped) == ({P: 2, E: 1}[ref], (0,))


async def test_a_session_whose_row_may_be_unreadable_is_an_error_and_not_unknown(
    world: PhoenixWorld, subject: Subject
) -> None:
    ids = [f"{number:016x}" for number in (1, 2)]
    path = ("node", "spans", "edges", 0, "node", "startTime")
    found: Mapping[str, Any] = await damaged(
        world, subject, lambda: subject.adapter.find_sessions(P, ids), without(path)
    )
    assert sum(isinstance(session, SourceBadResponse) for session in found.values()) == 1
    assert sum(isinstance(session, Session) for session in found.values()) == 1


async def test_one_unreadable_experiment_of_a_filter_by_id_is_skipped(
    world: PhoenixWorld, subject: Subject
) -> None:
    refs = frozenset({E, global_id("Experiment", 2)})
    page = await damaged(world, subject, lambda: experiments(subject, EVALUATION, refs), without(("n1", "id")))
    assert ([row.ref for row in page.items], page.skipped) == ([E], (1,))


async def test_a_filter_by_ids_of_which_none_is_readable_is_a_bad_response(
    world: PhoenixWorld, subject: Subject
) -> None:
    with pytest.raises(SourceBadResponse):
        await damaged(
            world, subject, lambda: experiments(subject, EVALUATION, frozenset({E})), without(("n0", "id"))
        )


async def test_spans_without_an_id_are_an_error_of_their_session_only(
    world: PhoenixWorld, subject: Subject
) -> None:
    refs = [SessionRef(P, f"{number:016x}") for number in (1, 2, 3)]
    path = ("node", "roots", "edges", 1, "node", "trace", "spans", "edges", 0, "node", "spanId")
    found: Mapping[SessionRef, Any] = await damaged(
        world, subject, lambda: subject.adapter.list_spans(refs), without(path)
    )
    assert sum(isinstance(spans, SourceBadResponse) for spans in found.values()) == 1
    assert sum(not isinstance(spans, SourceError) and len(spans) == 1 for spans in found.values()) == 2


async def test_an_annotation_without_a_name_costs_only_itself(world: PhoenixWorld, subject: Subject) -> None:
    path = ("node", "spans", "edges", 0, "node", "spanAnnotations", 1, "name")
    page: Page[Session] = await damaged(world, subject, lambda: subject.page(P), without(path))
    assert [len(row.scores or ()) for row in page.items] == [1, 2, 2]


@pytest.mark.parametrize("span_id", ["sp ace", "q'uote", "both ' and \"", "back\\slash", "é", "x" * 70])
async def test_a_session_with_any_printable_id_can_be_opened(
    world: PhoenixWorld, subject: Subject, span_id: str
) -> None:
    world.spans[P] = [phoenix_span(1, spanId=span_id)]
    assert [row.vendor_id for row in await subject.sessions(P)] == [span_id]
    ref = SessionRef(P, span_id)
    assert set(await subject.adapter.get_sessions([ref])) == {ref}
    assert len(await subject.spans(P, span_id)) == 1


@pytest.mark.parametrize("span_id", ["tab\t", "x" * 513])
async def test_a_session_that_cannot_be_opened_is_skipped(
    world: PhoenixWorld, subject: Subject, span_id: str
) -> None:
    world.spans[P] = [phoenix_span(1), phoenix_span(2, spanId=span_id)]
    page = await subject.page(P)
    assert isinstance(page, Page)
    assert (len(page.items), len(page.skipped)) == (1, 1)


async def test_a_page_of_sessions_that_cannot_be_opened_leads_to_the_next(
    world: PhoenixWorld, subject: Subject
) -> None:
    world.spans[P] = [phoenix_span(1), phoenix_span(2, spanId="tab\t", start_time="2026-11-30T10:00:00+00:00")]
    request = SessionPageRequest((P,), CursorRequest(1), SessionFilter(), SessionOrder())
    (page,) = await subject.adapter.list_sessions([request])
    assert isinstance(page, Page)
    assert [row.vendor_id for row in page.items] == [f"{1:016x}"]
