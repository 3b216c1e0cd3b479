"""A Phoenix on loopback, and the adapter over it."""

from collections.abc import AsyncIterator

import pytest
from tracegraph_phoenix import open_adapter

from tests.adapters.conftest import Serve
from tests.adapters.phoenix.subject import Subject
from tracegraph.adapter import SourceSettings
from tracegraph.simulators.phoenix.app import create_app
from tracegraph.simulators.phoenix.world import PhoenixWorld


@pytest.fixture
def world() -> PhoenixWorld:
    """The content of the server; a test fills it."""
    return PhoenixWorld()


@pytest.fixture
async def subject(world: PhoenixWorld, serve: Serve) -> AsyncIterator[Subject]:
    """The adapter, with the calls that reach the server."""
    simulator = create_app(world)
    upstream = await serve(simulator)
    settings = SourceSettings("px", "phoenix", {}, base_url="https://phoenix.example")
    async with open_adapter(settings, upstream) as adapter:
        yield Subject(adapter, simulator)
