"""Compares a simulator's response with a sample of the real service: same keys, same JSON types."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CONTRACTS = Path(__file__).parent.parent / "contracts"


@dataclass(frozen=True)
class Sample:
    """One recorded exchange: a request, and the real service's response."""

    name: str
    method: str
    url: str
    request_body: Any
    status: int
    body: Any


def samples(folder: str) -> list[Sample]:
    """Return the samples in a folder of tests/contracts."""
    return [_sample(path) for path in sorted((CONTRACTS / folder).glob("*.json"))]


async def replayed(client: httpx.AsyncClient, sample: Sample) -> httpx.Response:
    """Send a sample's request to a simulator."""
    return await client.request(sample.method, sample.url, json=sample.request_body)


def differences(sample: Any, simulated: Any, place: str = "body") -> Iterator[str]:
    """Return where two JSON values have other keys or types, or where only the simulated one is null.

    Where the sample is null, the simulated value may have any type. Lists are compared element by element.
    """
    if sample is None:
        return
    if isinstance(sample, dict) and isinstance(simulated, dict):
        for key in sorted(sample.keys() ^ simulated.keys()):
            yield f"{place}.{key} is only in the {'sample' if key in sample else 'simulation'}"
        for key in sorted(sample.keys() & simulated.keys()):
            yield from differences(sample[key], simulated[key], f"{place}.{key}")
    elif isinstance(sample, list) and isinstance(simulated, list):
        if len(sample) != len(simulated):
            yield f"{place} has {len(sample)} elements in the sample, {len(simulated)} in the simulation"
        for index, pair in enumerate(zip(sample, simulated, strict=False)):
            yield from differences(*pair, f"{place}[{index}]")
    elif type(sample) is not type(simulated):
        yield f"{place} is a {type(sample).__name__} in the sample, a {type(simulated).__name__} in the simulation"


def _sample(path: Path) -> Sample:
    recorded = json.loads(path.read_text("utf-8"))
    method, _, url = recorded["request"].partition(" ")
    return Sample(path.stem, method, url, recorded.get("requestBody"), recorded["status"], recorded["body"])
