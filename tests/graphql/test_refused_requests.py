"""Requests that are rejected before any field runs: each has a client error, and none an internal error."""

from __future__ import annotations

from typing import Any

import pytest

from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.runner import Operation, OperationRunner
from tracegraph.graphql.schema import build_schema

TWO_OPERATIONS = "query One { sources { name } } query Two { sources { name } }"
BY_VARIABLE = "query Since($time: DateTime) { experiments(filter: {createdAt: {gte: $time}}) { totalCount } }"


@pytest.fixture
def executor() -> OperationRunner:
    return OperationRunner(build_schema(), [], ScanBudget(), PageLimits(), deadline_s=10)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (Operation("mutation { anything }"), "queries only"),
        (Operation("subscription { anything }"), "queries only"),
        (Operation(""), "contain a query"),
        (Operation("fragment Alone on Query { __typename }"), "operationName"),
        (Operation(TWO_OPERATIONS, name="Three"), "operationName"),
        (Operation('{ experiments(filter: {createdAt: {gte: "yesterday"}}) { totalCount } }'), "not a DateTime"),
        (
            Operation("{ experiments(filter: {createdAt: {gte: 5}}) { totalCount } }"),
            "must be a string",
        ),
        (Operation(BY_VARIABLE, {"time": "yesterday"}), "not a DateTime"),
    ],
)
async def test_a_request_that_cannot_be_run_is_bad_user_input(
    executor: OperationRunner, operation: Operation, says: str
) -> None:
    outcome = await executor.run(operation)
    assert not outcome.executed
    errors: list[dict[str, Any]] = list(outcome.errors)
    assert [error["extensions"]["code"] for error in errors] == ["BAD_USER_INPUT"]
    assert says in errors[0]["message"]


MISSPELT = [
    Operation("{ experimens { totalCount } }"),
    Operation("{ experiments { nodes { nam } } }"),
    Operation("{ experiments(firs: 1) { totalCount } }"),
    Operation("{ experiments }"),
    Operation("{ nodes(ids: [1]) { aggregates { sum } } }"),
    Operation("{ ... on Qery { __typename } }"),
    Operation("{ __typename @skp(if: true) }"),
    Operation("query($f: ExperimentFiltr) { experiments(filter: $f) { totalCount } }"),
    Operation("{ experiments(filter: {sourcess: []}) { totalCount } }"),
    Operation("{ experiments(orderBy: {field: NAMEE}) { totalCount } }"),
    Operation('{ experiments(orderBy: {field: "NAME"}) { totalCount } }'),
    Operation("query($f: ExperimentFilter) { experiments(filter: $f) { totalCount } }", {"f": {"sourcess": []}}),
    Operation("query($f: ExperimentOrder) { experiments(orderBy: $f) { totalCount } }", {"f": {"field": "NAMEE"}}),
    Operation(
        "query($f: ExperimentOrderField!) { experiments(orderBy: {field: $f}) { totalCount } }", {"f": "name"}
    ),
]


@pytest.mark.parametrize("operation", MISSPELT, ids=lambda one: one.query)
async def test_without_introspection_no_error_suggests_a_name_of_the_schema(operation: Operation) -> None:
    schema = build_schema(DocumentLimits(introspection=False))
    outcome = await OperationRunner(schema, [], ScanBudget(), PageLimits(), deadline_s=10).run(operation)
    assert [error["extensions"]["code"] for error in outcome.errors] != []
    assert "Did you mean" not in str(outcome.errors)


async def test_with_introspection_errors_suggest_names_of_the_schema(executor: OperationRunner) -> None:
    outcomes = [await executor.run(operation) for operation in MISSPELT]
    assert sum("Did you mean" in str(outcome.errors) for outcome in outcomes) > 10
