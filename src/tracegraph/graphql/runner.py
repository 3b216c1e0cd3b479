"""Runs one GraphQL operation within its deadline, and returns the parts of its response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import ExecutionResult, GraphQLError

from tracegraph.adapter.protocol import Adapter
from tracegraph.errors import RequestError, SourceError
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.context import CostCharger, GatewayLimits, PageLimits, RequestContext
from tracegraph.graphql.errors import report_extensions, to_client_error
from tracegraph.graphql.incremental import Delivery, Part, ReceivePart
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.schema import GatewaySchema
from tracegraph.upstream.request_scope import operation_scope
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

_RESERVE_SHARE, _MAX_RESERVE_S = 0.1, 0.25
"""The part of the deadline that vendors do not get: the time to merge rows and write the response."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that a client requests."""

    query: str
    variables: dict[str, Any] | None = None
    name: str | None = None
    deadline_s: float | None = None
    """A shorter deadline than the gateway's, or None. A longer one has no effect."""
    wants_cost: bool = False
    """Whether `extensions.cost` reports the cost of the query (see `documents/cost.py`)."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The parts of a response.

    `executed` is False when the request was rejected before any field ran. `operation` is the name of the
    operation, if it has one. `cost` is the cost that the principal was charged. `cacheable` is False when a field
    of the document describes its own execution. `has_deferred` says whether the operation has `@defer`.
    """

    data: dict[str, Any] | None
    errors: Sequence[dict[str, Any]]
    extensions: dict[str, Any]
    executed: bool
    operation: str | None = None
    cost: int = 0
    cacheable: bool = True
    has_deferred: bool = False

    def response(self) -> dict[str, Any]:
        """Return the response object. A rejected request has no `data` entry."""
        body: dict[str, Any] = {"data": self.data} if self.executed else {}
        if self.errors:
            body["errors"] = list(self.errors)
        if self.extensions:
            body["extensions"] = self.extensions
        return body


@dataclass(frozen=True, slots=True)
class OperationRunner:
    """Runs operations against the adapters, within the limits of one request."""

    schema: GatewaySchema
    adapters: Sequence[Adapter]
    budgets: ScanBudget
    page_limits: PageLimits
    deadline_s: float
    pipelines: Mapping[str, ResiliencePipeline] = field(default_factory=dict)

    def restricted_to(self, sources: frozenset[str] | None) -> OperationRunner:
        """Return a runner over these sources only, as if no others were configured. None means all sources."""
        if sources is None:
            return self
        adapters = [adapter for adapter in self.adapters if adapter.name in sources]
        pipelines = {name: pipeline for name, pipeline in self.pipelines.items() if name in sources}
        return replace(self, adapters=adapters, pipelines=pipelines)

    def allowed_s(self, operation: Operation) -> float:
        """Return the deadline in seconds: the client's, but never more than the gateway's."""
        return min(self.deadline_s, operation.deadline_s or self.deadline_s)

    def _limits(self) -> GatewayLimits:
        pages, documents = self.page_limits, self.schema.limits
        return GatewayLimits(
            pages.default_first,
            pages.max_first,
            pages.max_cost,
            documents.depth,
            documents.aliases,
            round(self.deadline_s * 1000),
        )

    async def run(
        self,
        operation: Operation,
        charge: CostCharger | None = None,
        admitted: Callable[[bool], None] | None = None,
        receive: ReceivePart | None = None,
    ) -> OperationResult:
        """Run a query after `charge` accepts its cost. Never raise for client input or vendor failures.

        `admitted` is called as soon as the document is known, with whether its response may be reused. `receive`
        gets the parts of an operation with deferred fragments. Without it, the fragments are executed in place.
        The result is the whole one in either case.

        Vendors get slightly less time than the deadline, so that the response can contain the rows that arrived in
        time. An operation that exceeds the deadline is cancelled, with every task that was started for it.
        """
        allowed_s = self.allowed_s(operation)
        context = RequestContext(
            self.adapters,
            Loaders(self.adapters),
            self.budgets,
            self.page_limits,
            pipelines=self.pipelines,
            charge=charge,
            admitted=admitted,
            limits=self._limits(),
            incremental=receive is not None,
        )
        vendors_s = allowed_s - min(_MAX_RESERVE_S, _RESERVE_SHARE * allowed_s)
        with operation_scope(vendors_s) as stale:
            execution = _Execution(self.schema, operation, context, stale, receive or _ignore)
            try:
                async with asyncio.timeout(allowed_s) as timer:
                    return await execution.run()
            except TimeoutError:
                if not timer.expired():
                    raise
                return execution.late_result(allowed_s)


class _Execution:
    """The execution of one operation, and its result."""

    def __init__(
        self,
        schema: GatewaySchema,
        operation: Operation,
        context: RequestContext,
        stale: Sequence[SourceError],
        receive: ReceivePart,
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._context = context
        self._stale = stale
        self._delivery = Delivery(receive)

    async def run(self) -> OperationResult:
        operation = self._operation
        result = await self._schema.execute_incrementally(
            operation.query, operation.variables or {}, operation.name, self._context
        )
        if not isinstance(result, ExecutionResult):
            await self._delivery.publish(result, self._extensions)
            return self._result(*self._delivery.finish())
        errors = [to_client_error(error) for error in result.errors or ()]
        executed = result.data is not None or any(error.path for error in errors)
        return self._result(result.data, [dict(error.formatted) for error in errors], executed=executed)

    def late_result(self, allowed_s: float) -> OperationResult:
        """Return the result at the deadline: the parts that were sent, or null."""
        message = f"The query did not finish within {round(allowed_s, 3):g} s: select less, or allow more time."
        error = dict(GraphQLError(message, extensions={"code": "DEADLINE_EXCEEDED"}).formatted)
        if not self._delivery.has_begun:
            return self._result(None, [error])
        self._delivery.fail(error, self._extensions())
        return self._result(*self._delivery.finish())

    def _result(
        self, data: dict[str, Any] | None, errors: Sequence[dict[str, Any]], *, executed: bool = True
    ) -> OperationResult:
        context = self._context
        return OperationResult(
            data=data,
            errors=errors,
            extensions=self._extensions(),
            executed=executed,
            operation=context.operation,
            cost=context.cost,
            cacheable=context.cacheable,
            has_deferred=context.has_deferred,
        )

    def _extensions(self) -> dict[str, Any]:
        stale = [SourceReport(error.source, SourceReportStatus.STALE, error) for error in self._stale]
        reports = report_extensions([*self._context.reports, *stale])
        sources = {"sources": reports} if reports else {}
        return sources | ({"cost": self._context.cost} if self._operation.wants_cost else {})


def rejected_result(rejection: RequestError) -> OperationResult:
    """Return the result of an operation that was rejected before it ran."""
    error = to_client_error(GraphQLError(rejection.message, original_error=rejection))
    return OperationResult(None, [dict(error.formatted)], {}, executed=False)


def _ignore(_: Part) -> None:
    """Ignore a part."""
