"""The SDK for a vendor's adapter: the port, paging, capabilities, options, the registry."""

from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.options import SourceSettings, StrictOptions
from tracegraph.adapter.paging import (
    CursorRequest,
    ExperimentQuery,
    Key,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    RangeRequest,
    SessionPageRequest,
    WholeRequest,
)
from tracegraph.adapter.protocol import Adapter, SourceHealth, SourceHealthStatus
from tracegraph.domain.calls import CircuitState, FetchInfo, RateLimit

__all__ = [
    "Adapter",
    "Capabilities",
    "CircuitState",
    "CursorRequest",
    "ExperimentQuery",
    "FetchInfo",
    "Key",
    "ListCapabilities",
    "OffsetRequest",
    "Page",
    "PageRequest",
    "Paging",
    "RangeRequest",
    "RateLimit",
    "SessionPageRequest",
    "SourceHealth",
    "SourceHealthStatus",
    "SourceSettings",
    "StrictOptions",
    "WholeRequest",
    "both_directions",
]
