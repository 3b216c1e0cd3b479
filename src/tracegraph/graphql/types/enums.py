"""Domain enums as GraphQL enums, under the schema's names."""

from __future__ import annotations

from enum import Enum

import strawberry

from tracegraph import adapter, errors
from tracegraph.domain import figures, filters, models
from tracegraph.federation import facets, report
from tracegraph.federation.analytics import case_order, cases, dimensions, intervals

_DESCRIPTIONS: dict[type[Enum], str] = {
    models.ExperimentKind: "The kind of an experiment: an evaluation over a dataset, a live project, or an agent.",
    models.SessionStatus: "The outcome of a session, or RUNNING.",
    models.SpanKind: "The kind of a step. UNKNOWN stands for any other word of the vendor: see vendorKind.",
    models.MetricKind: "The measured quantity.",
    models.MetricUnit: "The unit of a metric's statistics.",
    models.Better: "The direction of a metric that is an improvement.",
    models.AggregateBasis: (
        "REPORTED: the vendor's own figures. COMPUTED: computed by the gateway from the experiment's sessions, in "
        "the same way for every vendor, with nearest-rank percentiles and the sample standard deviation. BEST: "
        "REPORTED where the vendor reports the metric, else COMPUTED."
    ),
    models.AggregatePopulation: "The population of a figure. Means over different populations are not comparable.",
    figures.Statistic: "The statistic of an aggregate that is compared.",
    cases.CaseKey: (
        "The key that matches a test case of one experiment to the same case of another. Two vendors rarely share "
        "case ids. INPUT compares objects and lists as JSON, and any other text with its white space folded."
    ),
    cases.CaseOutcome: (
        "The outcome of a case against the baseline's, in the metric's better direction. EQUAL: the same within "
        "one part in 10^9, or run by both and measured by neither. MISSING: run or measured by only one."
    ),
    case_order.CaseOrderField: "The fields by which the cases of a comparison can be ordered.",
    filters.OrderDirection: "Missing values come last in both directions.",
    filters.ExperimentOrderField: "NAME compares by code point after Unicode case folding, whatever the vendor.",
    filters.SessionOrderField: "The sort fields of sessions.",
    facets.ExperimentFacetField: "The fields of experiments whose values can be counted.",
    dimensions.SessionDimension: "The properties by which sessions can be grouped.",
    intervals.TimeInterval: "The width of the intervals of a time series, in its time zone.",
    errors.SourceErrorCode: "The reason why a source failed.",
    adapter.SourceHealthStatus: "The health of a source.",
    adapter.CircuitState: "The state of the circuit breaker of a source.",
    report.SourceReportStatus: (
        "OK: the source's rows are complete. STALE: the source failed and older rows from the cache replace its "
        "rows. FAILED: the source is missing from this page, and the next page calls it again. SCAN_LIMITED: the "
        "page budget ended before the source's list did."
    ),
}


def register_enums() -> None:
    """Register every enum with strawberry, once, before any type that uses one is defined."""
    for enum, description in _DESCRIPTIONS.items():
        strawberry.enum(enum, description=description)
