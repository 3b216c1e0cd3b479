"""Aggregates that a vendor reports: in the rows of experiments, or with a call for each experiment."""

from __future__ import annotations

from collections.abc import Sequence

from tracegraph.domain.models import Aggregate, Experiment, Metric
from tracegraph.federation.analytics.statistics import in_order
from tracegraph.graphql.context import RequestContext


def has_deferred(context: RequestContext, experiment: Experiment, metrics: Sequence[Metric] | None) -> bool:
    """Return whether the vendor reports some of these metrics only with a further call.

    Args:
        context: The context of the request.
        experiment: The experiment.
        metrics: The requested metrics, None for all.
    """
    adapter = context.adapter(experiment.source)
    deferred = frozenset() if adapter is None else adapter.capabilities.deferred_metrics
    if not deferred or experiment.figures_error is not None:
        return False
    return metrics is None or any(metric.kind in deferred for metric in metrics)


async def all_reported(
    context: RequestContext, experiment: Experiment, metrics: Sequence[Metric] | None
) -> Sequence[Aggregate]:
    """Return the aggregates of the experiment's row and the deferred ones, in the schema's order of metrics.

    Args:
        context: The context of the request.
        experiment: The experiment.
        metrics: The requested metrics, None for all. Other deferred ones may be missing.

    Raises:
        SourceError: When the call for the deferred ones failed.
    """
    kinds = None if metrics is None else frozenset([metric.kind for metric in metrics])
    deferred = await context.loaders[experiment.source].aggregates.load((experiment, kinds))
    by_metric = {aggregate.metric: aggregate for aggregate in [*experiment.aggregates, *deferred]}
    return [by_metric[metric] for metric in in_order(by_metric)]
