"""One vendor's HTTP as the adapters see it: `fetch` a call, get a good reply or a SourceError."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

import structlog
from pydantic import SecretStr

from tracegraph.adapter import Provenance
from tracegraph.errors import SourceError
from tracegraph.upstream.call import Call, Reply, Tries, readable
from tracegraph.upstream.deadline import remaining_s
from tracegraph.upstream.meter import count_request
from tracegraph.upstream.reads import Reads
from tracegraph.upstream.retry import RetryPolicy
from tracegraph.upstream.statuses import error_for_status
from tracegraph.upstream.transport import Transport

_log = structlog.get_logger("tracegraph.upstream")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The way to one source. Adapters add their credential once and then fetch."""

    source: str
    transport: Transport
    retry: RetryPolicy = RetryPolicy()
    credential: Mapping[str, SecretStr] | None = None
    reads: Reads | None = None

    def with_credential(self, headers: Mapping[str, SecretStr | None]) -> Upstream:
        """The same way with these headers on every call; a header without a secret is left out."""
        present = {name: secret for name, secret in headers.items() if secret is not None}
        values = {name: secret.get_secret_value() for name, secret in present.items()}
        return replace(self, credential=present, reads=self.reads and self.reads.with_credential(values))

    async def fetch(self, call: Call) -> Reply:
        """The vendor's answer with status 2xx, or one that the cache holds; see `reads`.

        Raises SourceError with the number of calls that were made for this asker.
        """
        if self.reads is None:
            return await self._ask(call, Tries())
        return await self.reads.fetch(call, self._ask)

    async def _ask(self, call: Call, tries: Tries) -> Reply:
        return await self.attempts(call, self._headers(), tries)

    async def attempts(self, call: Call, headers: dict[str, str], tries: Tries) -> Reply:
        """The vendor's own answer, with retries. Raises SourceError with the number of calls that were made."""
        for attempt in count(1):
            try:
                tries.made = attempt
                return await self._attempt(call, headers, attempt)
            except SourceError as error:
                error.upstream_requests = attempt
                pause_s = self.retry.pause_s(error, attempt)
                if pause_s is None or pause_s >= remaining_s(at_most=60.0):
                    self._report(call, error)
                    raise
                await asyncio.sleep(pause_s)
        raise AssertionError("count() does not end")

    async def _attempt(self, call: Call, headers: dict[str, str], attempt: int) -> Reply:
        count_request()
        raw = await self.transport.send(call, headers)
        if 200 <= raw.status < 300:
            return readable(call, Reply(self.source, call.kind, raw.body, Provenance(attempt)))
        raise error_for_status(self.source, raw.status, raw.headers, raw.body)

    def _headers(self) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in (self.credential or {}).items()}

    def _report(self, call: Call, error: SourceError) -> None:
        _log.warning(
            "upstream.failed",
            source=self.source,
            kind=call.kind,
            code=error.code.value,
            status=error.http_status,
            requests=error.upstream_requests,
            reference=error.reference,
        )
        _log.debug(
            "upstream.failed.detail",
            reference=error.reference,
            method=call.method,
            path=call.path,
            query=dict(call.query),
            cause=_told(error.__cause__),
            body=error.vendor_body[:2000].decode(errors="replace"),
        )


def _told(cause: BaseException | None) -> str | None:
    """A library's error by its name and its own words: the repr of some holds the call's headers."""
    return None if cause is None else f"{type(cause).__name__}: {cause}"
