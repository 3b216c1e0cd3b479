"""Filters in LangSmith's parameters and in its filter language; pure functions.

A condition is sent only where the vendor drops no row that matches it (docs/vendors/langsmith.md#push-down). The
gateway applies every condition itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from tracegraph.domain.conditions import FloatRange, MetadataFilter, StringFilter, only_value
from tracegraph.domain.filters import ExperimentFilter, SessionFilter
from tracegraph.domain.models import SessionStatus
from tracegraph_langsmith.mapping import STATUS_WORDS

Query = list[tuple[str, str]]


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


_PLAIN = re.compile(r"[A-Za-z0-9_.:@/-](?:[A-Za-z0-9_.:@/ -]*[A-Za-z0-9_.:@/-])?")
"""Texts that need no escape in the filter language, whose escapes are not documented."""


_LATENCY_MARGIN_MS = 2.0
"""The vendor's latency has milliseconds, and its rounding is not documented."""


_MAX_LATENCY_MS = 1e12


def canonical_uuid(text: str) -> str | None:
    """Return the UUID in LangSmith's notation, or None for other text, which is the id of no object."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


def uuids(condition: StringFilter | None) -> list[str] | None:
    """Return the only ids that can meet the condition, sorted; None when it does not limit them."""
    values = None if condition is None else condition.exact_values
    if values is None:
        return None
    return sorted({uuid for value in values if (uuid := canonical_uuid(value)) is not None})


def is_text(text: str) -> bool:
    """Return False for text with an unpaired surrogate, which neither a URL nor the vendor's JSON can contain."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def experiment_parameters(experiment_filter: ExperimentFilter, dataset_parameter: str) -> Query | None:
    """Return the parameters that both lists of tracer sessions take, or None if no row can match.

    Partial names and an empty name are left to the gateway: the vendor would ignore an empty name.

    Args:
        experiment_filter: The filter.
        dataset_parameter: The name of the parameter with ids of datasets.
    """
    query: Query = []
    name = only_value(experiment_filter.name)
    if name:
        if not is_text(name):
            return None
        query.append(("name", name))
    datasets = uuids(experiment_filter.dataset_id)
    if datasets == []:
        return None
    query += [(dataset_parameter, dataset) for dataset in datasets or ()]
    pairs = dict(pair for one in experiment_filter.metadata or () if (pair := _string_pair(one)) is not None)
    if pairs:
        query.append(("metadata", json.dumps(pairs)))
    return query


def can_match(session_filter: SessionFilter) -> bool:
    """Return whether any run can match the filter.

    No run matches a filter with only unknown statuses, or with a test case that is not a UUID.
    """
    if uuids(session_filter.test_case_id) == []:
        return False
    statuses = session_filter.statuses
    return statuses is None or bool(statuses & {*STATUS_WORDS, SessionStatus.UNKNOWN})


def run_conditions(session_filter: SessionFilter) -> Iterator[str]:
    """Yield conditions in the vendor's filter language, which v1 and v2 share, without the start."""
    words = _status_words(session_filter)
    if words:
        comparisons = [_equals("status", word) for word in words]
        yield comparisons[0] if len(comparisons) == 1 else f"or({', '.join(comparisons)})"
    name = only_value(session_filter.name)
    if name is not None and _PLAIN.fullmatch(name):
        yield _equals("name", name)
    if session_filter.latency_ms is not None:
        yield from _latency(session_filter.latency_ms)
    if session_filter.score is not None and _PLAIN.fullmatch(session_filter.score.evaluator):
        yield _equals("feedback_key", session_filter.score.evaluator)
    for condition in session_filter.metadata or ():
        yield from _metadata(condition)


def all_of(conditions: Sequence[str]) -> str:
    """Return one condition that means all of these, at least one."""
    return conditions[0] if len(conditions) == 1 else f"and({', '.join(conditions)})"


def _status_words(session_filter: SessionFilter) -> Sequence[str]:
    """Return the vendor's words for the requested statuses.

    The list is empty if the filter includes UNKNOWN, which has no word.
    """
    if session_filter.statuses is None or SessionStatus.UNKNOWN in session_filter.statuses:
        return []
    return [word for status, word in STATUS_WORDS.items() if status in session_filter.statuses]


def _latency(wanted: FloatRange) -> Iterator[str]:
    """Yield the range in seconds, a little wider than it is."""
    if wanted.gte is not None and abs(wanted.gte) < _MAX_LATENCY_MS:
        yield f"gte(latency, {(wanted.gte - _LATENCY_MARGIN_MS) / 1000:.3f})"
    if wanted.lt is not None and abs(wanted.lt) < _MAX_LATENCY_MS:
        yield f"lte(latency, {(wanted.lt + _LATENCY_MARGIN_MS) / 1000:.3f})"


def _metadata(condition: MetadataFilter) -> Iterator[str]:
    if not _PLAIN.fullmatch(condition.key) or condition.matches(None):
        return
    yield _equals("metadata_key", condition.key)
    pair = _string_pair(condition)
    if pair is not None and _PLAIN.fullmatch(pair[1]):
        yield _equals("metadata_value", pair[1])


def _string_pair(condition: MetadataFilter) -> tuple[str, str] | None:
    """Return the key and the only value that matches, None unless this value can only be a string."""
    text = only_value(condition.value)
    if text is None or not is_text(condition.key) or not is_text(text):
        return None
    try:
        json.loads(text)
    except ValueError:
        return condition.key, text
    return None


def _equals(field: str, text: str) -> str:
    return f'eq({field}, "{text}")'
