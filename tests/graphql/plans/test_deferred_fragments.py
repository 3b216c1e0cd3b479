"""Random queries with `@defer` anywhere: the parts add up to the response in place, with plans and without."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    ExecutionResult,
    parse,
    validate,
)
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.graphql.plans.documents import Document, Writer
from tests.graphql.plans.sources import RandomSource
from tests.graphql.plans.test_plans import EXAMPLES, REFERENCE, SCHEMA, left_coroutines, moment_keys
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.compiler.executor import Executed, GatewayExecutor, build_executor, execute_by_library
from tracegraph.graphql.compiler.plan_cache import PlanCache
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.errors import to_client_error
from tracegraph.graphql.incremental import Delivery, FirstPart, LaterPart, Part
from tracegraph.graphql.loaders import Loaders

__all__ = ["left_coroutines"]

Comparable = list[Any]


@dataclass(slots=True)
class Outcome:
    """A response, as comparable values: what it holds in the end, and what its first part held."""

    data: Any
    errors: list[str]
    paths: list[Sequence[str | int]]
    first: Any = None
    failed: list[Sequence[str | int]] = field(default_factory=list)
    is_in_parts: bool = False


def executor(document: Document, parsed: DocumentNode, sources: list[RandomSource], *, in_parts: bool) -> Any:
    context = RequestContext(sources, Loaders(sources), ScanBudget(), PageLimits(3, 10))
    built = build_executor(
        SCHEMA, parsed, context, document.variables, None, hide_suggestions=False, incremental=in_parts
    )
    assert isinstance(built, GatewayExecutor), built
    return built


async def outcome(executed: Executed, keys: frozenset[str]) -> Outcome:
    """Read every part, and return what they add up to."""
    if isinstance(executed, ExecutionResult):
        errors = [dict(to_client_error(error).formatted) for error in executed.errors or ()]
        return Outcome(unordered(executed.data, keys), texts(errors), paths(errors))
    parts: list[Part] = []
    first: list[Any] = []

    def receive(part: Part) -> None:
        parts.append(part)
        if isinstance(part, FirstPart):
            first.append(unordered(part.data, keys))

    delivery = Delivery(receive)
    await delivery.publish(executed, dict)
    failed = [
        completed.fragment.path
        for part in parts
        if isinstance(part, LaterPart)
        for completed in part.completed
        if completed.errors
    ]
    assert not parts[-1].has_next
    assert all(part.has_next for part in parts[:-1])
    data, whole_errors = delivery.finish()
    return Outcome(
        unordered(data, keys), texts(whole_errors), paths(whole_errors), first[0], failed, is_in_parts=True
    )


def unordered(value: Any, keys: frozenset[str]) -> Any:
    """The value as text, without those keys, whatever the order of members is."""
    if isinstance(value, dict):
        return {key: unordered(inner, keys) for key, inner in value.items() if key not in keys}
    return (
        [unordered(inner, keys) for inner in value] if isinstance(value, list) else REFERENCE.sub("", repr(value))
    )


def texts(errors: list[dict[str, Any]]) -> list[str]:
    return sorted(REFERENCE.sub("", repr(error)) for error in errors)


def paths(errors: list[dict[str, Any]]) -> list[Sequence[str | int]]:
    return [error["path"] for error in errors if "path" in error]


def null_at(data: Any, path: Sequence[str | int]) -> bool:
    """Whether null stands at the path or above."""
    for key in path:
        if data in (None, "None"):
            return True
        data = data[key]
    return data in (None, "None")


def written(seed: int, depth: int, sources: list[RandomSource]) -> tuple[Document, DocumentNode]:
    ids = [one for source in sources for one in source.ids]
    document = Writer(SCHEMA, random.Random(seed), ids, defers=0.5).document(depth)
    parsed = parse(document.text)
    assume("@defer" in document.text)
    assume(not validate(SCHEMA, parsed))  # fields of one name may differ in type
    return document, parsed


def random_sources(seed: int, wrongness: float, failure: float) -> list[RandomSource]:
    return [RandomSource(name, seed, wrongness=wrongness, failure=failure) for name in ("a", "b")]


examples = settings(
    max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, phases=[Phase.generate]
)
unawaited = pytest.mark.filterwarnings("ignore:.*was never awaited")
unraisable = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@unawaited
@unraisable
@examples
@given(
    seed=st.integers(0, 2**64),
    depth=st.integers(2, 7),
    wrongness=st.sampled_from([0.0, 0.02, 0.3]),
    failure=st.sampled_from([0.0, 0.2]),
    plans=st.booleans(),
)
def test_the_parts_add_up_to_the_response_in_place(
    seed: int, depth: int, wrongness: float, failure: float, *, plans: bool
) -> None:
    """A fragment fails where the response in place has null at the fragment's object or above.

    Where null spreads to an object, the errors of the fields below depend on what came first.
    """
    sources = random_sources(seed, wrongness, failure)
    document, parsed = written(seed, depth, sources)
    keys = moment_keys(parsed)
    execute = PlanCache().execute if plans else execute_by_library

    async def both() -> tuple[Outcome, Outcome]:
        in_place = await execute(executor(document, parsed, sources, in_parts=False))
        in_parts = await execute(executor(document, parsed, sources, in_parts=True))
        return await outcome(in_place, keys), await outcome(in_parts, keys)

    in_place, in_parts = asyncio.run(both())
    assert not in_place.is_in_parts
    assert all(null_at(in_place.data, path) for path in in_parts.failed)
    if not in_parts.failed:
        assert in_parts.data == in_place.data, document
    if not any(null_at(in_place.data, path[:-1]) for path in in_place.paths):
        assert in_parts.errors == in_place.errors, document


@unawaited
@unraisable
@examples
@given(
    seed=st.integers(0, 2**64),
    depth=st.integers(2, 7),
    wrongness=st.sampled_from([0.0, 0.02, 0.3]),
    failure=st.sampled_from([0.0, 0.2]),
)
def test_a_plan_returns_the_first_part_and_the_fragments_of_the_library(
    seed: int, depth: int, wrongness: float, failure: float
) -> None:
    sources = random_sources(seed, wrongness, failure)
    document, parsed = written(seed, depth, sources)
    keys = moment_keys(parsed)

    async def both() -> tuple[Outcome, Outcome]:
        by_library = await execute_by_library(executor(document, parsed, sources, in_parts=True))
        second = executor(document, parsed, sources, in_parts=True)
        plan = PlanCache().get(second)
        assert plan is not None
        by_plan = await plan.execute(second)
        return await outcome(by_library, keys), await outcome(by_plan, keys)

    by_library, by_plan = asyncio.run(both())
    assert by_plan.is_in_parts == by_library.is_in_parts
    assert by_plan.first == by_library.first, document
    assert by_plan.data == by_library.data, document
    assert by_plan.errors == by_library.errors, document
    assert sorted(map(str, by_plan.failed)) == sorted(map(str, by_library.failed))
