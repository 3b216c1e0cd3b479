"""What the fields of a comparison do: arguments checked, figures and cases read, failures told at their path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import strawberry
from strawberry.types.nodes import Selection

from tracegraph.domain.models import Aggregate, AggregateBasis, Experiment, Metric, MetricKind, Session
from tracegraph.errors import BadUserInput, SourceError
from tracegraph.federation.analytics.case_texts import canonical
from tracegraph.federation.analytics.cases import CaseKey, CaseOutcome
from tracegraph.federation.analytics.comparison import MetricComparison, Statistic
from tracegraph.federation.analytics.session_scan import INPUT
from tracegraph.graphql.comparison.case_pages import CasePage, place_of
from tracegraph.graphql.comparison.cases import CaseEntryValue, CaseRow, PairedCases
from tracegraph.graphql.comparison.data import ComparisonData, Identity, UnknownExperiment, find_entries
from tracegraph.graphql.comparison.figures import ComparisonArguments, ComparisonValue, RequestedWork
from tracegraph.graphql.compiler.resolver_calls import level_time
from tracegraph.graphql.lookahead import fields_at
from tracegraph.graphql.relay.cursor import CursorBinding
from tracegraph.graphql.relay.ids import decode_id, experiment_id
from tracegraph.graphql.resolvers.deferred import add_field_error
from tracegraph.graphql.resolvers.sources import TracegraphInfo
from tracegraph.graphql.types.inputs import MetricInput, parse_first

_FEWEST, _MOST = 2, 20


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
    """Experiments side by side. Raises BadUserInput and InvalidId; a source that fails keeps its columns."""
    identities, baseline = _identities(experiment_ids, baseline_id)
    question = ComparisonArguments(
        None if metrics is None else [metric.parsed for metric in metrics], statistic, basis
    )
    asked = _asked(info.selected_fields)
    if join_on is CaseKey.INPUT and (asked.counts or asked.cases):
        info.context.scans.expect(frozenset({INPUT}))  # before any list is read for another field
    try:
        with level_time(info):
            entries = await find_entries(info.context, identities)
    except UnknownExperiment as unknown:
        raise BadUserInput(
            f"There is no experiment of the ID {experiment_id(*unknown.identity)}: leave it out of experimentIds."
        ) from None
    compared = ComparisonData(info.context, entries, baseline)
    _add_field_errors_once(info, compared, (entry.error for entry in entries if entry.error is not None))
    return ComparisonValue(compared, question, join_on, asked)


def _identities(ids: Sequence[strawberry.ID], baseline_id: strawberry.ID | None) -> tuple[list[Identity], int]:
    if not _FEWEST <= len(ids) <= _MOST:
        raise BadUserInput(f"experimentIds holds {len(ids)} IDs; a comparison takes {_FEWEST} to {_MOST}.")
    identities = [_identity(one) for one in ids]
    if baseline_id is None:
        return identities, 0
    baseline = _identity(baseline_id)
    if baseline not in identities:
        raise BadUserInput("baselineId is not among experimentIds: name one of them, or leave it out.")
    return identities, identities.index(baseline)


def _identity(text: strawberry.ID) -> Identity:
    source, ref = decode_id(text, "Experiment").parts
    return source, ref


def _asked(selections: Sequence[Selection]) -> RequestedWork:
    root = "comparison"
    return RequestedWork(
        metrics=any(fields_at(selections, root, "metrics")),
        counts=any(fields_at(selections, root, "metrics", "entries", "cases")),
        cases=[_metric(field.arguments["metric"]) for field in fields_at(selections, root, "cases")],
    )


def _metric(argument: Any) -> Metric:
    """A metric as the document or a variable has it: either way the schema has checked it."""
    kind = argument["kind"]
    return Metric(kind if isinstance(kind, MetricKind) else MetricKind(kind), argument.get("evaluator"))


def _add_field_errors_once(info: TracegraphInfo, compared: ComparisonData, errors: Iterable[SourceError]) -> None:
    for error in compared.untold(errors):
        add_field_error(info, error)


async def comparison_sources(root: strawberry.Parent[ComparisonValue]) -> Any:
    """How each source fared, when the work of the fields beside this one is done."""
    return await root.reports()


# -- figures -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MetricEntryValue:
    """One experiment's figure in one metric; `index` is its place among the compared."""

    paired: PairedCases
    metric: Metric
    index: int
    experiment: Experiment
    aggregate: Aggregate | None
    value: float | None
    delta: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class MetricComparisonValue:
    """One metric over all experiments."""

    metric: Metric
    statistic: Statistic
    entries: Sequence[MetricEntryValue]
    best: Experiment | None


async def comparison_metrics(root: strawberry.Parent[ComparisonValue], info: TracegraphInfo) -> Any:
    """The metrics side by side; a source that fails leaves nulls, with an error at this path."""
    with level_time(info):
        figures = await root.figures()
    _add_field_errors_once(info, root.compared, figures.errors)
    return [_shown(root, one) for one in figures.metrics]


def _shown(root: ComparisonValue, found: MetricComparison) -> MetricComparisonValue:
    experiments = root.experiments
    entries = [
        MetricEntryValue(
            root.paired,
            found.metric,
            index,
            experiments[index],
            entry.aggregate,
            entry.value,
            entry.delta,
            entry.ratio,
        )
        for index, entry in enumerate(found.entries)
    ]
    best = None if found.best is None else experiments[found.best]
    return MetricComparisonValue(found.metric, found.statistic, entries, best)


async def metric_entry_cases(root: strawberry.Parent[MetricEntryValue], info: TracegraphInfo) -> Any:
    """The outcomes of the baseline's cases, None when a source fails."""
    try:
        return await root.paired.counts(root.index, root.metric)
    except SourceError as error:
        _add_field_errors_once(info, root.paired.compared, [error])
        return None


# -- cases ---------------------------------------------------------------------------------------------


async def comparison_cases(  # noqa: PLR0917 - the schema's arguments
    root: strawberry.Parent[ComparisonValue],
    info: TracegraphInfo,
    metric: MetricInput,
    outcome: CaseOutcome | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Any:
    """The baseline's cases; a source that fails leaves its entries empty, with an error at this path."""
    limits = info.context.page_limits
    wanted = metric.parsed
    compared, paired = root.compared, root.paired
    arguments = (compared.identities, compared.baseline, paired.join_on, wanted, outcome)
    binding = CursorBinding.of("Comparison.cases", arguments, by_text=True)
    count, place = parse_first(first, limits.default_first, limits.max_first), place_of(binding, after)
    with level_time(info):
        table = await paired.table(wanted)
    _add_field_errors_once(info, compared, table.errors)
    rows = [CaseRow(paired, table, case) for case in table.cases(outcome)]
    return CasePage(rows, count, place, binding, complete=table.complete)


async def case_key(root: strawberry.Parent[CaseRow], info: TracegraphInfo) -> str:
    """The test case's id or the input, read again where it is long; its beginning when that fails."""
    case = root.case
    if case.key is not None:
        return case.key
    try:
        session = await _first_session(root, info)
    except SourceError as error:
        add_field_error(info, error)
        return case.head
    whole = None if session is None else _key_of(session, root.paired.join_on)
    return case.head if whole is None else whole


def _key_of(session: Session, join_on: CaseKey) -> str | None:
    if join_on is CaseKey.TEST_CASE_ID:
        return session.test_case_id
    return None if session.input is None else canonical(session.input)


async def case_input(root: strawberry.Parent[CaseRow], info: TracegraphInfo) -> str | None:
    """The input of the baseline's first session of the case. Raises SourceError."""
    session = await _first_session(root, info)
    return None if session is None else session.input


async def _first_session(row: CaseRow, info: TracegraphInfo) -> Session | None:
    compared = row.paired.compared
    source, _ = compared.identities[compared.baseline]
    return await info.context.loaders[source].sessions.load(row.first_ref)


async def case_entry_sessions(root: strawberry.Parent[CaseEntryValue], info: TracegraphInfo) -> Any:
    """Every repetition; those that cannot be read are left out, with an error at this path."""
    loader = info.context.loaders[root.experiment.source].sessions
    with level_time(info):
        found = await asyncio.gather(*(loader.load(ref) for ref in root.refs), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, SourceError):
            raise one
    for error in {id(one): one for one in found if isinstance(one, SourceError)}.values():
        add_field_error(info, error)
    return [one for one in found if isinstance(one, Session)]
