"""Several processes on one socket: their parent starts them, replaces those that die, and passes on what to do.

Each worker has a pipe to its parent. The parent writes orders to it, the worker a sign of life every second. When
the parent dies, however it dies, the pipe ends, and so do the workers.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import structlog
import uvicorn

from tracegraph.errors import ConfigurationError
from tracegraph.server.graceful import Server, Terminal
from tracegraph.server.reload import Reloadable

_ALIVE_EVERY_S = 1.0


_ALIVE_WITHIN_S = 60.0
"""A worker without a sign of life for so long is replaced. On a busy machine already the start takes long."""


_LOOK_EVERY_S = 0.1


_CUT_WITHIN_S = 2.0
"""How long workers may take to answer 503 after a second signal."""


_LONGEST_PAUSE_S = 30.0
"""Between births, when workers die before they serve."""


_log = structlog.get_logger("tracegraph.server.supervisor")


class Order(Enum):
    """What a parent has its workers do."""

    DRAIN = b"drain"
    END = b"end"
    END_AT_ONCE = b"end at once"
    RELOAD = b"reload"


class WorkerServer(Server):
    """The server of a worker. Its parent hears the signals of a terminal, and passes on what they mean."""

    def __init__(self, config: uvicorn.Config, running: Reloadable, parent: Connection) -> None:
        super().__init__(config, running)
        self._parent = parent
        self._alive_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the library's form
        """SIGTERM ends this worker in order, however often it comes: some managers send it to all processes."""
        if sig == signal.SIGTERM:
            self.end()

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """SIGHUP: the parent's."""

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: follow orders, and give a sign of life."""
        try:
            while self._parent.poll():
                self._follow(Order(self._parent.recv_bytes()))
            if time.monotonic() - self._alive_at >= _ALIVE_EVERY_S:
                self._alive_at = time.monotonic()
                self._parent.send_bytes(b"")
        except (EOFError, OSError):  # the parent is dead
            self.end(quick=True)
        return await super().on_tick(counter)

    def _follow(self, order: Order) -> None:
        match order:
            case Order.DRAIN:
                self.end()
            case Order.END:
                self.end(quick=True)
            case Order.END_AT_ONCE:
                self.end_at_once()
            case Order.RELOAD:
                self.reload()


@dataclass(eq=False, slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    has_served: bool = False
    alive_at: float = field(default_factory=time.monotonic)

    def send(self, order: Order) -> None:
        with suppress(OSError):  # it is dead, and found so soon
            self.pipe.send_bytes(order.value)

    def listen(self) -> None:
        """Take its signs of life."""
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                self.pipe.recv_bytes()
                self.has_served = True
                self.alive_at = time.monotonic()


@contextmanager
def _without_terminal() -> Iterator[None]:
    """A process that is started in the block ignores what a terminal sends, from its first moment."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """The parent of `count` workers.

    Each runs `work`, a function of a module, with its end of the pipe and `arguments`. `check` raises
    ConfigurationError when the configuration, as it is now, could not be loaded by a worker. `at_end` is called
    once when no more workers will be started.
    """

    def __init__(
        self,
        work: Callable[..., None],
        arguments: Sequence[Any],
        count: int,
        check: Callable[[], None],
        at_end: Callable[[], None],
    ) -> None:
        self._work = work
        self._arguments = arguments
        self._check = check
        self._at_end = at_end
        self._workers: list[_Worker] = []
        self._births = [0.0] * count  # when those that are to be started are due
        self._early_deaths = 0
        self._has_served = False
        self._could_not_start = False
        self._signals: list[int] = []
        self._ending_by: list[int] = []
        self._terminal = Terminal()
        self._kill_at: float | None = None

    def run(self) -> None:
        """Until SIGTERM or SIGINT ended all workers.

        Raises ConfigurationError when the first workers cannot start, and KeyboardInterrupt after SIGINT.
        """
        before = {
            number: signal.signal(number, lambda number, _: self._signals.append(number))
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            while self._workers or self._births:
                self._start_due()
                time.sleep(_LOOK_EVERY_S)
                while self._signals:
                    self._handle(self._signals.pop(0))
                self._look_after_workers()
        finally:
            for worker in self._workers:
                worker.process.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._could_not_start:
            raise ConfigurationError("The gateway's workers could not start: the lines above say why.")
        if self._ending_by[:1] == [signal.SIGINT]:
            raise KeyboardInterrupt

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [at for at in self._births if at <= now]
        self._births = [at for at in self._births if at > now]
        context = multiprocessing.get_context("spawn")
        for _ in due:
            ours, theirs = context.Pipe()
            process = context.Process(target=self._work, args=(theirs, *self._arguments))
            with _without_terminal():
                process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours))
            _log.info("worker.started", pid=process.pid)

    def _handle(self, number: int) -> None:
        if number != signal.SIGHUP:
            self._end(number)
        elif not self._terminal.is_gone:
            self._reload()
        elif not self._ending_by:  # a shell sends it a second time
            self._end(signal.SIGINT)

    def _reload(self) -> None:
        """Have all workers reload, unless none of them could."""
        if self._ending_by:
            return
        try:
            self._check()
        except ConfigurationError as error:
            _log.error("config.kept", reason=error.message)
        else:
            self._send(Order.RELOAD)

    def _end(self, number: int) -> None:
        """The first signal ends in order, the second at once, the third kills."""
        self._births = []
        self._ending_by.append(number)
        match len(self._ending_by):
            case 1:
                self._at_end()
                self._send(Order.DRAIN if number == signal.SIGTERM else Order.END)
            case 2:
                self._send(Order.END_AT_ONCE)
                self._kill_at = time.monotonic() + _CUT_WITHIN_S
            case _:
                self._kill_at = time.monotonic()

    def _send(self, order: Order) -> None:
        for worker in self._workers:
            worker.send(order)

    def _look_after_workers(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            worker.listen()
            if worker.has_served:
                self._has_served = True
                self._early_deaths = 0
            if not worker.process.is_alive():
                self._bury(worker)
            elif self._kill_at is not None and now >= self._kill_at:
                worker.process.kill()
            elif now - worker.alive_at > _ALIVE_WITHIN_S:
                _log.error("worker.hangs", pid=worker.process.pid)
                worker.process.kill()

    def _bury(self, worker: _Worker) -> None:
        """Log its end, and plan the birth of another."""
        self._workers.remove(worker)
        worker.pipe.close()
        code = worker.process.exitcode or 0
        how = {"signal": signal.Signals(-code).name} if code < 0 else {"exit_code": code}
        (_log.info if self._ending_by else _log.warning)("worker.ended", pid=worker.process.pid, **how)
        worker.process.close()
        if self._ending_by:
            return
        if not worker.has_served and not self._has_served:
            self._could_not_start = True
            self._end(signal.SIGINT)
            return
        self._early_deaths = 0 if worker.has_served else self._early_deaths + 1
        pause_s = min(2.0**self._early_deaths - 1, _LONGEST_PAUSE_S)
        self._births.append(time.monotonic() + pause_s)
