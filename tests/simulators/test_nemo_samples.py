"""The NeMo simulator's 0.8 answers the recorded requests as nemo-helix 0.8.1 did."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tests.simulators.nemo_helix_world import recorded_world
from tests.simulators.sample_comparison import Sample, differences, replayed, samples
from tracegraph.simulators.nemo import app as nemo

SAMPLES = samples("nemo-helix-0.8.1")
RECORDED_AT = datetime(2026, 11, 29, 16, 45, tzinfo=UTC)
SAME_IN_EVERY_VALUE = [
    "annotations",
    "evaluation",
    "evaluations",
    "evaluations-agent",
    "evaluations-by-group",
    "evaluations-in",
    "experiment",
    "experiment-groups-alias",
    "experiments",
    "session",
    "sessions",
    "sessions-case",
    "sessions-case-old",
    "sessions-in",
    "sessions-sorted",
    "spans-groups",
    "trace",
    "traces",
    "traces-in",
    "traces-metrics",
    "traces-metrics-hour",
]


@pytest.fixture
def client(connect: Connect) -> httpx.AsyncClient:
    """A client of the recorded service. Its background worker had not run yet."""
    world = recorded_world()
    world.now = RECORDED_AT
    world.undenormalized |= {"run-a", "run-b"}
    return connect(nemo.create_app(world, "0.8"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_a_response_has_the_samples_status_keys_and_types(client: httpx.AsyncClient, sample: Sample) -> None:
    response = await replayed(client, sample)
    assert response.status_code == sample.status, response.text
    assert list(differences(by_id(sample.body), by_id(response.json()))) == []


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.status >= 400], ids=lambda sample: sample.name
)
async def test_a_refusal_has_the_samples_text(client: httpx.AsyncClient, sample: Sample) -> None:
    assert (await replayed(client, sample)).json() == sample.body


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.name in SAME_IN_EVERY_VALUE], ids=lambda sample: sample.name
)
async def test_a_response_over_the_recorded_objects_has_the_samples_values(
    client: httpx.AsyncClient, sample: Sample
) -> None:
    assert rounded((await replayed(client, sample)).json()) == rounded(sample.body)


@pytest.mark.parametrize(
    ("sample", "simulated", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ["body.b is only in the simulation"]),
        ({"a": 1, "b": 2}, {"a": 1}, ["body.b is only in the sample"]),
        ({"a": 1}, {"a": 1.0}, ["body.a is a int in the sample, a float in the simulation"]),
        ({"a": None}, {"a": "x"}, []),
        ({"a": "x"}, {"a": None}, ["body.a is a str in the sample, a NoneType in the simulation"]),
        ([{"a": 1}], [{"a": True}], ["body[0].a is a int in the sample, a bool in the simulation"]),
        ([1], [], ["body has 1 elements in the sample, 0 in the simulation"]),
    ],
)
def test_other_keys_types_and_lengths_are_differences(sample: Any, simulated: Any, expected: list[str]) -> None:
    assert list(differences(sample, simulated)) == expected


def rounded(body: Any) -> Any:
    """Return the body without the last digits of its figures, which depend on the order of a sum."""
    if isinstance(body, dict):
        return {key: rounded(value) for key, value in body.items()}
    if isinstance(body, list):
        return [rounded(value) for value in body]
    return round(body, 9) if isinstance(body, float) else body


def by_id(body: Any) -> Any:
    """Return a list of spans in the order of their ids: the service returns those of one start in any order."""
    if isinstance(body, dict) and body.get("data") and "span_id" in body["data"][0]:
        return body | {"data": sorted(body["data"], key=lambda row: row["span_id"])}
    return body
