"""The wall at the port: whatever an adapter does, the core gets answers of the port's types or a SourceError.

Every exception that is not a SourceError, and every answer that the core cannot use, is logged with the source,
the operation and a reference, and becomes a SourceBadResponse of that source. So a fault in one adapter costs
the rows of its own source only.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from types import NoneType
from typing import Any, TypeVar

import structlog

from tracegraph.adapter import (
    Adapter,
    Capabilities,
    CircuitState,
    ExperimentQuery,
    Page,
    PageRequest,
    Provenance,
    SessionAsk,
    SourceHealth,
    SourceHealthStatus,
)
from tracegraph.errors import SourceBadResponse, SourceError, SourceTimeout
from tracegraph.model import (
    Aggregate,
    Experiment,
    ExperimentKind,
    Score,
    Session,
    SessionRef,
    SessionStatus,
    TokenUsage,
    is_number,
)
from tracegraph.query import EPOCH
from tracegraph.upstream.deadline import remaining_s

_log = structlog.get_logger("tracegraph.adapter")

T = TypeVar("T")
K = TypeVar("K")

_LARGEST_INT = 2**31 - 1
_GRACE_S = 0.05
"""How much longer than its time a call may take: calls over HTTP end by themselves, and name the reason."""
_NOT_OURS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


class UnusableAnswer(Exception):
    """An adapter's answer is not what the port promises; the text says what is wrong with it, for the log."""


class CheckedAdapter:
    """An adapter behind the wall; itself an Adapter.

    Lists and look-ups raise SourceError and nothing else, but for what cancels or ends the program. In an answer
    to several questions, one that cannot be used is a SourceBadResponse in its place, and the others stand.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.name: str = adapter.name
        self.vendor: str = adapter.vendor
        self._capabilities = _require_capabilities(adapter.capabilities)

    @property
    def capabilities(self) -> Capabilities:
        """What the vendor does itself; the last that were usable, should the adapter fail to say."""
        try:
            self._capabilities = _require_capabilities(self._adapter.capabilities)
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

    async def list_sessions(self, asks: Sequence[SessionAsk]) -> Sequence[Page[Session] | SourceError]:
        """See `Adapter`. Raises SourceError."""
        answers = await self._call("list_sessions", self._adapter.list_sessions, asks)
        self._checked("list_sessions", answers, lambda given: _require_answers(given, len(asks)))
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
        return self._mapping("get_scores", found, _require_scores)

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
            raise self._refused(operation, bug, _calls_of(answer)) from bug

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
        return error if _is_reportable(error, self.name) else self._refused(operation, error)

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
        _require_page(page, self.name)
        self._require_experiments(page.items)
        return _sound(page, [row.ref for row in page.items])

    def _sessions_page(self, page: Page[Session]) -> Page[Session]:
        _require_page(page, self.name)
        rows = page.items
        self._require_sessions(rows)
        ids: list[Any] = [row.vendor_id for row in rows]
        if len(set(ids)) < len(ids):  # one id may occur in two experiments
            ids = [(row.experiment_ref, row.vendor_id) for row in rows]
        return _sound(page, ids)

    # A comprehension for each attribute: 1.5 us for a hundred rows, where one loop over all takes 20.

    def _require_experiments(self, rows: Sequence[Experiment]) -> None:
        _require_only(Experiment, map(type, rows))
        self._require_own({row.source for row in rows})
        _require_ids([row.ref for row in rows])
        _require_ids([row.vendor_id for row in rows])
        _require_texts([row.name for row in rows])
        _require_lists(str, [names for row in rows for names in (row.models, row.evaluators)])
        _require_lists(Aggregate, [row.aggregates for row in rows])
        for error in [row.figures_error for row in rows if row.figures_error is not None]:
            if not _is_reportable(error, self.name):
                raise UnusableAnswer("a figures_error that is none of this source")
        _require_deferred({type(row.deferred) for row in rows})
        _require_raw({type(row.raw) for row in rows})
        _require_only(ExperimentKind, {type(row.kind) for row in rows})
        for times in (
            [row.created_at for row in rows],
            [row.updated_at for row in rows],
            [row.ended_at for row in rows],
        ):
            _require_times([time for time in times if time is not None])

    def _require_sessions(self, rows: Sequence[Session]) -> None:
        _require_only(Session, map(type, rows))
        self._require_own({row.source for row in rows})
        _require_ids([row.vendor_id for row in rows])
        _require_ids([row.experiment_ref for row in rows])
        _require_only(SessionStatus, {type(row.status) for row in rows})
        _require_times([row.started_at for row in rows])
        _require_times([time for row in rows if (time := row.ended_at) is not None])
        _require_only(TokenUsage, {type(row.tokens) for row in rows} - {NoneType})
        _require_mappings({type(row.scores_by_evaluator) for row in rows})
        _require_deferred({type(row.deferred) for row in rows})
        _require_raw({type(row.raw) for row in rows})

    def _require_health(self, health: SourceHealth) -> SourceHealth:
        _require_only(SourceHealth, [type(health)])
        _require_only(SourceHealthStatus, [type(health.status)])
        _require_only(CircuitState, [type(health.circuit)])
        _require_times([] if health.checked_at is None else [health.checked_at])
        if health.last_error is not None and not _is_reportable(health.last_error, self.name):
            raise UnusableAnswer("a last error that is none of this source")
        return health

    def _require_own(self, sources: set[str]) -> None:
        if not sources <= {self.name}:
            raise UnusableAnswer("rows of another source")


def _cancellations() -> int:
    """How many requests to cancel the current task are pending."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _is_reportable(error: Any, source: str) -> bool:
    """Whether it is a SourceError of that source whose figures are figures."""
    return (
        isinstance(error, SourceError)
        and error.source == source
        and isinstance(error.message, str)
        and (error.http_status is None or _is_int32(error.http_status))
        and _is_int32(error.upstream_requests)
        and isinstance(error.retry_after_s, int | float | None)
    )


def _require_page(page: Any, source: str) -> None:
    if not isinstance(page, Page):
        raise UnusableAnswer(f"a {type(page).__name__} in place of a page")
    if not isinstance(page.items, list | tuple):
        raise UnusableAnswer(f"a page whose items are a {type(page.items).__name__}")
    if not _is_count(page.start) or not _is_count(page.total):
        raise UnusableAnswer("a page whose start or total is no number of rows")
    if not (isinstance(page.next, str) or _is_count(page.next)):
        raise UnusableAnswer("a page whose next is no hint")
    _require_provenance(page.provenance, source)
    if page.error is not None and not _is_reportable(page.error, source):
        raise UnusableAnswer("a page whose error is none of this source")
    if page.skipped and not all(map(_is_count, page.skipped)):
        raise UnusableAnswer("a page whose skipped places are no places")
    if page.next is not None and not page.items:
        raise UnusableAnswer("an empty page that goes on: pages do not advance")


def _require_provenance(provenance: Any, source: str) -> None:
    if not isinstance(provenance, Provenance):
        raise UnusableAnswer("a page without a provenance")
    if not _is_int32(provenance.upstream_requests):
        raise UnusableAnswer("a page without a number of calls")
    if provenance.stale is not None and not _is_reportable(provenance.stale, source):
        raise UnusableAnswer("a page that is stale for no error of this source")


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_int32(value: Any) -> bool:
    """Whether it is a count that an Int of GraphQL holds."""
    return value is not None and _is_count(value) and value <= _LARGEST_INT


def _require_only(type_: type[Any], found: Iterable[type[Any]]) -> None:
    if not set(found) <= {type_}:
        raise UnusableAnswer(f"another value in place of a {type_.__name__}")


def _require_texts(values: Sequence[str]) -> None:
    """Raises TypeError for what is no text."""
    "".join(values)


def _require_ids(values: Sequence[str]) -> None:
    """Raises TypeError for what is no text, UnicodeEncodeError for what is no Unicode: global IDs hold them."""
    "".join(values).encode()


def _require_lists(of: type[Any], given: Sequence[Any]) -> None:
    if not {type(one) for one in given} <= {list, tuple}:
        raise UnusableAnswer(f"another value in place of a list of {of.__name__}")
    _require_only(of, map(type, chain.from_iterable(given)))


def _require_deferred(kinds: set[type[Any]]) -> None:
    if not kinds <= {frozenset, set}:
        raise UnusableAnswer("another value in place of the deferred fields")


def _require_raw(kinds: set[type[Any]]) -> None:
    if not all(hasattr(kind, "decode") for kind in kinds - {NoneType}):
        raise UnusableAnswer("another value in place of the vendor's object")


def _require_mappings(kinds: set[type[Any]]) -> None:
    if not all(issubclass(kind, Mapping) for kind in kinds - {NoneType}):
        raise UnusableAnswer("scores that are no mapping")


def _require_times(times: Sequence[datetime]) -> None:
    """Raises TypeError for what is no time, and for a time without an offset: it compares with no other."""
    if times:
        max(times) >= EPOCH  # noqa: B015 - only whether they compare


def _sound(page: Page[T], ids: Sequence[Any]) -> Page[T]:
    """The page with each row once, and without a total that its own rows contradict."""
    if len(set(ids)) < len(ids):
        first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
        kept = sorted(first.values())
        repeated = [place for index, place in enumerate(_places(page)) if index not in first.values()]
        skipped = tuple(sorted([*page.skipped, *repeated]))
        return replace(page, items=[page.items[index] for index in kept], total=None, skipped=skipped)
    total = believable_total(page)
    return page if total == page.total else replace(page, total=total)


def _places(page: Page[Any]) -> list[int]:
    """Where the rows stand in the vendor's page, from its start on."""
    sent = range(len(page.items) + len(page.skipped))
    return [place for place in sent if place not in page.skipped]


def believable_total(page: Page[Any]) -> int | None:
    """The page's total, None when the rows of the page itself contradict it."""
    start, total = page.start or 0, page.total
    if total is None:
        return None
    end = start + len(page.items) + len(page.skipped)
    if page.items and (end > total or (page.next is None and page.start is not None and end != total)):
        return None
    is_whole = page.start == 0 and page.next is None
    return None if is_whole and end != total else total


def _require_answers(answers: Sequence[Any], asks: int) -> Sequence[Any]:
    if not isinstance(answers, list | tuple):
        raise UnusableAnswer(f"a {type(answers).__name__} in place of a list of answers")
    if len(answers) != asks:
        raise UnusableAnswer(f"{len(answers)} answers to {asks} questions")
    return answers


def _require_scores(scores: Sequence[Sequence[Score]]) -> None:
    for some in scores:
        if not isinstance(some, list | tuple):
            raise UnusableAnswer("scores of a session that are no list")
    flat = list(chain.from_iterable(scores))
    _require_only(Score, map(type, flat))
    _require_texts([score.evaluator for score in flat])
    if not all(is_number(score.value) for score in flat):
        raise UnusableAnswer("a score that is no number")


def _require_capabilities(capabilities: Capabilities) -> Capabilities:
    if not isinstance(capabilities, Capabilities):
        raise UnusableAnswer(f"a {type(capabilities).__name__} in place of capabilities")
    return capabilities


def _calls_of(answer: Any) -> int:
    """The calls that were made for it, 0 when it says none that can be believed."""
    provenance = answer.provenance if isinstance(answer, Page) else None
    calls = provenance.upstream_requests if isinstance(provenance, Provenance) else 0
    return calls if _is_int32(calls) else 0
