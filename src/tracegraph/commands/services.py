"""What `tracegraph check` asks beside the sources: Redis, the identity provider's keys, the traces' collector."""

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

_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """Whether a service answers as the gateway needs it; `trouble` is a sentence where it does not."""

    name: str
    trouble: str | None
    duration_ms: float

    @property
    def reachable(self) -> bool:
        """Whether it can be used."""
        return self.trouble is None


async def check_services(settings: Settings) -> Sequence[ServiceResult]:
    """Ask every service that is configured, all at once."""
    return await asyncio.gather(*(_timed(name, asked) for name, asked in _services(settings)))


def _services(settings: Settings) -> Iterator[tuple[str, Awaitable[str | None]]]:
    if settings.cache.is_shared:
        yield "redis", _redis(settings.cache)
    if settings.auth.jwt is not None:
        yield "jwks", _jwks(settings.auth.jwt.jwks)
    if settings.tracing.enabled:
        yield "tracing", _collector(settings.tracing.endpoint)


async def _timed(name: str, asked: Awaitable[str | None]) -> ServiceResult:
    began = perf_counter()
    trouble = await asked
    return ServiceResult(name, trouble, (perf_counter() - began) * 1000)


async def _redis(cache: CacheSettings) -> str | None:
    from tracegraph.upstream.cache.redis import redis_problem  # noqa: PLC0415 - a quarter of a second, for few

    password = None if cache.password is None else cache.password.get_secret_value()
    trouble = await redis_problem(cache.url, password, _WITHIN_S)
    return trouble and f"Redis cannot be used: {trouble}; see cache.url."


async def _jwks(url: str) -> str | None:
    try:
        body = await fetch_document(url)
    except SourceError as error:
        return f"The provider's keys cannot be fetched: {_reason(error)}; see auth.jwt.jwks."
    except OSError as error:
        return f"The provider's keys cannot be read: {error.strerror}; see auth.jwt.jwks."
    return None if read_keys(body) else "There is no usable key in what was fetched; see auth.jwt.jwks."


async def _collector(endpoint: str | None) -> str | None:
    """Send no spans: by OTLP in JSON, to which a collector that takes protobuf alone says so."""
    url = endpoint or _endpoint_of(os.environ)
    traces = UpstreamRequest("tracing", "", body={"resourceSpans": []})
    try:
        async with Transport("tracing", TransportSettings(url, _WITHIN_S, _WITHIN_S)) as transport:
            reply = await transport.send(traces, _headers_of(os.environ), _WITHIN_S)
    except SourceError as error:
        return f"The collector cannot be reached: {_reason(error)}; see tracing.endpoint."
    except ValueError:
        return "The collector's URL or headers cannot be read; see OTEL_EXPORTER_OTLP_ENDPOINT and its HEADERS."
    if reply.status in {401, 403}:
        return f"The collector refused the credential ({reply.status}); see OTEL_EXPORTER_OTLP_HEADERS."
    if reply.status == 404:
        return "The collector has nothing at that path (404); see tracing.endpoint: it mostly ends in /v1/traces."
    return f"The collector cannot answer now ({reply.status})." if reply.status >= 500 else None


def _endpoint_of(environment: Mapping[str, str]) -> str:
    """Where OpenTelemetry sends traces by its own variables."""
    common = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or "http://localhost:4318"
    return environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or f"{common.rstrip('/')}/v1/traces"


def _headers_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The headers of OpenTelemetry's variables, `name=value,name=value` with escapes of URLs."""
    name = "OTEL_EXPORTER_OTLP_HEADERS"
    given = environment.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or environment.get(name) or ""
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    return {unquote(key.strip()).lower(): unquote(value.strip()) for key, _, value in pairs}


def _reason(error: SourceError) -> str:
    if error.reason is not None:
        return error.reason
    if error.code is SourceErrorCode.TIMEOUT:
        return f"it did not answer within {_WITHIN_S:g} s"
    return "it broke off its answer" if error.http_status is None else f"it answered with {error.http_status}"
