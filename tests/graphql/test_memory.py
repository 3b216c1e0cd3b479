"""An operation leaves no reference cycle, so its rows leave the memory with its response."""

import gc
from collections.abc import Iterator

import pytest

from tests.graphql.plans.sources import RandomSource
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.runner import Operation, OperationRunner
from tracegraph.graphql.schema import build_schema

LISTS = "{ experiments(first: 3) { nodes { name sessions(first: 3) { nodes { vendorId latencyMs } } } } }"
FIGURES = "{ experiments(first: 3) { nodes { name aggregates(basis: COMPUTED) { mean } } } }"


@pytest.fixture
def without_collections() -> Iterator[None]:
    """Objects in a reference cycle stay in the memory during the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("query", ["{ gateway { version } }", LISTS, FIGURES])
async def test_an_operation_needs_no_garbage_collection(query: str) -> None:
    source = RandomSource("a", 1, wrongness=0.0, failure=0.0)
    runner = OperationRunner(build_schema(), [source], ScanBudget(), PageLimits(), deadline_s=60)
    before = count_contexts()
    for _ in range(3):
        result = await runner.run(Operation(query))
        assert result.executed
    assert count_contexts() == before


def count_contexts() -> int:
    """Return the number of contexts in the memory, each of which holds the rows of its request."""
    return sum(isinstance(one, RequestContext) for one in gc.get_objects())
