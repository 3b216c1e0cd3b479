"""HTTP client of NeMo Intake: paths, credential and error translation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import SecretStr

from tracegraph.adapter import (
    FetchInfo,
    LenientDecoder,
    LenientStruct,
    Page,
    Reply,
    VendorClient,
    cost_of,
    gather_outcomes,
    path_segment,
    unreadable_places,
)
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
)
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import length
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.raw import RawRow
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


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListResponse(Generic[R]):
    """A page of rows from the vendor."""

    page: VendorPage
    reply: Reply[ListBody[R]]

    @property
    def raw_rows(self) -> Sequence[tuple[R, RawRow]]:
        """Return the rows that can be decoded, each with the vendor's object."""
        return self.reply.rows(self.reply.value.data, "data")

    @property
    def rows(self) -> Sequence[R]:
        """Return the rows that can be decoded."""
        return [row for row in self.reply.value.data if row is not None]

    @property
    def stated_total(self) -> int | None:
        """Return the vendor's count of all rows of the list."""
        return self.reply.value.total

    @property
    def provenance(self) -> FetchInfo:
        """Return the cost and origin of the reply."""
        return self.reply.provenance

    @property
    def next_offset(self) -> int | None:
        """Return the offset of the next page, or None at the end of the list.

        A page that is not full is the last one: the rows decide, not the stated total.
        """
        rows = self.reply.value.data
        return self.page.offset + length(rows) if len(rows) >= self.page.size else None

    def page_of(self, items: Sequence[T], total: int | None) -> Page[T]:
        """Return the page of the port with these items.

        Args:
            items: The decoded rows, converted.
            total: The total of the query.
        """
        skipped = unreadable_places(self.reply.value.data)
        return Page(items, self.page.offset, self.next_offset, total, self.provenance, skipped)


class NemoClient(VendorClient):
    """HTTP client of one workspace of one NeMo Intake service."""

    def __init__(self, upstream: Upstream, workspace: str, api_key: SecretStr | None) -> None:
        bearer = None if api_key is None else SecretStr(f"Bearer {api_key.get_secret_value()}")
        super().__init__(upstream, {"authorization": bearer})
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
                self.source,
                f"Source {self.source!r} returned experiment groups instead of experiments: its NeMo version is "
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
            raise SourceObjectNotFound(self.source, _unknown_experiment_message(self.source))
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
            return ambiguous.restated(SourceObjectNotFound, _unknown_experiment_message(self.source))
        (outcome,) = await gather_outcomes([self.experiments(VendorPage(1, 1), (("filter[name]", experiment),))])
        error = (outcome if isinstance(outcome, SourceError) else ambiguous).with_cost(
            (cost_of(ambiguous) + cost_of(outcome)).upstream_requests
        )
        if isinstance(outcome, SourceError):
            return error
        if any(row.name == experiment for row in outcome.rows):
            return error.restated(SourceNotFound, _no_sessions_message(self.source))
        return error.restated(SourceObjectNotFound, _unknown_experiment_message(self.source))

    async def _list(
        self,
        kind: str,
        path: str,
        page: VendorPage,
        query: Sequence[tuple[str, str]],
        wire: LenientDecoder[ListBody[R]],
    ) -> ListResponse[R]:
        parameters = (("page", str(page.number)), ("page_size", str(page.size)), *query)
        reply = await self.get(kind, path, wire, parameters, expected_statuses=_EXPECTED[kind])
        return ListResponse(page, reply)

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:
        """Return the error with our message where NeMo has a specific form of rejection.

        See docs/vendors/nemo.md#releases, #paging, #errors.
        """
        source, is_list = self.source, request.kind == "experiments"
        if error.http_status == HTTP_TOO_MANY and is_list:
            return error.restated(SourceBadRequest, too_many_message(source))
        if error.http_status != 404:
            return error
        detail = _detail(error.vendor_body)
        if _is_missing_route(detail):
            message = f"Source {source!r} has no /experiments in its NeMo version: 0.1.2 to 0.2 are supported."
            return error.restated(SourceNotFound, message if is_list else _no_sessions_message(source))
        if _is_missing_workspace(detail):
            message = (
                f"Source {source!r} names a workspace that does not exist in its NeMo: "
                f"check sources.{source}.workspace."
            )
            return error.restated(SourceNotFound, message)
        if not is_list and _NO_EXPERIMENT.match(detail):
            return error.restated(SourceObjectNotFound, _unknown_experiment_message(source))
        return error


def too_many_message(source: str) -> str:
    """Return the message for a list of more than 1000 experiments that cannot be partitioned."""
    return (
        f"Source {source!r} has more matching experiments than its NeMo lists (1000): "
        "narrow the filter by dataset, group or time."
    )


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
