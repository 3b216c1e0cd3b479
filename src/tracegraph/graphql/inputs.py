"""Arguments: the schema's input types, and the checked values that the layers below take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import strawberry

from tracegraph import model, query
from tracegraph.adapter import Adapter
from tracegraph.errors import BadUserInput
from tracegraph.graphql.ids import decode_id
from tracegraph.records import record


@strawberry.input(
    description="Conditions on a text; all that are given hold. eq and in are exact, contains ignores case."
)
class StringFilter:
    """`query.StringFilter` as the schema has it."""

    eq: str | None = None
    in_: list[str] | None = strawberry.field(name="in", default=None)
    contains: str | None = None

    def parsed(self) -> query.StringFilter:
        """The checked value."""
        return query.StringFilter(self.eq, None if self.in_ is None else frozenset(self.in_), self.contains)


@strawberry.input(description="From gte up to but not including lt.")
class DateTimeRange:
    """`query.TimeRange` as the schema has it."""

    gte: datetime | None = None
    lt: datetime | None = None

    def parsed(self) -> query.TimeRange:
        """The checked value."""
        return query.TimeRange(self.gte, self.lt)


@strawberry.input(description="Conditions hold all at once; a list within one means any of its members.")
class ExperimentFilter:
    """`query.ExperimentFilter` and the choice of sources as the schema has them."""

    sources: list[str] | None = strawberry.field(default=None, description="Configured names.")
    vendors: list[str] | None = None
    kinds: list[model.ExperimentKind] | None = None
    ids: list[strawberry.ID] | None = None
    name: StringFilter | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    group_id: str | None = None
    created_at: DateTimeRange | None = None
    updated_at: DateTimeRange | None = None


@strawberry.input(description="Conditions hold all at once; a list within one means any of its members.")
class SessionFilter:
    """`query.SessionFilter`, the choice of sources and of experiments as the schema has them."""

    sources: list[str] | None = strawberry.field(default=None, description="Configured names.")
    vendors: list[str] | None = None
    experiment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="Without it: the most recently active experiments of each source, up to a configured number.",
    )
    statuses: list[model.SessionStatus] | None = None
    test_case_id: str | None = None
    started_at: DateTimeRange | None = None


@strawberry.input(description="The order of a list of experiments; missing values come last in both directions.")
class ExperimentOrder:
    """`query.ExperimentOrder` as the schema has it."""

    field: query.ExperimentOrderField
    direction: query.OrderDirection = query.OrderDirection.DESC


@strawberry.input(description="The order of a list of sessions.")
class SessionOrder:
    """`query.SessionOrder` as the schema has it."""

    field: query.SessionOrderField
    direction: query.OrderDirection = query.OrderDirection.DESC


@strawberry.input(description="Names a metric; evaluator goes with SCORE, and only there.")
class MetricInput:
    """`model.Metric` as the schema has it."""

    kind: model.MetricKind
    evaluator: str | None = None

    def parsed(self) -> model.Metric:
        """The metric. Raises BadUserInput when evaluator and kind do not fit."""
        if (self.kind is model.MetricKind.SCORE) != (self.evaluator is not None):
            raise BadUserInput("A metric has an evaluator with kind SCORE, and only there.")
        return model.Metric(self.kind, self.evaluator)


@dataclass(frozen=True, slots=True)
class ParsedExperimentFilter:
    """The sources that are asked, the filter for each of them by name, and what a cursor is bound to."""

    adapters: Sequence[Adapter]
    by_source: dict[str, query.ExperimentFilter]
    bound_to: object


@record(frozen=True, slots=True)
class ParsedSessionFilter:
    """The sources that are asked, the experiments by source where they are named, the filter.

    `bound_to` is what a cursor is bound to: the conditions as they were given, whatever sources there are.
    """

    adapters: Sequence[Adapter]
    experiment_refs: dict[str, list[str]] | None
    filter: query.SessionFilter
    bound_to: object


def parse_experiment_filter(given: ExperimentFilter | None, adapters: Sequence[Adapter]) -> ParsedExperimentFilter:
    """The filter as values. Raises InvalidId for an ID that is not an experiment's."""
    given = given or ExperimentFilter()
    chosen = _chosen(adapters, given.sources, given.vendors)
    refs = None if given.ids is None else _refs_by_source(given.ids)
    if refs is not None:
        chosen = [adapter for adapter in chosen if adapter.name in refs]
    parsed = query.ExperimentFilter(
        kinds=None if given.kinds is None else frozenset(given.kinds),
        name=None if given.name is None else given.name.parsed(),
        agent_name=given.agent_name,
        agent_version=given.agent_version,
        dataset_name=given.dataset_name,
        dataset_version=given.dataset_version,
        group_id=given.group_id,
        created_at=None if given.created_at is None else given.created_at.parsed(),
        updated_at=None if given.updated_at is None else given.updated_at.parsed(),
    )
    by_source = {one.name: _with_refs(parsed, refs, one.name) for one in chosen}
    return ParsedExperimentFilter(chosen, by_source, (_names(given.sources), _names(given.vendors), refs, parsed))


_ANY_SESSION = query.SessionFilter()


def parse_session_filter(given: SessionFilter | None, adapters: Sequence[Adapter]) -> ParsedSessionFilter:
    """The filter as values. Raises InvalidId for an ID that is not an experiment's."""
    if given is None:
        return ParsedSessionFilter(adapters, None, _ANY_SESSION, (None, None, None, _ANY_SESSION))
    chosen = _chosen(adapters, given.sources, given.vendors)
    refs = None if given.experiment_ids is None else _refs_by_source(given.experiment_ids)
    if refs is not None:
        chosen = [adapter for adapter in chosen if adapter.name in refs]
    parsed = query.SessionFilter(
        statuses=None if given.statuses is None else frozenset(given.statuses),
        test_case_id=given.test_case_id,
        started_at=None if given.started_at is None else given.started_at.parsed(),
    )
    return ParsedSessionFilter(chosen, refs, parsed, (_names(given.sources), _names(given.vendors), refs, parsed))


def parse_experiment_order(given: ExperimentOrder | None) -> query.ExperimentOrder:
    """The asked order, newest first without one."""
    return query.ExperimentOrder() if given is None else query.ExperimentOrder(given.field, given.direction)


def parse_session_order(given: SessionOrder | None) -> query.SessionOrder:
    """The asked order, newest first without one."""
    return query.SessionOrder() if given is None else query.SessionOrder(given.field, given.direction)


def parse_first(first: int | None, default: int, maximum: int) -> int:
    """How many rows. Raises BadUserInput when they are fewer than none or more than the gateway gives at once."""
    if first is None:
        return default
    if not 0 <= first <= maximum:
        raise BadUserInput(f"first is {first}; it may be 0 to {maximum}: ask for fewer and page on with after.")
    return first


def _chosen(
    adapters: Sequence[Adapter], sources: list[str] | None, vendors: list[str] | None
) -> Sequence[Adapter]:
    return [
        adapter
        for adapter in adapters
        if (sources is None or adapter.name in sources) and (vendors is None or adapter.vendor in vendors)
    ]


def _names(given: list[str] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(given)


def _refs_by_source(ids: Sequence[strawberry.ID]) -> dict[str, list[str]]:
    """Each experiment once, however its ID is written."""
    refs: dict[str, list[str]] = {}
    for identity in dict.fromkeys(decode_id(text, "Experiment") for text in ids):
        refs.setdefault(identity.source, []).append(identity.parts[1])
    return refs


def _with_refs(
    parsed: query.ExperimentFilter, refs: dict[str, list[str]] | None, source: str
) -> query.ExperimentFilter:
    return parsed if refs is None else replace(parsed, refs=frozenset(refs[source]))
