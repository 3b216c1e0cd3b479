"""Setup of tracing with a collector, by OTLP over HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from tracegraph.errors import ConfigurationError

if TYPE_CHECKING:
    from tracegraph.observability.spans import Tracing


class TracingOptions(Protocol):
    """The options of the configuration table `[tracing]`."""

    @property
    def enabled(self) -> bool:
        """Whether the gateway records spans."""
        ...

    @property
    def endpoint(self) -> str | None:
        """The URL of the collector. None selects the URL of the environment."""
        ...

    @property
    def sample_ratio(self) -> float:
        """The fraction of sampled traces, among traces that start at the gateway."""
        ...

    @property
    def pass_on(self) -> bool:
        """Whether requests to vendors carry the trace context."""
        ...


@asynccontextmanager
async def open_tracing(settings: TracingOptions) -> AsyncIterator[Tracing | None]:
    """Open tracing with the settings, or yield None when tracing is off. The end exports the remaining spans.

    The OTEL_* variables of the environment apply where the settings have no value.

    Raises:
        ConfigurationError: The libraries are not installed, or an OTEL_* variable is invalid.
    """
    if not settings.enabled:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

        from tracegraph.observability.spans import Tracing  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "tracing.enabled needs libraries that are not installed: install tracegraph[otel], or set it to false."
        ) from None
    provider = TracerProvider(
        ParentBasedTraceIdRatio(settings.sample_ratio),
        Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "tracegraph")}),
        shutdown_on_exit=False,
    )
    try:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.endpoint)))
    except ValueError:
        raise ConfigurationError(
            "An OTEL_* variable of the environment has a time or size that is not a number: correct the variable."
        ) from None
    try:
        yield Tracing(provider, pass_on=settings.pass_on)
    finally:
        await asyncio.to_thread(provider.shutdown)
