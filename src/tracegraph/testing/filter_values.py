"""Filters whose values occur in a vendor's rows, do not occur, or are edge cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from random import Random
from typing import Any

from tracegraph.domain.conditions import metadata_text
from tracegraph.domain.filters import (
    ExperimentFilter,
    FloatRange,
    MetadataFilter,
    ScoreFilter,
    SessionFilter,
    StringFilter,
    TimeRange,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
from tracegraph.testing.subject import refs_of

EXPERIMENT_TEXTS = {
    **{name: name for name in ("name", "agent_name", "agent_version", "dataset_id", "dataset_name")},
    "dataset_version": "dataset_version",
    "group_id": "group_id",
    "model": "models",
}
"""The string conditions of ExperimentFilter, and the fields that they read."""

SESSION_TEXTS = {
    **{name: name for name in ("name", "agent_name", "agent_version", "test_case_id", "conversation_id")},
    "model": "models",
}
"""The string conditions of SessionFilter, and the fields that they read."""

ODD_TEXTS = ("", " ", ",", "a,b", "null", '"', "\\", "{}", "[1]", "%", "a&b=c", "#", "é", "\ud800", "\0", "\r\n")

VALUE_NEEDED: Mapping[str, Any] = {
    "metadata": (MetadataFilter("anything"),),
    "text": "anything",
    "score": ScoreFilter("anything"),
    "latency_ms": FloatRange(gte=0),
    "cost_usd": FloatRange(gte=0),
    "total_tokens": FloatRange(gte=0),
}
"""A condition that needs a value, for each field that is not a string."""


def experiment_filters(
    experiments: Sequence[Experiment], unknown_refs: Sequence[str], rng: Random
) -> Iterator[ExperimentFilter]:
    """Yield each condition with values that occur, do not occur, and are edge cases; then pairs of conditions."""
    single: list[dict[str, Any]] = [
        {"kinds": frozenset(kinds)} for size in (1, 2, 3) for kinds in combinations(ExperimentKind, size)
    ]
    for field, attribute in EXPERIMENT_TEXTS.items():
        single += [{field: text} for text in _string_conditions(_texts_of(experiments, attribute), rng)]
    single += [{"metadata": wanted} for wanted in _metadata_conditions([one.metadata for one in experiments], rng)]
    refs = refs_of(experiments)
    single += [
        {"refs": frozenset(chosen)}
        for chosen in (refs[:1], [*rng.sample(refs, 3), *unknown_refs], unknown_refs, rng.sample(ODD_TEXTS, 3), ())
    ]
    for field in ("created_at", "updated_at"):
        times = [time for experiment in experiments if (time := getattr(experiment, field)) is not None]
        single += [{field: span} for span in _time_ranges(times, rng)]
    pairs = [rng.choice(single) | rng.choice(single) for _ in range(15)]
    for conditions in [*single, *pairs]:
        yield ExperimentFilter(**conditions)


def session_filters(sessions: Sequence[Session], rng: Random) -> Iterator[SessionFilter]:
    """Yield each status, sets of statuses, texts, numbers, ids and ranges; then pairs of conditions."""
    single: list[dict[str, Any]] = [{"statuses": frozenset({status})} for status in SessionStatus]
    single += [{"statuses": frozenset(rng.sample(list(SessionStatus), size))} for size in (2, 3, 4, 5)]
    single += [{"started_at": span} for span in _time_ranges([one.started_at for one in sessions], rng)]
    for field, attribute in SESSION_TEXTS.items():
        single += [{field: text} for text in _string_conditions(_texts_of(sessions, attribute), rng)]
    values: dict[str, list[float | None]] = {
        "latency_ms": [one.latency_ms for one in sessions],
        "cost_usd": [one.cost_usd for one in sessions],
        "total_tokens": [one.tokens.total for one in sessions if one.tokens is not None],
    }
    for field, numbers in values.items():
        known = [float(number) for number in numbers if number is not None]
        single += [{field: span} for span in _number_ranges(known, rng)]
    single += [{"metadata": wanted} for wanted in _metadata_conditions([one.metadata for one in sessions], rng)]
    single += [{"text": text} for text in _parts_of_texts(sessions, rng)]
    single += [{"score": wanted} for wanted in _score_conditions(sessions, rng)]
    named = [(one.source, one.experiment_ref, one.vendor_id) for one in rng.sample(list(sessions), 3)]
    single += [{"ids": frozenset(named)}, {"ids": frozenset({named[0], (*named[0][:2], "no-such-session")})}]
    pairs = [rng.choice(single) | rng.choice(single) for _ in range(8)]
    for conditions in [*single, *pairs]:
        yield SessionFilter(**conditions)


def _texts_of(rows: Sequence[Experiment] | Sequence[Session], attribute: str) -> list[str]:
    """Return the different values of a field, sorted."""
    values = [getattr(row, attribute) for row in rows]
    several = [value if isinstance(value, tuple) else (value,) for value in values]
    return sorted({text for texts in several for text in texts if text is not None})


def _string_conditions(occurring: Sequence[str], rng: Random) -> Iterator[StringFilter]:
    """Yield conditions on texts that occur, that do not, and that a vendor may misread."""
    texts = [*rng.sample(occurring, min(2, len(occurring))), "nothing of that name", "nothing else"]
    first, second = texts[:2]
    yield StringFilter(eq=first)
    yield StringFilter(eq="nothing of that name")
    yield StringFilter(eq=rng.choice(ODD_TEXTS))
    others = [
        StringFilter(),
        StringFilter(eq=second),
        StringFilter(eq=first.swapcase()),
        StringFilter(eq=first[:-1]),
        StringFilter(any_of=frozenset({first, second, "nothing of that name"})),
        StringFilter(any_of=frozenset()),
        StringFilter(contains=first[1:4].swapcase()),
        StringFilter(contains=""),
        StringFilter(contains=rng.choice(ODD_TEXTS)),
        StringFilter(not_in=frozenset({first})),
        StringFilter(not_in=frozenset({second, "nothing of that name"})),
        StringFilter(not_in=frozenset()),
        StringFilter(starts_with=first[:2].swapcase()),
        StringFilter(exists=True),
        StringFilter(exists=False),
        StringFilter(eq=first, any_of=frozenset({first, second}), contains=first[:2]),
        StringFilter(eq=first, any_of=frozenset({second})),
        StringFilter(eq=first, not_in=frozenset({second}), exists=True),
        StringFilter(eq=first, exists=False),
    ]
    yield from rng.sample(others, 5)


def _metadata_conditions(
    occurring: Sequence[Mapping[str, Any] | None], rng: Random
) -> Iterator[tuple[MetadataFilter, ...]]:
    """Yield conditions on keys that occur, with the texts of their values, and on one that does not."""
    pairs = sorted({(key, metadata_text(value)) for one in occurring for key, value in (one or {}).items()})
    for key, text in rng.sample(pairs, min(3, len(pairs))):
        equal = MetadataFilter(key, StringFilter(eq=text))
        yield (equal,)
        yield (MetadataFilter(key),)
        yield (MetadataFilter(key, rng.choice([*_string_conditions([text], rng)])), equal)
    yield (MetadataFilter("no such key", StringFilter(exists=False)),)
    yield (MetadataFilter(rng.choice(ODD_TEXTS), StringFilter(eq=rng.choice(ODD_TEXTS))),)
    yield ()


def _time_ranges(times: Sequence[datetime], rng: Random) -> Iterator[TimeRange]:
    """Yield ranges with edges on times that occur, and a microsecond beside them."""
    early, late = sorted((rng.choice(times), rng.choice(times)))
    step = timedelta(microseconds=1)
    yield TimeRange()
    yield TimeRange(gte=early)
    yield TimeRange(lt=late)
    yield TimeRange(gte=early, lt=late + step)
    yield TimeRange(gte=early + step, lt=late)
    yield TimeRange(gte=late, lt=early)
    yield TimeRange(gte=max(times) + step)
    yield TimeRange(lt=min(times))


def _number_ranges(numbers: Sequence[float], rng: Random) -> Iterator[FloatRange]:
    """Yield ranges with edges on numbers that occur, and a little beside them."""
    low, high = sorted((rng.choice([*numbers, 0.0]), rng.choice([*numbers, 1.0])))
    yield FloatRange(gte=low)
    yield FloatRange(lt=high)
    yield FloatRange(gte=low, lt=high + 0.001)
    yield FloatRange(gte=high, lt=low)
    yield rng.choice([FloatRange(), FloatRange(gte=-1e300), FloatRange(lt=-1.0)])


def _parts_of_texts(sessions: Sequence[Session], rng: Random) -> Iterator[str]:
    texts = [text for one in sessions for text in (one.input, one.output, one.error) if text]
    for text in rng.sample(texts, min(2, len(texts))):
        yield text[1:6].swapcase()
    yield "nothing of that text"


def _score_conditions(sessions: Sequence[Session], rng: Random) -> Iterator[ScoreFilter]:
    scores = sorted({score for one in sessions for score in one.score_values.items()})
    for evaluator, value in rng.sample(scores, min(2, len(scores))):
        yield ScoreFilter(evaluator)
        yield ScoreFilter(evaluator, gte=value)
        yield ScoreFilter(evaluator, lt=value)
    yield ScoreFilter("no such evaluator")
