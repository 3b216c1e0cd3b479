"""HTTP client of NeMo Intake: paths, credential and error translation."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import SecretStr

from tracegraph.adapter import (
    FetchInfo,
    LenientDecoder,
    LenientStruct,
    Page,
    Reply,
    VendorClient,
    bearer,
    cost_of,
    gather_outcomes,
    json_object,
    path_segment,
    unreadable_places,
)
from tracegraph.domain.texts import rfc3339
from tracegraph.errors import (
    SourceBadRequest,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
    SourceUnavailable,
)
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import length
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.raw import RawRow
from tracegraph_nemo.filters import is_expressible
from tracegraph_nemo.paging import VendorPage
from tracegraph_nemo.releases import NEWEST, Release
from tracegraph_nemo.wire import (
    CLUSTER_INFO,
    EXPERIMENTS,
    METRICS,
    NOTHING,
    RESULTS,
    SESSIONS,
    SPANS,
    TRACES,
    ClusterInfo,
    ExperimentRow,
    ListBody,
    MetricsBody,
    Nothing,
    ResultRow,
    SessionRow,
    SpanRow,
    TraceRow,
)

HTTP_TOO_MANY = 413
"""The status of a list with more than 1000 matching experiments, whatever the page.

See docs/vendors/nemo.md#paging.
"""


_HIDDEN = frozenset({401, 403, 404, 405})
"""The statuses of a proxy that does not pass a path on."""


_EXPECTED = {
    "experiments": frozenset({HTTP_TOO_MANY}),
    "sessions": frozenset({404}),
    "spans": frozenset[int](),
    "traces": frozenset[int](),
}
"""Statuses that are no failure of the source.

The adapter partitions a list that is too long. An experiment that a client names may not exist.
"""


_NO_ROUTE = "not found"
"""FastAPI's detail for a path that the release does not have, in lower case."""


_NO_EXPERIMENT = re.compile(r"(experiment|evaluation) .*not found", re.IGNORECASE | re.DOTALL)


R = TypeVar("R", bound=LenientStruct)


T = TypeVar("T")


class PathNotFound(SourceNotFound):
    """The service does not have a path of the release: it is another release, or the base URL is wrong."""


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
    """HTTP client of one workspace of one NeMo Intake service, in the words of one release."""

    def __init__(
        self, upstream: Upstream, workspace: str, api_key: SecretStr | None, release: Release = NEWEST
    ) -> None:
        super().__init__(upstream, {"authorization": bearer(api_key)})
        self.release = release
        self.workspace = workspace
        self._workspace_path = f"/apis/intake/v2/workspaces/{path_segment(workspace)}"

    def for_release(self, release: Release) -> NemoClient:
        """Return this client in the words of another release."""
        other = copy.copy(self)
        other.release = release
        return other

    async def cluster_info(self) -> Reply[ClusterInfo]:
        """Return the service's version, which needs no authentication (docs/vendors/nemo.md#releases).

        Raises:
            SourceError: The call failed: a proxy may hide the path.
        """
        return await self.get("service", "/cluster-info", CLUSTER_INFO, expected_statuses=_HIDDEN)

    async def readiness(self) -> Reply[Nothing]:
        """Return if the service is ready (docs/vendors/nemo.md#outage).

        Raises:
            SourceUnavailable: The service is not ready.
            SourceError: The call failed: a proxy may hide the path.
        """
        return await self.get("service", "/health/ready", NOTHING, expected_statuses=_HIDDEN | {503})

    async def first_row(self, collection: str) -> Reply[Nothing]:
        """Request one row of a collection of the workspace, to learn whether the release has that path.

        Raises:
            PathNotFound: The release does not have the path.
            SourceError: The call failed.
        """
        path = f"{self._workspace_path}/{collection}"
        query = (("page_size", "1"),)
        return await self.get("service", path, NOTHING, query, expected_statuses=frozenset({404}))

    async def experiments(
        self, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> ListResponse[ExperimentRow]:
        """Return a page of the workspace's experiments (docs/vendors/nemo.md#releases).

        Raises:
            PathNotFound: The service is another release.
            SourceError: The call failed.
        """
        path = f"{self._workspace_path}/{self.release.runs}"
        response = await self._list("experiments", path, page, query, EXPERIMENTS)
        if any(row.is_group for row in response.rows):
            raise PathNotFound(
                self.source,
                f"Source {self.source!r} returned groups of experiments where experiments were expected: "
                f"set sources.{self.source}.release to the release of its NeMo.",
                http_status=200,
                upstream_requests=response.provenance.upstream_requests,
            )
        return response

    async def trace_metrics(self, experiment: str, since: datetime) -> Reply[MetricsBody]:
        """Return the totals of an experiment's traces (docs/vendors/nemo.md#totals).

        Args:
            experiment: The name of the experiment, which a filter can express.
            since: The earliest start. Without it the service counts the last 7 days.

        Raises:
            SourceError: The call failed.
        """
        query = (
            ("bucket", "total"),
            ("filter[evaluation_name]", experiment),
            ("filter[started_at][$gte]", rfc3339(since)),
        )
        return await self.get("metrics", f"{self._workspace_path}/traces/metrics", METRICS, query)

    async def sessions(
        self, experiment: str, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> ListResponse[SessionRow]:
        """Return a page of an experiment's sessions, oldest first unless the query sorts them.

        A name with a slash, even escaped, fails
        without a call, because a slash ends the name in the vendor's routes. Where a 404 does not state its
        reason, one more call decides whether the experiment or the path is missing.

        Args:
            experiment: The name of the experiment.
            page: The page to read.
            query: Further query parameters, such as filters.

        Raises:
            SourceObjectNotFound: The experiment does not exist.
            PathNotFound: The release does not have the path.
            SourceError: The call failed.
        """
        segment = None if "/" in experiment else path_segment(experiment)
        if segment is None:
            raise SourceObjectNotFound(self.source, _unknown_experiment_message(self.source))
        path = f"{self._workspace_path}/{self.release.runs}/{segment}/sessions"
        try:
            return await self._list("sessions", path, page, query, SESSIONS)
        except SourceNotFound as error:
            if isinstance(error, SourceObjectNotFound) or _is_about_path(_detail(error.vendor_body)):
                raise
            ambiguous = error
        raise await self._resolve_not_found(ambiguous, experiment)

    async def spans(self, page: VendorPage, query: Sequence[tuple[str, str]]) -> ListResponse[SpanRow]:
        """Return a page of spans (docs/vendors/nemo.md#spans).

        Raises:
            PathNotFound: The service does not have the path.
            SourceError: The call failed.
        """
        return await self._list("spans", f"{self._workspace_path}/spans", page, query, SPANS)

    async def traces(self, page: VendorPage, query: Sequence[tuple[str, str]]) -> ListResponse[TraceRow]:
        """Return a page of traces (docs/vendors/nemo.md#traces).

        Raises:
            PathNotFound: The service does not have the path.
            SourceError: The call failed.
        """
        return await self._list("traces", f"{self._workspace_path}/traces", page, query, TRACES)

    async def results(self, page: VendorPage, query: Sequence[tuple[str, str]]) -> ListResponse[ResultRow]:
        """Return a page of evaluator results (docs/vendors/nemo.md#spans).

        Raises:
            PathNotFound: The service does not have the path.
            SourceError: The call failed.
        """
        return await self._list("spans", f"{self._workspace_path}/evaluator-results", page, query, RESULTS)

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
            return error.restated(PathNotFound, _no_path_message(self.source, self.release))
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
        source = self.source
        if error.http_status == HTTP_TOO_MANY and request.kind == "experiments":
            return error.restated(SourceBadRequest, too_many_message(source))
        if error.http_status == 503 and request.kind == "service":
            message = f"Source {source!r} reports that it is not ready: its figures are unknown."
            return error.restated(SourceUnavailable, message)
        return self._explain_not_found(error, request.kind) if error.http_status == 404 else error

    def _explain_not_found(self, error: SourceError, kind: str) -> SourceError:
        source, detail = self.source, _detail(error.vendor_body)
        if _is_missing_workspace(detail):
            message = (
                f"Source {source!r} names a workspace that does not exist in its NeMo: "
                f"check sources.{source}.workspace."
            )
            return error.restated(SourceNotFound, message)
        if _is_missing_route(detail):
            return error.restated(PathNotFound, _no_path_message(source, self.release))
        if kind == "sessions":
            is_named = _NO_EXPERIMENT.match(detail) is not None
            return error.restated(SourceObjectNotFound, _unknown_experiment_message(source)) if is_named else error
        return error.restated(PathNotFound, error.message) if kind == "experiments" else error


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


def _no_path_message(source: str, release: Release) -> str:
    return (
        f"Source {source!r} does not have the paths of NeMo {release.name}: "
        f"check sources.{source}.base_url and sources.{source}.release."
    )


def _unknown_experiment_message(source: str) -> str:
    return f"Source {source!r} has no experiment with that name."


def _detail(body: bytes) -> str:
    """Return the text of FastAPI's `{"detail": ...}`, or an empty text for any other body."""
    detail = (json_object(body) or {}).get("detail")
    return detail if isinstance(detail, str) else ""
