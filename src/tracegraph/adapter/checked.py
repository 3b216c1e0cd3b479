"""The wall at the port: whatever an adapter does, the core gets answers of the port's types or a SourceError.

Every exception that is not a SourceError, and every answer that the core cannot use, is logged with the source,
the operation and a reference, and becomes a SourceBadResponse of that source. So a fault in one adapter costs
the rows of its own source only.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Any, TypeVar

import structlog

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.checks import (
    UnusableAnswer,
    calls_of,
    is_reportable,
    require_answers,
    require_capabilities,
    require_deferred,
    require_ids,
    require_lists,
    require_mappings,
    require_only,
    require_page,
    require_raw,
    require_scores,
    require_texts,
    require_times,
    sound,
    with_sound_total,
)
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealth, SourceHealthStatus
from tracegraph.domain.calls import CircuitState
from tracegraph.domain.models import (
    Aggregate,
    Experiment,
    ExperimentKind,
    Score,
    Session,
    SessionRef,
    SessionStatus,
    TokenUsage,
)
from tracegraph.errors import SourceBadResponse, SourceError, SourceTimeout
from tracegraph.upstream.raw import RawRow
from tracegraph.upstream.request_scope import remaining_s

_log = structlog.get_logger("tracegraph.adapter")


T = TypeVar("T")


K = TypeVar("K")


_GRACE_S = 0.05
"""How much longer than its time a call may take: calls over HTTP end by themselves, and name the reason."""


_TOKENS: frozenset[type] = frozenset({TokenUsage, NoneType})


_MAPPINGS: frozenset[type] = frozenset({dict, NoneType})


_RAW_ROWS: frozenset[type] = frozenset({RawRow, NoneType})


_LONG_AGO, _EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


_NOT_OURS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


class CheckedAdapter:
    """An adapter behind the wall; itself an Adapter.

    Lists and look-ups raise SourceError and nothing else, but for what cancels or ends the program. In an answer
    to several questions, one that cannot be used is a SourceBadResponse in its place, and the others stand.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.name: str = adapter.name
        self.vendor: str = adapter.vendor
        self._capabilities = require_capabilities(adapter.capabilities)

    @property
    def capabilities(self) -> Capabilities:
        """What the vendor does itself; the last that were usable, should the adapter fail to say."""
        try:
            given = self._adapter.capabilities
            if given is not self._capabilities:
                self._capabilities = require_capabilities(given)
        except _NOT_OURS:
            raise
        except BaseException as bug:
            self._refused("capabilities", bug)
        return self._capabilities

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """See `Adapter`. Raises SourceError."""
        answer = await self._call("list_experiments", self._adapter.list_experiments, query, page)
        return self._checked("list_experiments", answer, self._experiments_page)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """See `Adapter`. Raises SourceError."""
        found = await self._call("get_experiments", self._adapter.get_experiments, refs)
        return self._mapping("get_experiments", found, self._require_experiments)

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """See `Adapter`. Raises SourceError."""
        answers = await self._call("list_sessions", self._adapter.list_sessions, asks)
        self._checked("list_sessions", answers, lambda given: require_answers(given, len(asks)))
        return [
            self._own("list_sessions", answer)
            if isinstance(answer, SourceError)
            else self._page_or_error("list_sessions", answer)
            for answer in answers
        ]

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """See `Adapter`. Raises SourceError."""
        found = await self._call("get_sessions", self._adapter.get_sessions, refs)
        return self._mapping("get_sessions", found, self._require_sessions)

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """See `Adapter`. Raises SourceError."""
        found = await self._call("get_scores", self._adapter.get_scores, refs)
        return self._mapping("get_scores", found, require_scores)

    async def check(self) -> SourceHealth:
        """See `Adapter`. Raises nothing: a source whose check fails is DOWN, for that reason."""
        try:
            health = await self._call("check", self._adapter.check)
            return self._checked("check", health, self._require_health)
        except SourceError as error:
            return SourceHealth(SourceHealthStatus.DOWN, last_error=error, checked_at=datetime.now(UTC))

    # -- what is caught --------------------------------------------------------------------------------

    async def _call(self, operation: str, ask: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        allowed_s = remaining_s(math.inf)
        cancelled = _cancellations()
        try:
            async with asyncio.timeout(allowed_s + _GRACE_S if allowed_s < math.inf else None) as timer:
                return await ask(*arguments)
        except TimeoutError as late:
            if not timer.expired():
                raise self._refused(operation, late) from late
            raise SourceTimeout(self.name, f"Source {self.name!r} did not answer within its time.") from None
        except asyncio.CancelledError as lost:
            if _cancellations() > cancelled:
                raise
            # Nobody cancelled this task: the adapter awaited one that it had cancelled itself.
            raise self._refused(operation, lost) from lost
        except SourceError as error:
            raise self._own(operation, error) from error.__cause__
        except _NOT_OURS:
            raise
        except BaseException as bug:  # whatever it is, the other sources' rows stand
            raise self._refused(operation, bug) from bug

    def _checked(self, operation: str, answer: T, check: Callable[[T], T]) -> T:
        try:
            return check(answer)
        except _NOT_OURS:
            raise
        except BaseException as bug:
            raise self._refused(operation, bug, calls_of(answer)) from bug

    def _page_or_error(self, operation: str, answer: Page[Session]) -> Page[Session] | SourceError:
        try:
            return self._checked(operation, answer, self._sessions_page)
        except SourceError as error:
            return error

    def _mapping(
        self, operation: str, found: Mapping[K, T | SourceError], check: Callable[[Sequence[Any]], object]
    ) -> Mapping[K, T | SourceError]:
        """The mapping, with an error in the place of each value that cannot be used."""

        def require(given: Mapping[K, T | SourceError]) -> Mapping[K, T | SourceError]:
            if not isinstance(given, Mapping):
                raise UnusableAnswer(f"a {type(given).__name__} in place of a mapping")
            return {
                key: self._own(operation, one) if isinstance(one, SourceError) else one
                for key, one in dict(given).items()
            }

        checked = self._checked(operation, found, require)
        usable = [one for one in checked.values() if not isinstance(one, SourceError)]
        try:
            check(usable)
        except _NOT_OURS:
            raise
        except BaseException:
            return {key: self._value_or_error(operation, value, check) for key, value in checked.items()}
        return checked

    def _value_or_error(
        self, operation: str, value: T | SourceError, check: Callable[[Sequence[Any]], object]
    ) -> T | SourceError:
        if isinstance(value, SourceError):
            return value

        def require(one: T) -> T:
            check([one])
            return one

        try:
            return self._checked(operation, value, require)
        except SourceError as error:
            return error

    def _own(self, operation: str, error: SourceError) -> SourceError:
        """The error, or a SourceBadResponse in its place when it names another source or cannot be reported."""
        return error if is_reportable(error, self.name) else self._refused(operation, error)

    def _refused(self, operation: str, bug: BaseException, calls: int = 0) -> SourceBadResponse:
        error = SourceBadResponse(
            self.name, f"Source {self.name!r} gave an answer that the gateway cannot use.", upstream_requests=calls
        )
        _log.error(
            "adapter.unusable_answer",
            source=self.name,
            vendor=self.vendor,
            operation=operation,
            reference=error.reference,
            exc_info=bug,
        )
        return error

    # -- what is checked -------------------------------------------------------------------------------

    def _experiments_page(self, page: Page[Experiment]) -> Page[Experiment]:
        require_page(page, self.name)
        self._require_experiments(page.items)
        return sound(page, [row.ref for row in page.items])

    def _sessions_page(self, page: Page[Session]) -> Page[Session]:
        require_page(page, self.name)
        rows = page.items
        if not self._are_plain_sessions(rows):
            self._require_sessions(rows)
        if len({row.vendor_id for row in rows}) == len(rows):
            return with_sound_total(page)
        return sound(page, [(row.experiment_ref, row.vendor_id) for row in rows])  # experiments may share an id

    # A comprehension for each attribute: 1.5 us for a hundred rows, where one loop over all takes 20.

    def _require_experiments(self, rows: Sequence[Experiment]) -> None:
        require_only(Experiment, map(type, rows))
        self._require_own({row.source for row in rows})
        require_ids([row.ref for row in rows])
        require_ids([row.vendor_id for row in rows])
        require_texts([row.name for row in rows])
        require_lists(str, [names for row in rows for names in (row.models, row.evaluators)])
        require_lists(Aggregate, [row.aggregates for row in rows])
        for error in [row.figures_error for row in rows if row.figures_error is not None]:
            if not is_reportable(error, self.name):
                raise UnusableAnswer("a figures_error that is none of this source")
        require_deferred({type(row.deferred) for row in rows})
        require_raw({type(row.raw) for row in rows})
        require_only(ExperimentKind, {type(row.kind) for row in rows})
        for times in (
            [row.created_at for row in rows],
            [row.updated_at for row in rows],
            [row.ended_at for row in rows],
        ):
            require_times([time for time in times if time is not None])

    def _are_plain_sessions(self, rows: Sequence[Session]) -> bool:
        """Whether the rows are as most are: then all that `_require_sessions` asks for holds.

        It takes a third of the time, and there is a call for each page.
        """
        try:
            return (
                {type(row) for row in rows} == {Session}
                and {row.source for row in rows} == {self.name}
                and "".join([row.vendor_id for row in rows]).isascii()
                and "".join({row.experiment_ref for row in rows}).isascii()
                and {type(row.status) for row in rows} == {SessionStatus}
                and {type(row.deferred) for row in rows} == {frozenset}
                and {type(row.tokens) for row in rows} <= _TOKENS
                and {type(row.scores_by_evaluator) for row in rows} <= _MAPPINGS
                and {type(row.raw) for row in rows} <= _RAW_ROWS
                and max([row.started_at for row in rows]) > _LONG_AGO
                and max([row.ended_at or _EVER for row in rows]) > _LONG_AGO
            )
        except (AttributeError, TypeError):
            return False

    def _require_sessions(self, rows: Sequence[Session]) -> None:
        require_only(Session, map(type, rows))
        self._require_own({row.source for row in rows})
        require_ids([row.vendor_id for row in rows])
        require_ids([row.experiment_ref for row in rows])
        require_only(SessionStatus, {type(row.status) for row in rows})
        require_times([row.started_at for row in rows])
        require_times([time for row in rows if (time := row.ended_at) is not None])
        require_only(TokenUsage, {type(row.tokens) for row in rows} - {NoneType})
        require_mappings({type(row.scores_by_evaluator) for row in rows})
        require_deferred({type(row.deferred) for row in rows})
        require_raw({type(row.raw) for row in rows})

    def _require_health(self, health: SourceHealth) -> SourceHealth:
        require_only(SourceHealth, [type(health)])
        require_only(SourceHealthStatus, [type(health.status)])
        require_only(CircuitState, [type(health.circuit)])
        require_times([] if health.checked_at is None else [health.checked_at])
        if health.last_error is not None and not is_reportable(health.last_error, self.name):
            raise UnusableAnswer("a last error that is none of this source")
        return health

    def _require_own(self, sources: set[str]) -> None:
        if not sources <= {self.name}:
            raise UnusableAnswer("rows of another source")


def _cancellations() -> int:
    """How many requests to cancel the current task are pending."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
