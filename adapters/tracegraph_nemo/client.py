"""HTTP client of NeMo Intake: paths, credential and error translation."""

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
from tracegraph_nemo.wire import EXPERIMENTS, SESSIONS, ExperimentRow, ListBody, SessionRow

HTTP_TOO_MANY = 413
"""The status of a list with more than 1000 matching experiments, whatever the page.

See docs/vendors/nemo.md#paging.
"""


_EXPECTED = {"experiments": frozenset({HTTP_TOO_MANY}), "sessions": frozenset({404})}
"""Statuses that are no failure of the source.

The adapter partitions a list that is too long. An experiment that a client names may not exist.
"""


_NO_ROUTE = "not found"
"""FastAPI's detail for a path that the release does not have, in lower case."""


_NO_EXPERIMENT = re.compile(r"(experiment|evaluation) .*not found", re.IGNORECASE | re.DOTALL)


R = TypeVar("R", bound=LenientStruct)


@dataclass(frozen=True, slots=True)
class ListResponse(Generic[R]):
    """A page of rows from the vendor.

    `sent_rows` contains None for each row that cannot be decoded. `stated_total` is the vendor's count of all
    rows.
    """

    page: VendorPage
    sent_rows: Sequence[R | None]
    stated_total: int | None
    document: RawDocument
    provenance: FetchInfo

    @property
    def rows(self) -> Sequence[R]:
        """Return the decoded rows."""
        return [row for row in self.sent_rows if row is not None]

    @property
    def offset(self) -> int:
        """Return the offset of the first row."""
        return self.page.offset

    @property
    def end_offset(self) -> int:
        """Return the offset after the last row."""
        return self.page.offset + len(self.sent_rows)

    @property
    def is_full(self) -> bool:
        """Return whether the page is full. A page that is not full is the last page of its list."""
        return len(self.sent_rows) >= self.page.size

    @property
    def next_offset(self) -> int | None:
        """Return the offset of the next page, or None at the end of the list.

        The rows decide, not the stated total.
        """
        return self.offset + length(self.sent_rows) if self.is_full else None

    @property
    def reaches_end(self) -> bool:
        """Return whether the list ends with the last row of this page."""
        return not self.is_full and (bool(self.sent_rows) or self.offset == 0)

    @property
    def total(self) -> int | None:
        """Return the stated total unless the rows contradict it."""
        stated = self.stated_total
        if stated is None or (self.sent_rows and stated < self.end_offset):
            return None
        if self.reaches_end:
            return stated if stated == self.end_offset else None
        return stated if self.sent_rows or stated <= self.offset else None


class NemoClient:
    """HTTP client of one workspace of one NeMo Intake service."""

    def __init__(self, upstream: Upstream, workspace: str, api_key: SecretStr | None) -> None:
        bearer = None if api_key is None else SecretStr(f"Bearer {api_key.get_secret_value()}")
        self._upstream = upstream.with_credential({"authorization": bearer})
        self._source = upstream.source
        self.is_cached = upstream.is_cached
        self._experiments = f"/apis/intake/v2/workspaces/{path_segment(workspace)}/experiments"

    async def experiments(
        self, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> ListResponse[ExperimentRow]:
        """Return a page of the workspace's experiments (docs/vendors/nemo.md).

        Raises:
            SourceBadResponse: The release lists experiment groups instead of experiments.
            SourceError: The call failed.
        """
        response = await self._list("experiments", self._experiments, page, query, EXPERIMENTS)
        if any(row.is_group for row in response.rows):
            raise SourceBadResponse(
                self._source,
                f"Source {self._source!r} returned experiment groups instead of experiments: its NeMo version is "
                "not supported. The adapter supports versions up to 0.2.",
                http_status=200,
                upstream_requests=response.provenance.upstream_requests,
            )
        return response

    async def sessions(
        self, experiment: str, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> ListResponse[SessionRow]:
        """Return a page of an experiment's sessions, oldest first.

        The vendor has no other order (docs/vendors/nemo.md#paging). A name with a slash, even escaped, fails
        without a call, because a slash ends the name in the vendor's routes. Where a 404 does not state its
        reason, one more call decides whether the experiment or the path is missing.

        Args:
            experiment: The name of the experiment.
            page: The page to read.
            query: Further query parameters, such as filters.

        Raises:
            SourceObjectNotFound: The experiment does not exist.
            SourceNotFound: The release does not have the path.
            SourceError: The call failed.
        """
        segment = None if "/" in experiment else path_segment(experiment)
        if segment is None:
            raise SourceObjectNotFound(self._source, _unknown_experiment_message(self._source))
        path = f"{self._experiments}/{segment}/sessions"
        try:
            return await self._list("sessions", path, page, query, SESSIONS)
        except SourceNotFound as error:
            if isinstance(error, SourceObjectNotFound) or _is_about_path(_detail(error.vendor_body)):
                raise
            ambiguous = error
        raise await self._resolve_not_found(ambiguous, experiment)

    async def _resolve_not_found(self, ambiguous: SourceError, experiment: str) -> SourceError:
        """Return the error that a 404 for sessions stands for: a missing experiment or a missing path."""
        if not is_expressible(experiment):
            return ambiguous.restated(SourceObjectNotFound, _unknown_experiment_message(self._source))
        try:
            response = await self.experiments(VendorPage(1, 1), (("filter[name]", experiment),))
        except SourceError as error:
            error.upstream_requests += ambiguous.upstream_requests
            return error
        ambiguous.upstream_requests += response.provenance.upstream_requests
        if any(row.name == experiment for row in response.rows):
            return ambiguous.restated(SourceNotFound, _no_sessions_message(self._source))
        return ambiguous.restated(SourceObjectNotFound, _unknown_experiment_message(self._source))

    async def _list(
        self,
        kind: str,
        path: str,
        page: VendorPage,
        query: Sequence[tuple[str, str]],
        wire: LenientDecoder[ListBody[R]],
    ) -> ListResponse[R]:
        paging = (("page", str(page.number)), ("page_size", str(page.size)))
        try:
            call = UpstreamRequest(
                kind, path, (*paging, *query), read=partial(decode, wire=wire), expected_statuses=_EXPECTED[kind]
            )
            reply = await self._upstream.fetch(call)
        except SourceError as error:
            raise _translate_error(error, kind) from None
        body: ListBody[R] = reply.value
        return ListResponse(page, body.data, body.total, RawDocument(reply.body), reply.provenance)


def too_many_message(source: str) -> str:
    """Return the message for a list of more than 1000 experiments that cannot be partitioned."""
    return (
        f"Source {source!r} has more matching experiments than its NeMo lists (1000): "
        "narrow the filter by dataset, group or time."
    )


def _translate_error(error: SourceError, kind: str) -> SourceError:
    """Return the error with our message where NeMo has a specific form of rejection.

    See docs/vendors/nemo.md#releases, #paging, #errors.
    """
    source = error.source
    if error.http_status == HTTP_TOO_MANY and kind == "experiments":
        return error.restated(SourceBadRequest, too_many_message(source))
    if error.http_status != 404:
        return error
    detail = _detail(error.vendor_body)
    if _is_missing_route(detail):
        message = f"Source {source!r} has no /experiments in its NeMo version: 0.1.2 to 0.2 are supported."
        return error.restated(SourceNotFound, message if kind == "experiments" else _no_sessions_message(source))
    if _is_missing_workspace(detail):
        message = (
            f"Source {source!r} names a workspace that does not exist in its NeMo: "
            f"check sources.{source}.workspace."
        )
        return error.restated(SourceNotFound, message)
    if kind == "sessions" and _NO_EXPERIMENT.match(detail):
        return error.restated(SourceObjectNotFound, _unknown_experiment_message(source))
    return error


def _is_missing_route(detail: str) -> bool:
    return detail.casefold() == _NO_ROUTE


def _is_missing_workspace(detail: str) -> bool:
    return detail.startswith("Workspace ")


def _is_about_path(detail: str) -> bool:
    """Return whether the detail of a 404 is about the path rather than the experiment."""
    return _is_missing_route(detail) or _is_missing_workspace(detail)


def _no_sessions_message(source: str) -> str:
    return f"Source {source!r} does not list sessions in its NeMo version: 0.1.2 to 0.2 are supported."


def _unknown_experiment_message(source: str) -> str:
    return f"Source {source!r} has no experiment with that name."


def _detail(body: bytes) -> str:
    """Return the text of FastAPI's `{"detail": ...}`, or an empty text for any other body."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return detail if isinstance(detail, str) else ""
