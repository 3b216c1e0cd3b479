"""Which conditions and orders go to NeMo, and how they are written there; pure functions.

A condition is pushed only where the vendor is certain to honour it exactly (docs/vendors/nemo.md#filters,
#push-down). What is left to the gateway makes the vendor's count the count of another question: then `exact` is
False.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionFilter,
    StringFilter,
    TimeRange,
    active_conditions,
)
from tracegraph.domain.models import ExperimentKind, SessionStatus
from tracegraph_nemo.mapping import STATUSES

Query = tuple[tuple[str, str], ...]


LISTED_ORDERS = frozenset({ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT})
"""The vendor orders by name too, but by a collation of its own: the gateway makes that order."""


_EQUALITIES = {
    "agent_name": "agent_name",
    "agent_version": "agent_version",
    "dataset_name": "dataset_name",
    "dataset_version": "dataset_version",
    "group_id": "experiment_group_id",
}


_AGENT = frozenset({"agent_name", "agent_version"})


_OCCURRING = frozenset(STATUSES.values())


_WORDS: Mapping[SessionStatus, str] = {
    status: word for word, status in STATUSES.items() if status is not SessionStatus.UNKNOWN
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """The query's part of a filter, whether that is the whole filter, and whether the filter has no condition."""

    query: Query
    exact: bool
    by_agent: bool = False
    is_empty: bool = field(default=False, compare=False)


_NOTHING = Pushed((), exact=True, is_empty=True)


def vendor_sort(order: ExperimentOrder) -> tuple[str, bool]:
    """The vendor's field, and whether descending; for an order that is not claimed, one that stays the same."""
    if order.field not in LISTED_ORDERS:
        return "created_at", False
    return order.field.value.lower(), order.direction is OrderDirection.DESC


def is_expressible(text: str) -> bool:
    """Whether a bracket condition `filter[field]=text` means just that text.

    The service reads a comma as a list, a leading brace or bracket as JSON, and nothing as null, which a list
    of sessions takes for no condition (source: NMP-0.2.0, nemo_platform_plugin/jobs/openapi_utils.py).
    """
    return (
        text.isprintable()
        and text == text.strip()
        and text != ""
        and "," not in text
        and not text.startswith(("{", "["))
    )


def _stored_as_written(text: str) -> bool:
    """Whether equality finds the text in the JSON that holds an experiment's fields, its name excepted.

    The service compares with the JSON's text, cut of its outer quotes: a quote or a backslash stands escaped
    there, and `null` stands for absence (source: NMP-0.2.0, nmp/core/entities, SQLAlchemyFilterRepository.eq).
    """
    return is_expressible(text) and '"' not in text and "\\" not in text and text != "null"


def names_implied_by(wanted: ExperimentFilter) -> frozenset[str] | None:
    """The only names that can answer the filter, None when it names none; a ref is a name here."""
    name = wanted.name
    sets = [
        names
        for names in (
            wanted.refs,
            None if name is None else name.any_of,
            None if name is None or name.eq is None else frozenset({name.eq}),
        )
        if names is not None
    ]
    return frozenset.intersection(*sets) if sets else None


def push_experiments(wanted: ExperimentFilter, *, agents: bool) -> Pushed:
    """The filter of a list of experiments; without `agents` the conditions on agents stay with the gateway."""
    left = set(active_conditions(wanted))
    if not left:
        return _NOTHING
    query: list[tuple[str, str]] = []
    if wanted.kinds is not None and ExperimentKind.EVALUATION in wanted.kinds:
        left.discard("kinds")
    if wanted.name == StringFilter():
        left.discard("name")
    if _push_name(wanted, query):
        left -= {"refs", "name"} if wanted.name is None or wanted.name.contains is None else {"refs"}
    for name, vendors_name in _EQUALITIES.items():
        value = getattr(wanted, name)
        if value is not None and _stored_as_written(value) and (agents or name not in _AGENT):
            query.append((f"filter[{vendors_name}]", value))
            left.discard(name)
    for name in ("created_at", "updated_at"):
        span: TimeRange | None = getattr(wanted, name)
        if span is not None and _push_range(name, span, query):
            left.discard(name)
    return Pushed(
        tuple(query), exact=not left, by_agent=agents and bool((active_conditions(wanted) - left) & _AGENT)
    )


def _push_name(wanted: ExperimentFilter, query: list[tuple[str, str]]) -> bool:
    names = names_implied_by(wanted)
    if names is None or len(names) != 1:
        return False
    (name,) = names
    if not is_expressible(name):
        return False
    query.append(("filter[name]", name))
    return True


def _push_range(field: str, span: TimeRange, query: list[tuple[str, str]]) -> bool:
    """The contract's DatetimeFilter has `$gte` and `$lte` only, and its times have microseconds."""
    if span.gte is not None:
        query.append((f"filter[{field}][$gte]", rfc3339(span.gte)))
    if span.lt is None:
        return True
    if span.lt == datetime.min.replace(tzinfo=UTC):
        return False
    query.append((f"filter[{field}][$lte]", rfc3339(span.lt - timedelta(microseconds=1))))
    return True


def rfc3339(moment: datetime) -> str:
    """With microseconds and Z: the service answers a time that it cannot read with 500.

    See docs/vendors/nemo.md#errors.
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def push_sessions(wanted: SessionFilter) -> Pushed:
    """The filter of a list of sessions: one status, one test case, by equality.

    See docs/vendors/nemo.md#session-filters.
    """
    left = set(active_conditions(wanted))
    if not left:
        return _NOTHING
    query: list[tuple[str, str]] = []
    statuses = _OCCURRING if wanted.statuses is None else wanted.statuses & _OCCURRING
    if statuses == _OCCURRING:
        left.discard("statuses")
    elif len(statuses) == 1 and statuses <= _WORDS.keys():
        (status,) = statuses
        query.append(("filter[status]", _WORDS[status]))
        left.discard("statuses")
    if wanted.test_case_id is not None and is_expressible(wanted.test_case_id):
        query.append(("filter[test_case_id]", wanted.test_case_id))
        left.discard("test_case_id")
    if wanted.started_at == TimeRange():
        left.discard("started_at")
    return Pushed(tuple(query), exact=not left)
