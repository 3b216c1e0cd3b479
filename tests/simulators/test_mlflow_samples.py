"""The MLflow simulator answers the recorded requests as MLflow 3.17.2 did."""

from typing import Any

import httpx
import pytest

from tests.simulators.conftest import Connect
from tests.simulators.mlflow_world import recorded_world
from tests.simulators.sample_comparison import Sample, replayed, samples
from tracegraph.simulators.mlflow import app as mlflow

SAMPLES = samples("mlflow-3.17.2")


@pytest.fixture
def client(connect: Connect) -> httpx.AsyncClient:
    return connect(mlflow.create_app(recorded_world()))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_a_response_has_the_samples_status_and_every_value(
    client: httpx.AsyncClient, sample: Sample
) -> None:
    response = await replayed(client, sample)
    assert response.status_code == sample.status, response.text
    is_json = response.headers["content-type"] == "application/json"
    assert rounded(response.json() if is_json else response.text) == rounded(sample.body)


def rounded(body: Any) -> Any:
    """Return the body without the last digits of its figures, which depend on the order of a sum."""
    if isinstance(body, dict):
        return {key: rounded(value) for key, value in body.items()}
    if isinstance(body, list):
        return [rounded(value) for value in body]
    return round(body, 9) if isinstance(body, float) else body
