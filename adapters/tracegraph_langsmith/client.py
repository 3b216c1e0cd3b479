"""HTTP client of LangSmith: its two read operations, its credential headers and its query syntax.

`GET /api/v1/sessions` is part of the contract. `POST /api/v1/runs/query` and the filter language are described in
docs/vendors/langsmith.md#runs. The vendor lets a run query select every name in RUN_FIELDS (RunQueryParams of its
own generated clients). It does not let a query select `latency_seconds` and `is_root`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from tracegraph.adapter import CallCost, Reply, VendorClient
from tracegraph.domain.filters import (
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
)
from tracegraph.domain.models import SessionStatus
from tracegraph.domain.sort_values import from_microseconds
from tracegraph.errors import SourceError, SourceUnauthorized
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph_langsmith import wire
from tracegraph_langsmith.mapping import STATUS_WORDS

MAX_PAGE_SIZE = 100
"""The largest number of rows in one response: the contract's maximum `limit`. A larger run query is a 400.

See docs/vendors/langsmith.md#runs.
"""


SESSIONS, RUNS = "sessions", "runs/query"
"""The kinds of calls. The vendor limits the rate of each kind (docs/vendors/langsmith.md#rate-limits)."""


RUN_FIELDS = (
    *("id", "session_id", "trace_id", "parent_run_id", "name", "status", "error", "app_path", "extra"),
    *("start_time", "end_time", "first_token_time", "reference_example_id", "feedback_stats"),
    *("inputs", "outputs"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_token_details", "total_cost"),
)


LARGE_FIELDS = {"input": "inputs", "output": "outputs"}
"""The fields of a run that may be large, by their name in `Session`.

A query omits them unless a client selects them.
"""


_SORT_COLUMNS = {
    ExperimentOrderField.CREATED_AT: "start_time",
    ExperimentOrderField.UPDATED_AT: "last_run_start_time",
    ExperimentOrderField.NAME: "start_time",  # the vendor's collation is unknown, so the gateway sorts by name
}


_LACKS_WORKSPACE = b"org_scoped_key_requires_workspace"
"""Text in the 403 for an organization's key without X-Tenant-Id (docs/vendors/langsmith.md#access)."""


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


Query = list[tuple[str, str]]


def canonical_uuid(text: str) -> str | None:
    """Return the UUID in LangSmith's notation, or None for other text, which is the id of no object."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


def experiments_query(order: ExperimentOrder, limit: int, offset: int) -> Query:
    """Return the parameters for a page of tracer sessions.

    Without `include_stats` the rows would have no figures: see docs/vendors/langsmith.md#figures.

    Args:
        order: The sort order.
        limit: The number of rows.
        offset: The offset of the first row.
    """
    descending = order.direction is OrderDirection.DESC
    return [
        ("include_stats", "true"),
        ("limit", str(limit)),
        ("offset", str(offset)),
        ("sort_by", _SORT_COLUMNS[order.field]),
        ("sort_by_desc", "true" if descending else "false"),
    ]


def id_parameters(ids: Sequence[str]) -> Query:
    """Return the parameters that select tracer sessions by id.

    The key repeats: see docs/vendors/langsmith.md#tracer-sessions.
    """
    return [("id", tracer_session_id) for tracer_session_id in ids]


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split the ids into chunks of one call each.

    The length of the URL is the bound: see docs/vendors/langsmith.md#tracer-sessions.
    """
    for start in range(0, len(ids), MAX_PAGE_SIZE):
        yield ids[start : start + MAX_PAGE_SIZE]


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """A query for the root runs of tracer sessions in the order of their start.

    If `range_start` (microseconds) is set, the list begins with the runs of that start; `range_end` ends it.
    """

    experiments: tuple[str, ...]
    filter: SessionFilter
    order: SessionOrder
    range_start: int | None = None
    fields: frozenset[str] | None = None
    range_end: int | None = None

    @property
    def deferred_fields(self) -> frozenset[str]:
        """Return the fields of `Session` that the query omits: see `SessionPageRequest.fields`."""
        if self.fields is None or "raw" in self.fields:
            return frozenset()
        omitted = LARGE_FIELDS.keys() - self.fields
        return frozenset({*omitted, "raw"}) if omitted else frozenset()

    def body(self, limit: int, cursor: str | None) -> dict[str, Any]:
        """Return the JSON body of the query.

        A cursor is valid only with the body of the query that returned it.
        """
        body: dict[str, Any] = {
            "session": list(self.experiments),
            "is_root": True,
            "order": self.order.direction.value.lower(),
            "limit": limit,
            "select": self._select(),
        }
        conditions = list(self._conditions())
        if conditions:
            body["filter"] = conditions[0] if len(conditions) == 1 else f"and({', '.join(conditions)})"
        if self.filter.test_case_id is not None:
            body["reference_example"] = [canonical_uuid(self.filter.test_case_id)]
        if cursor is not None:
            body["cursor"] = cursor
        return body

    def _select(self) -> list[str]:
        deferred_fields = {LARGE_FIELDS.get(name) for name in self.deferred_fields}
        return [name for name in RUN_FIELDS if name not in deferred_fields]

    def _conditions(self) -> Iterator[str]:
        """Yield conditions in the vendor's filter language.

        Only our own words and times appear inside its quotes.
        """
        status_words = _status_words(self.filter)
        if status_words:
            comparisons = [f"eq(status, {_quoted(word)})" for word in status_words]
            yield comparisons[0] if len(comparisons) == 1 else f"or({', '.join(comparisons)})"
        started = self.filter.started_at
        if started is not None and started.gte is not None:
            yield f"gte(start_time, {_time(started.gte)})"
        if started is not None and started.lt is not None:
            yield f"lt(start_time, {_time(started.lt)})"
        if self.range_start is not None:
            operator = "lte" if self.order.direction is OrderDirection.DESC else "gte"
            yield f"{operator}(start_time, {_time(from_microseconds(self.range_start))})"
        if self.range_end is not None:
            operator = "gte" if self.order.direction is OrderDirection.DESC else "lte"
            yield f"{operator}(start_time, {_time(from_microseconds(self.range_end))})"


def can_match(session_filter: SessionFilter) -> bool:
    """Return whether any run can match the filter.

    No run matches a filter with only unknown statuses, or with a test case that is not a UUID.
    """
    if session_filter.test_case_id is not None and canonical_uuid(session_filter.test_case_id) is None:
        return False
    statuses = session_filter.statuses
    return statuses is None or bool(statuses & {*STATUS_WORDS, SessionStatus.UNKNOWN})


def _status_words(session_filter: SessionFilter) -> list[str]:
    """Return the vendor's words for the requested statuses.

    The list is empty if the filter includes UNKNOWN, which has no word.
    """
    if session_filter.statuses is None or SessionStatus.UNKNOWN in session_filter.statuses:
        return []
    return [word for status, word in STATUS_WORDS.items() if status in session_filter.statuses]


def _time(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return _quoted(text.removesuffix("+00:00") + "Z")


def _quoted(text: str) -> str:
    return json.dumps(text)


class LangSmithClient(VendorClient):
    """HTTP client of LangSmith. Its read operations raise SourceError."""

    def __init__(self, upstream: Upstream, api_key: SecretStr, tenant_id: str | None) -> None:
        """Send the key, and the id of the workspace if given, with every call (contract: security)."""
        workspace = None if tenant_id is None else SecretStr(tenant_id)
        super().__init__(upstream, {"X-API-Key": api_key, "X-Tenant-Id": workspace})

    async def tracer_sessions(self, query: Query) -> Reply[list[wire.TracerSession | None]]:
        """Return tracer sessions, with None for each unreadable row."""
        return await self.get(SESSIONS, "/api/v1/sessions", wire.SESSIONS, query)

    async def existing_ids(self, ids: Sequence[str]) -> tuple[set[str], int]:
        """Return the ids that are tracer sessions, and the number of calls: one for each hundred ids."""
        existing: set[str] = set()
        cost = CallCost()
        for part in chunks(ids):
            query = [("limit", str(MAX_PAGE_SIZE)), *id_parameters(part)]
            with cost:
                reply = cost.add(await self.tracer_sessions(query))
            existing |= {row.id for row in reply.value if row is not None}
        return existing & set(ids), cost.total.upstream_requests

    async def runs(self, body: dict[str, Any]) -> Reply[wire.RunsResponse]:
        """Return runs and a cursor.

        The vendor allows 15 of these calls in 10 s: see docs/vendors/langsmith.md#rate-limits.
        """
        of_several = len(body.get("session", ())) > 1
        return await self.post(RUNS, "/api/v1/runs/query", wire.RUNS, body, is_batch=of_several)

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:
        """Return the error for an organization's key without a workspace, or the same error."""
        if not isinstance(error, SourceUnauthorized) or _LACKS_WORKSPACE not in error.vendor_body:
            return super().explain_error(error, request)
        return error.restated(
            SourceUnauthorized,
            f"Source {self.source!r} uses the key of a whole organization: set tenant_id in its configuration "
            "to the id of the workspace to read.",
        )
