"""Single flight: waiters share one piece of work, which ends with its last waiter."""

import asyncio

import pytest

from tracegraph.upstream.request_scope import operation_scope
from tracegraph.upstream.single_flight import SingleFlight, TaskMemo


class Work:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.runs = 0
        self.result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> str:
        self.runs += 1
        return await self.result


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture
async def flights() -> SingleFlight[str, str, None]:
    return SingleFlight()


Flights = SingleFlight[str, str, None]


async def started(waiters: list[asyncio.Task[str]]) -> None:
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(waiter.done() for waiter in waiters)


class TestSingleFlight:
    async def test_all_waiters_get_the_result(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None)
        waiters = [asyncio.create_task(flights.wait(flight)) for _ in range(3)]
        await started(waiters)
        work.result.set_result("done")

        assert await asyncio.gather(*waiters) == ["done"] * 3
        assert work.runs == 1

    async def test_all_waiters_get_the_error(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None)
        waiters = [asyncio.create_task(flights.wait(flight)) for _ in range(2)]
        await started(waiters)
        work.result.set_exception(KeyError("key"))

        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [KeyError] * 2

    async def test_a_waiter_that_leaves_ends_nothing_for_the_others(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None)
        leaving, staying = (asyncio.create_task(flights.wait(flight)) for _ in range(2))
        await started([leaving, staying])
        leaving.cancel()
        await asyncio.wait([leaving])
        assert flights.get("key") is flight
        work.result.set_result("done")

        assert await staying == "done"
        assert leaving.cancelled()

    async def test_the_work_is_cancelled_when_its_last_waiter_leaves(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None)
        waiters = [asyncio.create_task(flights.wait(flight)) for _ in range(2)]
        await started(waiters)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait([*waiters, flight.task])

        assert flight.task.cancelled()
        assert flights.get("key") is None

    async def test_a_waiter_waits_no_longer_than_its_limit(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None)
        patient = asyncio.create_task(flights.wait(flight, 60))
        await started([patient])
        with pytest.raises(TimeoutError):
            await flights.wait(flight, 0)
        assert not flight.task.done()
        work.result.set_result("done")

        assert await patient == "done"

    async def test_the_last_waiter_learns_of_its_timeout_before_the_work_does(
        self, flights: Flights, work: Work
    ) -> None:
        flight = flights.start("key", work.run(), None)
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await flights.wait(flight, 0)

        assert not flight.task.done()
        await asyncio.wait([flight.task])
        assert flight.task.cancelled()

    async def test_background_work_goes_on_without_waiters(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None, background=True)
        with pytest.raises(TimeoutError):
            await flights.wait(flight, 0)
        work.result.set_result("done")

        assert await flights.wait(flight) == "done"

    async def test_later_work_for_a_key_replaces_earlier_work(self, flights: Flights, work: Work) -> None:
        earlier = flights.start("key", work.run(), None)
        later = flights.start("key", Work().run(), None)
        work.result.set_result("done")

        assert await flights.wait(earlier) == "done"
        assert flights.get("key") is later
        await flights.close()

    async def test_finished_work_is_no_longer_in_flight(self, flights: Flights, work: Work) -> None:
        flight = flights.start("key", work.run(), None)
        work.result.set_result("done")
        await flights.wait(flight)

        assert flights.get("key") is None

    async def test_closing_cancels_all_work(self, flights: Flights) -> None:
        running = [flights.start(key, Work().run(), None, background=True) for key in "ab"]
        await flights.close()

        assert all(flight.task.cancelled() for flight in running)


class TestTaskMemo:
    async def test_work_runs_once_for_each_key(self, work: Work) -> None:
        memo = TaskMemo[str]()
        with operation_scope(60):
            first = asyncio.create_task(memo.get("key", work.run))
            second = asyncio.create_task(memo.get("key", work.run))
            await started([first, second])
            work.result.set_result("done")

            assert [await first, await second] == ["done"] * 2
            assert await memo.get("key", work.run) == "done"
            assert await memo.get("other", work.run) == "done"
        assert work.runs == 2

    async def test_work_goes_on_when_its_caller_leaves(self, work: Work) -> None:
        memo = TaskMemo[str]()
        with operation_scope(60):
            leaving = asyncio.create_task(memo.get("key", work.run))
            await started([leaving])
            leaving.cancel()
            await asyncio.wait([leaving])
            work.result.set_result("done")

            assert await memo.get("key", work.run) == "done"
        assert work.runs == 1

    async def test_work_ends_with_the_operation(self, work: Work) -> None:
        with operation_scope(60):
            # The task inherits the scope only while it is entered.
            waiter = asyncio.create_task(TaskMemo[str]().get("key", work.run))
            await started([waiter])
        await asyncio.wait([waiter])

        assert work.result.cancelled()
