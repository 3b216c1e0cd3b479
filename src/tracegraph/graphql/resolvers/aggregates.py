"""Aggregates of an experiment: reported by the vendor, computed from its sessions, or the better of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from tracegraph.domain.models import Aggregate, AggregateBasis, Experiment, Metric
from tracegraph.federation.analytics.session_scan import needs_of_all
from tracegraph.federation.analytics.statistics import in_order
from tracegraph.graphql.resolvers.deferred import add_field_error, report_source_error
from tracegraph.graphql.resolvers.sources import TracegraphInfo
from tracegraph.graphql.types.inputs import MetricInput


def experiment_aggregates(
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    metrics: list[MetricInput] | None = None,
    basis: AggregateBasis = AggregateBasis.REPORTED,
) -> Any:
    """The metrics asked for, or all there are; a source that fails costs the computed ones, with an error."""
    wanted = None if metrics is None else [metric.parsed for metric in metrics]
    if basis is AggregateBasis.REPORTED:
        if root.figures_error is not None:
            add_field_error(info, report_source_error(root.figures_error, info.context))
        return _reported(root, wanted)
    return _with_computed(root, info, wanted, basis)


def experiment_aggregate(
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    metric: MetricInput,
    basis: AggregateBasis = AggregateBasis.REPORTED,
) -> Any:
    """One metric; None when it is asked for as reported and is not. Raises SourceError."""
    wanted = metric.parsed
    if basis is AggregateBasis.REPORTED and root.figures_error is not None:
        raise report_source_error(root.figures_error, info.context)
    reported = _reported_one(root, wanted)
    if basis is AggregateBasis.REPORTED or (basis is AggregateBasis.BEST and reported is not None):
        return reported
    return _computed(root, info, wanted)


async def _computed(experiment: Experiment, info: TracegraphInfo, metric: Metric) -> Aggregate:
    scan = await info.context.scans.scan(experiment.source, experiment.ref, needs_of_all([metric]))
    if scan.error is not None:
        raise scan.error
    return scan.aggregate(metric)


def _reported(experiment: Experiment, wanted: Sequence[Metric] | None) -> Sequence[Aggregate]:
    if wanted is None:
        return experiment.aggregates
    return [found for metric in wanted if (found := _reported_one(experiment, metric)) is not None]


def _reported_one(experiment: Experiment, wanted: Metric) -> Aggregate | None:
    for found in experiment.aggregates:
        if found.metric.kind is wanted.kind and found.metric == wanted:
            return found
    return None


async def _with_computed(
    experiment: Experiment, info: TracegraphInfo, wanted: Sequence[Metric] | None, basis: AggregateBasis
) -> Sequence[Aggregate]:
    found = {one.metric: one for one in experiment.aggregates} if basis is AggregateBasis.BEST else {}
    if wanted is None or any(metric not in found for metric in wanted):
        needs = needs_of_all(wanted)
        scan, error = await info.context.scans.partial_scan(experiment.source, experiment.ref, needs)
        if error is not None:
            add_field_error(info, error)
        computed = scan.aggregates(wanted)
        found |= {metric: one for metric, one in computed.items() if metric not in found}
    order = in_order(found) if wanted is None else wanted
    return [found[metric] for metric in order if metric in found]
