"""The supervisor of several worker processes on one socket: it starts, replaces and controls its workers.

Each worker has a pipe to its parent. The parent writes commands, and the worker writes a heartbeat every second.
When the parent dies in any way, the pipe closes, and the workers shut down.
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
from tracegraph.server.systemd import READY, STOPPING, reloading

_HEARTBEAT_INTERVAL_S = 1.0


_HEARTBEAT_TIMEOUT_S = 60.0
"""The time without a heartbeat after which a worker is replaced. The start alone takes long on a busy machine."""


_POLL_INTERVAL_S = 0.1


_KILL_DELAY_S = 2.0
"""The time in which workers respond with 503 after a second signal, before they are killed."""


MAX_RESTART_DELAY_S = 30.0
"""The maximum delay before a restart, for workers that exit before they serve."""


_log = structlog.get_logger("tracegraph.server.supervisor")


class WorkerCommand(Enum):
    """A command of the parent to its workers."""

    DRAIN = b"drain"
    END = b"end"
    END_AT_ONCE = b"end at once"
    RELOAD = b"reload"


class WorkerServer(Server):
    """The server of a worker. The parent handles the signals of a terminal, and sends commands to its workers."""

    def __init__(self, config: uvicorn.Config, running: Reloadable, parent: Connection) -> None:
        super().__init__(config, running)
        self._parent = parent
        self._heartbeat_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Shut down gracefully on SIGTERM, also on a repeated one: some process managers signal all processes."""
        if sig == signal.SIGTERM:
            self.end()

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """Ignore SIGHUP, which the parent handles."""

    async def on_tick(self, counter: int) -> bool:
        """Follow commands, and send a heartbeat. uvicorn calls this method ten times a second."""
        try:
            while self._parent.poll():
                self._follow(WorkerCommand(self._parent.recv_bytes()))
            if time.monotonic() - self._heartbeat_at >= _HEARTBEAT_INTERVAL_S:
                self._heartbeat_at = time.monotonic()
                self._parent.send_bytes(b"")
        except (EOFError, OSError):  # the parent is dead
            self.end(quick=True)
        return await super().on_tick(counter)

    def _follow(self, command: WorkerCommand) -> None:
        match command:
            case WorkerCommand.DRAIN:
                self.end()
            case WorkerCommand.END:
                self.end(quick=True)
            case WorkerCommand.END_AT_ONCE:
                self.end_at_once()
            case WorkerCommand.RELOAD:
                self.reload()


@dataclass(eq=False, slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    has_served: bool = False
    heartbeat_at: float = field(default_factory=time.monotonic)

    def send(self, command: WorkerCommand) -> None:
        with suppress(OSError):  # the worker is dead, which the next poll detects
            self.pipe.send_bytes(command.value)

    def read_heartbeats(self) -> None:
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                self.pipe.recv_bytes()
                self.has_served = True
                self.heartbeat_at = time.monotonic()


@contextmanager
def _without_terminal() -> Iterator[None]:
    """Make a process that starts in the block ignore the signals of a terminal, from its first instruction."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Supervisor:
    """The parent of a fixed number of workers."""

    def __init__(  # noqa: PLR0917 - the parts of one supervisor
        self,
        work: Callable[..., None],
        arguments: Sequence[Any],
        count: int,
        check: Callable[[], None],
        at_end: Callable[[], None],
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Create a supervisor, which starts no worker yet.

        Args:
            work: The main function of a worker. It gets its end of the pipe and the arguments.
            arguments: The arguments for `work`.
            count: The number of workers.
            check: Raises ConfigurationError when a worker could not load the current configuration.
            at_end: Runs once, when no more workers will start.
            notify: Tells the service manager about the start, reloads and the end.
        """
        self._work = work
        self._arguments = arguments
        self._check = check
        self._at_end = at_end
        self._notify = notify
        self._count = count
        self._is_ready = False
        self._workers: list[_Worker] = []
        self._start_times = [0.0] * count  # the due times of workers that are not started yet
        self._early_exits = 0
        self._has_served = False
        self._could_not_start = False
        self._signals: list[int] = []
        self._end_signals: list[int] = []
        self._terminal = Terminal()
        self._kill_at: float | None = None

    def run(self) -> None:
        """Supervise the workers until SIGTERM or SIGINT has ended all of them.

        Raises:
            ConfigurationError: The first workers cannot start.
            KeyboardInterrupt: SIGINT ended the workers.
        """
        previous = {
            number: signal.signal(number, lambda number, _: self._signals.append(number))
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            while self._workers or self._start_times:
                self._start_due_workers()
                time.sleep(_POLL_INTERVAL_S)
                while self._signals:
                    self._handle(self._signals.pop(0))
                self._check_workers()
        finally:
            for worker in self._workers:
                worker.process.kill()
            for number, handler in previous.items():
                signal.signal(number, handler)
        if self._could_not_start:
            raise ConfigurationError("The gateway's workers could not start: see the messages above.")
        if self._end_signals[:1] == [signal.SIGINT]:
            raise KeyboardInterrupt

    def _start_due_workers(self) -> None:
        now = time.monotonic()
        due = [at for at in self._start_times if at <= now]
        self._start_times = [at for at in self._start_times if at > now]
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
        elif not self._end_signals:  # a shell sends it a second time
            self._end(signal.SIGINT)

    def _reload(self) -> None:
        """Make all workers reload, unless the configuration is invalid."""
        if self._end_signals:
            return
        try:
            self._check()
        except ConfigurationError as error:
            _log.error("config.kept", reason=error.message)
        else:
            self._notify(reloading())
            self._send(WorkerCommand.RELOAD)
            self._notify(READY)

    def _end(self, number: int) -> None:
        """Shut down gracefully on the first signal, now on the second, and kill the workers on the third."""
        self._start_times = []
        self._end_signals.append(number)
        match len(self._end_signals):
            case 1:
                self._notify(STOPPING)
                self._at_end()
                self._send(WorkerCommand.DRAIN if number == signal.SIGTERM else WorkerCommand.END)
            case 2:
                self._send(WorkerCommand.END_AT_ONCE)
                self._kill_at = time.monotonic() + _KILL_DELAY_S
            case _:
                self._kill_at = time.monotonic()

    def _send(self, command: WorkerCommand) -> None:
        for worker in self._workers:
            worker.send(command)

    def _check_workers(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            worker.read_heartbeats()
            if worker.has_served:
                self._has_served = True
                self._early_exits = 0
            self._notify_when_ready()
            if not worker.process.is_alive():
                self._handle_exit(worker)
            elif self._kill_at is not None and now >= self._kill_at:
                worker.process.kill()
            elif now - worker.heartbeat_at > _HEARTBEAT_TIMEOUT_S:
                _log.error("worker.hangs", pid=worker.process.pid)
                worker.process.kill()

    def _notify_when_ready(self) -> None:
        """Notify once, when the first workers all serve."""
        if not self._is_ready and sum(worker.has_served for worker in self._workers) == self._count:
            self._is_ready = True
            self._notify(READY)

    def _handle_exit(self, worker: _Worker) -> None:
        """Log the exit of a worker, and schedule the start of another."""
        self._workers.remove(worker)
        worker.pipe.close()
        code = worker.process.exitcode or 0
        cause = {"signal": signal.Signals(-code).name} if code < 0 else {"exit_code": code}
        (_log.info if self._end_signals else _log.warning)("worker.ended", pid=worker.process.pid, **cause)
        worker.process.close()
        if self._end_signals:
            return
        if not worker.has_served and not self._has_served:
            self._could_not_start = True
            self._end(signal.SIGINT)
            return
        self._early_exits = 0 if worker.has_served else self._early_exits + 1
        delay_s = min(2.0**self._early_exits - 1, MAX_RESTART_DELAY_S)
        self._start_times.append(time.monotonic() + delay_s)
