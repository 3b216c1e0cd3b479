# ruff: noqa: S101 - the contract consists of assertions
"""Use: opening and closing make no call and leave no resource open, and one adapter serves many requests."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.domain.filters import ExperimentFilter, SessionFilter, StringFilter
from tracegraph.domain.models import SessionRef
from tracegraph.errors import SourceError
from tracegraph.testing.subject import EXPERIMENT_ORDERS, SESSION_ORDERS, Contract, Subject, first_sessions

PortCall = Callable[[], Awaitable[object]]


class UseLaws(Contract):
    """The behaviour of an adapter as a resource that many requests share."""

    async def test_opening_makes_no_call(self) -> None:
        """A vendor that is down must not keep the gateway from starting."""
        async with self.open_subject() as subject:
            assert subject.adapter.name
            assert subject.adapter.vendor
            capabilities = subject.adapter.capabilities
            lists = [*capabilities.experiment_lists().values(), *capabilities.session_lists().values()]
            assert all(one.page_max > 0 for one in lists)
            assert capabilities.kinds
            assert subject.calls == []

    async def test_closing_leaves_nothing_open(self) -> None:
        """No connection is left, and the event loop reports none."""
        complaints: list[Mapping[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            async with self.open_subject() as subject:
                await asyncio.gather(*(subject.adapter.check() for _ in range(8)))
                assert len(subject.calls) >= 8
            del subject
            gc.collect()
            await asyncio.sleep(0)
        assert [str(message.message) for message in caught if issubclass(message.category, ResourceWarning)] == []
        assert complaints == []

    @pytest.mark.parametrize("seed", [41, 42])
    async def test_concurrent_calls_return_the_same_as_sequential_calls(self, seed: int) -> None:
        """Each call is made twice, in mixed order, on an adapter that was not used before."""
        async with (
            self.open_subject(seed, steady=True) as subject,
            self.connect_adapter(subject.base_url) as fresh,
        ):
            one_by_one = [await port_call() for port_call in _port_calls(subject)]
            again = Subject(fresh, subject.vendor, subject.base_url)
            together = await asyncio.gather(*(port_call() for port_call in _port_calls(again) for _ in range(2)))
            assert together == [result for result in one_by_one for _ in range(2)]

    async def test_every_result_is_usable_by_the_gateway(self) -> None:
        """Results have the port's types and aware times. Rows are of this source and occur once per page."""
        async with self.open_subject(43, steady=True) as subject:
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            plain = [await port_call() for port_call in _port_calls(subject)]
            checked = Subject(CheckedAdapter(subject.adapter), subject.vendor, subject.base_url)
            with capture_logs() as logs:
                assert [await port_call() for port_call in _port_calls(checked)] == plain
            assert [line for line in logs if line["event"] == "adapter.unusable_result"] == []


def _port_calls(subject: Subject) -> Sequence[PortCall]:
    """Return a sample of all calls of the port, including calls that fail."""
    adapter = subject.adapter
    refs = list(subject.vendor.experiments())
    sessions = [
        SessionRef(ref, session_id) for ref in refs[:4] for session_id in list(subject.vendor.sessions(ref))[:5]
    ]
    requests = _session_requests(subject, refs)
    unsteady = SessionFilter(statuses=frozenset(list(adapter.capabilities.statuses)[:1]))

    async def listed(query: ExperimentQuery, page: PageRequest) -> object:
        return _comparable(await adapter.list_experiments(query, page))

    async def pages(page_requests: Sequence[SessionPageRequest]) -> object:
        return [_comparable(page) for page in await adapter.list_sessions(page_requests)]

    async def experiments(refs: Sequence[str]) -> object:
        return dict(await adapter.get_experiments(refs))

    async def looked_up(refs: Sequence[SessionRef]) -> object:
        return dict(await adapter.get_sessions(refs))

    async def health() -> object:
        source_health = await adapter.check()
        return source_health.status, source_health.experiment_count

    queries = _queries(subject, refs)
    return [
        *(
            lambda query=query, capabilities=capabilities, limit=limit: listed(
                query, capabilities.first_page(limit)
            )
            for query, capabilities in queries
            for limit in (2, 5)
        ),
        *(lambda request=request: pages([request]) for request in requests[::11]),
        lambda: pages(requests),
        lambda: pages([first_sessions(adapter, "no/such", 5), *requests[:2]]),
        lambda: pages([first_sessions(adapter, refs[0], 20, unsteady)]),
        lambda: experiments(refs),
        *(lambda ref=ref: experiments([ref, "no/such"]) for ref in refs[:3]),
        lambda: looked_up(sessions),
        *(lambda ref=ref: looked_up([ref]) for ref in sessions[:3]),
        health,
    ]


def _session_requests(subject: Subject, refs: Sequence[str]) -> list[SessionPageRequest]:
    """Return first pages of each experiment, in each declared order, or in any where none is declared."""
    adapter = subject.adapter
    declared = {ref: adapter.capabilities.session_list(adapter.experiment_kind(ref)).orders for ref in refs}
    return [
        replace(first_sessions(adapter, ref, limit), order=order)
        for ref in refs
        for limit in (3, 50)
        for order in SESSION_ORDERS
        if not declared[ref] or (order.field, order.direction) in declared[ref]
    ]


def _queries(subject: Subject, refs: Sequence[str]) -> list[tuple[ExperimentQuery, ListCapabilities]]:
    """Return queries of each list of experiments, in each declared order, or in any where none is declared."""
    filters = (
        ExperimentFilter(),
        ExperimentFilter(agent_name=StringFilter(eq="nobody")),
        ExperimentFilter(refs=frozenset(refs[:2])),
    )
    return [
        (ExperimentQuery(experiment_filter, order, kind), capabilities)
        for kind, capabilities in subject.adapter.capabilities.experiment_lists().items()
        for experiment_filter in filters
        for order in EXPERIMENT_ORDERS
        if not capabilities.orders or (order.field, order.direction) in capabilities.orders
    ]


def _comparable(result: Page[Any] | SourceError) -> object:
    """Return the parts of a result that do not depend on how it was obtained."""
    if isinstance(result, SourceError):
        return type(result), result.message
    return list(result.items), result.offset, result.next_hint, result.total
