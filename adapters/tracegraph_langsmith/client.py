"""LangSmith over HTTP: its two reads, its credential headers, how its questions are written.

`GET /api/v1/sessions` is the contract's; `POST /api/v1/runs/query` and the filter language are those of
docs/vendors/langsmith.md#runs. Every name in RUN_FIELDS is one that the vendor lets a run query select
(RunQueryParams of its own generated clients); `latency_seconds` and `is_root` are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import SecretStr

from tracegraph.domain.filters import (
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    SessionOrder,
)
from tracegraph.domain.models import SessionStatus
from tracegraph.domain.sort_values import from_microseconds
from tracegraph.errors import SourceUnauthorized
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.raw import decode
from tracegraph_langsmith import wire
from tracegraph_langsmith.mapping import STATUS_WORDS

PAGE_MAX = 100
"""The most rows of one answer: `limit` of the contract; a run query above it is a 400.

See docs/vendors/langsmith.md#runs.
"""


SESSIONS, RUNS = "sessions", "runs/query"
"""The classes of its calls: the vendor's limits tell them apart (docs/vendors/langsmith.md#rate-limits)."""


RUN_FIELDS = (
    *("id", "session_id", "trace_id", "parent_run_id", "name", "status", "error", "app_path", "extra"),
    *("start_time", "end_time", "first_token_time", "reference_example_id", "feedback_stats"),
    *("inputs", "outputs"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_token_details", "total_cost"),
)


LARGE_FIELDS = {"input": "inputs", "output": "outputs"}
"""By the name in `Session`: what may be large, and is left out where nobody needs it."""


_SORT_COLUMNS = {
    ExperimentOrderField.CREATED_AT: "start_time",
    ExperimentOrderField.UPDATED_AT: "last_run_start_time",
    ExperimentOrderField.NAME: "start_time",  # its collation of names is unknown: the gateway orders them
}


_LACKS_WORKSPACE = b"org_scoped_key_requires_workspace"
"""In the 403 for an organization's key without X-Tenant-Id (docs/vendors/langsmith.md#access)."""


_SESSIONS = partial(decode, wire=wire.SESSIONS)


_RUNS = partial(decode, wire=wire.RUNS)


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


Query = list[tuple[str, str]]


def canonical_uuid(text: str) -> str | None:
    """The UUID as LangSmith writes it; None for text that is none, so that no object can have it as its id."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


def experiments_query(order: ExperimentOrder, limit: int, offset: int) -> Query:
    """A stretch of the tracer sessions. Without include_stats they would have no figures.

    See docs/vendors/langsmith.md#figures.
    """
    descending = order.direction is OrderDirection.DESC
    return [
        ("include_stats", "true"),
        ("limit", str(limit)),
        ("offset", str(offset)),
        ("sort_by", _SORT_COLUMNS[order.field]),
        ("sort_by_desc", "true" if descending else "false"),
    ]


def with_ids(ids: Sequence[str]) -> Query:
    """Only these tracer sessions: the key repeats (docs/vendors/langsmith.md#tracer-sessions)."""
    return [("id", one) for one in ids]


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in as many as one call takes.

    See docs/vendors/langsmith.md#tracer-sessions: the length of the URL is the bound.
    """
    for start in range(0, len(ids), PAGE_MAX):
        yield ids[start : start + PAGE_MAX]


@dataclass(frozen=True, slots=True)
class RunsQuestion:
    """The root runs of some tracer sessions in order of their start; from `anchor` (microseconds) on, if set."""

    experiments: tuple[str, ...]
    filter: SessionFilter
    order: SessionOrder
    anchor: int | None = None
    fields: frozenset[str] | None = None

    @property
    def left_out(self) -> frozenset[str]:
        """The fields of `Session` that this question leaves out: see `SessionAsk.fields`."""
        if self.fields is None or "raw" in self.fields:
            return frozenset()
        lacking = LARGE_FIELDS.keys() - self.fields
        return frozenset({*lacking, "raw"}) if lacking else frozenset()

    def body(self, limit: int, cursor: str | None) -> dict[str, Any]:
        """The JSON of the query. A cursor belongs to the rest of the body that it was given for."""
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
        left_out = {LARGE_FIELDS.get(name) for name in self.left_out}
        return [name for name in RUN_FIELDS if name not in left_out]

    def _conditions(self) -> Iterator[str]:
        """Conditions in the vendor's filter language. Only our own words and times get into its quotes."""
        words = _status_words(self.filter)
        if words:
            tests = [f"eq(status, {_quoted(word)})" for word in words]
            yield tests[0] if len(tests) == 1 else f"or({', '.join(tests)})"
        started = self.filter.started_at
        if started is not None and started.gte is not None:
            yield f"gte(start_time, {_time(started.gte)})"
        if started is not None and started.lt is not None:
            yield f"lt(start_time, {_time(started.lt)})"
        if self.anchor is not None:
            compare = "lte" if self.order.direction is OrderDirection.DESC else "gte"
            yield f"{compare}(start_time, {_time(from_microseconds(self.anchor))})"


def can_match(wanted: SessionFilter) -> bool:
    """Whether any run can pass: not when only unheard-of statuses are wanted, or a test case that is no UUID."""
    if wanted.test_case_id is not None and canonical_uuid(wanted.test_case_id) is None:
        return False
    statuses = wanted.statuses
    return statuses is None or bool(statuses & {*STATUS_WORDS, SessionStatus.UNKNOWN})


def _status_words(wanted: SessionFilter) -> list[str]:
    """The vendor's words for the wanted statuses; none when UNKNOWN is wanted, which no word stands for."""
    if wanted.statuses is None or SessionStatus.UNKNOWN in wanted.statuses:
        return []
    return [word for status, word in STATUS_WORDS.items() if status in wanted.statuses]


def _time(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return _quoted(text.removesuffix("+00:00") + "Z")


def _quoted(text: str) -> str:
    return json.dumps(text)


@dataclass(frozen=True, slots=True)
class LangSmithClient:
    """LangSmith's reads; both raise SourceError."""

    upstream: Upstream

    @classmethod
    def with_key(cls, upstream: Upstream, api_key: SecretStr, tenant_id: str | None) -> LangSmithClient:
        """The client that sends this key, and the workspace if given, on every call (contract: security)."""
        workspace = None if tenant_id is None else SecretStr(tenant_id)
        return cls(upstream.with_credential({"X-API-Key": api_key, "X-Tenant-Id": workspace}))

    async def tracer_sessions(self, query: Query) -> UpstreamResponse:
        """Tracer sessions, as a list of `wire.TracerSession`: a bare JSON array with None for an odd one."""
        return await self._fetch(UpstreamRequest(SESSIONS, "/api/v1/sessions", query, read=_SESSIONS))

    async def known(self, ids: Sequence[str]) -> tuple[set[str], int]:
        """Those of the ids that are tracer sessions, and the calls made: one for each hundred."""
        found: set[str] = set()
        calls = 0
        for part in chunks(ids):
            reply = await self.tracer_sessions([("limit", str(PAGE_MAX)), *with_ids(part)])
            calls += reply.provenance.upstream_requests
            found |= {row.id for row in reply.value if row is not None}
        return found & set(ids), calls

    async def runs(self, body: dict[str, Any]) -> UpstreamResponse:
        """Runs and a cursor, as a `wire.RunsAnswer`. The vendor allows 15 of these in 10 s.

        See docs/vendors/langsmith.md#rate-limits.
        """
        of_several = len(body.get("session", ())) > 1
        return await self._fetch(
            UpstreamRequest(RUNS, "/api/v1/runs/query", body=body, read=_RUNS, is_batch=of_several)
        )

    async def _fetch(self, call: UpstreamRequest) -> UpstreamResponse:
        try:
            return await self.upstream.fetch(call)
        except SourceUnauthorized as error:
            if _LACKS_WORKSPACE in error.vendor_body:
                raise self._set_tenant_id(error) from error
            raise

    def _set_tenant_id(self, error: SourceUnauthorized) -> SourceUnauthorized:
        source = self.upstream.source
        clearer = SourceUnauthorized(
            source,
            f"Source {source!r} has the key of a whole organization: set tenant_id in its configuration "
            "to the id of the workspace to read.",
            http_status=error.http_status,
            upstream_requests=error.upstream_requests,
            vendor_body=error.vendor_body,
        )
        clearer.reference = error.reference  # the log has the call under it
        return clearer
