"""A plan returns the library's result: data, errors and paths, for random queries on random data."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import re
import warnings
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from graphql import DocumentNode, ExecutionResult, FieldNode, GraphQLObjectType, Visitor, parse, validate, visit
from graphql.execution.executor import Executor
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.graphql.plans.documents import UNEQUAL, Document, Writer
from tests.graphql.plans.sources import RandomSource
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.compiler.plan import Plan
from tracegraph.graphql.compiler.plan_cache import PlanCache
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.relay.ids import experiment_id
from tracegraph.graphql.schema import build_schema

EXAMPLES = int(os.environ.get("PLAN_EXAMPLES", examples(240)))
SCHEMA = build_schema()._schema

REFERENCE = re.compile(r"\b[0-9a-f]{8}\b")
"""The reference of an error in the log, different for each error."""


def executor(document: Document, parsed: DocumentNode, sources: list[RandomSource]) -> Executor[Any]:
    """Return the library's executor over the sources."""
    context = RequestContext(sources, Loaders(sources), ScanBudget(), PageLimits(3, 10))
    built = Executor.build(SCHEMA, parsed, None, context, document.variables)
    assert isinstance(built, Executor), built
    return built


async def by_library(executor: Executor[Any]) -> ExecutionResult:
    """Return the library's result."""
    found: Any = executor.execute_operation()
    result = await found if hasattr(found, "__await__") else found
    assert isinstance(result, ExecutionResult)
    return result


def moment_keys(document: DocumentNode) -> frozenset[str]:
    """Return the response keys of fields that vary over time."""
    found: set[str] = set()

    class Find(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if node.name.value in UNEQUAL:
                found.add(node.alias.value if node.alias else node.name.value)

    visit(document, Find())
    return frozenset(found)


def without(value: Any, keys: frozenset[str]) -> Any:
    """The value without those keys, at any depth; the order of all others is kept."""
    if isinstance(value, dict):
        return [(key, without(inner, keys)) for key, inner in value.items() if key not in keys]
    return [without(inner, keys) for inner in value] if isinstance(value, list) else value


def null_place(data: Any, path: Sequence[str | int]) -> tuple[str | int, ...] | None:
    """Return the path of the null that took the place of the field's parent, or None while the parent is there."""
    for depth, key in enumerate(path):
        if data is None:
            return tuple(path[:depth])
        data = data[key]
    return None


def comparable(result: ExecutionResult, keys: frozenset[str]) -> str:
    """Data, and errors with their paths and places in the document, whatever came first.

    Of errors below a null, only the place of the null counts: an executor may stop the fields beside it.
    """
    errors = list(result.errors or ())
    places = [null_place(result.data, error.path or ()) for error in errors]
    kept = [
        json.dumps(dict(error.formatted), default=str)
        for error, place in zip(errors, places, strict=True)
        if place is None
    ]
    nulls = sorted({json.dumps(place) for place in places if place is not None})
    comparable = [without(result.data, keys), *sorted(kept), *nulls]
    return REFERENCE.sub("", json.dumps(comparable, default=str))


async def compared(document: Document, sources: list[RandomSource]) -> bool:
    """Run both, and return whether the operation had a plan. Results are compared as soon as they arrive."""
    parsed = parse(document.text)
    keys = moment_keys(parsed)
    first, second = executor(document, parsed, sources), executor(document, parsed, sources)
    expected = comparable(await by_library(first), keys)
    plan = PlanCache().get(second)
    if plan is None:
        return False
    result = await plan.execute(second)
    assert isinstance(result, ExecutionResult)
    assert comparable(result, keys) == expected, document
    return True


@pytest.fixture(autouse=True)
def left_coroutines() -> Iterator[None]:
    """Coroutines that the library leaves unawaited after an error are collected before the next test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.filterwarnings("ignore:.*was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, phases=[Phase.generate])
@given(
    seed=st.integers(0, 2**64),
    depth=st.integers(2, 7),
    wrongness=st.sampled_from([0.0, 0.02, 0.3]),
    failure=st.sampled_from([0.0, 0.2]),
)
def test_a_plan_returns_the_librarys_result(seed: int, depth: int, wrongness: float, failure: float) -> None:
    """Covers nulls of non-null fields, values of other types, and resolvers that fail."""
    sources = [RandomSource(name, seed, wrongness=wrongness, failure=failure) for name in ("a", "b")]
    ids = [one for source in sources for one in source.ids]
    document = Writer(SCHEMA, random.Random(seed), ids).document(depth)
    assume(not validate(SCHEMA, parse(document.text)))  # fields of one name may differ in type
    assert asyncio.run(compared(document, sources))


RANGE = 'range: {gte: "2026-02-01T00:00:00Z", lt: "2026-02-01T00:04:00Z"}'
FIGURES = f"""
query Q($bins: Int! = 3) {{
  experiments {{ nodes {{
    whole: aggregates(basis: COMPUTED) {{ ...F }}
    part: aggregate(metric: {{kind: LATENCY}}, basis: BEST, filter: {{statuses: [SUCCESS, ERROR]}}) {{ ...F }}
    text: aggregates(basis: COMPUTED, filter: {{text: "in"}}) {{ ...F }}
    score: aggregates(basis: COMPUTED, filter: {{score: {{evaluator: "e", gte: 0.5}}}}) {{ ...F }}
    series: timeSeries(metrics: [{{kind: SCORE, evaluator: "e"}}], interval: MINUTE, {RANGE}, timeZone: "UTC") {{
      complete buckets {{ start end sessionCount errorCount aggregates {{ ...F }} }}
    }}
    none: timeSeries(metrics: [], interval: MINUTE, {RANGE}, timeZone: "Mars/Olympus") {{ complete }}
    status: sessionGroups(by: STATUS, metrics: [{{kind: COST}}], first: 2) {{
      complete otherCount groups {{ key sessionCount aggregates {{ ...F }} }}
    }}
    model: sessionGroups(by: MODEL, metrics: [], filter: {{latencyMs: {{gte: 1}}}}) {{ groups {{ key }} }}
  }} }}
}}
fragment F on Aggregate {{
  basis count sum p25 p75 stddev complete histogram(bins: $bins) {{ lower upper count }}
}}
"""


@pytest.mark.filterwarnings("ignore:.*was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, phases=[Phase.generate])
@given(
    seed=st.integers(0, 2**64),
    bins=st.sampled_from([1, 3, 101]),
    wrongness=st.sampled_from([0.0, 0.02, 0.3]),
    failure=st.sampled_from([0.0, 0.2]),
)
def test_a_plan_returns_the_librarys_figures_of_parts(
    seed: int, bins: int, wrongness: float, failure: float
) -> None:
    sources = [RandomSource(name, seed, wrongness=wrongness, failure=failure) for name in ("a", "b")]
    assert asyncio.run(compared(Document(FIGURES, {"bins": bins}), sources))


CASES = """
query Q($ids: [ID!]!, $by: CaseOrder, $text: String, $field: CaseOrderField!, $joinOn: CaseKey!, $cursor: String) {
  comparison(experimentIds: $ids, joinOn: $joinOn, metrics: [{kind: LATENCY}]) {
    asked: cases(metric: {kind: LATENCY}, text: $text, orderBy: $by, first: 2) { ...C }
    score: cases(metric: {kind: SCORE, evaluator: "e"}, orderBy: {field: $field}, last: 3) { ...C }
    value: cases(metric: {kind: COST}, orderBy: {field: VALUE, direction: ASC, experimentId: "no ID"}) { ...C }
    after: cases(metric: {kind: COST}, orderBy: {field: DELTA}, before: $cursor) { ...C }
    plain: cases(metric: {kind: COST}, text: "C1", outcome: EQUAL) { ...C }
    sources { status fetched }
  }
}
fragment C on CaseComparisonConnection {
  totalCount pageInfo { hasNextPage hasPreviousPage }
  edges { cursor node { id key entries { value delta outcome } } }
}
"""


@pytest.mark.filterwarnings("ignore:.*was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None, phases=[Phase.generate])
@given(
    seed=st.integers(0, 2**64),
    asked=st.fixed_dictionaries(
        {
            "text": st.sampled_from([None, "", "c", "IN"]),
            "field": st.sampled_from(["KEY", "DELTA", "VALUE"]),
            "joinOn": st.sampled_from(["TEST_CASE_ID", "INPUT"]),
        }
    ),
    wrongness=st.sampled_from([0.0, 0.02, 0.3]),
    failure=st.sampled_from([0.0, 0.2]),
)
def test_a_plan_returns_the_librarys_compared_cases(
    seed: int, asked: dict[str, Any], wrongness: float, failure: float
) -> None:
    sources = [RandomSource(name, seed, wrongness=wrongness, failure=failure) for name in ("a", "b")]
    ids = [experiment_id(source.name, one.ref) for source in sources for one in source.experiments][:4]
    by = {"field": asked["field"], "direction": "ASC", "experimentId": ids[0]} if ids else None
    assert asyncio.run(compared(Document(CASES, asked | {"ids": ids, "by": by, "cursor": "x"}), sources))


@pytest.mark.parametrize("query", ["{ __schema { queryType { name } } }", '{ __type(name: "Query") { name } }'])
async def test_introspection_has_no_plan(query: str) -> None:
    assert not await compared(Document(query, {}), [])


def test_no_field_has_extensions_or_permissions() -> None:
    """Plans call resolvers themselves and would bypass extensions and permissions."""
    types = [one for one in SCHEMA.type_map.values() if isinstance(one, GraphQLObjectType)]
    fields = [field for one in types if not one.name.startswith("__") for field in one.fields.values()]
    declared = [field.extensions["strawberry-definition"] for field in fields]
    resolvers = [one.base_resolver for one in declared if one.base_resolver is not None]
    assert resolvers
    assert not any(one.extensions or one.permission_classes for one in declared)
    assert not any(one.self_parameter for one in resolvers)


QUERY = """
query Q($few: Boolean!, $first: Int) {
  experiments(first: $first) { nodes { id name @skip(if: $few) } }
}
"""


class TestKeeping:
    """Data that remains after a request."""

    def plan(self, plans: PlanCache, parsed: DocumentNode, **variables: Any) -> Plan | None:
        return plans.get(executor(Document(QUERY, variables), parsed, []))

    def test_an_operation_is_compiled_once_for_each_value_of_its_conditions(self) -> None:
        plans, parsed = PlanCache(), parse(QUERY)
        long, short = self.plan(plans, parsed, few=False, first=1), self.plan(plans, parsed, few=True, first=1)
        assert long is not None
        assert long is not short
        assert self.plan(plans, parsed, few=False, first=7) is long
        assert self.plan(plans, parsed, few=True) is short

    def test_the_least_recently_used_plan_is_evicted_first(self) -> None:
        plans, documents = PlanCache(max_plans=3), [parse(QUERY) for _ in range(5)]
        kept = [self.plan(plans, one, few=False) for one in documents]
        assert len(plans) == 3
        assert self.plan(plans, documents[4], few=False) is kept[4]
        assert self.plan(plans, documents[0], few=False) is not kept[0]

    def test_a_plan_retains_no_data_of_the_request_that_compiled_it(self) -> None:
        plans, parsed = PlanCache(), parse(QUERY)
        first = executor(Document(QUERY, {"few": False, "first": 4_177_777}), parsed, [])
        assert plans.get(first) is not None
        context = weakref.ref(first)
        del first
        gc.collect()
        assert context() is None
