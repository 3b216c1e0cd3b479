"""The calls to NeMo Intake: paths, credential, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import orjson
from pydantic import SecretStr

from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
)
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import LenientDecoder, LenientStruct, length
from tracegraph.upstream.messages import UpstreamRequest, path_segment
from tracegraph.upstream.raw import RawDocument, decode
from tracegraph_nemo.filters import is_expressible
from tracegraph_nemo.paging import VendorPage
from tracegraph_nemo.wire import EXPERIMENTS, SESSIONS, ExperimentRow, Listed, SessionRow

TOO_MANY = 413
"""How the service refuses a list of experiments when more than 1000 match, whatever the page.

See docs/vendors/nemo.md#paging.
"""


_EXPECTED = {"experiments": frozenset({TOO_MANY}), "sessions": frozenset({404})}
"""A list that is too long is read in parts; an experiment that a client names may not be there."""


_NO_ROUTE = "not found"
"""FastAPI's detail for a path that the release does not have, without its case."""


_NO_EXPERIMENT = re.compile(r"(experiment|evaluation) .*not found", re.IGNORECASE | re.DOTALL)


R = TypeVar("R", bound=LenientStruct)


@dataclass(frozen=True, slots=True)
class ListResponse(Generic[R]):
    """A page of rows as the vendor gave it; `sent` has None for a row that cannot be read.

    `stated_total` is what the vendor states as the number of all rows.
    """

    page: VendorPage
    sent: Sequence[R | None]
    stated_total: int | None
    document: RawDocument
    provenance: FetchInfo

    @property
    def rows(self) -> Sequence[R]:
        """Those that can be read."""
        return [row for row in self.sent if row is not None]

    @property
    def start(self) -> int:
        """The offset of the first row."""
        return self.page.start

    @property
    def end(self) -> int:
        """The offset right after the last row."""
        return self.page.start + len(self.sent)

    @property
    def is_full(self) -> bool:
        """Whether the page holds as many rows as it may: one with fewer is the last of its list."""
        return len(self.sent) >= self.page.size

    @property
    def next(self) -> int | None:
        """The offset to go on from, None when the list ends here. Rows decide, whatever the total says."""
        return self.start + length(self.sent) if self.is_full else None

    @property
    def shows_end(self) -> bool:
        """Whether the list ends right behind the rows of this page."""
        return not self.is_full and (bool(self.sent) or self.start == 0)

    @property
    def total(self) -> int | None:
        """The stated total where the rows do not contradict it."""
        stated = self.stated_total
        if stated is None or (self.sent and stated < self.end):
            return None
        if self.shows_end:
            return stated if stated == self.end else None
        return stated if self.sent or stated <= self.start else None


class NemoClient:
    """One workspace of one NeMo Intake service."""

    def __init__(self, upstream: Upstream, workspace: str, api_key: SecretStr | None) -> None:
        bearer = None if api_key is None else SecretStr(f"Bearer {api_key.get_secret_value()}")
        self._upstream = upstream.with_credential({"authorization": bearer})
        self._source = upstream.source
        self._experiments = f"/apis/intake/v2/workspaces/{path_segment(workspace)}/experiments"

    async def experiments(
        self, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> ListResponse[ExperimentRow]:
        """A page of the workspace's experiments (docs/vendors/nemo.md)."""
        answer = await self._list("experiments", self._experiments, page, query, EXPERIMENTS)
        if any(row.is_group for row in answer.rows):
            raise SourceBadResponse(
                self._source,
                f"Source {self._source!r} lists experiment groups where this adapter reads experiments: its NeMo "
                "version is not supported; the adapter reads versions up to 0.2.",
                http_status=200,
                upstream_requests=answer.provenance.upstream_requests,
            )
        return answer

    async def sessions(
        self, experiment: str, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> ListResponse[SessionRow]:
        """A page of an experiment's sessions, oldest first: there is no other order (docs/vendors/nemo.md#paging).

        Raises SourceObjectNotFound for an experiment that does not exist, without a call for a name that no path
        can hold: a slash, even escaped, ends the name in the vendor's routes. Raises SourceNotFound when the
        release does not have the path; one more call decides where the answer does not say which of them it is.
        """
        segment = None if "/" in experiment else path_segment(experiment)
        if segment is None:
            raise SourceObjectNotFound(self._source, _unknown_experiment(self._source))
        path = f"{self._experiments}/{segment}/sessions"
        try:
            return await self._list("sessions", path, page, query, SESSIONS)
        except SourceNotFound as error:
            if isinstance(error, SourceObjectNotFound) or _is_about_path(_detail(error.vendor_body)):
                raise
            ambiguous = error
        raise await self._decided(ambiguous, experiment)

    async def _decided(self, ambiguous: SourceError, experiment: str) -> SourceError:
        """What a 404 for an experiment's sessions means, by whether the experiment exists."""
        if not is_expressible(experiment):
            return ambiguous.restated(SourceObjectNotFound, _unknown_experiment(self._source))
        try:
            answer = await self.experiments(VendorPage(1, 1), (("filter[name]", experiment),))
        except SourceError as error:
            error.upstream_requests += ambiguous.upstream_requests
            return error
        ambiguous.upstream_requests += answer.provenance.upstream_requests
        if any(row.name == experiment for row in answer.rows):
            return ambiguous.restated(SourceNotFound, _no_sessions(self._source))
        return ambiguous.restated(SourceObjectNotFound, _unknown_experiment(self._source))

    async def _list(
        self,
        kind: str,
        path: str,
        page: VendorPage,
        query: Sequence[tuple[str, str]],
        wire: LenientDecoder[Listed[R]],
    ) -> ListResponse[R]:
        frame = (("page", str(page.number)), ("page_size", str(page.size)))
        try:
            call = UpstreamRequest(
                kind, path, (*frame, *query), read=partial(decode, wire=wire), expected_statuses=_EXPECTED[kind]
            )
            reply = await self._upstream.fetch(call)
        except SourceError as error:
            raise _explained(error, kind) from None
        listed: Listed[R] = reply.value
        return ListResponse(page, listed.data, listed.total, RawDocument(reply.body), reply.provenance)


def too_many(source: str) -> str:
    """The sentence for more experiments than the service lists, and no way to split them."""
    return (
        f"Source {source!r} holds more experiments that match than its NeMo lists (1000): "
        "narrow the filter by dataset, group or time."
    )


def _explained(error: SourceError, kind: str) -> SourceError:
    """The refusals that NeMo words in a way of its own, in our words.

    See docs/vendors/nemo.md#releases, #paging, #errors.
    """
    source = error.source
    if error.http_status == TOO_MANY and kind == "experiments":
        return error.restated(SourceBadRequest, too_many(source))
    if error.http_status != 404:
        return error
    detail = _detail(error.vendor_body)
    if _is_route(detail):
        sentence = f"Source {source!r} has no /experiments in its NeMo version: 0.1.2 to 0.2 are supported."
        return error.restated(SourceNotFound, sentence if kind == "experiments" else _no_sessions(source))
    if _is_workspace(detail):
        sentence = (
            f"Source {source!r} names a workspace that its NeMo does not know: check sources.{source}.workspace."
        )
        return error.restated(SourceNotFound, sentence)
    if kind == "sessions" and _NO_EXPERIMENT.match(detail):
        return error.restated(SourceObjectNotFound, _unknown_experiment(source))
    return error


def _is_route(detail: str) -> bool:
    return detail.casefold() == _NO_ROUTE


def _is_workspace(detail: str) -> bool:
    return detail.startswith("Workspace ")


def _is_about_path(detail: str) -> bool:
    """Whether a 404 says that the path leads nowhere, whichever experiment it names."""
    return _is_route(detail) or _is_workspace(detail)


def _no_sessions(source: str) -> str:
    return f"Source {source!r} has no sessions of experiments in its NeMo version: 0.1.2 to 0.2 are supported."


def _unknown_experiment(source: str) -> str:
    return f"Source {source!r} knows no experiment of that name."


def _detail(body: bytes) -> str:
    """The text of FastAPI's `{"detail": ...}`, empty for any other body."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return detail if isinstance(detail, str) else ""
