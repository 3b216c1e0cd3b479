"""Detection of a NeMo telemetry outage.

While its telemetry store is down, the service still lists experiments, each with zero runs and no figures. Nothing
in the response reports the outage (docs/vendors/nemo.md#outage). So when no experiment of a response has a run,
the adapter requests the readiness of the service, which reports the outage from 0.6.0 on. In older releases, and
where a proxy hides the readiness, only requests for sessions answer 503. There the adapter requests a session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tracegraph.adapter import LRU, FetchInfo, cost_of, failure_of, gather_outcomes
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceError
from tracegraph_nemo.client import NemoClient
from tracegraph_nemo.paging import VendorPage

_CONFIRMATION_TTL_S = 30.0


_MAX_CONFIRMED = 100


_SINGLE_EXPERIMENT_STATUS = 500
"""A status that may concern the sessions of one experiment. A store that is down makes the service answer 503."""


class OutageCheck:
    """Distinguishes empty experiments from a telemetry store that is down.

    The check remembers for half a minute which responses it confirmed as empty. Paging through an empty workspace
    therefore does not cost a further call for each page.
    """

    def __init__(self, client: NemoClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._confirmed = LRU[frozenset[str], float](_MAX_CONFIRMED)

    async def verify_empty(self, experiments: Sequence[Experiment]) -> tuple[Sequence[Experiment], FetchInfo]:
        """Return the experiments, without their figures if the telemetry store is down."""
        if not experiments or not all(map(is_empty, experiments)) or self._is_confirmed(experiments):
            return experiments, FetchInfo()
        outage, cost = await self.outage_error(experiments[0].ref)
        if outage is None:
            self._confirm(experiments)
            return experiments, cost
        unknown_count = len(experiments)
        if outage.http_status == _SINGLE_EXPERIMENT_STATUS and len(experiments) > 1:
            last_error, last_cost = await self._sessions_error(experiments[-1].ref)
            cost += last_cost
            unknown_count = 1 if last_error is None else len(experiments)
        without_figures = [
            replace(experiment, session_count=None, figures_error=outage)
            for experiment in experiments[:unknown_count]
        ]
        return [*without_figures, *experiments[unknown_count:]], cost

    async def outage_error(self, experiment: str | None) -> tuple[SourceError | None, FetchInfo]:
        """Return the error of an outage, or None, with the cost of finding out.

        Args:
            experiment: The name of an experiment whose sessions may be requested, None without one.
        """
        if not self._client.release.has_readiness:
            return await self._sessions_error(experiment)
        (outcome,) = await gather_outcomes([self._client.readiness()])
        error, cost = failure_of(outcome), cost_of(outcome)
        if error is None or error.retryable:
            return error, cost
        sessions_error, sessions_cost = await self._sessions_error(experiment)
        return sessions_error, cost + sessions_cost

    async def _sessions_error(self, experiment: str | None) -> tuple[SourceError | None, FetchInfo]:
        """Request a session of the experiment, and return the error of an outage, or None, with the cost.

        An error that is not retryable does not indicate an outage: the experiment was deleted, or the release
        lacks the path.
        """
        if experiment is None:
            return None, FetchInfo()
        (outcome,) = await gather_outcomes([self._client.sessions(experiment, VendorPage(1, 1))])
        error = failure_of(outcome)
        return (error if error is not None and error.retryable else None), cost_of(outcome)

    def _is_confirmed(self, experiments: Sequence[Experiment]) -> bool:
        confirmed_at = self._confirmed.get(_confirmation_key(experiments))
        return confirmed_at is not None and self._clock() - confirmed_at < _CONFIRMATION_TTL_S

    def _confirm(self, experiments: Sequence[Experiment]) -> None:
        self._confirmed.put(_confirmation_key(experiments), self._clock())


def is_empty(experiment: Experiment) -> bool:
    """Return whether the service reports zero runs and no figures for the experiment."""
    return experiment.session_count == 0 and not experiment.aggregates


def _confirmation_key(experiments: Sequence[Experiment]) -> frozenset[str]:
    return frozenset(experiment.ref for experiment in experiments)
