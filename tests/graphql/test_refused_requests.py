"""Requests that no field is run for: each is the client's mistake and says so, none is the gateway's."""

from __future__ import annotations

from typing import Any

import pytest

from tracegraph.federation.listing import Budgets
from tracegraph.graphql.context import PageLimits
from tracegraph.graphql.execution import Executor, Operation
from tracegraph.graphql.schema import build_schema

TWO_OPERATIONS = "query One { sources { name } } query Two { sources { name } }"
BY_VARIABLE = "query Since($time: DateTime) { experiments(filter: {createdAt: {gte: $time}}) { totalCount } }"


@pytest.fixture
def executor() -> Executor:
    return Executor(build_schema(), [], Budgets(), PageLimits(), deadline_s=10)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (Operation("mutation { anything }"), "queries only"),
        (Operation("subscription { anything }"), "queries only"),
        (Operation(""), "hold a query"),
        (Operation("fragment Alone on Query { __typename }"), "operationName"),
        (Operation(TWO_OPERATIONS, name="Three"), "operationName"),
        (Operation('{ experiments(filter: {createdAt: {gte: "yesterday"}}) { totalCount } }'), "not a DateTime"),
        (Operation("{ experiments(filter: {createdAt: {gte: 5}}) { totalCount } }"), "A DateTime is a text"),
        (Operation(BY_VARIABLE, {"time": "yesterday"}), "not a DateTime"),
    ],
)
async def test_a_request_that_cannot_be_run_is_bad_user_input(
    executor: Executor, operation: Operation, says: str
) -> None:
    outcome = await executor.run(operation)
    assert not outcome.executed
    errors: list[dict[str, Any]] = list(outcome.errors)
    assert [error["extensions"]["code"] for error in errors] == ["BAD_USER_INPUT"]
    assert says in errors[0]["message"]
