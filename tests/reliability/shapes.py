"""Every shape of query that makes calls, and the data that a source's failure may remove from the response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO
from tests.reliability.stacks import REFS, SESSIONS, global_id

EXPERIMENT_IDS = [global_id("Experiment", name, REFS[name](index)) for index in range(3) for name in NAMES]
SESSION_IDS = [global_id("Session", name, REFS[name](0), SESSIONS[name]) for name in NAMES]

_EXPERIMENT = "id name createdAt source { name }"
_SESSION = "id startedAt status latencyMs source { name }"


def _selecting(query: str) -> str:
    """Replace EXPERIMENT and SESSION in the query by their fields."""
    ids = {"EXPERIMENT_IDS": _ids(EXPERIMENT_IDS), "ALL_IDS": _ids([*EXPERIMENT_IDS, *SESSION_IDS])}
    for word, text in {**ids, "EXPERIMENT": _EXPERIMENT, "SESSION": _SESSION}.items():
        query = query.replace(word, text)
    return query


def _ids(ids: Sequence[str]) -> str:
    return orjson.dumps(list(ids)).decode()


def _comparison(selection: str, arguments: str = "") -> Callable[[str], str]:
    """Return a comparison with a baseline of a healthy source."""

    def query(failed: str) -> str:
        baseline = next(name for name in (NEMO, LANGSMITH, MEIBEL) if name != failed)
        ids = [global_id("Experiment", name, REFS[name](0)) for name in NAMES]
        return f"""{{ comparison(
            experimentIds: {_ids(ids)}, baselineId: "{ids[NAMES.index(baseline)]}",
            metrics: [{{kind: LATENCY}}, {{kind: ERROR_RATE}}] {arguments}
        ) {{ {_selecting(selection)} }} }}"""

    return query


@dataclass(frozen=True, slots=True)
class Shape:
    """A query by the source that fails.

    `alone`: the response equals that of the same query over the other sources. Otherwise the query names objects
    of every source, and the objects of the failed one are left out of both responses.
    """

    name: str
    query: Callable[[str], str]
    alone: bool = True


def _plain(name: str, query: str, *, alone: bool = True) -> Shape:
    selecting = _selecting(query)
    return Shape(name, lambda _: selecting, alone)


SHAPES = (
    _plain("merged", "{ experiments(first: 50) { nodes { EXPERIMENT } pageInfo { hasNextPage } } }"),
    _plain("merged, first 2 of equal times", "{ experiments(first: 2) { nodes { EXPERIMENT } } }"),
    _plain("merged, first 5 of equal times", "{ experiments(first: 5) { nodes { EXPERIMENT } } }"),
    _plain(
        "whole lists",
        "{ experiments(first: 4, orderBy: {field: NAME, direction: ASC}) { nodes { EXPERIMENT } } }",
    ),
    _plain(
        "oldest update first",
        "{ experiments(first: 4, orderBy: {field: UPDATED_AT, direction: ASC}) { nodes { EXPERIMENT } } }",
    ),
    _plain(
        "filtered by name",
        '{ experiments(first: 4, filter: {name: {contains: "1"}}) { nodes { EXPERIMENT } } }',
    ),
    _plain(
        "filtered by kind",
        "{ experiments(first: 4, filter: {kinds: [EVALUATION, AGENT]}) { nodes { EXPERIMENT } } }",
    ),
    _plain(
        "nested lists",
        "{ experiments(first: 8) { nodes { EXPERIMENT sessions(first: 2) { nodes { SESSION } } } } }",
    ),
    _plain(
        "nested lists, two levels down",
        """{ experiments(first: 8) { nodes { EXPERIMENT sessionCount models metadata
             sessions(first: 2) { nodes { SESSION input experiment { name } } } } } }""",
    ),
    _plain("sessions without ids", "{ sessions(first: 5) { nodes { SESSION } } }"),
    _plain(
        "sessions without ids, filtered",
        "{ sessions(first: 5, filter: {statuses: [SUCCESS]}) { nodes { SESSION experiment { name } } } }",
    ),
    _plain(
        "sessions of named experiments",
        "{ sessions(first: 50, filter: {experimentIds: EXPERIMENT_IDS}) { nodes { SESSION } } }",
    ),
    _plain(
        "computed figures",
        """{ experiments(first: 8) { nodes { EXPERIMENT
             aggregates(basis: COMPUTED, metrics: [{kind: LATENCY}]) { metric { name } count mean } } } }""",
    ),
    _plain(
        "best figure",
        """{ experiments(first: 8) { nodes { EXPERIMENT
             aggregate(basis: BEST, metric: {kind: ERROR_RATE}) { count mean } } } }""",
    ),
    _plain(
        "figures of parts",
        """{ experiments(first: 8) { nodes { EXPERIMENT
             aggregate(basis: COMPUTED, metric: {kind: ERROR_RATE}, filter: {statuses: [SUCCESS]}) { count mean }
             timeSeries(metrics: [{kind: LATENCY}], interval: DAY,
                        range: {gte: "2026-10-25T00:00:00Z", lt: "2026-11-08T00:00:00Z"}) {
               complete buckets { start sessionCount aggregates { count mean } } }
             sessionGroups(by: STATUS, metrics: [{kind: LATENCY}]) { groups { key sessionCount } otherCount }
           } } }""",
    ),
    _plain(
        "spans of nested lists",
        """{ experiments(first: 4) { nodes { EXPERIMENT sessions(first: 2) { nodes { SESSION
             spans(first: 5) { totalCount nodes { id depth name input scores { value } } } } } } } }""",
    ),
    _plain("sources", "{ sources { name experiments(first: 2) { nodes { EXPERIMENT } } } }"),
    _plain("sessions of each source", "{ sources { name sessions(first: 2) { nodes { SESSION } } } }"),
    _plain(
        "health beside a list",
        "{ sources { name health { status } } experiments(first: 4) { nodes { EXPERIMENT } } }",
    ),
    _plain("health", "{ sources { name health { status } } }"),
    _plain(
        "look-ups",
        """{ nodes(ids: ALL_IDS) { id
             ... on Experiment { EXPERIMENT sessions(first: 2) { nodes { SESSION } } }
             ... on Session { SESSION } } }""",
        alone=False,
    ),
    Shape(
        "comparison",
        _comparison("metrics { metric { name } entries { experiment { source { name } } value delta } }"),
        alone=False,
    ),
    Shape(
        "compared cases",
        _comparison(
            """cases(metric: {kind: LATENCY}, first: 50) { nodes { key
               entries { experiment { source { name } } value sessions { SESSION } } } }""",
            "joinOn: INPUT",
        ),
        alone=False,
    ),
    Shape(
        "searched cases",
        _comparison(
            """cases(metric: {kind: LATENCY}, text: "a", orderBy: {field: KEY}, first: 50) { nodes { key
               entries { experiment { source { name } } value } } }""",
            "joinOn: INPUT",
        ),
        alone=False,
    ),
)


def without_source(value: Any, source: str) -> Any:
    """Return the response without a source's data: its rows, its entries in comparisons, its nulls."""
    if isinstance(value, list):
        elements = [without_source(element, source) for element in value if not is_owned_by(element, source)]
        return [element for element in elements if element is not None]
    if isinstance(value, dict):
        return {key: without_source(element, source) for key, element in value.items()}
    return value


def is_owned_by(value: Any, source: str) -> bool:
    """Return whether an object names the source as its own."""
    if not isinstance(value, dict):
        return False
    experiment = value.get("experiment") or {}
    owner = value.get("source") or experiment.get("source") or {}
    return bool(owner.get("name") == source or (value.get("name") == source and "source" not in value))
