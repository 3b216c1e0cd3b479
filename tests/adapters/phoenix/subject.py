"""The adapter and its server, as tests ask them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tracegraph_phoenix.adapter import PhoenixAdapter

from tracegraph.adapter import CursorRequest, ExperimentQuery, Page, SessionPageRequest, WholeRequest
from tracegraph.domain.filters import ExperimentFilter, SessionFilter, SessionOrder
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef, Span
from tracegraph.errors import SourceError
from tracegraph.simulators.core.simulator import Simulator

PROJECT, EVALUATION = ExperimentKind.PROJECT, ExperimentKind.EVALUATION


@dataclass(frozen=True)
class Subject:
    """The adapter over a simulated server."""

    adapter: PhoenixAdapter
    simulator: Simulator

    async def experiments(
        self, kind: ExperimentKind, matching: ExperimentFilter | None = None, limit: int = 100
    ) -> list[Experiment]:
        """All experiments of a kind, read page by page."""
        query = ExperimentQuery(matching or ExperimentFilter(), kind=kind)
        found: list[Experiment] = []
        token: int | str | None = None
        while True:
            page = await self.adapter.list_experiments(query, WholeRequest(limit, token))
            found += page.items
            token = page.next_hint
            if token is None:
                return found

    async def sessions(
        self, ref: str, matching: SessionFilter | None = None, order: SessionOrder | None = None
    ) -> Sequence[Session]:
        """The first page of an experiment's sessions."""
        page = await self.page(ref, matching, order)
        assert isinstance(page, Page), page
        return page.items

    async def page(
        self,
        ref: str,
        matching: SessionFilter | None = None,
        order: SessionOrder | None = None,
        token: str | None = None,
    ) -> Page[Session] | SourceError:
        """A page of an experiment's sessions."""
        is_project = self.adapter.experiment_kind(ref) is PROJECT
        request = CursorRequest(100, token) if is_project else WholeRequest(100, token)
        asked = SessionPageRequest((ref,), request, matching or SessionFilter(), order or SessionOrder())
        (page,) = await self.adapter.list_sessions([asked])
        return page

    async def spans(self, ref: str, session_id: str) -> Sequence[Span]:
        """The spans of a session."""
        session = SessionRef(ref, session_id)
        found = (await self.adapter.list_spans([session]))[session]
        assert not isinstance(found, SourceError), found
        return found
