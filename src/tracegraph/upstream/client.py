"""One vendor's HTTP as the adapters see it: `fetch` a call, get a good reply or a SourceError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr

from tracegraph.errors import SourceUnauthorized
from tracegraph.upstream.cache.dependencies import mark_uncacheable
from tracegraph.upstream.cache.read_through import ReadThroughCache
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import AttemptState, UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import pass_through_credential, with_key
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline


@dataclass(frozen=True, slots=True)
class Upstream:
    """The way to one source. Adapters add their credential once and then fetch.

    `pass_through` is the header in which callers bring their own keys, None where the gateway has the key.
    """

    guards: ResiliencePipeline
    credential: Mapping[str, SecretStr] | None = None
    reads: ReadThroughCache | None = None
    pass_through: str | None = None

    @property
    def source(self) -> str:
        """The source's configured name."""
        return self.guards.source

    def with_credential(self, headers: Mapping[str, SecretStr | None]) -> Upstream:
        """The same way with these headers on every call; a header without a secret is left out."""
        present = {name: secret for name, secret in headers.items() if secret is not None}
        values = {name: secret.get_secret_value() for name, secret in present.items()}
        return replace(self, credential=present, reads=self.reads and self.reads.with_credential(values))

    async def fetch(self, call: UpstreamRequest) -> UpstreamResponse:
        """The vendor's answer with status 2xx, or one that the cache holds; see `reads`.

        Raises SourceError with the number of calls that were made for this caller; SourceUnauthorized when this
        source passes keys through and the caller sent none.
        """
        if self.pass_through is not None:
            return await self._as_caller(call, self.pass_through).fetch(call)
        if self.reads is None:
            mark_uncacheable()
            return await self._ask(call, AttemptState())
        return await self.reads.fetch(call, self._ask)

    def _as_caller(self, call: UpstreamRequest, header: str) -> Upstream:
        """The route with the caller's key: single flight and cache under it are for that key alone."""
        key = pass_through_credential(self.source)
        if key is None:
            message = f"Source {self.source!r} is read with your own key: send it in the header {header}."
            error = SourceUnauthorized(self.source, message)
            report_failure(self.source, call, error)
            raise error
        return replace(self, pass_through=None).with_credential(with_key(self.credential or {}, key))

    async def _ask(self, call: UpstreamRequest, tries: AttemptState) -> UpstreamResponse:
        return await self.guards.attempts(call, self._headers(), tries)

    def _headers(self) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in (self.credential or {}).items()}
