"""The names of the SDK, which adapters of other distributions import."""

import tracegraph.adapter

SURFACE = """
    LRU Adapter Amount BaseAdapter CallCost Capabilities CircuitState Count CursorRequest ExperimentPage
    ExperimentQuery FetchInfo Key LenientDecoder LenientStruct ListCapabilities ListsSpans Name Number
    OffsetRequest Page PageRequest Paging Probe RangeRequest RateLimit ReadsSessionDetails Reply
    ReportsAggregates SessionPage SessionPageRequest SourceHealth SourceHealthStatus SourceSettings
    StrictOptions VendorClient WebAddress WebPages WholeRequest add_cost_on_error bearer both_directions chunks
    commit_url consistent_total cost_of distinct failure_of first_page_with_rows gather_by_key gather_outcomes
    json_object latency_ms path_segment read_pages readable_rows refs_by_experiment refuse_without_rows
    span_kind text_of total_cost total_or_sum unreadable_places utc
"""


def test_the_sdk_exports_exactly_these_names() -> None:
    assert tracegraph.adapter.__all__ == SURFACE.split()


def test_every_exported_name_exists() -> None:
    assert all(hasattr(tracegraph.adapter, name) for name in tracegraph.adapter.__all__)
