"""HTTP of one vendor for its adapter: `fetch` returns a reply with status 2xx or raises a SourceError.

`compose` builds the stack of layers that a call passes.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from tracegraph.errors import SourceUnauthorized
from tracegraph.upstream.authorized_calls import AuthorizedCalls
from tracegraph.upstream.cache.entries import CacheEntries
from tracegraph.upstream.cache.read_through import CacheFill, ReadThroughCache
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import CallState, Fetcher, UpstreamRequest, UpstreamResponse
from tracegraph.upstream.request_scope import mark_uncacheable, pass_through_credential
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline
from tracegraph.upstream.shared_calls import SharedCalls

API_KEY_PLACEHOLDER = SecretStr("{the key of the caller}")
"""The `api_key` that the adapter of a pass-through source gets."""


def compose(
    pipeline: Fetcher, credential: MutableMapping[str, SecretStr] | None, cache: CacheEntries | None
) -> Fetcher:
    """Return the layers of a call as one stack. A call passes them in this order.

        ReadThroughCache      returns a fresh entry in memory, or a stale one after a failure
        SharedCalls           single flight: equal calls share one call of the layers below
        CacheFill             looks the reply up in the shared store, and stores the reply of the layers below
        AuthorizedCalls       adds the credential, and reads a rotated key anew
        ResiliencePipeline    applies circuit, permits, deadline and retries to `Transport.send`

    Args:
        pipeline: The pipeline of the source, over its transport.
        credential: The secret headers of the calls.
        cache: The cached replies of this credential. None leaves out the first three layers.
    """
    layer: Fetcher = AuthorizedCalls(pipeline, credential)
    if cache is None:
        return layer
    layer = CacheFill(layer, cache)
    shared = SharedCalls(
        layer,
        cache.stores.flights,
        cache.source,
        cache.counters,
        limit_s=cache.policy.limit_s,
        share=cache.policy.share,
    )
    return ReadThroughCache(shared, cache)


@dataclass(frozen=True, slots=True)
class Upstream:
    """The client of one source. An adapter adds its credential once and then fetches.

    `pass_through` names the header in which callers send their own keys. It is None where the gateway has the key.
    """

    pipeline: ResiliencePipeline
    credential: MutableMapping[str, SecretStr] | None = None
    cache: CacheEntries | None = None
    pass_through: str | None = None
    _first_layer: Fetcher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first_layer", compose(self.pipeline, self.credential, self.cache))

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
        return self._with(headers, self.pass_through)

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
        return await self._first_layer.fetch(call, CallState())

    def _as_caller(self, call: UpstreamRequest, header: str) -> Upstream:
        """Return this client with the caller's key, so that cache and single flight serve that key alone."""
        key = pass_through_credential(self.source)
        if key is None:
            message = f"Source {self.source!r} requires your own key: send the key in the header {header}."
            error = SourceUnauthorized(self.source, message)
            report_failure(self.source, call, error)
            raise error
        return self._with(_with_key(self.credential or {}, key), None)

    def _with(self, headers: Mapping[str, SecretStr | None], pass_through: str | None) -> Upstream:
        present = {name: secret for name, secret in headers.items() if secret is not None}
        cache = self.cache
        if cache is not None:
            cache = cache.with_credential({name: secret.get_secret_value() for name, secret in present.items()})
        return replace(self, credential=present, cache=cache, pass_through=pass_through)


def _with_key(headers: Mapping[str, SecretStr], key: SecretStr) -> dict[str, SecretStr | None]:
    """Return the headers with the key in place of the placeholder."""
    placeholder, real = API_KEY_PLACEHOLDER.get_secret_value(), key.get_secret_value()
    return {
        name: SecretStr(value.get_secret_value().replace(placeholder, real)) for name, value in headers.items()
    }
