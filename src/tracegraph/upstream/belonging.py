"""Tasks that belong to one request: none of them outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

F = TypeVar("F", bound="asyncio.Future[Any]")

_tasks: ContextVar[list[asyncio.Future[Any]] | None] = ContextVar("tracegraph_tasks", default=None)


@contextmanager
def one_request() -> Iterator[None]:
    """At its end, whatever `belongs` to it and has not ended yet is cancelled."""
    tasks: list[asyncio.Future[Any]] = []
    token = _tasks.set(tasks)
    try:
        yield
    finally:
        _tasks.reset(token)
        for task in tasks:
            task.cancel()
        tasks.clear()  # each keeps its context, which keeps this list


def belongs(task: F) -> F:
    """The task, which nobody awaits who would be cancelled with the request: cancel it, too."""
    tasks = _tasks.get()
    if tasks is not None:
        tasks.append(task)
    return task


def this_task_belongs() -> None:
    """The same for the task that runs now, where a library made it."""
    task = asyncio.current_task()
    if task is not None:
        belongs(task)
