"""The schema's input types, and their conversion to checked domain values."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import strawberry

from tracegraph.adapter.protocol import Adapter
from tracegraph.domain import filters, models
from tracegraph.domain.figures import Figure, Statistic
from tracegraph.errors import BadUserInput
from tracegraph.graphql.relay.ids import decode_id


@strawberry.input(
    description="Conditions on a string, all of which must hold. eq and in are exact, contains ignores case."
)
class StringFilter:
    """The GraphQL input of `domain.filters.StringFilter`."""

    eq: str | None = None
    in_: list[str] | None = strawberry.field(name="in", default=None)
    contains: str | None = None

    def parsed(self) -> filters.StringFilter:
        """Return the domain value."""
        return filters.StringFilter(self.eq, None if self.in_ is None else frozenset(self.in_), self.contains)


@strawberry.input(description="A time range from gte, inclusive, to lt, exclusive.")
class DateTimeRange:
    """The GraphQL input of `domain.filters.TimeRange`."""

    gte: datetime | None = None
    lt: datetime | None = None

    def parsed(self) -> filters.TimeRange:
        """Return the domain value."""
        return filters.TimeRange(self.gte, self.lt)


@strawberry.input(description="Conditions that must all hold. A list in a condition matches any member.")
class ExperimentFilter:
    """The GraphQL input of `domain.filters.ExperimentFilter`, with the selection of sources."""

    sources: list[str] | None = strawberry.field(default=None, description="Names from the configuration.")
    vendors: list[str] | None = None
    kinds: list[models.ExperimentKind] | None = None
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
        """The selected experiments by source.

        Raises:
            InvalidId: For an ID that is not an experiment's.
        """
        return None if self.ids is None else _refs_by_source(self.ids)

    @cached_property
    def parsed(self) -> filters.ExperimentFilter:
        """The conditions on an experiment of any source."""
        return filters.ExperimentFilter(
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

    def for_source(self, name: str) -> filters.ExperimentFilter:
        """Return the conditions on an experiment of one selected source."""
        return self.parsed if self.refs is None else replace(self.parsed, refs=frozenset(self.refs[name]))

    @cached_property
    def cursor_binding(self) -> object:
        """The part of a cursor's binding that the filter determines, whatever sources are configured."""
        return _name_set(self.sources), _name_set(self.vendors), self.refs, self.parsed


@strawberry.input(description="Conditions that must all hold. A list in a condition matches any member.")
class SessionFilter:
    """The GraphQL input of `domain.filters.SessionFilter`, with the selection of sources and experiments."""

    sources: list[str] | None = strawberry.field(default=None, description="Names from the configuration.")
    vendors: list[str] | None = None
    experiment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="By default the most recently active experiments of each source, up to a configured number.",
    )
    statuses: list[models.SessionStatus] | None = None
    test_case_id: str | None = None
    started_at: DateTimeRange | None = None

    @cached_property
    def refs(self) -> dict[str, list[str]] | None:
        """The selected experiments by source.

        Raises:
            InvalidId: For an ID that is not an experiment's.
        """
        return None if self.experiment_ids is None else _refs_by_source(self.experiment_ids)

    @cached_property
    def parsed(self) -> filters.SessionFilter:
        """The conditions on a session of any source."""
        return filters.SessionFilter(
            statuses=None if self.statuses is None else frozenset(self.statuses),
            test_case_id=self.test_case_id,
            started_at=None if self.started_at is None else self.started_at.parsed(),
        )

    def includes_sessions_of(self, experiment: models.Experiment) -> bool:
        """Return whether the filter selects sessions of that experiment."""
        return self.refs is None or experiment.ref in self.refs.get(experiment.source, ())

    @cached_property
    def cursor_binding(self) -> object:
        """The part of a cursor's binding that the filter determines, whatever sources are configured."""
        return _name_set(self.sources), _name_set(self.vendors), self.refs, self.parsed


@strawberry.input(description="A metric. evaluator is required for kind SCORE and not allowed for other kinds.")
class MetricInput:
    """The GraphQL input of `domain.models.Metric`."""

    kind: models.MetricKind
    evaluator: str | None = None

    @cached_property
    def parsed(self) -> models.Metric:
        """The metric.

        Raises:
            BadUserInput: When evaluator and kind do not match.
        """
        if (self.kind is models.MetricKind.SCORE) != (self.evaluator is not None):
            raise BadUserInput("A metric of kind SCORE requires an evaluator, and other kinds do not allow one.")
        return models.Metric(self.kind, self.evaluator)


@strawberry.input(description="The order of a list of experiments; missing values come last in both directions.")
class ExperimentOrder:
    """The GraphQL input of `domain.filters.ExperimentOrder`."""

    field: filters.ExperimentOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC
    metric: MetricInput | None = strawberry.field(
        default=None,
        description=(
            "Required with METRIC, and not allowed with other fields: the metric that the vendor reports. "
            "Experiments without the figure come last."
        ),
    )
    statistic: Statistic = strawberry.field(
        default=Statistic.MEAN, description="The statistic of the metric. Without effect on other fields."
    )

    @cached_property
    def parsed(self) -> filters.ExperimentOrder:
        """The domain value.

        Raises:
            BadUserInput: When metric and field do not match.
        """
        if (self.field is filters.ExperimentOrderField.METRIC) != (self.metric is not None):
            raise BadUserInput("orderBy: METRIC requires a metric, and other fields do not allow one.")
        figure = None if self.metric is None else Figure(self.metric.parsed, self.statistic)
        return filters.ExperimentOrder(self.field, self.direction, figure)


@strawberry.input(description="The order of a list of sessions; missing values come last in both directions.")
class SessionOrder:
    """The GraphQL input of `domain.filters.SessionOrder`."""

    field: filters.SessionOrderField
    direction: filters.OrderDirection = filters.OrderDirection.DESC
    evaluator: str | None = strawberry.field(
        default=None, description="The name of the score. Required with SCORE, and not allowed with other fields."
    )

    @cached_property
    def parsed(self) -> filters.SessionOrder:
        """The domain value.

        Raises:
            BadUserInput: When evaluator and field do not match.
        """
        if (self.field is filters.SessionOrderField.SCORE) != (self.evaluator is not None):
            raise BadUserInput("orderBy: SCORE requires an evaluator, and other fields do not allow one.")
        return filters.SessionOrder(self.field, self.direction, self.evaluator)


_MAX_NAME_LENGTH = 100


ANY_EXPERIMENT, ANY_SESSION = ExperimentFilter(), SessionFilter()
"""The filters of lists without a `filter` argument."""


def select_sources(
    source_filter: ExperimentFilter | SessionFilter,
    adapters: Sequence[Adapter],
    max_ids: int,
    visible: Sequence[Adapter] | None = None,
) -> Sequence[Adapter]:
    """Return the adapters that match the filter.

    Args:
        source_filter: The filter.
        adapters: The adapters to select from.
        max_ids: The maximum number of IDs in the filter.
        visible: All adapters that the principal may see, whose names the filter may use; `adapters` by default.

    Raises:
        InvalidId: For an ID that is not an experiment's.
        BadUserInput: For too many IDs, and for a source or vendor that is unknown or hidden.
    """
    if isinstance(source_filter, ExperimentFilter):
        field, ids = "ids", source_filter.ids
    else:
        field, ids = "experimentIds", source_filter.experiment_ids
    if ids is not None and len(ids) > max_ids:
        raise BadUserInput(
            f"filter.{field} has {len(ids)} IDs, and the limit is {max_ids}: split the IDs over several queries."
        )
    sources, vendors, refs = source_filter.sources, source_filter.vendors, source_filter.refs
    nameable = adapters if visible is None else visible
    if sources is not None:
        _check_names("sources", sources, {adapter.name for adapter in nameable})
    if vendors is not None:
        _check_names("vendors", vendors, {adapter.vendor for adapter in nameable})
    return [
        adapter
        for adapter in adapters
        if (sources is None or adapter.name in sources)
        and (vendors is None or adapter.vendor in vendors)
        and (refs is None or adapter.name in refs)
    ]


def _check_names(field: str, names: Sequence[str], known: AbstractSet[str]) -> None:
    """Raise BadUserInput for an unknown name. The message does not reveal that a hidden name exists."""
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        known_names = ", ".join(sorted(known)) or "none"
        raise BadUserInput(
            f"filter.{field} has {unknown[:_MAX_NAME_LENGTH]!r}, which is unknown; known names: {known_names}."
        )


def _name_set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _refs_by_source(ids: Sequence[strawberry.ID]) -> dict[str, list[str]]:
    """Return each experiment once, even when its ID has several spellings."""
    refs: dict[str, list[str]] = {}
    for identity in dict.fromkeys(decode_id(text, "Experiment") for text in ids):
        refs.setdefault(identity.source, []).append(identity.parts[1])
    return refs
