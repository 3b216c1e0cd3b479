"""HTTP of one vendor for its adapter: `fetch` returns a reply with status 2xx or raises a SourceError.

A call passes these objects, each with one method for it:

    Upstream.fetch                adds the credential, the gateway's or the caller's
    ReadThroughCache.fetch        returns a fresh entry, or a stale one after a failure
    SingleFlight.wait             shares one load among equal reads
    ResiliencePipeline.execute    applies circuit, permits, deadline and retries
    Transport.send                sends one request
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace

from pydantic import SecretStr

from tracegraph.domain.secrets import read_anew
from tracegraph.errors import SourceUnauthorized
from tracegraph.upstream.cache.read_through import ReadThroughCache
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import AttemptState, UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import mark_uncacheable, pass_through_credential
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline

API_KEY_PLACEHOLDER = SecretStr("{the key of the caller}")
"""The `api_key` that the adapter of a pass-through source gets."""


_HTTP_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Upstream:
    """The client of one source. An adapter adds its credential once and then fetches.

    `pass_through` names the header in which callers send their own keys. It is None where the gateway has the key.
    """

    pipeline: ResiliencePipeline
    credential: MutableMapping[str, SecretStr] | None = None
    cache: ReadThroughCache | None = None
    pass_through: str | None = None

    @property
    def source(self) -> str:
        """The configured name of the source."""
        return self.pipeline.source

    @property
    def base_url(self) -> str:
        """The base URL of the source."""
        return self.pipeline.base_url

    def with_credential(self, headers: Mapping[str, SecretStr | None]) -> Upstream:
        """Return this client with these headers on every call; a header without a secret is left out."""
        present = {name: secret for name, secret in headers.items() if secret is not None}
        values = {name: secret.get_secret_value() for name, secret in present.items()}
        return replace(self, credential=present, cache=self.cache and self.cache.with_credential(values))

    @property
    def is_cached(self) -> bool:
        """Whether replies are cached, so that requests for the same pages share calls."""
        return self.cache is not None

    async def fetch(self, call: UpstreamRequest) -> UpstreamResponse:
        """Return the vendor's reply with status 2xx, or a cached one; `ReadThroughCache` decides which.

        Raises:
            SourceError: For a failed call, with the number of requests sent for this caller.
            SourceUnauthorized: For a caller without a key where the source passes keys through.
        """
        if self.pass_through is not None:
            return await self._as_caller(call, self.pass_through).fetch(call)
        if self.cache is None:
            mark_uncacheable()
            return await self._execute(call, AttemptState())
        return await self.cache.fetch(call, self._execute)

    def _as_caller(self, call: UpstreamRequest, header: str) -> Upstream:
        """Return this client with the caller's key, so that cache and single flight serve that key alone."""
        key = pass_through_credential(self.source)
        if key is None:
            message = f"Source {self.source!r} requires your own key: send the key in the header {header}."
            error = SourceUnauthorized(self.source, message)
            report_failure(self.source, call, error)
            raise error
        return replace(self, pass_through=None).with_credential(_with_key(self.credential or {}, key))

    async def _execute(self, call: UpstreamRequest, state: AttemptState) -> UpstreamResponse:
        """Send the call. Send it again if the vendor rejects a key whose file now holds another one."""
        headers = self._headers()
        try:
            return await self.pipeline.execute(call, headers, state)
        except SourceUnauthorized as error:
            if error.http_status != _HTTP_UNAUTHORIZED or not self._has_newer_key(headers):
                raise
        return await self.pipeline.execute(call, self._headers(), state)

    def _has_newer_key(self, rejected: Mapping[str, str]) -> bool:
        """Read the keys' files anew, and return whether the headers are now other than the rejected ones."""
        credential = self.credential or {}
        for name, secret in list(credential.items()):
            newer = read_anew(secret)
            if newer is not None:
                credential[name] = newer
        return self._headers() != rejected

    def _headers(self) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in (self.credential or {}).items()}


def _with_key(headers: Mapping[str, SecretStr], key: SecretStr) -> dict[str, SecretStr | None]:
    """Return the headers with the key in place of the placeholder."""
    placeholder, real = API_KEY_PLACEHOLDER.get_secret_value(), key.get_secret_value()
    return {
        name: SecretStr(value.get_secret_value().replace(placeholder, real)) for name, value in headers.items()
    }
