"""Whether figures of nothing are to be believed.

With its telemetry store down, the service lists experiments as ever, each with no runs and no figures, and
nothing in the answer tells (docs/vendors/nemo.md#outage). Only the sessions say 503. So where no
experiment of an answer has any run, one of them is asked for its sessions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Experiment
from tracegraph.errors import SourceError
from tracegraph_nemo.client import NemoClient
from tracegraph_nemo.paging import VendorPage

_BELIEVED_S = 30.0


_BELIEVED = 100


_OF_ONE = 500
"""A status that may be about the sessions of one experiment: a store that is down makes the service answer 503."""


class OutageCheck:
    """Tells empty experiments from a store that is down.

    For half a minute it remembers of which answers the emptiness was confirmed, so that paging through an empty
    workspace does not cost a further call each time.
    """

    def __init__(self, client: NemoClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._confirmed: OrderedDict[frozenset[str], float] = OrderedDict()

    async def believed(self, found: Sequence[Experiment]) -> tuple[Sequence[Experiment], FetchInfo]:
        """The experiments as they are, or without the figures that the service had no way to know."""
        if not found or not all(map(is_empty, found)) or self._is_confirmed(found):
            return found, FetchInfo()
        error, spent = await self.error(found[0])
        if error is None:
            self._confirm(found)
            return found, spent
        unknown = len(found)
        if error.http_status == _OF_ONE and len(found) > 1:
            other, more = await self.error(found[-1])
            spent += more
            unknown = 1 if other is None else len(found)
        lost = [replace(one, session_count=None, figures_error=error) for one in found[:unknown]]
        return [*lost, *found[unknown:]], spent

    async def error(self, experiment: Experiment) -> tuple[SourceError | None, FetchInfo]:
        """Why the store cannot be asked for an experiment's sessions, None when it can; one call.

        Another refusal, of one that was deleted meanwhile or by a release without this path, says nothing of it.
        """
        try:
            answer = await self._client.sessions(experiment.ref, VendorPage(1, 1))
        except SourceError as error:
            return error if error.retryable else None, FetchInfo(error.upstream_requests)
        return answer.provenance.stale, answer.provenance  # an older answer stands in for one that failed

    def _is_confirmed(self, found: Sequence[Experiment]) -> bool:
        at = self._confirmed.get(_names(found))
        return at is not None and self._clock() - at < _BELIEVED_S

    def _confirm(self, found: Sequence[Experiment]) -> None:
        self._confirmed[_names(found)] = self._clock()
        self._confirmed.move_to_end(_names(found))
        if len(self._confirmed) > _BELIEVED:
            self._confirmed.popitem(last=False)


def is_empty(experiment: Experiment) -> bool:
    """Whether the service says that it has no run and gives no figure of it."""
    return experiment.session_count == 0 and not experiment.aggregates


def _names(found: Sequence[Experiment]) -> frozenset[str]:
    return frozenset(one.ref for one in found)
