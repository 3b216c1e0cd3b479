"""Lists of sessions that the filter names by id: look-ups read them, whatever the vendor can list."""

from __future__ import annotations

from tracegraph.adapter.paging import Page, PageRequest, SessionPageRequest
from tracegraph.adapter.protocol import Adapter
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.federation.completion import with_details
from tracegraph.federation.pages import Fetch
from tracegraph.upstream.request_scope import collect_stale_errors, count_calls


def named_sessions(adapter: Adapter, request: SessionPageRequest) -> list[SessionRef] | None:
    """Return the sessions that the filter names within the request's experiments; None when it names none.

    Args:
        adapter: The source.
        request: The experiments and the filter.
    """
    if request.filter.ids is None:
        return None
    return [
        SessionRef(experiment, session)
        for source, experiment, session in sorted(request.filter.ids)
        if source == adapter.name and experiment in request.experiment_refs
    ]


def fetch_by_id(adapter: Adapter, refs: list[SessionRef], fields: frozenset[str]) -> Fetch[Session]:
    """Return a fetch of these sessions as one page, complete and in any order.

    A session whose look-up fails is left out, and the page carries the error. If all fail, the page fails.

    Args:
        adapter: The source.
        refs: The sessions.
        fields: The fields that the filter or the order reads.
    """

    async def fetch(_: PageRequest) -> Page[Session]:
        if not refs:
            return Page((), None, None)
        with count_calls() as meter, collect_stale_errors() as stale:
            outcomes = await with_details(adapter, await adapter.get_sessions(refs), fields)
        cost = FetchInfo(meter.requests, next(iter(stale), None))
        errors = [outcome for outcome in outcomes.values() if isinstance(outcome, SourceError)]
        rows = [outcome for outcome in outcomes.values() if not isinstance(outcome, SourceError)]
        if errors and not rows:
            raise errors[0].with_cost(cost.upstream_requests)
        return Page(rows, None, None, None, cost, error=next(iter(errors), None))

    return fetch
