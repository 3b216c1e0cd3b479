"""The services that `tracegraph check` calls beside the sources: Redis, the JWKS URL, the trace collector."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import unquote

from tracegraph.config.settings import CacheSettings, Settings
from tracegraph.errors import SourceError, SourceErrorCode
from tracegraph.http.auth.jwks import read_keys
from tracegraph.upstream.json_document import fetch_document
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.transport import Transport, TransportSettings

_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """Whether a service responds as the gateway needs; `trouble` is a sentence if it does not."""

    name: str
    trouble: str | None
    duration_ms: float

    @property
    def reachable(self) -> bool:
        """Return whether the service is usable."""
        return self.trouble is None


async def check_services(settings: Settings) -> Sequence[ServiceResult]:
    """Check every configured service concurrently."""
    return await asyncio.gather(*(_timed(name, check) for name, check in _services(settings)))


def _services(settings: Settings) -> Iterator[tuple[str, Awaitable[str | None]]]:
    if settings.cache.is_shared:
        yield "redis", _redis(settings.cache)
    if settings.auth.jwt is not None:
        yield "jwks", _jwks(settings.auth.jwt.jwks)
    if settings.tracing.enabled:
        yield "tracing", _collector(settings.tracing.endpoint)


async def _timed(name: str, check: Awaitable[str | None]) -> ServiceResult:
    began = perf_counter()
    trouble = await check
    return ServiceResult(name, trouble, (perf_counter() - began) * 1000)


async def _redis(cache: CacheSettings) -> str | None:
    from tracegraph.upstream.cache.redis import redis_problem  # noqa: PLC0415 - importing takes 0.25 s

    password = None if cache.password is None else cache.password.get_secret_value()
    trouble = await redis_problem(cache.url, password, _TIMEOUT_S)
    return trouble and f"Redis cannot be used: {trouble}; see cache.url."


async def _jwks(url: str) -> str | None:
    try:
        body = await fetch_document(url)
    except SourceError as error:
        return f"The provider's keys cannot be fetched: {_reason(error)}; see auth.jwt.jwks."
    except OSError as error:
        return f"The provider's keys cannot be read: {error.strerror}; see auth.jwt.jwks."
    return None if read_keys(body) else "The fetched document holds no usable key; see auth.jwt.jwks."


async def _collector(endpoint: str | None) -> str | None:
    """Send an empty list of spans as OTLP/JSON. A protobuf-only collector reports that by its status."""
    url = endpoint or _endpoint_of(os.environ)
    traces = UpstreamRequest("tracing", "", body={"resourceSpans": []})
    try:
        async with Transport("tracing", TransportSettings(url, _TIMEOUT_S, _TIMEOUT_S)) as transport:
            reply = await transport.send(traces, _headers_of(os.environ), _TIMEOUT_S)
    except SourceError as error:
        return f"The collector cannot be reached: {_reason(error)}; see tracing.endpoint."
    except ValueError:
        return "The collector's URL or headers cannot be read; see OTEL_EXPORTER_OTLP_ENDPOINT and its HEADERS."
    if reply.status in {401, 403}:
        return f"The collector refused the credential ({reply.status}); see OTEL_EXPORTER_OTLP_HEADERS."
    if reply.status == 404:
        return "The collector has no such path (404); see tracing.endpoint: it usually ends in /v1/traces."
    return f"The collector is unavailable ({reply.status})." if reply.status >= 500 else None


def _endpoint_of(environment: Mapping[str, str]) -> str:
    """Return the URL of OpenTelemetry's own variables."""
    common = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or "http://localhost:4318"
    return environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or f"{common.rstrip('/')}/v1/traces"


def _headers_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of OpenTelemetry's variables: `name=value,name=value`, percent-encoded."""
    name = "OTEL_EXPORTER_OTLP_HEADERS"
    text = environment.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or environment.get(name) or ""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(key.strip()).lower(): unquote(value.strip()) for key, _, value in pairs}


def _reason(error: SourceError) -> str:
    if error.reason is not None:
        return error.reason
    if error.code is SourceErrorCode.TIMEOUT:
        return f"it did not respond within {_TIMEOUT_S:g} s"
    return "the response was cut off" if error.http_status is None else f"it answered with {error.http_status}"
