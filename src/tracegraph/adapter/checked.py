"""The boundary of the port: the core gets results of the port's types or a SourceError, whatever an adapter does.

Every exception that is not a SourceError is logged with the source, the operation and a reference, and becomes a
SourceBadResponse of that source. So does every result that the core cannot use. A fault in one adapter therefore
costs only the rows of its own source.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Any, TypeVar, cast

import structlog

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.checks import (
    UnusableResult,
    calls_of,
    consistent_page,
    is_reportable,
    require_capabilities,
    require_deferred,
    require_ids,
    require_lists,
    require_mappings,
    require_only,
    require_page,
    require_raw,
    require_results,
    require_scores,
    require_spans,
    require_texts,
    require_times,
    with_consistent_total,
)
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import (
    Adapter,
    ListsSpans,
    ReadsSessionDetails,
    ReportsAggregates,
    SourceHealth,
    SourceHealthStatus,
)
from tracegraph.domain.calls import CircuitState
from tracegraph.domain.models import (
    Aggregate,
    Experiment,
    ExperimentKind,
    MetricKind,
    Score,
    Session,
    SessionRef,
    SessionStatus,
    Span,
    SpanRef,
    TokenUsage,
)
from tracegraph.errors import SourceBadResponse, SourceError, SourceTimeout
from tracegraph.upstream.raw import RawRow
from tracegraph.upstream.request_scope import remaining_s

_log = structlog.get_logger("tracegraph.adapter")


T = TypeVar("T")


K = TypeVar("K")


_GRACE_S = 0.05
"""The extra time before a call is cut off: calls over HTTP end themselves, with the reason."""


_TOKENS: frozenset[type] = frozenset({TokenUsage, NoneType})


_MAPPINGS: frozenset[type] = frozenset({dict, NoneType})


_RAW_ROWS: frozenset[type] = frozenset({RawRow, NoneType})


_MIN_TIME, _MAX_TIME = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


_CONTROL_EXCEPTIONS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


class CheckedAdapter:
    """An adapter whose results are checked; itself an Adapter.

    Methods raise only SourceError, and the exceptions that cancel a task or end the program. In a result for
    several objects, an unusable one is a SourceBadResponse in its place, and the others are unaffected.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.name: str = adapter.name
        self.vendor: str = adapter.vendor
        self._capabilities = require_capabilities(adapter.capabilities)

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the vendor; the last usable ones when the adapter fails."""
        try:
            current = self._adapter.capabilities
            if current is not self._capabilities:
                self._capabilities = require_capabilities(current)
        except _CONTROL_EXCEPTIONS:
            raise
        except BaseException as bug:
            self._reject("capabilities", bug)
        return self._capabilities

    @property
    def api_version(self) -> str | None:
        """The vendor's interface in use; None while it is unknown, and when the adapter fails."""
        try:
            version = self._adapter.api_version
            require_texts([] if version is None else [version])
        except _CONTROL_EXCEPTIONS:
            raise
        except BaseException as bug:
            self._reject("api_version", bug)
            return None
        return version

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return the adapter's page, checked.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        result = await self._call("list_experiments", self._adapter.list_experiments, query, page)
        return self._checked("list_experiments", result, self._experiments_page)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return the adapter's experiments, checked.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        mapping = await self._call("get_experiments", self._adapter.get_experiments, refs)
        return self._mapping("get_experiments", mapping, self._require_experiments)

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return the adapter's pages, checked.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        results = await self._call("list_sessions", self._adapter.list_sessions, requests)
        self._checked("list_sessions", results, lambda pages: require_results(pages, len(requests)))
        return [
            self._own_error("list_sessions", result)
            if isinstance(result, SourceError)
            else self._page_or_error("list_sessions", result)
            for result in results
        ]

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return the adapter's sessions, checked.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        mapping = await self._call("get_sessions", self._adapter.get_sessions, refs)
        return self._mapping("get_sessions", mapping, self._require_sessions)

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Return the adapter's scores, checked.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        mapping = await self._call("get_scores", self._adapter.get_scores, refs)
        return self._mapping("get_scores", mapping, require_scores)

    async def get_aggregates(
        self, experiments: Sequence[Experiment], kinds: frozenset[MetricKind] | None = None
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return the adapter's aggregates, checked; none from an adapter that does not declare them.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        if not self.capabilities.deferred_metrics:
            return {}
        mapping = await self._call("get_aggregates", self._get_aggregates, experiments, kinds)
        return self._mapping("get_aggregates", mapping, lambda values: require_lists(Aggregate, values))

    async def _get_aggregates(
        self, experiments: Sequence[Experiment], kinds: frozenset[MetricKind] | None
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        return await cast("ReportsAggregates", self._adapter).get_aggregates(experiments, kinds)

    async def get_session_details(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> Mapping[SessionRef, Session | SourceError]:
        """Return the adapter's sessions with details, checked; none if it does not declare the group.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        if fields not in self.capabilities.session_details:
            return {}
        mapping = await self._call("get_session_details", self._get_session_details, sessions, fields)
        return self._mapping("get_session_details", mapping, self._require_sessions)

    async def _get_session_details(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> Mapping[SessionRef, Session | SourceError]:
        return await cast("ReadsSessionDetails", self._adapter).get_session_details(sessions, fields)

    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return the adapter's spans, checked; none from an adapter that does not declare them.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        if not self.capabilities.spans:
            return {}
        mapping = await self._call("list_spans", self._spans_of, refs, fields)
        return self._mapping("list_spans", mapping, lambda values: require_spans(values, self.name))

    async def get_spans(self, refs: Sequence[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        """Return the adapter's complete spans, checked; none from an adapter that does not declare them.

        Raises:
            SourceError: When the source fails, or its result is unusable.
        """
        if not self.capabilities.spans:
            return {}
        mapping = await self._call("get_spans", self._complete_spans, refs)
        return self._mapping("get_spans", mapping, lambda spans: require_spans([spans], self.name))

    async def _spans_of(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        return await cast("ListsSpans", self._adapter).list_spans(refs, fields)

    async def _complete_spans(self, refs: Sequence[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        return await cast("ListsSpans", self._adapter).get_spans(refs)

    def experiment_kind(self, ref: str) -> ExperimentKind | None:
        """See `Adapter`. Raise nothing: an adapter that fails, or names no declared kind, means its first list."""
        lists = self.capabilities.session_lists()
        if None in lists:
            return None
        try:
            kind = self._adapter.experiment_kind(ref)
            if kind not in lists:
                raise UnusableResult(f"{kind!r} instead of a kind that has a list of sessions")  # noqa: TRY301
        except _CONTROL_EXCEPTIONS:
            raise
        except BaseException as bug:
            self._reject("experiment_kind", bug)
            return next(iter(lists))
        return kind

    async def check(self) -> SourceHealth:
        """Return the adapter's health; a failed check is DOWN with its error."""
        try:
            health = await self._call("check", self._adapter.check)
            return self._checked("check", health, self._require_health)
        except SourceError as error:
            return SourceHealth(SourceHealthStatus.DOWN, last_error=error, checked_at=datetime.now(UTC))

    # -- exceptions ------------------------------------------------------------------------------------

    async def _call(self, operation: str, method: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        allowed_s = remaining_s(math.inf)
        cancelled = _cancellations()
        try:
            async with asyncio.timeout(allowed_s + _GRACE_S if allowed_s < math.inf else None) as timer:
                return await method(*arguments)
        except TimeoutError as late:
            if not timer.expired():
                raise self._reject(operation, late) from late
            raise SourceTimeout(self.name, f"Source {self.name!r} did not respond within its time.") from None
        except asyncio.CancelledError as lost:
            if _cancellations() > cancelled:
                raise
            # No one cancelled this task: the adapter awaited a task that it had cancelled itself.
            raise self._reject(operation, lost) from lost
        except SourceError as error:
            raise self._own_error(operation, error) from error.__cause__
        except _CONTROL_EXCEPTIONS:
            raise
        except BaseException as bug:  # any fault of one adapter must leave the other sources' rows intact
            raise self._reject(operation, bug) from bug

    def _checked(self, operation: str, result: T, check: Callable[[T], T]) -> T:
        try:
            return check(result)
        except _CONTROL_EXCEPTIONS:
            raise
        except BaseException as bug:
            raise self._reject(operation, bug, calls_of(result)) from bug

    def _page_or_error(self, operation: str, result: Page[Session]) -> Page[Session] | SourceError:
        try:
            return self._checked(operation, result, self._sessions_page)
        except SourceError as error:
            return error

    def _mapping(
        self, operation: str, mapping: Mapping[K, T | SourceError], check: Callable[[Sequence[Any]], object]
    ) -> Mapping[K, T | SourceError]:
        """Return the mapping, with an error in place of each unusable value."""

        def require(value: Mapping[K, T | SourceError]) -> Mapping[K, T | SourceError]:
            if not isinstance(value, Mapping):
                raise UnusableResult(f"a {type(value).__name__} instead of a mapping")
            return {
                key: self._own_error(operation, entry) if isinstance(entry, SourceError) else entry
                for key, entry in dict(value).items()
            }

        checked = self._checked(operation, mapping, require)
        usable = [entry for entry in checked.values() if not isinstance(entry, SourceError)]
        try:
            check(usable)
        except _CONTROL_EXCEPTIONS:
            raise
        except BaseException:
            return {key: self._value_or_error(operation, value, check) for key, value in checked.items()}
        return checked

    def _value_or_error(
        self, operation: str, value: T | SourceError, check: Callable[[Sequence[Any]], object]
    ) -> T | SourceError:
        if isinstance(value, SourceError):
            return value

        def require(value: T) -> T:
            check([value])
            return value

        try:
            return self._checked(operation, value, require)
        except SourceError as error:
            return error

    def _own_error(self, operation: str, error: SourceError) -> SourceError:
        """Return the error, or a SourceBadResponse when it names another source or has invalid fields."""
        return error if is_reportable(error, self.name) else self._reject(operation, error)

    def _reject(self, operation: str, bug: BaseException, calls: int = 0) -> SourceBadResponse:
        error = SourceBadResponse(
            self.name,
            f"Source {self.name!r} returned a result that the gateway cannot use.",
            upstream_requests=calls,
        )
        _log.error(
            "adapter.unusable_result",
            source=self.name,
            vendor=self.vendor,
            operation=operation,
            reference=error.reference,
            exc_info=bug,
        )
        return error

    # -- checks ----------------------------------------------------------------------------------------

    def _experiments_page(self, page: Page[Experiment]) -> Page[Experiment]:
        require_page(page, self.name)
        self._require_experiments(page.items)
        return consistent_page(page, [row.ref for row in page.items])

    def _sessions_page(self, page: Page[Session]) -> Page[Session]:
        require_page(page, self.name)
        rows = page.items
        if not self._are_plain_sessions(rows):
            self._require_sessions(rows)
        if len({row.vendor_id for row in rows}) == len(rows):
            return with_consistent_total(page)
        # Sessions of two experiments may share an id.
        return consistent_page(page, [(row.experiment_ref, row.vendor_id) for row in rows])

    # One comprehension per attribute takes 1.5 us for a hundred rows, one loop over all attributes 20 us.

    def _require_experiments(self, rows: Sequence[Experiment]) -> None:
        require_only(Experiment, map(type, rows))
        self._require_own_source({row.source for row in rows})
        require_ids([row.ref for row in rows])
        require_ids([row.vendor_id for row in rows])
        require_texts([row.name for row in rows])
        require_lists(
            str,
            [
                values
                for row in rows
                for values in (row.models, row.evaluators, row.group_ids, row.agent_names, row.agent_versions)
            ],
        )
        require_lists(Aggregate, [row.aggregates for row in rows])
        for error in [row.figures_error for row in rows if row.figures_error is not None]:
            if not is_reportable(error, self.name):
                raise UnusableResult("a figures_error that is not of this source")
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
        """Return whether the rows have the usual form, for which all checks of `_require_sessions` hold.

        This check takes a third of the time, and it runs for each page.
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
                and max([row.started_at for row in rows]) > _MIN_TIME
                and max([row.ended_at or _MAX_TIME for row in rows]) > _MIN_TIME
            )
        except (AttributeError, TypeError):
            return False

    def _require_sessions(self, rows: Sequence[Session]) -> None:
        require_only(Session, map(type, rows))
        self._require_own_source({row.source for row in rows})
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
        require_texts([text for text in (health.interface, health.version) if text is not None])
        if health.last_error is not None and not is_reportable(health.last_error, self.name):
            raise UnusableResult("a last error that is not of this source")
        return health

    def _require_own_source(self, sources: set[str]) -> None:
        if not sources <= {self.name}:
            raise UnusableResult("rows of another source")


def _cancellations() -> int:
    """Return the number of pending cancellation requests of the current task."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
