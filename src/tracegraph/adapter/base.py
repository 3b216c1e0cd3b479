"""The base class of adapters: all that follows from a few methods of the vendor's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.helpers import gather_by_key, gather_outcomes, refs_by_experiment
from tracegraph.adapter.paging import ExperimentQuery, Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth, SourceHealthStatus
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
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceObjectNotFound


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of a cheap call: the number of experiments, if known, and why a part of the source fails."""

    experiment_count: int | None = None
    error: SourceError | None = None


class BaseAdapter(ABC):
    """An Adapter made of few methods.

    A vendor's adapter sets `vendor` and `capabilities`. It implements `list_experiments`, `list_session_page`,
    `find_experiment`, and one of `find_session` and `find_sessions`. It overrides the rest where the vendor does
    more. An adapter that finds out which of the vendor's interfaces it meets sets `interface`, `version`, and the
    `capabilities` of that interface. `notices` are sentences about what the vendor will change.
    """

    vendor: str
    capabilities: Capabilities
    interface: str | None = None
    version: str | None = None
    notices: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def api_version(self) -> str | None:
        """The interface in use, else the vendor's version. An adapter overrides it where the version says more."""
        return self.interface or self.version

    # -- the vendor's own methods ----------------------------------------------------------------------

    @abstractmethod
    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """See `Adapter`."""

    @abstractmethod
    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        """Return one page of sessions.

        Raises:
            SourceObjectNotFound: The experiment does not exist.
            SourceError: The source fails.
        """

    async def find_experiment(self, ref: str) -> Experiment:  # noqa: ARG002 - for subclasses
        """Return one complete experiment.

        Raises:
            SourceObjectNotFound: The vendor does not know the ref.
            SourceError: The source fails.
        """
        raise SourceBadRequest(self.name, f"Source {self.name!r} has no look-up of experiments.")

    async def find_session(self, ref: SessionRef) -> Session:  # noqa: ARG002 - for subclasses
        """Return one complete session, where the vendor looks up sessions one by one.

        Raises:
            SourceObjectNotFound: The vendor does not know the session.
            SourceError: The source fails.
        """
        raise SourceBadRequest(self.name, f"Source {self.name!r} has no look-up of sessions.")

    async def find_sessions(
        self, experiment_ref: str, session_ids: Sequence[str]
    ) -> Mapping[str, Session | SourceError]:
        """Return complete sessions of one experiment by id; by default with one look-up for each.

        Args:
            experiment_ref: The experiment.
            session_ids: The ids, each once.

        Raises:
            SourceObjectNotFound: The experiment does not exist.
            SourceError: The source fails.
        """
        return await gather_by_key(
            {session_id: self.find_session(SessionRef(experiment_ref, session_id)) for session_id in session_ids}
        )

    async def probe(self) -> Probe:
        """Make one cheap call; by default for one experiment of the first list.

        Raises:
            SourceError: The source fails.
        """
        kind, capabilities = next(iter(self.capabilities.experiment_lists().items()))
        page = await self.list_experiments(
            ExperimentQuery(kind=kind, fields=frozenset()), capabilities.first_page(1)
        )
        return Probe(page.total if kind is None else None, page.error or page.provenance.stale)

    # -- the port --------------------------------------------------------------------------------------

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """See `Adapter`."""
        return await gather_by_key({ref: self.find_experiment(ref) for ref in dict.fromkeys(refs)})

    async def list_sessions(self, requests: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """See `Adapter`."""
        return await gather_outcomes(map(self.list_session_page, requests))

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """See `Adapter`."""
        ids_by_experiment = refs_by_experiment(refs)
        found = await gather_by_key(
            {experiment: self.find_sessions(experiment, ids) for experiment, ids in ids_by_experiment.items()}
        )
        outcomes: dict[SessionRef, Session | SourceError] = {}
        for experiment, sessions in found.items():
            if isinstance(sessions, SourceError):
                sessions = dict.fromkeys(ids_by_experiment[experiment], sessions)  # noqa: PLW2901 - one error for all
            outcomes |= {
                SessionRef(experiment, session_id): outcome
                for session_id, outcome in sessions.items()
                if not isinstance(outcome, SourceObjectNotFound)
            }
        return outcomes

    async def get_scores(
        self,
        refs: Sequence[SessionRef],  # noqa: ARG002 - the port's form
    ) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """Return no scores: the lists of sessions contain them."""
        return {}

    async def get_aggregates(
        self,
        experiments: Sequence[Experiment],  # noqa: ARG002 - the port's form
        kinds: frozenset[MetricKind] | None = None,  # noqa: ARG002
    ) -> Mapping[str, Sequence[Aggregate] | SourceError]:
        """Return no aggregates: see `Capabilities.deferred_metrics`."""
        return {}

    async def get_session_details(
        self,
        sessions: Sequence[Session],  # noqa: ARG002 - the port's form
        fields: frozenset[str],  # noqa: ARG002
    ) -> Mapping[SessionRef, Session | SourceError]:
        """Return no sessions: see `Capabilities.session_details`."""
        return {}

    async def list_spans(
        self,
        refs: Sequence[SessionRef],  # noqa: ARG002 - the port's form
        fields: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """Return no spans: see `Capabilities.spans`."""
        return {}

    async def get_spans(
        self,
        refs: Sequence[SpanRef],  # noqa: ARG002 - the port's form
    ) -> Mapping[SpanRef, Span | SourceError]:
        """Return no spans: the lists of spans contain all fields."""
        return {}

    def experiment_kind(self, ref: str) -> ExperimentKind | None:  # noqa: ARG002 - the port's form
        """Return None: one list holds the sessions of any experiment."""
        return None

    async def check(self) -> SourceHealth:
        """Return DOWN if the probe fails or a path is missing, DEGRADED if another part fails, otherwise UP."""
        try:
            probe = await self.probe()
        except SourceError as error:
            probe, status = Probe(error=error), SourceHealthStatus.DOWN
        else:
            if isinstance(probe.error, SourceObjectNotFound):  # deleted between two calls of the probe
                probe = Probe(probe.experiment_count)
            status = _status(probe.error)
        return SourceHealth(
            status,
            last_error=probe.error,
            checked_at=datetime.now(UTC),
            experiment_count=probe.experiment_count,
            interface=self.interface,
            version=self.version,
            notices=self.notices,
        )


def _status(error: SourceError | None) -> SourceHealthStatus:
    if error is None:
        return SourceHealthStatus.UP
    # The server lacks the path permanently.
    return SourceHealthStatus.DOWN if isinstance(error, SourceNotFound) else SourceHealthStatus.DEGRADED
