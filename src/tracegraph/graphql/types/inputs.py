"""Arguments: the schema's input types, and the checked values that the layers below take."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import strawberry

from tracegraph.adapter.protocol import Adapter
from tracegraph.domain import filters as query
from tracegraph.domain import models as model
from tracegraph.errors import BadUserInput
from tracegraph.graphql.relay.ids import decode_id


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

    @cached_property
    def refs(self) -> dict[str, list[str]] | None:
        """The chosen experiments by source. Raises InvalidId for an ID that is not an experiment's."""
        return None if self.ids is None else _refs_by_source(self.ids)

    @cached_property
    def parsed(self) -> query.ExperimentFilter:
        """The conditions on an experiment, whichever its source."""
        return query.ExperimentFilter(
            kinds=None if self.kinds is None else frozenset(self.kinds),
            name=None if self.name is None else self.name.parsed(),
            agent_name=self.agent_name,
            agent_version=self.agent_version,
            dataset_name=self.dataset_name,
            dataset_version=self.dataset_version,
            group_id=self.group_id,
            created_at=None if self.created_at is None else self.created_at.parsed(),
            updated_at=None if self.updated_at is None else self.updated_at.parsed(),
        )

    def of_source(self, name: str) -> query.ExperimentFilter:
        """The conditions on an experiment of a chosen source."""
        return self.parsed if self.refs is None else replace(self.parsed, refs=frozenset(self.refs[name]))

    @cached_property
    def bound_to(self) -> object:
        """What a cursor is bound to: the conditions as they were given, whatever sources there are."""
        return _names(self.sources), _names(self.vendors), self.refs, self.parsed


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

    @cached_property
    def refs(self) -> dict[str, list[str]] | None:
        """The chosen experiments by source. Raises InvalidId for an ID that is not an experiment's."""
        return None if self.experiment_ids is None else _refs_by_source(self.experiment_ids)

    @cached_property
    def parsed(self) -> query.SessionFilter:
        """The conditions on a session, whichever its source."""
        return query.SessionFilter(
            statuses=None if self.statuses is None else frozenset(self.statuses),
            test_case_id=self.test_case_id,
            started_at=None if self.started_at is None else self.started_at.parsed(),
        )

    def admits_sessions_of(self, experiment: model.Experiment) -> bool:
        """Whether sessions of that experiment are among those of the chosen ones."""
        return self.refs is None or experiment.ref in self.refs.get(experiment.source, ())

    @cached_property
    def bound_to(self) -> object:
        """What a cursor is bound to: the conditions as they were given, whatever sources there are."""
        return _names(self.sources), _names(self.vendors), self.refs, self.parsed


@strawberry.input(description="The order of a list of experiments; missing values come last in both directions.")
class ExperimentOrder:
    """`query.ExperimentOrder` as the schema has it."""

    field: query.ExperimentOrderField
    direction: query.OrderDirection = query.OrderDirection.DESC

    @cached_property
    def parsed(self) -> query.ExperimentOrder:
        """The checked value."""
        return query.ExperimentOrder(self.field, self.direction)


@strawberry.input(description="The order of a list of sessions.")
class SessionOrder:
    """`query.SessionOrder` as the schema has it."""

    field: query.SessionOrderField
    direction: query.OrderDirection = query.OrderDirection.DESC

    @cached_property
    def parsed(self) -> query.SessionOrder:
        """The checked value."""
        return query.SessionOrder(self.field, self.direction)


@strawberry.input(description="Names a metric; evaluator goes with SCORE, and only there.")
class MetricInput:
    """`model.Metric` as the schema has it."""

    kind: model.MetricKind
    evaluator: str | None = None

    @cached_property
    def parsed(self) -> model.Metric:
        """The metric. Raises BadUserInput when evaluator and kind do not fit."""
        if (self.kind is model.MetricKind.SCORE) != (self.evaluator is not None):
            raise BadUserInput("A metric has an evaluator with kind SCORE, and only there.")
        return model.Metric(self.kind, self.evaluator)


_LONGEST_SHOWN = 100


ANY_EXPERIMENT, ANY_SESSION = ExperimentFilter(), SessionFilter()
"""The filters of lists that are asked for without one."""


def select_sources(
    given: ExperimentFilter | SessionFilter,
    adapters: Sequence[Adapter],
    most_ids: int,
    visible: Sequence[Adapter] | None = None,
) -> Sequence[Adapter]:
    """Return the adapters that match the filter.

    Args:
        given: The filter.
        adapters: The adapters to choose from.
        most_ids: How many IDs the filter may hold.
        visible: All adapters that the principal may see, whose names the filter may use; `adapters` by default.

    Raises:
        InvalidId: For an ID that is not an experiment's.
        BadUserInput: For too many IDs, and for a source or vendor that is unknown or hidden.
    """
    if isinstance(given, ExperimentFilter):
        field, ids = "ids", given.ids
    else:
        field, ids = "experimentIds", given.experiment_ids
    if ids is not None and len(ids) > most_ids:
        raise BadUserInput(
            f"filter.{field} holds {len(ids)} IDs; it may hold {most_ids}: ask for them in several queries."
        )
    sources, vendors, refs = given.sources, given.vendors, given.refs
    named = adapters if visible is None else visible
    if sources is not None:
        _check_names("sources", sources, {adapter.name for adapter in named})
    if vendors is not None:
        _check_names("vendors", vendors, {adapter.vendor for adapter in named})
    return [
        adapter
        for adapter in adapters
        if (sources is None or adapter.name in sources)
        and (vendors is None or adapter.vendor in vendors)
        and (refs is None or adapter.name in refs)
    ]


def parse_first(first: int | None, default: int, maximum: int) -> int:
    """How many rows. Raises BadUserInput when they are fewer than none or more than the gateway gives at once."""
    if first is None:
        return default
    if not 0 <= first <= maximum:
        raise BadUserInput(f"first is {first}; it may be 0 to {maximum}: ask for fewer and page on with after.")
    return first


def _check_names(field: str, given: Sequence[str], known: AbstractSet[str]) -> None:
    """Raises BadUserInput for a name that is not known. A hidden name reads as one that does not exist."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        names = ", ".join(sorted(known)) or "none"
        raise BadUserInput(f"filter.{field} holds {unknown[:_LONGEST_SHOWN]!r}, which is unknown; known: {names}.")


def _names(given: list[str] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(given)


def _refs_by_source(ids: Sequence[strawberry.ID]) -> dict[str, list[str]]:
    """Each experiment once, however its ID is written."""
    refs: dict[str, list[str]] = {}
    for identity in dict.fromkeys(decode_id(text, "Experiment") for text in ids):
        refs.setdefault(identity.source, []).append(identity.parts[1])
    return refs
