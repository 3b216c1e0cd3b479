"""The schema's filters, and their conversion to checked domain values."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import strawberry

from tracegraph.adapter.protocol import Adapter
from tracegraph.domain import conditions, filters, models
from tracegraph.errors import BadUserInput
from tracegraph.graphql.relay.ids import decode_id


@strawberry.input(
    description=(
        "Conditions on a string, all of which must hold. eq, in and notIn are exact; contains and startsWith "
        "ignore case. Where an object has several values, one of them must meet eq, in, contains and startsWith. "
        "A missing value meets only notIn and exists: false."
    )
)
class StringFilter:
    """The GraphQL input of `domain.conditions.StringFilter`."""

    eq: str | None = strawberry.field(default=None, description="Equal to this string.")
    in_: list[str] | None = strawberry.field(name="in", default=None, description="One of these strings.")
    not_in: list[str] | None = strawberry.field(
        default=None, description="None of these strings; objects without a value match."
    )
    contains: str | None = strawberry.field(default=None, description="Has this part, in any case.")
    starts_with: str | None = strawberry.field(default=None, description="Begins with this part, in any case.")
    exists: bool | None = strawberry.field(default=None, description="True: has a value. False: has none.")

    def parsed(self) -> conditions.StringFilter:
        """Return the domain value."""
        return conditions.StringFilter(
            eq=self.eq,
            any_of=_set(self.in_),
            contains=self.contains,
            not_in=_set(self.not_in),
            starts_with=self.starts_with,
            exists=self.exists,
        )


@strawberry.input(
    description=(
        "A time range from gte, inclusive, to lt, exclusive. A missing time is in no range. Without gte and lt it "
        "is no condition."
    )
)
class DateTimeRange:
    """The GraphQL input of `domain.conditions.TimeRange`."""

    gte: datetime | None = strawberry.field(default=None, description="At this time or later.")
    lt: datetime | None = strawberry.field(default=None, description="Before this time.")

    def parsed(self) -> conditions.TimeRange:
        """Return the domain value."""
        return conditions.TimeRange(self.gte, self.lt)


@strawberry.input(description="A time range from gte, inclusive, to lt, exclusive, both given.")
class ClosedDateTimeRange:
    """The GraphQL input of a `domain.conditions.TimeRange` with both ends."""

    gte: datetime = strawberry.field(description="The first moment of the range.")
    lt: datetime = strawberry.field(description="The first moment after the range. It must be after gte.")


@strawberry.input(
    description=(
        "A range of numbers from gte, inclusive, to lt, exclusive. A missing number is in no range. Without gte "
        "and lt it is no condition."
    )
)
class FloatRange:
    """The GraphQL input of `domain.conditions.FloatRange`."""

    gte: float | None = strawberry.field(default=None, description="At least this number.")
    lt: float | None = strawberry.field(default=None, description="Less than this number.")

    def parsed(self) -> conditions.FloatRange:
        """Return the domain value."""
        return conditions.FloatRange(self.gte, self.lt)


@strawberry.input(
    description=(
        "A condition on one top-level key of the vendor's metadata. The value is compared as text: a string "
        "itself, anything else as compact JSON, e.g. true, 3 or [1,2]."
    )
)
class MetadataFilter:
    """The GraphQL input of `domain.conditions.MetadataFilter`."""

    key: str = strawberry.field(description="The exact name of the key.")
    value: StringFilter | None = strawberry.field(
        default=None, description="The condition on the value. By default, the key must be there."
    )

    def parsed(self) -> conditions.MetadataFilter:
        """Return the domain value."""
        return conditions.MetadataFilter(self.key, None if self.value is None else self.value.parsed())


@strawberry.input(
    description=(
        "Sessions to which the evaluator gave a numeric value from gte, inclusive, to lt, exclusive, if given. "
        "A score that only has a label does not match."
    )
)
class ScoreFilter:
    """The GraphQL input of `domain.conditions.ScoreFilter`."""

    evaluator: str = strawberry.field(description="The exact name of the evaluator.")
    gte: float | None = strawberry.field(
        default=None, description="At least this score, on the evaluator's scale."
    )
    lt: float | None = strawberry.field(
        default=None, description="Less than this score, on the evaluator's scale."
    )

    def parsed(self) -> conditions.ScoreFilter:
        """Return the domain value."""
        return conditions.ScoreFilter(self.evaluator, self.gte, self.lt)


@strawberry.input(description="Conditions that must all hold. A list in a condition matches any member.")
class ExperimentFilter:
    """The GraphQL input of `domain.filters.ExperimentFilter`, with the selection of sources."""

    sources: list[str] | None = strawberry.field(default=None, description="Names from the configuration.")
    vendors: list[str] | None = strawberry.field(default=None, description="Names of vendors, as Source.vendor.")
    kinds: list[models.ExperimentKind] | None = strawberry.field(default=None, description="By default all kinds.")
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="IDs of experiments.")
    name: StringFilter | None = strawberry.field(default=None, description="On the name.")
    agent_name: StringFilter | None = strawberry.field(default=None, description="On the name of any agent.")
    agent_version: StringFilter | None = strawberry.field(default=None, description="On the version of any agent.")
    model: StringFilter | None = strawberry.field(default=None, description="On any of the models.")
    dataset_id: StringFilter | None = strawberry.field(default=None, description="On the vendor's dataset id.")
    dataset_name: StringFilter | None = strawberry.field(default=None, description="On the dataset's name.")
    dataset_version: StringFilter | None = strawberry.field(default=None, description="On the dataset's version.")
    group_id: StringFilter | None = strawberry.field(default=None, description="On any of groupIds.")
    metadata: list[MetadataFilter] | None = strawberry.field(
        default=None, description="On keys of the vendor's metadata; all must hold."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="On the creation.")
    updated_at: DateTimeRange | None = strawberry.field(
        default=None, description="On the last change or activity."
    )

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
            name=_parsed(self.name),
            agent_name=_parsed(self.agent_name),
            agent_version=_parsed(self.agent_version),
            dataset_name=_parsed(self.dataset_name),
            dataset_version=_parsed(self.dataset_version),
            group_id=_parsed(self.group_id),
            created_at=None if self.created_at is None else self.created_at.parsed(),
            updated_at=None if self.updated_at is None else self.updated_at.parsed(),
            dataset_id=_parsed(self.dataset_id),
            model=_parsed(self.model),
            metadata=_parsed_metadata(self.metadata),
        )

    def for_source(self, name: str) -> filters.ExperimentFilter:
        """Return the conditions on an experiment of one selected source."""
        return self.parsed if self.refs is None else replace(self.parsed, refs=frozenset(self.refs[name]))

    @cached_property
    def cursor_binding(self) -> object:
        """The part of a cursor's binding that the filter determines, whatever sources are configured."""
        return _set(self.sources), _set(self.vendors), self.refs, self.parsed


@strawberry.input
class SessionConditions:
    """The conditions on a session of any source, which both filters of sessions have."""

    statuses: list[models.SessionStatus] | None = strawberry.field(default=None, description="Any of these.")
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="IDs of sessions.")
    name: StringFilter | None = strawberry.field(default=None, description="On the name.")
    agent_name: StringFilter | None = strawberry.field(default=None, description="On the agent's name.")
    agent_version: StringFilter | None = strawberry.field(default=None, description="On the agent's version.")
    model: StringFilter | None = strawberry.field(
        default=None, description="On any model that the vendor's list names."
    )
    test_case_id: StringFilter | None = strawberry.field(default=None, description="On the test case's id.")
    conversation_id: StringFilter | None = strawberry.field(default=None, description="On the conversation's id.")
    text: str | None = strawberry.field(
        default=None, description="In the input, the output or the error, in any case. An empty text matches all."
    )
    latency_ms: FloatRange | None = strawberry.field(default=None, description="In milliseconds.")
    cost_usd: FloatRange | None = strawberry.field(default=None, description="In USD.")
    total_tokens: FloatRange | None = strawberry.field(default=None, description="On tokens.total.")
    score: ScoreFilter | None = strawberry.field(default=None, description="On the score of one evaluator.")
    metadata: list[MetadataFilter] | None = strawberry.field(
        default=None, description="On keys of the vendor's metadata; all must hold."
    )
    started_at: DateTimeRange | None = strawberry.field(default=None, description="On the start.")

    @cached_property
    def session_ids(self) -> frozenset[tuple[str, str, str]] | None:
        """The selected sessions: source, ref of the experiment, vendor id.

        Raises:
            InvalidId: For an ID that is not a session's.
        """
        if self.ids is None:
            return None
        decoded = [decode_id(text, "Session").parts for text in self.ids]
        return frozenset((source, experiment, session) for source, experiment, session in decoded)

    @cached_property
    def parsed(self) -> filters.SessionFilter:
        """The conditions on a session of any source."""
        return filters.SessionFilter(
            statuses=None if self.statuses is None else frozenset(self.statuses),
            test_case_id=_parsed(self.test_case_id),
            started_at=None if self.started_at is None else self.started_at.parsed(),
            ids=self.session_ids,
            name=_parsed(self.name),
            agent_name=_parsed(self.agent_name),
            agent_version=_parsed(self.agent_version),
            model=_parsed(self.model),
            conversation_id=_parsed(self.conversation_id),
            text=self.text or None,
            latency_ms=None if self.latency_ms is None else self.latency_ms.parsed(),
            cost_usd=None if self.cost_usd is None else self.cost_usd.parsed(),
            total_tokens=None if self.total_tokens is None else self.total_tokens.parsed(),
            score=None if self.score is None else self.score.parsed(),
            metadata=_parsed_metadata(self.metadata),
        )


@strawberry.input(description="Conditions that must all hold. A list in a condition matches any member.")
class SessionFilter(SessionConditions):
    """The GraphQL input of `domain.filters.SessionFilter`, with the selection of sources and experiments."""

    sources: list[str] | None = strawberry.field(default=None, description="Names from the configuration.")
    vendors: list[str] | None = strawberry.field(default=None, description="Names of vendors, as Source.vendor.")
    experiment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description=(
            "By default those of ids, or else the most recently active experiments of each source, up to a "
            "configured number."
        ),
    )

    @cached_property
    def refs(self) -> dict[str, list[str]] | None:
        """The selected experiments by source.

        Raises:
            InvalidId: For an ID that is not an experiment's.
        """
        named = None if self.experiment_ids is None else _refs_by_source(self.experiment_ids)
        if self.session_ids is None:
            return named
        of_ids: dict[str, list[str]] = {}
        for source, ref in sorted({(source, ref) for source, ref, _ in self.session_ids}):
            if named is None or ref in named.get(source, ()):
                of_ids.setdefault(source, []).append(ref)
        return of_ids

    @cached_property
    def cursor_binding(self) -> object:
        """The part of a cursor's binding that the filter determines, whatever sources are configured."""
        return _set(self.sources), _set(self.vendors), self.refs, self.parsed


@strawberry.input(
    description="The conditions of SessionFilter that make sense within one experiment. All of them must hold."
)
class ExperimentSessionFilter(SessionConditions):
    """The GraphQL input of `domain.filters.SessionFilter` for the sessions of one experiment."""

    @cached_property
    def cursor_binding(self) -> object:
        """The part of a cursor's binding that the filter determines."""
        return None, None, None, self.parsed


_MAX_NAME_LENGTH = 100


ANY_EXPERIMENT, ANY_SESSION, ANY_SESSION_OF_ONE = ExperimentFilter(), SessionFilter(), ExperimentSessionFilter()
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
        InvalidId: For an ID of another type.
        BadUserInput: For too many IDs, and for a source or vendor that is unknown or hidden.
    """
    check_number_of_ids("ids", source_filter.ids, max_ids)
    if isinstance(source_filter, SessionFilter):
        check_number_of_ids("experimentIds", source_filter.experiment_ids, max_ids)
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


def check_number_of_ids(field: str, ids: Sequence[str] | None, max_ids: int) -> None:
    """Check the number of IDs in a field of a filter.

    Raises:
        BadUserInput: When there are too many.
    """
    if ids is not None and len(ids) > max_ids:
        raise BadUserInput(
            f"filter.{field} has {len(ids)} IDs, and the limit is {max_ids}: split the IDs over several queries."
        )


def _check_names(field: str, names: Sequence[str], known: AbstractSet[str]) -> None:
    """Raise BadUserInput for an unknown name. The message does not reveal that a hidden name exists."""
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        known_names = ", ".join(sorted(known)) or "none"
        raise BadUserInput(
            f"filter.{field} has {unknown[:_MAX_NAME_LENGTH]!r}, which is unknown; known names: {known_names}."
        )


def _parsed(condition: StringFilter | None) -> conditions.StringFilter | None:
    return None if condition is None else condition.parsed()


def _parsed_metadata(members: Sequence[MetadataFilter] | None) -> tuple[conditions.MetadataFilter, ...] | None:
    return None if members is None else tuple([member.parsed() for member in members])


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _refs_by_source(ids: Sequence[strawberry.ID]) -> dict[str, list[str]]:
    """Return each experiment once, even when its ID has several spellings."""
    refs: dict[str, list[str]] = {}
    for identity in dict.fromkeys(decode_id(text, "Experiment") for text in ids):
        refs.setdefault(identity.source, []).append(identity.parts[1])
    return refs
