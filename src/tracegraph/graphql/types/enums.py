"""The vocabulary's enums as GraphQL enums, under the schema's names."""

from __future__ import annotations

from enum import Enum

import strawberry

from tracegraph import adapter, errors
from tracegraph.domain import filters as query
from tracegraph.domain import models as model
from tracegraph.federation import report
from tracegraph.federation.analytics import cases, comparison

_DESCRIPTIONS: dict[type[Enum], str] = {
    model.ExperimentKind: "An evaluation over a dataset, a live project, or an agent.",
    model.SessionStatus: "How a session ended, or that it still runs.",
    model.MetricKind: "What is measured.",
    model.MetricUnit: "The unit of a metric's statistics.",
    model.Better: "Which direction of a metric is an improvement.",
    model.AggregateBasis: (
        "REPORTED: the vendor's own figures. COMPUTED: by the gateway from the experiment's sessions, the same "
        "way for every vendor: percentiles are the nearest rank, the deviation is the sample's. BEST: REPORTED "
        "where the vendor reports the metric, else COMPUTED."
    ),
    model.AggregatePopulation: "What a figure was taken over; means over different populations are not alike.",
    comparison.Statistic: "Which figure of an aggregate is compared.",
    cases.CaseKey: (
        "How one test case of one experiment is recognised in another. Two vendors rarely share case ids: INPUT "
        "joins on the input: objects and lists are compared as JSON, any other text with its white space folded."
    ),
    cases.CaseOutcome: (
        "How a case stands against the baseline's, in the metric's better direction. EQUAL: the same within one "
        "part in 10^9, or run by both and measured by neither. MISSING: run or measured by one of them only."
    ),
    query.OrderDirection: "Missing values come last in both directions.",
    query.ExperimentOrderField: "NAME compares by code point after Unicode case folding, whatever the vendor.",
    query.SessionOrderField: "What sessions can be ordered by.",
    errors.SourceErrorCode: "What went wrong with a source.",
    adapter.SourceHealthStatus: "How a source does.",
    adapter.CircuitState: "Whether calls to a source go through.",
    report.SourceReportStatus: (
        "OK: the source answered whole. STALE: it failed and older rows were served. FAILED: it is missing from "
        "this page and will be asked again on the next. SCAN_LIMITED: the budget ended before its list did."
    ),
}


def register_enums() -> None:
    """Tell strawberry of every enum; done once, before any type that has one is defined."""
    for enum, description in _DESCRIPTIONS.items():
        strawberry.enum(enum, description=description)
