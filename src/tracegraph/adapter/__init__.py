"""The SDK for a vendor's adapter: the port, paging, capabilities, options, the registry."""

from tracegraph.adapter.base import BaseAdapter, Probe
from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.checks import consistent_total
from tracegraph.adapter.client import Reply, VendorClient
from tracegraph.adapter.helpers import (
    CallCost,
    add_cost_on_error,
    cost_of,
    distinct,
    failure_of,
    first_page_with_rows,
    gather_by_key,
    gather_outcomes,
    latency_ms,
    read_pages,
    refs_by_experiment,
    total_cost,
)
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
from tracegraph.adapter.protocol import (
    Adapter,
    ListsSpans,
    ReadsSessionDetails,
    ReportsAggregates,
    SourceHealth,
    SourceHealthStatus,
)
from tracegraph.adapter.web_pages import ExperimentPage, SessionPage, WebPages
from tracegraph.domain.calls import CircuitState, FetchInfo, RateLimit
from tracegraph.domain.lru import LRU
from tracegraph.upstream.lenient_decoder import (
    Amount,
    Count,
    LenientDecoder,
    LenientStruct,
    Name,
    Number,
    readable_rows,
    refuse_without_rows,
    unreadable_places,
    utc,
)
from tracegraph.upstream.lenient_values import text_of
from tracegraph.upstream.messages import path_segment

__all__ = [
    "LRU",
    "Adapter",
    "Amount",
    "BaseAdapter",
    "CallCost",
    "Capabilities",
    "CircuitState",
    "Count",
    "CursorRequest",
    "ExperimentPage",
    "ExperimentQuery",
    "FetchInfo",
    "Key",
    "LenientDecoder",
    "LenientStruct",
    "ListCapabilities",
    "ListsSpans",
    "Name",
    "Number",
    "OffsetRequest",
    "Page",
    "PageRequest",
    "Paging",
    "Probe",
    "RangeRequest",
    "RateLimit",
    "ReadsSessionDetails",
    "Reply",
    "ReportsAggregates",
    "SessionPage",
    "SessionPageRequest",
    "SourceHealth",
    "SourceHealthStatus",
    "SourceSettings",
    "StrictOptions",
    "VendorClient",
    "WebPages",
    "WholeRequest",
    "add_cost_on_error",
    "both_directions",
    "consistent_total",
    "cost_of",
    "distinct",
    "failure_of",
    "first_page_with_rows",
    "gather_by_key",
    "gather_outcomes",
    "latency_ms",
    "path_segment",
    "read_pages",
    "readable_rows",
    "refs_by_experiment",
    "refuse_without_rows",
    "text_of",
    "total_cost",
    "unreadable_places",
    "utc",
]
