"""One client of the gateway: asks, counts what came, and sees that no answer is late or an internal error."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import orjson

from tools.soak.listing import Wrong

_SPEAKING = ("SOURCE_", "ALL_SOURCES_FAILED", "DEADLINE_EXCEEDED")
"""The errors that a vendor's failure may cause."""


@dataclass(slots=True)
class Tally:
    """What the soak saw."""

    requests: Counter[str] = field(default_factory=Counter)
    """By kind of question."""
    rows: int = 0
    """Checked against the vendors' data."""
    statuses: Counter[str] = field(default_factory=Counter)
    """What the answers' `extensions.sources` told: status and code."""
    errors: Counter[str] = field(default_factory=Counter)
    """GraphQL errors by code."""
    wrong: list[str] = field(default_factory=list)
    server_errors: list[str] = field(default_factory=list)
    """HTTP 5xx, and INTERNAL_SERVER_ERROR at any status."""
    hung: list[str] = field(default_factory=list)
    """Requests without an answer by the deadline and the slack."""
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to a query: its data, and its errors' codes by path."""

    data: Mapping[str, Any] | None
    codes: Mapping[tuple[str | int, ...], str]


class Client:
    """Sends queries to the gateway, some of them past its cache."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, tally: Tally, random: Random, hung_after_s: float
    ) -> None:
        self._http = http
        self._url = url
        self.tally = tally
        self.random = random
        self._timeout = aiohttp.ClientTimeout(total=hung_after_s)

    async def ask(self, kind: str, query: str, **variables: Any) -> Answer:
        """The answer. Raises Wrong for one that no failing vendor can explain, TimeoutError for none."""
        self.tally.requests[kind] += 1
        headers = {"content-type": "application/json"}
        if self.random.random() < 0.3:
            headers["cache-control"] = "no-cache"
        body = orjson.dumps({"query": query, "variables": variables})
        began = time.monotonic()
        async with self._http.post(self._url, data=body, headers=headers, timeout=self._timeout) as response:
            content = await response.read()
        self.tally.latencies_ms.append((time.monotonic() - began) * 1000)
        if response.status != 200:
            if response.status >= 500:
                self.tally.server_errors.append(f"{kind}: HTTP {response.status}")
            raise Wrong(f"HTTP {response.status}: {content[:300]!r}")
        return self._read(kind, orjson.loads(content))

    def _read(self, kind: str, answer: Mapping[str, Any]) -> Answer:
        codes: dict[tuple[str | int, ...], str] = {}
        for error in answer.get("errors", ()):
            code = error["extensions"]["code"]
            self.tally.errors[code] += 1
            codes[tuple(error.get("path") or ())] = code
            if code == "INTERNAL_SERVER_ERROR":
                self.tally.server_errors.append(f"{kind}: {error}")
            elif not code.startswith(_SPEAKING):
                raise Wrong(f"an error that no vendor causes: {error}")
        for report in answer.get("extensions", {}).get("sources", ()):
            self.tally.statuses[f"{report['status']} {report['code'] or ''}".strip()] += 1
        return Answer(answer.get("data"), codes)
