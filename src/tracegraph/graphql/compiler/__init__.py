"""Compiled query plans, with graphql-core's executor as the fallback. `execution` is the entry.

Only this package uses internals of graphql-core and strawberry. The other public modules are `executor` (the
library's executor), `field_access` (marks of fields that need no waiting) and `resolver_info` (the info argument
of resolvers). None of them imports the modules that compile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphql.execution.executor import Executor

    from tracegraph.graphql.compiler.executor import Executed

    Execute = Callable[[Executor[Any]], Awaitable[Executed]]
    """Returns the result of the executor's operation."""


def execution(*, compiled_plans: bool) -> Execute:
    """Return a function that executes operations, from compiled plans or by graphql-core.

    Without plans, the modules that compile are not imported. So the gateway still runs with a version of the
    libraries whose internals moved.
    """
    if compiled_plans:
        from tracegraph.graphql.compiler.plan_cache import PlanCache  # noqa: PLC0415

        return PlanCache().execute
    from tracegraph.graphql.compiler.executor import execute_by_library  # noqa: PLC0415

    return execute_by_library
