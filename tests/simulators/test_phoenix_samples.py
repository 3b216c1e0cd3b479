"""The Phoenix simulator answers the recorded queries as Phoenix 20.26.1 did, in every value."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.phoenix_recorded_world import recorded_world
from tracegraph.simulators.phoenix.app import answer
from tracegraph.simulators.phoenix.world import global_id

FOLDER = Path(__file__).parent.parent / "contracts" / "phoenix-20.26.1"
SAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def rounded(value: Any) -> Any:
    """Return a value with numbers that compare: sums of floats depend on the order of adding."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return round(value, 9) if isinstance(value, float) else value


def test_there_are_samples() -> None:
    assert len(SAMPLES) == 8


@pytest.mark.parametrize("name", SAMPLES)
def test_a_reply_is_that_of_the_sample(name: str) -> None:
    sample = SAMPLES[name]
    variables = sample.get("variables") or {}
    if "$id" in sample["query"]:
        variables = {"id": global_id("Project", 2)} | variables
    assert rounded(answer(recorded_world(), sample["query"], variables)) == rounded(sample["body"])
