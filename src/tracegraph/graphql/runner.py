"""Running one GraphQL operation: from document and variables to the response's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import GraphQLError

from tracegraph.adapter.protocol import Adapter
from tracegraph.errors import RequestError
from tracegraph.federation.lists import ScanBudget
from tracegraph.federation.report import SourceReport, SourceReportStatus
from tracegraph.graphql.context import Charge, PageLimits, RequestContext
from tracegraph.graphql.errors import report_extensions, to_client_error
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.schema import GatewaySchema
from tracegraph.upstream.request_scope import collect_stale_errors, deadline, request_tasks
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline
from tracegraph.upstream.resilience.timeouts import remembered_timeouts

_RESERVE, _LONGEST_RESERVE_S = 0.1, 0.25
"""The part of the deadline that vendors do not get: time to merge and to write the answer."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asks to run."""

    query: str
    variables: dict[str, Any] | None = None
    name: str | None = None
    deadline_s: float | None = None
    """None, or less time than the gateway gives; more is not to be had."""
    wants_cost: bool = False
    """Whether `extensions.cost` is to tell what the query can cost: see `cost.py`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A response's parts. `executed` is False when the request was refused before any field ran.

    `operation` is the name of what was asked to run, if it has one; `cost` is what it can cost: its
    caller was charged that.
    """

    data: dict[str, Any] | None
    errors: Sequence[dict[str, Any]]
    extensions: dict[str, Any]
    executed: bool
    operation: str | None = None
    cost: int = 0

    def response(self) -> dict[str, Any]:
        """The response object: no `data` entry for a request that was refused."""
        body: dict[str, Any] = {"data": self.data} if self.executed else {}
        if self.errors:
            body["errors"] = list(self.errors)
        if self.extensions:
            body["extensions"] = self.extensions
        return body


@dataclass(frozen=True, slots=True)
class OperationRunner:
    """The schema over the open adapters, with the limits of one request."""

    schema: GatewaySchema
    adapters: Sequence[Adapter]
    budgets: ScanBudget
    page_limits: PageLimits
    deadline_s: float
    guards: Mapping[str, ResiliencePipeline] = field(default_factory=dict)

    def seeing(self, sources: frozenset[str] | None) -> OperationRunner:
        """The same over these sources only, as if no other were configured; None for all of them."""
        if sources is None:
            return self
        adapters = [adapter for adapter in self.adapters if adapter.name in sources]
        guards = {name: guards for name, guards in self.guards.items() if name in sources}
        return replace(self, adapters=adapters, guards=guards)

    def allowed_s(self, operation: Operation) -> float:
        """How long the operation may take: as long as its client waits, and no longer than the gateway lets it."""
        return min(self.deadline_s, operation.deadline_s or self.deadline_s)

    async def run(self, operation: Operation, charge: Charge | None = None) -> Outcome:
        """Run a query, when `charge` takes its cost. Never raises for what a client sends or a vendor does.

        Vendors get a little less than the deadline, so that an answer can be made of what came in time; one that
        takes longer even so is given up. Nothing that was begun for the operation outlives it.
        """
        allowed_s = self.allowed_s(operation)
        context = RequestContext(
            self.adapters,
            Loaders(self.adapters),
            self.budgets,
            self.page_limits,
            guards=self.guards,
            charge=charge,
        )
        vendors_s = allowed_s - min(_LONGEST_RESERVE_S, _RESERVE * allowed_s)
        with request_tasks(), remembered_timeouts(), deadline(vendors_s):
            try:
                async with asyncio.timeout(allowed_s) as timer:
                    return await self._answer(operation, context)
            except TimeoutError:
                if not timer.expired():
                    raise
                return _too_late(allowed_s, context, operation)

    async def _answer(self, operation: Operation, context: RequestContext) -> Outcome:
        with collect_stale_errors() as stale:
            result = await self.schema.answer(operation.query, operation.variables or {}, operation.name, context)
        errors = [to_client_error(error) for error in result.errors or ()]
        executed = result.data is not None or any(error.path for error in errors)
        context.reports += [SourceReport(error.source, SourceReportStatus.STALE, error) for error in stale]
        return Outcome(
            data=result.data,
            errors=[dict(error.formatted) for error in [*errors, *context.errors]],
            extensions=_extensions(context, operation),
            executed=executed,
            operation=context.operation,
            cost=context.cost,
        )


def rejected_outcome(refusal: RequestError) -> Outcome:
    """The outcome of a request that may not run."""
    error = to_client_error(GraphQLError(refusal.message, original_error=refusal))
    return Outcome(None, [dict(error.formatted)], {}, executed=False)


def _extensions(context: RequestContext, operation: Operation) -> dict[str, Any]:
    reports = report_extensions(context.reports)
    sources = {"sources": reports} if reports else {}
    return sources | ({"cost": context.cost} if operation.wants_cost else {})


def _too_late(allowed_s: float, context: RequestContext, operation: Operation) -> Outcome:
    message = f"The answer could not be made within {round(allowed_s, 3):g} s: ask for less, or give it more time."
    error = GraphQLError(message, extensions={"code": "DEADLINE_EXCEEDED"})
    return Outcome(
        None, [dict(error.formatted)], _extensions(context, operation), executed=True, operation=context.operation
    )
