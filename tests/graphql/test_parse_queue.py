"""New documents are parsed one at a time, the shortest first. Cached ones do not wait. The queue is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway import eventually
from tracegraph.errors import QueryTooComplex, RateLimited
from tracegraph.graphql.documents.cache import DocumentCache
from tracegraph.graphql.documents.limits import DocumentLimits
from tracegraph.graphql.documents.parse_queue import ParseQueue
from tracegraph.graphql.schema import build_schema

SCHEMA = build_schema()._schema
A_REQUEST = 5000
"""The overhead of a waiting request in characters."""


class Worker:
    """Runs jobs and records their order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def doing(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.done.append(name)
            return name.upper()

        return work


async def together(queue: ParseQueue[str], *names: str) -> tuple[Worker, list[str | BaseException]]:
    """Submit all jobs before the first one runs."""
    worker = Worker()
    asked = (queue.submit(name, worker.doing(name)) for name in names)
    return worker, await asyncio.gather(*asked, return_exceptions=True)


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=20, unique=True))
def test_the_shortest_job_runs_first(sizes: list[int]) -> None:
    names = ["x" * 1000 * size for size in sizes]
    worker, outcomes = asyncio.run(together(ParseQueue(), *names))
    assert worker.done == sorted(names, key=len)
    assert outcomes == [name.upper() for name in names]


async def test_jobs_of_equal_length_run_in_order_of_arrival() -> None:
    worker, _ = await together(ParseQueue(), "b", "a", "c")
    assert worker.done == ["b", "a", "c"]


@given(size=st.integers(1, 3000), later=st.integers(1, 100))
def test_later_shorter_jobs_overtake_a_job_a_bounded_number_of_times(size: int, later: int) -> None:
    """Fifty characters per arrival: a client that keeps sending the shortest documents cannot starve others."""
    worker, _ = asyncio.run(together(ParseQueue(), "x" * size, *(f"{number}" for number in range(later))))
    assert worker.done.index("x" * size) <= size / 50


async def test_a_job_with_several_waiters_runs_once() -> None:
    worker, outcomes = await together(ParseQueue(), "same", "same", "same")
    assert worker.done == ["same"]
    assert outcomes == ["SAME"] * 3


async def test_an_exception_of_a_job_reaches_every_waiter_and_the_queue_continues() -> None:
    def broken() -> str:
        raise ZeroDivisionError

    queue = ParseQueue[str]()
    asked = (queue.submit("x", broken), queue.submit("x", broken), queue.submit("xx", lambda: "done"))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in outcomes] == [ZeroDivisionError, ZeroDivisionError, str]


@given(
    names=st.lists(st.text("ab", min_size=1, max_size=200), min_size=1, max_size=30, unique=True),
    places=st.integers(1, 8),
)
def test_the_queue_is_bounded_and_evicts_the_longest_jobs(names: list[str], places: int) -> None:
    most = places * (A_REQUEST + 200)
    worker, outcomes = asyncio.run(together(ParseQueue(most), *names))
    refused = {name for name, one in zip(names, outcomes, strict=True) if isinstance(one, RateLimited)}
    assert sum(A_REQUEST + len(name) for name in worker.done) <= most
    assert refused | set(worker.done) == set(names)
    assert len(worker.done) == len(names) - len(refused)
    assert len(worker.done) >= min(places, len(names))
    assert max(map(len, worker.done)) <= min(map(len, refused), default=200)


async def test_every_waiter_of_a_shared_job_counts_and_evicts_no_earlier_waiter() -> None:
    worker, outcomes = await together(ParseQueue(3 * (A_REQUEST + 1)), "a", "a", "a", "a", "b")
    assert [type(one) for one in outcomes] == [str, str, str, RateLimited, RateLimited]
    assert worker.done == ["a"]


async def test_a_rejected_job_has_a_retry_time() -> None:
    _, (outcome,) = await together(ParseQueue(0), "a")
    assert isinstance(outcome, RateLimited)
    assert outcome.wait_s == 1


async def test_a_job_without_waiters_does_not_run() -> None:
    queue, worker = ParseQueue[str](), Worker()
    first = asyncio.create_task(queue.submit("a", worker.doing("a")))
    gone = asyncio.create_task(queue.submit("bb", worker.doing("bb")))
    shared = [asyncio.create_task(queue.submit("ccc", worker.doing("ccc"))) for _ in range(2)]
    await asyncio.sleep(0)
    gone.cancel()
    shared[0].cancel()
    with suppress(asyncio.CancelledError):
        await gone
    assert await first == "A"
    assert await shared[1] == "CCC"
    assert worker.done == ["a", "ccc"]


async def test_the_event_loop_is_free_between_two_jobs() -> None:
    """Other callbacks run after each job."""
    queue, worker = ParseQueue[str](), Worker()
    seen = []

    def doing(name: str) -> Callable[[], str]:
        def work() -> str:
            asyncio.get_running_loop().call_soon(lambda: seen.append(len(worker.done)))
            return worker.doing(name)()

        return work

    await asyncio.gather(*(queue.submit(name, doing(name)) for name in ("x", "xx", "xxx")))
    assert seen == [1, 2, 3]


async def test_cached_documents_do_not_wait_in_the_queue() -> None:
    documents = DocumentCache(DocumentLimits())
    known = await documents.get("{ __typename }", SCHEMA)
    waiting = [asyncio.create_task(documents.get(f"{{ a{n}: __typename }}", SCHEMA)) for n in range(20)]
    await asyncio.sleep(0)
    assert await documents.get("{ __typename }", SCHEMA) is known
    assert not any(one.done() for one in waiting)
    await asyncio.gather(*waiting)
    assert documents.parsed_count == 21


async def test_a_rejected_document_is_cached_too() -> None:
    documents = DocumentCache(DocumentLimits())
    for _ in range(3):
        with pytest.raises(GraphQLError):
            await documents.get("{ sources", SCHEMA)
    assert documents.parsed_count == 1


async def test_a_document_that_is_too_long_is_not_queued() -> None:
    documents = DocumentCache(DocumentLimits())
    for text in ("{ a " * 20_000, "{" + "a " * 3000 + "}"):
        with pytest.raises(QueryTooComplex, match=r"characters|tokens"):
            await documents.get(text, SCHEMA)
    assert (documents.queued_count, documents.parsed_count) == (0, 0)


async def test_short_documents_do_not_wait_for_the_idle_time_after_long_ones() -> None:
    documents = DocumentCache(DocumentLimits())
    long = [f"{{ a{number} {' '.join(f'x{n}' for n in range(1900))} }}" for number in range(4)]
    short = [f"{{ a{number}: __typename }}" for number in range(4)]
    done: list[str] = []

    async def read(text: str) -> None:
        await documents.get(text, SCHEMA)
        done.append(text)

    await asyncio.gather(*map(read, [*long, *short]))
    assert done.index(short[-1]) < done.index(long[1])


async def test_a_thousand_new_documents_at_once_are_parsed_or_rejected_and_few_wait() -> None:
    """Each is parsed at most once; a rejection has a retry time."""
    documents = DocumentCache(DocumentLimits())
    texts = [f"{{ a{number}: __typename }}" + "#" * 4000 for number in range(1000)]
    asked = [asyncio.create_task(documents.get(text, SCHEMA)) for text in texts]
    await asyncio.sleep(0)
    waiting = [one for one in asked if not one.done()]
    assert len(waiting) < 1000
    assert await eventually(lambda: sum(one.done() for one in asked) >= 500)
    for one in asked:
        one.cancel()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, RateLimited)]
    assert len(refused) >= 500
    assert documents.parsed_count <= 1000 - len(refused)
