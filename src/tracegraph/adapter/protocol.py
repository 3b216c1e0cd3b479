"""The port: the interface that a vendor's adapter implements.

An adapter serves each call of a port method with the fewest vendor calls possible. Adapters translate. They do not
merge, order, filter again or retry: the federation and the upstream client do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.domain.calls import CircuitState
from tracegraph.domain.models import (
    Aggregate,
    Experiment,
    ExperimentKind,
    MetricKind,
    Score,
    Session,
    SessionRef,
    Span,
    SpanRef,
)
from tracegraph.errors import SourceError

COSTLY_SESSION_FIELDS = frozenset(
    {
        *("input", "output", "metadata", "raw", "url"),
        *("models", "providers", "input_cost_usd", "output_cost_usd", "score_texts"),
    }
)
"""The fields of a session that may be large, or may cost a call.

They are texts, the vendor's own object, an address, details of the models that ran, and the words of scores.
"""

COSTLY_EXPERIMENT_FIELDS = frozenset({"dataset_name"})
"""The fields of an experiment that may cost a vendor call of their own."""

COSTLY_SPAN_FIELDS = frozenset({"input", "output", "error", "metadata", "raw", "scores"})
"""The fields of a span that may be large, or may cost a call: texts, the vendor's own object, scores."""


class SourceHealthStatus(Enum):
    """The health of a source."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """The result of one cheap call to the vendor.

    `interface` is the vendor's interface that the adapter uses, where the vendor has several. `version` is the
    vendor's own version. Both are None while they are unknown. `notices` are sentences about what the vendor will
    change.
    """

    status: SourceHealthStatus
    circuit: CircuitState = CircuitState.CLOSED
    last_error: SourceError | None = None
    checked_at: datetime | None = None
    experiment_count: int | None = None
    interface: str | None = None
    version: str | None = None
    notices: tuple[str, ...] = ()


class Adapter(Protocol):
    """One open source. Every method is safe to call concurrently.

    Methods raise SourceError and nothing else. In a method for several objects, a failure for one object is a
    SourceError in the place of its result; the other results are unaffected.
    """

    @property
    def name(self) -> str:
        """The configured name of the source."""
        ...

    @property
    def vendor(self) -> str:
        """The adapter's name for its vendor."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the vendor."""
        ...

    @property
    def api_version(self) -> str | None:
        """The vendor's interface in use, or the version of the vendor's service. None while it is unknown."""
        ...

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """Return one page of the experiments, in the requested order if it is among `experiment_orders`.

        For any other order, the page is in the vendor's own order, which must not change between calls.

        Args:
            query: The filter and the order.
            page: The requested page.

        Raises:
            SourceError: When the source fails.
        """
        ...

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Return the complete experiments by ref, without the refs that the vendor does not know.

        Args:
            refs: The vendor's look-up names.

        Raises:
            SourceError: When the source fails.
        """
        ...

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """Return one page or error for each request, in their order.

        Args:
            requests: The requested pages.

        Raises:
            SourceError: When the source fails.
        """
        ...

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Return the complete sessions by ref, without the refs that the vendor does not know.

        Args:
            refs: The identities of the sessions.

        Raises:
            SourceError: When the source fails.
        """
        ...

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Return the scores of sessions whose list leaves them out (`Session.deferred`).

        The calls must be fewer than for complete sessions. The result lacks sessions without a score, and sessions
        whose list holds their scores.

        Args:
            refs: The identities of the sessions.

        Raises:
            SourceError: When the source fails.
        """
        ...

    def experiment_kind(self, ref: str) -> ExperimentKind | None:
        """Return the kind whose list holds the experiment's sessions; None where all kinds share one list."""
        ...

    async def check(self) -> SourceHealth:
        """Make one cheap call to the vendor with this source's credential; never raise SourceError."""
        ...


class ReportsAggregates(Protocol):
    """The part of the port for adapters whose capabilities declare `deferred_metrics`."""

    async def get_aggregates(
        self, experiments: Sequence[Experiment], kinds: frozenset[MetricKind] | None = None
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return the reported aggregates of the deferred metrics, by ref.

        The result lacks experiments that the vendor has no such figures for.

        Args:
            experiments: The experiments, as a list or a look-up returned them.
            kinds: The kinds of metrics that the caller needs, None for all. The result may lack the others.

        Raises:
            SourceError: When the source fails.
        """
        ...


class ReadsSessionDetails(Protocol):
    """The part of the port for adapters whose capabilities declare `session_details`."""

    async def get_session_details(
        self, sessions: Sequence[Session], fields: frozenset[str]
    ) -> Mapping[SessionRef, Session | SourceError]:
        """Return sessions with some fields that lists and look-ups leave out. These are no longer deferred.

        Fields of different calls belong in different groups, so that none is lost when the call of another fails.

        The result lacks sessions that the vendor does not know any more.

        Args:
            sessions: The sessions, as a list or a look-up returned them.
            fields: One of the groups that `Capabilities.session_details` declares.

        Raises:
            SourceError: When the source fails.
        """
        ...


class ListsSpans(Protocol):
    """The part of the port for adapters whose capabilities declare `spans`."""

    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return all spans of sessions in any order, without the sessions that the vendor lacks.

        The federation arranges them as trees. Siblings with equal starts are ordered by id. A span without a start
        stands where the span before it in this list does.

        Args:
            refs: The identities of the sessions.
            fields: Those of COSTLY_SPAN_FIELDS that the caller needs, None for all. Spans may lack the others.

        Raises:
            SourceError: When the source fails.
        """
        ...

    async def get_spans(self, refs: Sequence[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        """Return complete spans for those whose list leaves fields out (`Span.deferred`).

        Args:
            refs: The identities of the spans of a page.

        Raises:
            SourceError: When the source fails.
        """
        ...
