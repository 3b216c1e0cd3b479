# ruff: noqa: S101 - assertions are what a law is made of
"""Laws of use: opening and closing cost nothing and leave nothing, and one adapter serves many at once."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.domain.filters import ExperimentFilter, SessionFilter
from tracegraph.domain.models import SessionRef
from tracegraph.errors import SourceError
from tracegraph.testing.subject import EXPERIMENT_ORDERS, SESSION_ORDERS, Contract, Subject, first_sessions

Question = Callable[[], Awaitable[object]]


class UseLaws(Contract):
    """What holds of an adapter as a resource that many requests share."""

    async def test_opening_makes_no_call(self) -> None:
        """A vendor that is down does not keep the gateway from starting."""
        async with self.opened() as subject:
            assert subject.adapter.name
            assert subject.adapter.vendor
            capabilities = subject.adapter.capabilities
            lists = [*capabilities.experiment_lists().values(), *capabilities.session_lists().values()]
            assert all(one.page_max > 0 for one in lists)
            assert capabilities.kinds
            assert subject.calls == []

    async def test_closing_leaves_nothing_open(self) -> None:
        """No connection, and no complaint of the event loop about one."""
        complaints: list[Mapping[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            async with self.opened() as subject:
                await asyncio.gather(*(subject.adapter.check() for _ in range(8)))
                assert len(subject.calls) >= 8
            del subject
            gc.collect()
            await asyncio.sleep(0)
        assert [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)] == []
        assert complaints == []

    @pytest.mark.parametrize("seed", [41, 42])
    async def test_many_questions_at_once_are_answered_as_one_after_the_other(self, seed: int) -> None:
        """Two of each, all mixed, to an adapter that has answered nothing before."""
        async with self.opened(seed, steady=True) as subject, self.connected(subject.base_url) as fresh:
            one_by_one = [await question() for question in _questions(subject)]
            again = Subject(fresh, subject.vendor, subject.base_url)
            together = await asyncio.gather(*(question() for question in _questions(again) for _ in range(2)))
            assert together == [answer for answer in one_by_one for _ in range(2)]

    async def test_every_answer_is_one_that_the_gateway_can_use(self) -> None:
        """Of the port's types, with times that know their offset, rows of this source, each once in a page."""
        async with self.opened(43, steady=True) as subject:
            plain = [await question() for question in _questions(subject)]
            checked = Subject(CheckedAdapter(subject.adapter), subject.vendor, subject.base_url)
            with capture_logs() as logs:
                assert [await question() for question in _questions(checked)] == plain
            assert [line for line in logs if line["event"] == "adapter.unusable_answer"] == []


def _questions(subject: Subject) -> Sequence[Question]:
    """Some of everything that an adapter can be asked, wrong questions among them."""
    adapter = subject.adapter
    refs = list(subject.vendor.experiments())
    sessions = [SessionRef(ref, one) for ref in refs[:4] for one in list(subject.vendor.sessions(ref))[:5]]
    asks = [
        replace(first_sessions(adapter, ref, limit), order=order)
        for ref in refs
        for limit in (3, 50)
        for order in SESSION_ORDERS
        if (order.field, order.direction) in adapter.capabilities.session_list(adapter.experiment_kind(ref)).orders
    ]
    unsteady = SessionFilter(statuses=frozenset(list(adapter.capabilities.statuses)[:1]))

    async def listed(query: ExperimentQuery, page: PageRequest) -> object:
        return _comparable(await adapter.list_experiments(query, page))

    async def pages(some: Sequence[SessionPageRequest]) -> object:
        return [_comparable(answer) for answer in await adapter.list_sessions(some)]

    async def experiments(some: Sequence[str]) -> object:
        return dict(await adapter.get_experiments(some))

    async def looked_up(some: Sequence[SessionRef]) -> object:
        return dict(await adapter.get_sessions(some))

    async def health() -> object:
        found = await adapter.check()
        return found.status, found.experiment_count

    filters = (
        ExperimentFilter(),
        ExperimentFilter(agent_name="nobody"),
        ExperimentFilter(refs=frozenset(refs[:2])),
    )
    queries = [
        (ExperimentQuery(wanted, order, kind), capabilities)
        for kind, capabilities in adapter.capabilities.experiment_lists().items()
        for wanted in filters
        for order in EXPERIMENT_ORDERS
        if (order.field, order.direction) in capabilities.orders
    ]
    return [
        *(
            lambda query=query, capabilities=capabilities, limit=limit: listed(
                query, capabilities.first_page(limit)
            )
            for query, capabilities in queries
            for limit in (2, 5)
        ),
        *(lambda ask=ask: pages([ask]) for ask in asks[::11]),
        lambda: pages(asks),
        lambda: pages([first_sessions(adapter, "no/such", 5), *asks[:2]]),
        lambda: pages([first_sessions(adapter, refs[0], 20, unsteady)]),
        lambda: experiments(refs),
        *(lambda ref=ref: experiments([ref, "no/such"]) for ref in refs[:3]),
        lambda: looked_up(sessions),
        *(lambda ref=ref: looked_up([ref]) for ref in sessions[:3]),
        health,
    ]


def _comparable(answer: Page[Any] | SourceError) -> object:
    """What of an answer does not tell how it was obtained."""
    if isinstance(answer, SourceError):
        return type(answer), answer.message
    return list(answer.items), answer.offset, answer.next_hint, answer.total
