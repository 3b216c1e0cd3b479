"""New documents are read one at a time, the shortest first, and known ones pass by; the line has a bound."""

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
"""What a request that waits counts for beside its text."""


class Worker:
    """Does pieces of work, and knows which and in which order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def doing(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.done.append(name)
            return name.upper()

        return work


async def together(queue: ParseQueue[str], *names: str) -> tuple[Worker, list[str | BaseException]]:
    """Ask for all of them before the first is done."""
    worker = Worker()
    asked = (queue.submit(name, worker.doing(name)) for name in names)
    return worker, await asyncio.gather(*asked, return_exceptions=True)


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=20, unique=True))
def test_the_shortest_is_done_first(sizes: list[int]) -> None:
    names = ["x" * 1000 * size for size in sizes]
    worker, outcomes = asyncio.run(together(ParseQueue(), *names))
    assert worker.done == sorted(names, key=len)
    assert outcomes == [name.upper() for name in names]


async def test_of_two_that_are_as_long_the_first_to_come_is_done_first() -> None:
    worker, _ = await together(ParseQueue(), "b", "a", "c")
    assert worker.done == ["b", "a", "c"]


@given(size=st.integers(1, 3000), later=st.integers(1, 100))
def test_what_comes_later_and_is_shorter_goes_first_only_so_often(size: int, later: int) -> None:
    """Fifty characters a time: nobody is kept from a turn by others who keep sending the shortest."""
    worker, _ = asyncio.run(together(ParseQueue(), "x" * size, *(f"{number}" for number in range(later))))
    assert worker.done.index("x" * size) <= size / 50


async def test_what_several_wait_for_is_done_once() -> None:
    worker, outcomes = await together(ParseQueue(), "same", "same", "same")
    assert worker.done == ["same"]
    assert outcomes == ["SAME"] * 3


async def test_what_the_work_raises_each_who_asked_for_it_gets_and_the_line_moves_on() -> None:
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
def test_the_line_is_never_longer_than_its_bound_and_the_longest_give_way(names: list[str], places: int) -> None:
    most = places * (A_REQUEST + 200)
    worker, outcomes = asyncio.run(together(ParseQueue(most), *names))
    refused = {name for name, one in zip(names, outcomes, strict=True) if isinstance(one, RateLimited)}
    assert sum(A_REQUEST + len(name) for name in worker.done) <= most
    assert refused | set(worker.done) == set(names)
    assert len(worker.done) == len(names) - len(refused)
    assert len(worker.done) >= min(places, len(names))
    assert max(map(len, worker.done)) <= min(map(len, refused), default=200)


async def test_whoever_waits_for_what_others_wait_for_takes_room_too_and_does_not_cost_them_theirs() -> None:
    worker, outcomes = await together(ParseQueue(3 * (A_REQUEST + 1)), "a", "a", "a", "a", "b")
    assert [type(one) for one in outcomes] == [str, str, str, RateLimited, RateLimited]
    assert worker.done == ["a"]


async def test_who_is_refused_is_told_when_to_ask_again() -> None:
    _, (outcome,) = await together(ParseQueue(0), "a")
    assert isinstance(outcome, RateLimited)
    assert outcome.wait_s == 1


async def test_what_nobody_waits_for_any_more_is_not_done() -> None:
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


async def test_the_loop_is_free_between_two_pieces() -> None:
    """Whatever else is to be done gets its turn after each."""
    queue, worker = ParseQueue[str](), Worker()
    seen = []

    def doing(name: str) -> Callable[[], str]:
        def work() -> str:
            asyncio.get_running_loop().call_soon(lambda: seen.append(len(worker.done)))
            return worker.doing(name)()

        return work

    await asyncio.gather(*(queue.submit(name, doing(name)) for name in ("x", "xx", "xxx")))
    assert seen == [1, 2, 3]


async def test_known_documents_pass_the_line_by() -> None:
    documents = DocumentCache(DocumentLimits())
    known = await documents.get("{ __typename }", SCHEMA)
    waiting = [asyncio.create_task(documents.get(f"{{ a{n}: __typename }}", SCHEMA)) for n in range(20)]
    await asyncio.sleep(0)
    assert await documents.get("{ __typename }", SCHEMA) is known
    assert not any(one.done() for one in waiting)
    await asyncio.gather(*waiting)
    assert documents.parsed_count == 21


async def test_a_refused_document_is_known_too() -> None:
    documents = DocumentCache(DocumentLimits())
    for _ in range(3):
        with pytest.raises(GraphQLError):
            await documents.get("{ sources", SCHEMA)
    assert documents.parsed_count == 1


async def test_what_is_too_long_never_stands_in_line() -> None:
    documents = DocumentCache(DocumentLimits())
    for text in ("{ a " * 20_000, "{" + "a " * 3000 + "}"):
        with pytest.raises(QueryTooComplex, match=r"characters|tokens"):
            await documents.get(text, SCHEMA)
    assert (documents.queued_count, documents.parsed_count) == (0, 0)


async def test_short_documents_do_not_wait_for_the_rest_that_follows_long_ones() -> None:
    documents = DocumentCache(DocumentLimits())
    long = [f"{{ a{number} {' '.join(f'x{n}' for n in range(1900))} }}" for number in range(4)]
    short = [f"{{ a{number}: __typename }}" for number in range(4)]
    done: list[str] = []

    async def read(text: str) -> None:
        await documents.get(text, SCHEMA)
        done.append(text)

    await asyncio.gather(*map(read, [*long, *short]))
    assert done.index(short[-1]) < done.index(long[1])


async def test_a_thousand_new_documents_at_once_are_read_or_refused_and_few_are_kept_waiting() -> None:
    """Each is parsed at most once; who is refused is told when to come again."""
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
