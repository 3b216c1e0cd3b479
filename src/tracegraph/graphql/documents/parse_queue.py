"""Queue of documents that are not in the cache: parsing and validating one blocks the event loop.

The queue runs one job at a time, the shortest first. After a job the event loop gets `idle_ratio` times the job's
duration for other work. The queue is bounded: when it is full, the longest job is rejected in favour of shorter
ones. Cached documents do not wait. Each later arrival is charged 50 more characters of priority, so that long jobs
cannot starve.

This is no `SingleFlight`: a job is not a task that can be cancelled, and it waits in a bounded queue. What the two
share is only that equal jobs run once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tracegraph.errors import RateLimited

T = TypeVar("T")


_MAX_CHARACTERS = 2_000_000


_REQUEST_OVERHEAD = 5000
"""The overhead of one waiting request, in characters."""


_ARRIVAL_WEIGHT = 50
"""A later job overtakes an earlier one only if it is this many characters shorter per arrival between them."""


_RETRY_AFTER_S = 1


@dataclass(eq=False, slots=True)
class _Job(Generic[T]):
    """One job. A job without waiters is dropped."""

    name: str
    sequence: int
    work: Callable[[], T]
    result: asyncio.Future[T]
    waiters: int = 0

    @property
    def priority(self) -> int:
        """The sort key of the job; the job with the lowest one runs first."""
        return len(self.name) + _ARRIVAL_WEIGHT * self.sequence


class ParseQueue(Generic[T]):
    """Queue of CPU-bound jobs for one event loop. A job's name is a text as long as the job is large.

    `idle_ratio` is the idle time after a job, as a multiple of its duration.
    """

    def __init__(self, max_characters: int = _MAX_CHARACTERS, *, idle_ratio: float = 3) -> None:
        self._max_characters = max_characters
        self._idle_ratio = idle_ratio
        self._characters = 0
        self._sequence = 0
        self._jobs: dict[str, _Job[T]] = {}
        self._is_scheduled = False

    def __len__(self) -> int:
        return len(self._jobs)

    async def submit(self, name: str, work: Callable[[], T]) -> T:
        """Run a job when it is first in the queue, and return its result; jobs of one name run once.

        Raises:
            RateLimited: When the queue is full of jobs that are no longer than this one.
            Exception: Any exception that the job raises.
        """
        self._evict(name)
        job = self._jobs.get(name) or self._enqueue(name, work)
        job.waiters += 1
        self._characters += _weight(name)
        try:
            return await asyncio.shield(job.result)  # a cancelled waiter does not cancel the others
        finally:
            job.waiters -= 1
            if self._jobs.get(name) is job:
                self._characters -= _weight(name)
                if not job.waiters:
                    del self._jobs[name]

    def _enqueue(self, name: str, work: Callable[[], T]) -> _Job[T]:
        loop = asyncio.get_running_loop()
        self._sequence += 1
        job = self._jobs[name] = _Job(name, self._sequence, work, loop.create_future())
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._run_next)
        return job

    def _evict(self, name: str) -> None:
        """Evict longer jobs until one more request for that name fits."""
        allowed = self._max_characters - _weight(name)
        while self._characters > allowed:
            longest = max(self._jobs.values(), key=lambda job: (len(job.name), job.sequence), default=None)
            if longest is None or len(longest.name) <= len(name):
                raise _queue_full()
            self._remove(longest)
            longest.result.set_exception(_queue_full())

    def _remove(self, job: _Job[T]) -> None:
        del self._jobs[job.name]
        self._characters -= job.waiters * _weight(job.name)

    def _run_next(self) -> None:
        """Run the job with the lowest priority value, and schedule the next run after the idle time."""
        self._is_scheduled = bool(self._jobs)
        if not self._jobs:
            return
        job = min(self._jobs.values(), key=lambda job: job.priority)
        self._remove(job)
        started = time.thread_time()  # of this thread: other processes do not lengthen the idle time
        try:
            job.result.set_result(job.work())
        except Exception as error:
            job.result.set_exception(error)
        idle_s = self._idle_ratio * (time.thread_time() - started)
        asyncio.get_running_loop().call_later(idle_s, self._run_next)


def _weight(name: str) -> int:
    return len(name) + _REQUEST_OVERHEAD


def _queue_full() -> RateLimited:
    message = (
        "Too many new documents wait to be parsed, and this one is among the longest: "
        f"retry in {_RETRY_AFTER_S} s."
    )
    return RateLimited(message, _RETRY_AFTER_S)
