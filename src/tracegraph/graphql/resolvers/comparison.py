"""Resolvers of a comparison: they check arguments, read figures and cases, and add errors at the field's path."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types.nodes import Selection

from tracegraph.domain.figures import Statistic
from tracegraph.domain.models import Aggregate, AggregateBasis, Experiment, Metric, MetricKind, Session
from tracegraph.errors import BadUserInput, SourceError
from tracegraph.federation.analytics.case_order import KEYS_ASCENDING, CaseOrderField
from tracegraph.federation.analytics.case_order import CaseOrder as CaseOrderValue
from tracegraph.federation.analytics.case_texts import canonical
from tracegraph.federation.analytics.cases import CaseKey, CaseOutcome
from tracegraph.federation.analytics.comparison import MetricComparison
from tracegraph.federation.analytics.session_scan import INPUT
from tracegraph.graphql.comparison.case_pages import CaseConnection, PageOfCases, decode_case_cursor
from tracegraph.graphql.comparison.cases import CaseEntry, CaseRow, PairedCases
from tracegraph.graphql.comparison.data import ComparedExperiment, ComparisonData, Identity, find_entries
from tracegraph.graphql.comparison.figures import Comparison, ComparisonArguments, RequestedWork
from tracegraph.graphql.compiler.resolver_info import nested_time_share
from tracegraph.graphql.lookahead import fields_at
from tracegraph.graphql.relay.cursor import CursorBinding
from tracegraph.graphql.relay.ids import decode_id
from tracegraph.graphql.relay.page_arguments import PageArguments
from tracegraph.graphql.resolvers.deferred import report_source_error, with_field
from tracegraph.graphql.resolvers.sources import TracegraphInfo
from tracegraph.graphql.types.inputs import CaseOrder, MetricInput

_MIN_EXPERIMENTS, _MAX_EXPERIMENTS = 2, 20


# -- the comparison ------------------------------------------------------------------------------------


async def query_comparison(  # noqa: PLR0917 - the schema's arguments
    info: TracegraphInfo,
    experiment_ids: list[strawberry.ID],
    baseline_id: strawberry.ID | None = None,
    metrics: list[MetricInput] | None = None,
    statistic: Statistic = Statistic.MEAN,
    basis: AggregateBasis = AggregateBasis.BEST,
    join_on: CaseKey = CaseKey.TEST_CASE_ID,
) -> Any:
    """Return experiments side by side. An experiment of a failed source keeps its column, without values.

    Args:
        info: The info of the field.
        experiment_ids: The IDs of the experiments.
        baseline_id: The ID of the baseline, by default the first experiment.
        metrics: The compared metrics, by default those that at least two experiments have.
        statistic: The compared statistic.
        basis: The basis of the figures.
        join_on: The key that pairs cases.

    Raises:
        BadUserInput: For a wrong number of experiments, fewer than two known ones, or a baseline that is unknown
            or not compared.
        InvalidId: For an ID that is not an experiment's.
    """
    identities, baseline = _identities(experiment_ids, baseline_id)
    arguments = ComparisonArguments(
        None if metrics is None else [metric.parsed for metric in metrics], statistic, basis
    )
    requested = _requested_work(info.selected_fields)
    if join_on is CaseKey.INPUT and (requested.counts or requested.cases):
        info.context.scans.expect(frozenset({INPUT}))  # before any list is read for another field
    with nested_time_share(info):
        known = await find_entries(info.context, identities)
    entries = [known[identity] for identity in identities if identity in known]
    missing = dict.fromkeys(
        text for text, identity in zip(experiment_ids, identities, strict=True) if identity not in known
    )
    compared = ComparisonData(info.context, entries, _baseline_index(entries, baseline))
    return Comparison(compared, arguments, join_on, requested, list(missing))


def _baseline_index(entries: Sequence[ComparedExperiment], baseline: Identity | None) -> int:
    """Return the index of the baseline among the known experiments. Raise BadUserInput where there is none."""
    compared = [entry.identity for entry in entries]
    if baseline is not None and baseline not in compared:
        raise BadUserInput("No source has the experiment of baselineId: use another baseline.")
    if len(compared) < _MIN_EXPERIMENTS:
        raise BadUserInput(
            f"The sources have {len(compared)} of the experiments in experimentIds: a comparison takes at least "
            f"{_MIN_EXPERIMENTS}."
        )
    return 0 if baseline is None else compared.index(baseline)


def _identities(
    ids: Sequence[strawberry.ID], baseline_id: strawberry.ID | None
) -> tuple[list[Identity], Identity | None]:
    if not _MIN_EXPERIMENTS <= len(ids) <= _MAX_EXPERIMENTS:
        raise BadUserInput(
            f"experimentIds has {len(ids)} IDs: a comparison takes {_MIN_EXPERIMENTS} to {_MAX_EXPERIMENTS}."
        )
    identities = [_identity(text) for text in ids]
    if baseline_id is None:
        return identities, None
    baseline = _identity(baseline_id)
    if baseline not in identities:
        raise BadUserInput("baselineId is not among experimentIds: use one of them, or omit baselineId.")
    return identities, baseline


def _identity(text: strawberry.ID) -> Identity:
    source, ref = decode_id(text, "Experiment").parts
    return source, ref


def _requested_work(selections: Sequence[Selection]) -> RequestedWork:
    root = "comparison"
    return RequestedWork(
        metrics=any(fields_at(selections, root, "metrics")),
        counts=any(fields_at(selections, root, "metrics", "entries", "cases")),
        cases=[
            (_metric(field.arguments["metric"]), field.arguments.get("text") or None)
            for field in fields_at(selections, root, "cases")
        ],
    )


def _metric(argument: Any) -> Metric:
    """Return a metric from a validated literal or variable."""
    kind = argument["kind"]
    return Metric(kind if isinstance(kind, MetricKind) else MetricKind(kind), argument.get("evaluator"))


async def comparison_sources(root: strawberry.Parent[Comparison]) -> Any:
    """Return the report of each source, after the sibling fields have done their work."""
    return await root.reports()


# -- figures -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ComparedMetricEntry:
    """One experiment's figure in one metric. `index` is the experiment's index in the comparison."""

    paired: PairedCases
    metric: Metric
    index: int
    experiment: Experiment
    aggregate: Aggregate | None
    value: float | None
    delta: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """One metric over all experiments of a comparison."""

    metric: Metric
    statistic: Statistic
    entries: Sequence[ComparedMetricEntry]
    best: Experiment | None


async def comparison_metrics(root: strawberry.Parent[Comparison], info: TracegraphInfo) -> Any:
    """Return the metrics side by side. A failed source leaves nulls, and `Comparison.sources` has its error."""
    with nested_time_share(info):
        figures = await root.figures()
    return [_compared_metric(root, metric) for metric in figures]


def _compared_metric(root: Comparison, metric: MetricComparison) -> ComparedMetric:
    experiments = root.experiments
    entries = [
        ComparedMetricEntry(
            root.paired,
            metric.metric,
            index,
            experiments[index],
            entry.aggregate,
            entry.value,
            entry.delta,
            entry.ratio,
        )
        for index, entry in enumerate(metric.entries)
    ]
    best = None if metric.best is None else experiments[metric.best]
    return ComparedMetric(metric.metric, metric.statistic, entries, best)


async def metric_entry_cases(root: strawberry.Parent[ComparedMetricEntry]) -> Any:
    """Return the outcome counts of the baseline's cases, None when a source fails."""
    try:
        return await root.paired.counts(root.index, root.metric)
    except SourceError:  # `Comparison.sources` reports it
        return None


# -- cases ---------------------------------------------------------------------------------------------


async def comparison_cases(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[Comparison],
    info: TracegraphInfo,
    metric: MetricInput,
    outcome: CaseOutcome | None = None,
    text: str | None = None,
    order_by: CaseOrder | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Any:
    """Return a page of the baseline's cases, None when the baseline's source failed.

    Another failed source leaves nulls in its entries. `Comparison.sources` has the errors.

    Args:
        root: The comparison.
        info: The info of the field.
        metric: The compared metric.
        outcome: The outcome that at least one experiment must have for a case.
        text: The text that must occur in the key of a case, or in one of its sessions.
        order_by: The order of the cases, by default that of their keys.
        first: The number of rows.
        after: The cursor before the first row.
        last: The number of rows, counted from the end of the list or from `before`.
        before: The cursor after the last row.

    Raises:
        BadUserInput: When `first` or `last` is out of range, both are given, the metric is invalid, or
            the experiment of the order is not compared.
        InvalidId: When the experiment of the order is not an experiment's ID.
        InvalidCursor: When `after` or `before` is not a cursor of this list.
    """
    page = PageArguments(first, after, last, before)
    parsed_metric = metric.parsed
    compared, paired = root.compared, root.paired
    order, wanted_text = _case_order(compared, order_by), text or None
    binding = _case_binding(root, parsed_metric, outcome, wanted_text, order)
    count = page.count(info.context.page_limits)
    place = decode_case_cursor(binding, page.cursor)
    with nested_time_share(info):
        selected = await paired.selected(parsed_metric, outcome, wanted_text)
    if selected.table.column(compared.baseline) is None:
        return None
    return CaseConnection(paired, selected, order, PageOfCases(count, place, page.backwards), binding)


def _case_order(compared: ComparisonData, order_by: CaseOrder | None) -> CaseOrderValue:
    """Return the order with the index of its experiment, by default the first one that is not the baseline."""
    if order_by is None:
        return KEYS_ASCENDING
    identities = compared.identities
    baseline = identities[compared.baseline]
    identity = next((one for one in identities if one != baseline), baseline)
    if order_by.experiment_id is not None:
        identity = _identity(order_by.experiment_id)
        if identity not in identities:
            raise BadUserInput(
                "orderBy: experimentId is not one of the compared experiments: use one of them, or omit it."
            )
    by_key = order_by.field is CaseOrderField.KEY
    return CaseOrderValue(order_by.field, order_by.direction, None if by_key else identities.index(identity))


def _case_binding(
    root: Comparison, metric: Metric, outcome: CaseOutcome | None, text: str | None, order: CaseOrderValue
) -> CursorBinding:
    """Return the binding of a list of cases. Cursors without text and order are those of earlier releases."""
    compared, paired = root.compared, root.paired
    arguments = [compared.identities, compared.baseline, paired.join_on, metric, outcome]
    if text is not None or order != KEYS_ASCENDING:
        arguments += [text, order]
    values = str if order.field is CaseOrderField.KEY else float
    return CursorBinding.of("Comparison.cases", tuple(arguments), values)


async def case_key(root: strawberry.Parent[CaseRow], info: TracegraphInfo) -> str:
    """Return the test case's id or the input. A long input is read again, and cut short when that fails."""
    case = root.case
    if case.key is not None:
        return case.key
    try:
        session = await _first_session(root, info)
    except SourceError as error:
        report_source_error(error, info.context)
        return case.head
    key = None if session is None else _key_of(session, root.paired.join_on)
    return case.head if key is None else key


def _key_of(session: Session, join_on: CaseKey) -> str | None:
    if join_on is CaseKey.TEST_CASE_ID:
        return session.test_case_id
    return None if session.input is None else canonical(session.input)


async def case_input(root: strawberry.Parent[CaseRow], info: TracegraphInfo) -> str | None:
    """Return the input of the baseline's first session of the case.

    Raises:
        SourceError: When the session cannot be read.
    """
    session = await _first_session(root, info)
    return None if session is None else session.input


async def _first_session(row: CaseRow, info: TracegraphInfo) -> Session | None:
    compared = row.paired.compared
    source, _ = compared.identities[compared.baseline]
    session = await info.context.loaders[source].sessions.load(row.first_ref)
    return None if session is None else await with_field(session, info.context, "input")


async def case_entry_sessions(root: strawberry.Parent[CaseEntry], info: TracegraphInfo) -> Any:
    """Return the repetitions that can be read, None when the source of the experiment failed.

    Raises:
        SourceError: When none of the repetitions can be read.
    """
    if root.refs is None:
        return None
    loader = info.context.loaders[root.experiment.source].sessions
    with nested_time_share(info):
        results = await asyncio.gather(*(loader.load(ref) for ref in root.refs), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, SourceError):
            raise result
    sessions = [result for result in results if isinstance(result, Session)]
    for error in {id(result): result for result in results if isinstance(result, SourceError)}.values():
        report_source_error(error, info.context)
        if not sessions:
            raise error
    return sessions
