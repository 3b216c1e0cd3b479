"""A tracking server on loopback, and the adapter that reads it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tracegraph_mlflow import open_adapter

from tests.adapters.conftest import Serve
from tracegraph.adapter import SourceSettings
from tracegraph.adapter.protocol import Adapter
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.mlflow import app as mlflow
from tracegraph.simulators.mlflow.world import MlflowWorld, mlflow_experiment

Connect = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def world() -> MlflowWorld:
    """A server with two MLflow experiments."""
    return MlflowWorld(experiments=[mlflow_experiment("1", name="live"), mlflow_experiment("2", name="eval")])


@pytest.fixture
def vendor(world: MlflowWorld) -> Simulator:
    return mlflow.create_app(world)


@pytest.fixture
async def connect(serve: Serve, vendor: Simulator) -> AsyncIterator[Connect]:
    """Opens the adapter on the server, with the options given."""
    async with AsyncExitStack() as stack:

        async def connected(**options: Any) -> Adapter:
            settings = SourceSettings("mlflow-a", "mlflow", options)
            return await stack.enter_async_context(open_adapter(settings, await serve(vendor, source="mlflow-a")))

        yield connected


@pytest.fixture
async def adapter(connect: Connect) -> Adapter:
    return await connect()
