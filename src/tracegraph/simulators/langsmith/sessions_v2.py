"""LangSmith's tracer sessions in v2: types, medians, and cursors that rows added meanwhile do not shift.

See docs/vendors/langsmith.md#deprecations. Inferred: a page has 20 sessions by default and at most 100;
the newest come first by default.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import ordered, tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.langsmith.cursors import Cursors, Place, is_after
from tracegraph.simulators.langsmith.filters import Predicate
from tracegraph.simulators.langsmith.problems import (
    Kind,
    Many,
    json_text,
    moment,
    one_of,
    problem,
    query_flag,
    query_whole,
    run_filter,
    text,
    uuid_text,
)
from tracegraph.simulators.langsmith.run_fields import number, rfc3339, sortable
from tracegraph.simulators.langsmith.runs_v2 import microseconds
from tracegraph.simulators.langsmith.stats import STATS, feedback_scores, last_run_start, session_stats
from tracegraph.simulators.langsmith.world import LangSmithWorld

_SORTS = ("NAME", "START_TIME", "LAST_RUN_START_TIME", "ERROR_RATE", "LATENCY_P50", "LATENCY_P99", "FEEDBACK")


ONE_SESSION: dict[str, Kind] = {"include_stats": query_flag, "stats_start_time": moment}


SESSION_LIST: dict[str, Kind] = {
    **ONE_SESSION,
    "id": Many(uuid_text),
    "type": Many(one_of("PROJECT", "AGENT", "EXPERIMENT")),
    "reference_dataset_id": Many(uuid_text),
    "name": text,
    "name_contains": text,
    "metadata": json_text,
    "filter": text,
    "dataset_version": moment,
    "tag_value_id": Many(uuid_text),
    "include_facets": query_flag,
    "stats_select": Many(text),
    "stats_filter": text,
    "use_approx_stats": query_flag,
    "sort_by": one_of(*_SORTS),
    "sort_by_feedback_key": text,
    "sort_by_feedback_source": one_of("RUN", "SESSION"),
    "sort_order": one_of("asc", "desc"),
    "page_size": query_whole(1, 100),
    "cursor": text,
}


_TIERS = {"longlived": "LONG_LIVED", "shortlived": "SHORT_LIVED"}


_FEEDBACK: Row = {
    "type": "PRIMARY",
    "n": 0,
    "avg": None,
    "median": None,
    "min": None,
    "max": None,
    "stdev": None,
    "errors": 0,
    "values": {},
    "contains_thread_feedback": False,
}


def session_type(row: Row) -> str:
    """Return a session's type: as stated, else by its dataset."""
    return str(row.get("type") or ("PROJECT" if row.get("reference_dataset_id") is None else "EXPERIMENT"))


class SessionReader:
    """The tracer sessions of one world for one request of v2."""

    def __init__(self, world: LangSmithWorld, fields: Row) -> None:
        self._world = world
        self._fields = fields
        self._since = self._checked_since()
        self._stats_filter = run_filter(fields["stats_filter"]) if "stats_filter" in fields else None

    def page(self, cursors: Cursors, seed: int | None) -> Row:
        """Return one page of `GET /api/v2/sessions`."""
        self._check_feedback_order()
        size = self._fields.get("page_size", 20)
        after = None
        if "cursor" in self._fields:
            after, seed = cursors.read(self._fields["cursor"])
        tests = list(_tests(self._fields))
        rows = [row for row in self._world.sessions if all(test(row) for test in tests)]
        placed = self._sorted(rows, after, seed)
        following = cursors.write(placed[size - 1][0], seed) if len(placed) > size else None
        return {"items": [self.served(row) for _, row in placed[:size]], "next_cursor": following}

    def one(self, session_id: str) -> Row:
        """Return one session. Raise a 404 when there is none."""
        rows = [row for row in self._world.sessions if row["id"] == session_id]
        if not rows:
            problem(404, "session not found")
        return self.served(rows[0])

    def served(self, row: Row) -> Row:
        """Return a session as the client's `Session`. Without include_stats its figures are null."""
        with_stats = self._fields.get("include_stats", False)
        stats = self._selected(self._stats(row)) if with_stats else dict.fromkeys(STATS)
        last = rfc3339(self._last_run_start(row))
        served = {
            "id": row["id"],
            "tenant_id": row.get("tenant_id", self._world.tenant_id),
            "name": row["name"],
            "type": session_type(row),
            "start_time": rfc3339(row["start_time"]),
            "end_time": rfc3339(row.get("end_time")),
            "description": row.get("description"),
            "extra": row.get("extra"),
            "trace_tier": _TIERS.get(row.get("trace_tier", ""), row.get("trace_tier")),
            "longlived_ttl_days": row.get("longlived_ttl_days"),
            "reference_dataset_id": row.get("reference_dataset_id"),
            "default_dataset_id": row.get("default_dataset_id"),
            "test_run_number": row.get("test_run_number"),
            "experiment_progress": row.get("experiment_progress"),
            "last_run_start_time": last,
            "last_run_start_time_live": last,
            "run_facets": [] if self._fields.get("include_facets") else None,
            **stats,
        }
        if self._world.omit_nulls:
            return {name: value for name, value in served.items() if value is not None}
        return served

    def _checked_since(self) -> datetime | None:
        since: datetime | None = self._fields.get("stats_start_time")
        if since is not None and since < (self._world.now or datetime.now(UTC)) - timedelta(days=31):
            problem(422, "invalid stats_start_time: must be within the last 31 days")
        return since

    def _check_feedback_order(self) -> None:
        needed = ("reference_dataset_id", "sort_by_feedback_key")
        if self._fields.get("sort_by") == "FEEDBACK" and not all(name in self._fields for name in needed):
            problem(422, f"sort_by FEEDBACK requires {' and '.join(needed)}")

    def _sorted(self, rows: Sequence[Row], after: Place | None, seed: int | None) -> list[tuple[Place, Row]]:
        """Return the rows after a place, sorted, with their own places."""
        tie = tie_key(seed)
        descending = self._fields.get("sort_order", "desc") == "desc"
        nulls_first = self._world.nulls_first
        value = self._sort_value()
        placed = {row["id"]: (value(row), tie(row["id"])) for row in rows}
        in_order = ordered(
            rows,
            lambda row: placed[row["id"]][0],
            lambda row: placed[row["id"]][1],
            descending=descending,
            nulls_first=nulls_first,
        )
        pairs = [(placed[row["id"]], row) for row in in_order]
        if after is None:
            return pairs
        return [pair for pair in pairs if is_after(pair[0], after, descending=descending, nulls_first=nulls_first)]

    def _sort_value(self) -> Callable[[Row], Any]:
        """Return the reader of the sort column. Times are microseconds."""
        sort = self._fields.get("sort_by", "START_TIME")
        if sort == "NAME":
            return lambda row: row["name"]
        if sort == "START_TIME":
            return lambda row: _micros(row["start_time"])
        if sort == "LAST_RUN_START_TIME":
            return lambda row: _micros(self._last_run_start(row))
        if sort != "FEEDBACK":
            return lambda row: sortable(self._stats(row)[sort.lower()])
        source = "session_feedback_stats" if self._fields.get("sort_by_feedback_source") == "SESSION" else None
        key = self._fields["sort_by_feedback_key"]
        return lambda row: (self._stats(row)[source or "feedback_stats"] or {}).get(key, {}).get("avg")

    def _runs(self, row: Row) -> list[Row]:
        return self._world.runs.get(row["id"], [])

    def _last_run_start(self, row: Row) -> Any:
        return row.get("last_run_start_time", last_run_start(self._runs(row)))

    def _stats(self, row: Row) -> Row:
        runs = self._runs(row)
        if self._stats_filter is not None:
            runs = [run for run in runs if self._stats_filter(run)]
        stats = session_stats(runs, self._since, costs_as_numbers=True)
        scores = feedback_scores(runs, self._since)
        medians = {key: {"median": statistics.median(values)} for key, values in scores.items() if values}
        stats |= {key: row[key] for key in STATS if key in row}
        for name in ("total_cost", "prompt_cost", "completion_cost"):
            stats[name] = number(stats[name])
        for name in ("feedback_stats", "session_feedback_stats"):
            stats[name] = _complete(stats[name], medians if name == "feedback_stats" else {})
        return stats

    def _selected(self, stats: Row) -> Row:
        wanted = {name.lower() for name in self._fields.get("stats_select", STATS)}
        return {name: value if name in wanted else None for name, value in stats.items()}


def _complete(stats: Any, medians: Row) -> Any:
    """Return feedback with every key that v2 has. Values that are no objects are returned unchanged."""
    if not isinstance(stats, dict):
        return stats
    return {
        key: {**_FEEDBACK, **medians.get(key, {}), **one} if isinstance(one, dict) else one
        for key, one in stats.items()
    }


def _micros(start: str | None) -> int | None:
    return None if start is None else microseconds(start)


def _tests(fields: Row) -> Iterator[Predicate]:
    """Yield the query's filters as predicates on a session of the world."""
    for name in ("id", "reference_dataset_id"):
        if name in fields:
            yield _one_of(name, fields[name])
    if "type" in fields:
        yield lambda row: session_type(row) in fields["type"]
    if "name" in fields:
        yield _one_of("name", [fields["name"]])
    if "name_contains" in fields:
        yield lambda row: fields["name_contains"].lower() in row["name"].lower()
    if "metadata" in fields:
        yield lambda row: fields["metadata"].items() <= _metadata(row).items()
    if "dataset_version" in fields:
        yield lambda row: _same_time(_metadata(row).get("dataset_version"), fields["dataset_version"])
    if "filter" in fields:
        yield run_filter(fields["filter"])


def _one_of(column: str, values: Sequence[str]) -> Predicate:
    return lambda row: row.get(column) in values


def _metadata(row: Row) -> Row:
    metadata: Row = (row.get("extra") or {}).get("metadata") or {}
    return metadata


def _same_time(stated: Any, wanted: datetime) -> bool:
    try:
        return parse(stated) == wanted
    except (TypeError, ValueError):
        return False
