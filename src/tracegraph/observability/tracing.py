"""Switching tracing on: to a collector, by OTLP over HTTP."""

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
    """What the configuration says of tracing: `[tracing]`."""

    @property
    def enabled(self) -> bool:
        """Whether spans are made."""
        ...

    @property
    def endpoint(self) -> str | None:
        """The collector's URL; None: the environment's."""
        ...

    @property
    def sample_ratio(self) -> float:
        """The share of traces that are sampled, of those that begin here."""
        ...

    @property
    def pass_on(self) -> bool:
        """Whether vendors get the trace context."""
        ...


@asynccontextmanager
async def open_tracing(settings: TracingOptions) -> AsyncIterator[Tracing | None]:
    """Spans as the settings say, None when they are off; at the end, what was not sent yet is sent.

    What the settings leave open, the environment's OTEL_* variables decide. Raises ConfigurationError when the
    libraries are not installed.
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
            "The environment's OTEL_* variables cannot be used: a time or a size of them is no number: correct it."
        ) from None
    try:
        yield Tracing(provider, pass_on=settings.pass_on)
    finally:
        await asyncio.to_thread(provider.shutdown)
