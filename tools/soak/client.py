"""A client of the gateway that counts responses and checks for late responses and internal errors."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import orjson

from tools.soak.listing import Mismatch

_SOURCE_ERROR_PREFIXES = ("SOURCE_", "ALL_SOURCES_FAILED", "DEADLINE_EXCEEDED")
"""The error codes that a failing vendor may cause."""


@dataclass(slots=True)
class SoakStats:
    """The observations of the soak."""

    requests: Counter[str] = field(default_factory=Counter)
    """Requests by kind of query."""
    rows: int = 0
    """Rows compared with the vendors' data."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Status and code of all `extensions.sources`."""
    errors: Counter[str] = field(default_factory=Counter)
    """GraphQL errors by code."""
    wrong: list[str] = field(default_factory=list)
    server_errors: list[str] = field(default_factory=list)
    """HTTP 5xx, and INTERNAL_SERVER_ERROR at any status."""
    hung: list[str] = field(default_factory=list)
    """Requests without a response by the deadline and the slack."""
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QueryResponse:
    """A response to a query: its data, and its error codes by path."""

    data: Mapping[str, Any] | None
    codes: Mapping[tuple[str | int, ...], str]


class Client:
    """Sends queries to the gateway, some of them bypassing its cache."""

    def __init__(
        self, http: httpx.AsyncClient, url: str, stats: SoakStats, random: Random, hung_after_s: float
    ) -> None:
        self._http = http
        self._url = url
        self.stats = stats
        self.random = random
        self._hung_after_s = hung_after_s

    async def query(self, kind: str, document: str, **variables: Any) -> QueryResponse:
        """Send a query and return its response.

        Args:
            kind: The kind of query, for the counts.
            document: The GraphQL document.
            **variables: The variables of the query.

        Raises:
            Mismatch: No failing vendor explains the response.
            TimeoutError: There was no response.
        """
        self.stats.requests[kind] += 1
        headers = {"content-type": "application/json"}
        if self.random.random() < 0.3:
            headers["cache-control"] = "no-cache"
        body = orjson.dumps({"query": document, "variables": variables})
        began = time.monotonic()
        async with asyncio.timeout(self._hung_after_s):
            response = await self._http.post(self._url, content=body, headers=headers)
        self.stats.latencies_ms.append((time.monotonic() - began) * 1000)
        if response.status_code != 200:
            if response.status_code >= 500:
                self.stats.server_errors.append(f"{kind}: HTTP {response.status_code}")
            raise Mismatch(f"HTTP {response.status_code}: {response.content[:300]!r}")
        return self._read(kind, orjson.loads(response.content))

    def _read(self, kind: str, payload: Mapping[str, Any]) -> QueryResponse:
        codes: dict[tuple[str | int, ...], str] = {}
        for error in payload.get("errors", ()):
            code = error["extensions"]["code"]
            self.stats.errors[code] += 1
            codes[tuple(error.get("path") or ())] = code
            if code == "INTERNAL_SERVER_ERROR":
                self.stats.server_errors.append(f"{kind}: {error}")
            elif not code.startswith(_SOURCE_ERROR_PREFIXES):
                raise Mismatch(f"an error that no vendor can cause: {error}")
        for report in payload.get("extensions", {}).get("sources", ()):
            self.stats.statuses[f"{report['status']} {report['code'] or ''}".strip()] += 1
        return QueryResponse(payload.get("data"), codes)
