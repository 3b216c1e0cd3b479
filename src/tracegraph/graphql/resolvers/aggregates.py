"""Resolvers of an experiment's aggregates: reported by the vendor, or computed from sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry

from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Aggregate, AggregateBasis, Experiment, Metric
from tracegraph.errors import SourceError
from tracegraph.federation.analytics.scan_filters import EVERY_SESSION
from tracegraph.federation.analytics.session_scan import needs_of_all
from tracegraph.federation.analytics.statistics import in_order
from tracegraph.graphql.reported import all_reported, has_deferred
from tracegraph.graphql.resolvers.deferred import report_source_error
from tracegraph.graphql.resolvers.sources import TracegraphInfo
from tracegraph.graphql.types.filter_inputs import ExperimentSessionFilter, check_number_of_ids
from tracegraph.graphql.types.inputs import MetricInput


def experiment_aggregates(
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    metrics: list[MetricInput] | None = None,
    basis: AggregateBasis = AggregateBasis.REPORTED,
    filter: ExperimentSessionFilter | None = None,  # noqa: A002 - the schema's name
) -> Any:
    """Return the requested metrics, or all metrics. After a failure, return the metrics that could be read.

    Args:
        root: The experiment.
        info: The info of the field.
        metrics: The requested metrics, None for all.
        basis: The requested basis.
        filter: The conditions on the sessions of the figures.

    Raises:
        SourceError: When the source failed and no metric could be read.
    """
    requested = None if metrics is None else [metric.parsed for metric in metrics]
    wanted = parsed_filter(info, filter)
    if wanted != EVERY_SESSION:
        return [] if basis is AggregateBasis.REPORTED else _all_computed(root, info, requested, {}, wanted)
    if basis is AggregateBasis.REPORTED:
        if root.figures_error is not None:
            error = report_source_error(root.figures_error, info.context)
            return _require_any(_selected(root.aggregates, requested), error)
        if has_deferred(info.context, root, requested):
            return _with_deferred(root, info, requested)
        return _selected(root.aggregates, requested)
    return _with_computed(root, info, requested, basis)


def experiment_aggregate(
    root: strawberry.Parent[Experiment],
    info: TracegraphInfo,
    metric: MetricInput,
    basis: AggregateBasis = AggregateBasis.REPORTED,
    filter: ExperimentSessionFilter | None = None,  # noqa: A002 - the schema's name
) -> Any:
    """Return one metric, or None when the basis is REPORTED and the vendor does not report the metric.

    Args:
        root: The experiment.
        info: The info of the field.
        metric: The requested metric.
        basis: The requested basis.
        filter: The conditions on the sessions of the figure.

    Raises:
        SourceError: When the source of the figures failed.
    """
    requested, wanted = metric.parsed, parsed_filter(info, filter)
    if wanted != EVERY_SESSION:
        return None if basis is AggregateBasis.REPORTED else _computed(root, info, requested, wanted)
    if basis is AggregateBasis.REPORTED and root.figures_error is not None:
        raise report_source_error(root.figures_error, info.context)
    if basis is not AggregateBasis.COMPUTED and has_deferred(info.context, root, [requested]):
        return _deferred(root, info, requested, basis)
    reported = _of_metric(root.aggregates, requested)
    if basis is AggregateBasis.REPORTED or (basis is AggregateBasis.BEST and reported is not None):
        return reported
    return _computed(root, info, requested)


async def _deferred(
    experiment: Experiment, info: TracegraphInfo, metric: Metric, basis: AggregateBasis
) -> Aggregate | None:
    """Return a metric that takes a call, else compute the metric if the basis is BEST."""
    try:
        reported = _of_metric(await all_reported(info.context, experiment, [metric]), metric)
    except SourceError as error:
        if basis is AggregateBasis.REPORTED:
            raise report_source_error(error, info.context) from None
        reported = None
    if reported is not None or basis is AggregateBasis.REPORTED:
        return reported
    return await _computed(experiment, info, metric)


async def _with_deferred(
    experiment: Experiment, info: TracegraphInfo, requested: Sequence[Metric] | None
) -> Sequence[Aggregate]:
    """Return the reported metrics. If the call for the deferred ones fails, return the others."""
    try:
        reported = await all_reported(info.context, experiment, requested)
    except SourceError as error:
        error = report_source_error(error, info.context)
        return _require_any(_selected(experiment.aggregates, requested), error)
    return _selected(reported, requested)


def parsed_filter(info: TracegraphInfo, session_filter: ExperimentSessionFilter | None) -> SessionFilter:
    """Return the conditions of a filter argument.

    Raises:
        BadUserInput: When the filter has too many IDs.
        InvalidId: For an ID that is not a session's.
    """
    if session_filter is None:
        return EVERY_SESSION
    check_number_of_ids("ids", session_filter.ids, info.context.page_limits.max_first)
    return session_filter.parsed


async def _computed(
    experiment: Experiment, info: TracegraphInfo, metric: Metric, wanted: SessionFilter = EVERY_SESSION
) -> Aggregate:
    needs = needs_of_all([metric])
    scan = await info.context.scans.scan(experiment.source, experiment.ref, needs, wanted)
    if scan.error is not None:
        raise scan.error
    return scan.aggregate(metric)


def _selected(reported: Sequence[Aggregate], requested: Sequence[Metric] | None) -> Sequence[Aggregate]:
    if requested is None:
        return reported
    return [aggregate for metric in requested if (aggregate := _of_metric(reported, metric)) is not None]


def _require_any(aggregates: Sequence[Aggregate], error: SourceError) -> Sequence[Aggregate]:
    """Return the aggregates that could be read. Raise the error when there is none."""
    if not aggregates:
        raise error
    return aggregates


def _of_metric(reported: Sequence[Aggregate], requested: Metric) -> Aggregate | None:
    for aggregate in reported:
        if aggregate.metric.kind is requested.kind and aggregate.metric == requested:
            return aggregate
    return None


async def _best_reported(
    experiment: Experiment, info: TracegraphInfo, requested: Sequence[Metric] | None
) -> Sequence[Aggregate]:
    """Return the reported metrics, those of the row alone if the call for the others fails: they are computed."""
    if not has_deferred(info.context, experiment, requested):
        return experiment.aggregates
    try:
        return await all_reported(info.context, experiment, requested)
    except SourceError:
        return experiment.aggregates


async def _with_computed(
    experiment: Experiment, info: TracegraphInfo, requested: Sequence[Metric] | None, basis: AggregateBasis
) -> Sequence[Aggregate]:
    reported = await _best_reported(experiment, info, requested) if basis is AggregateBasis.BEST else ()
    by_metric = {aggregate.metric: aggregate for aggregate in reported}
    return await _all_computed(experiment, info, requested, by_metric, EVERY_SESSION)


async def _all_computed(
    experiment: Experiment,
    info: TracegraphInfo,
    requested: Sequence[Metric] | None,
    reported: Mapping[Metric, Aggregate],
    wanted: SessionFilter,
) -> Sequence[Aggregate]:
    """Return the requested metrics, computed from the sessions that match unless they are reported."""
    by_metric = dict(reported)
    if requested is None or any(metric not in by_metric for metric in requested):
        needs = needs_of_all(requested)
        scan, error = await info.context.scans.partial_scan(experiment.source, experiment.ref, needs, wanted)
        by_metric = scan.aggregates(requested) | by_metric
        if error is not None and not by_metric:
            raise error
    order = in_order(by_metric) if requested is None else requested
    return [by_metric[metric] for metric in order if metric in by_metric]
