"""LangSmith's reads of runs in v2: queries over projects, the runs of a trace, one run, traces.

See docs/vendors/langsmith.md#deprecations. The order is by start, newest first, and cannot be chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.langsmith.cursors import Cursors, Place, is_after
from tracegraph.simulators.langsmith.filters import Predicate
from tracegraph.simulators.langsmith.problems import (
    Kind,
    Many,
    flag,
    moment,
    one_of,
    problem,
    run_filter,
    text,
    uuid_text,
    whole,
)
from tracegraph.simulators.langsmith.run_fields import SELECTS, RunView
from tracegraph.simulators.langsmith.world import LangSmithWorld

_AGGREGATES = ("TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME")


_NOT_SIMULATED = (
    *("ai_search", "sem_filter", "trace_filter", "tree_filter"),
    *("min_feedback_modified_at", "max_feedback_modified_at"),
)


SELECT_LIST = Many(one_of(*SELECTS))


_COMMON: dict[str, Kind] = {
    "min_start_time": moment,
    "max_start_time": moment,
    "selects": SELECT_LIST,
    "cursor": text,
    **dict.fromkeys(_NOT_SIMULATED, text),
}


RUN_QUERY: dict[str, Kind] = {
    **_COMMON,
    "project_ids": Many(uuid_text),
    "reference_dataset_id": uuid_text,
    "ids": Many(uuid_text),
    "trace_id": uuid_text,
    "reference_examples": Many(uuid_text),
    "run_type": one_of("TOOL", "CHAIN", "LLM", "RETRIEVER", "EMBEDDING", "PROMPT", "PARSER"),
    "is_root": flag,
    "has_error": flag,
    "filter": text,
    "include_subtree_usage": flag,
    "page_size": whole(1, 1000),
}


TRACE_QUERY: dict[str, Kind] = {
    **_COMMON,
    "project_id": uuid_text,
    "trace_ids": Many(uuid_text),
    "page_size": whole(1, 100),
}


@lru_cache(maxsize=1 << 18)
def microseconds(start: str) -> int:
    """Return a start as microseconds since 1970, which a cursor can hold."""
    return (parse(start) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _micros(time: datetime) -> int:
    return microseconds(time.isoformat())


@dataclass(frozen=True, slots=True)
class _Paging:
    """Where a page begins, and how many rows it has."""

    cursors: Cursors
    after: Place | None
    seed: int | None
    size: int

    @classmethod
    def of(cls, fields: Row, default_size: int, cursors: Cursors, seed: int | None) -> "_Paging":
        """Return the page that a request describes. A cursor keeps the seed of its page."""
        after = None
        if "cursor" in fields:
            after, seed = cursors.read(fields["cursor"])
        return cls(cursors, after, seed, fields.get("page_size", default_size))


class RunReader:
    """The runs of one world as v2 serves them."""

    def __init__(self, world: LangSmithWorld) -> None:
        self._world = world
        self._by_id: dict[str, dict[str, Row]] = {}
        self._datasets = {row["id"]: row.get("reference_dataset_id") for row in world.sessions}

    def served(self, run: Row, project: str, selects: Sequence[str] | None, *, subtree_usage: bool) -> Row:
        """Return the selected fields of a run."""
        if project not in self._by_id:
            self._by_id[project] = {one["id"]: one for one in self._world.runs.get(project, [])}
        view = RunView(run, project, self._datasets.get(project), self._by_id[project], subtree_usage)
        return view.served(selects, omit_nulls=self._world.omit_nulls)

    def query(self, fields: Row, cursors: Cursors, seed: int | None) -> Row:
        """Return one page of `POST /api/v2/runs/query`."""
        _refuse_not_simulated(fields)
        if bool(fields.get("project_ids")) == ("reference_dataset_id" in fields):
            problem(400, "exactly one of project_ids and reference_dataset_id is required")
        projects = fields.get("project_ids") or self._experiments(fields["reference_dataset_id"])
        window = self._window(fields, projects, inclusive=self._world.max_start_inclusive)
        paging = _Paging.of(fields, 100, cursors, seed)
        page, following = self._page(projects, window, list(_tests(fields)), paging)
        subtree = fields.get("include_subtree_usage", False)
        items = [self.served(run, project, fields.get("selects"), subtree_usage=subtree) for run, project in page]
        return {"items": items, "next_cursor": following}

    def traces(self, fields: Row, cursors: Cursors, seed: int | None) -> Row:
        """Return one page of `POST /api/v2/traces/query`."""
        _refuse_not_simulated(fields)
        if "project_id" not in fields:
            problem(400, "project_id is required")
        projects = [fields["project_id"]]
        window = self._window(fields, projects, inclusive=False)
        tests = list(_tests({"is_root": True}))
        if "trace_ids" in fields:
            tests.append(lambda run: run["trace_id"] in fields["trace_ids"])
        page, following = self._page(projects, window, tests, _Paging.of(fields, 20, cursors, seed))
        items = [self._trace(run, project, fields.get("selects") or ["ID"]) for run, project in page]
        return {"items": items, "next_cursor": following}

    def of_trace(self, trace_id: str, fields: Row) -> Row:
        """Return all runs of a trace, the earliest first. An unknown trace has none."""
        if ("min_start_time" in fields) != ("max_start_time" in fields):
            problem(422, "min_start_time and max_start_time are required together")
        project = fields["project_id"]
        tests = list(_tests({"trace_id": trace_id, **fields}))
        if "min_start_time" in fields:
            window = self._window(fields, [project], inclusive=True)
            tests.append(lambda run: microseconds(run["start_time"]) in window)
        runs = [run for run in self._world.runs.get(project, []) if all(test(run) for test in tests)]
        runs.sort(key=lambda run: (microseconds(run["start_time"]), run["id"]))
        selects = fields.get("selects")
        return {"items": [self.served(run, project, selects, subtree_usage=False) for run in runs]}

    def one(self, run_id: str, project: str) -> Row:
        """Return a run of a project as the world has it. Raise a 404 when there is none."""
        runs = [run for run in self._world.runs.get(project, []) if run["id"] == run_id]
        if not runs:
            problem(404, "run not found")
        return runs[0]

    def _experiments(self, dataset_id: str) -> list[str]:
        return [session for session, dataset in self._datasets.items() if dataset == dataset_id]

    def _window(self, fields: Row, projects: Sequence[str], *, inclusive: bool) -> range:
        """Return the starts of matching runs. By default they begin a day ago, or with a dataset's experiments."""
        now = self._world.now or datetime.now(UTC)
        earliest = now - timedelta(days=1)
        if "reference_dataset_id" in fields:
            starts = [parse(row["start_time"]) for row in self._world.sessions if row["id"] in projects]
            earliest = min(starts, default=earliest)
        low = _micros(fields.get("min_start_time", earliest))
        high = _micros(fields.get("max_start_time", now))
        return range(low, high + 1 if inclusive else high)

    def _page(
        self, projects: Sequence[str], window: range, tests: Sequence[Predicate], paging: _Paging
    ) -> tuple[list[tuple[Row, str]], str | None]:
        """Return the runs of a page with their projects, and the cursor of the next page."""
        places: list[Place] = []
        page: list[tuple[Row, str]] = []
        for place, run, project in self._newest_first(projects, window, paging):
            if all(test(run) for test in tests):
                if len(page) == paging.size:
                    return page, paging.cursors.write(places[-1], paging.seed)
                places.append(place)
                page.append((run, project))
        return page, None

    def _newest_first(
        self, projects: Sequence[str], window: range, paging: _Paging
    ) -> Iterator[tuple[Place, Row, str]]:
        """Yield the runs of a window after the page's beginning."""
        tie, after = tie_key(paging.seed), paging.after
        low, high = window.start, window.stop - 1 if after is None else min(window.stop - 1, after[0])
        started = [
            (start, run, project)
            for project in dict.fromkeys(projects)
            for run in self._world.runs.get(project, [])
            if low <= (start := microseconds(run["start_time"])) <= high
        ]
        started.sort(key=itemgetter(0), reverse=True)
        for start, group in groupby(started, key=itemgetter(0)):
            placed = [((start, tie(run["id"])), run, project) for _, run, project in group]
            for place, run, project in sorted(placed, key=itemgetter(0)):
                if after is None or is_after(place, after, descending=True, nulls_first=False):
                    yield place, run, project

    def _trace(self, root: Row, project: str, selects: Sequence[str]) -> Row:
        of_root = [name for name in selects if name not in _AGGREGATES]
        of_trace = [name for name in selects if name in _AGGREGATES]
        item = {"root_run": self.served(root, project, of_root, subtree_usage=False)}
        if of_trace:
            item["trace_aggregates"] = self.served(root, project, of_trace, subtree_usage=True)
        return item


def _refuse_not_simulated(fields: Row) -> None:
    unknown = [name for name in _NOT_SIMULATED if name in fields]
    if unknown:
        problem(400, f"not simulated: {', '.join(unknown)}")


def _tests(fields: Row) -> Iterator[Predicate]:
    """Yield the filters other than the window. All of them apply, also with ids."""
    for name, column in (("ids", "id"), ("reference_examples", "reference_example_id")):
        if name in fields:
            yield _one_of(column, frozenset(fields[name]))
    if "trace_id" in fields:
        yield _one_of("trace_id", frozenset([fields["trace_id"]]))
    if "is_root" in fields:
        yield lambda run: (run.get("parent_run_id") is None) == fields["is_root"]
    if "has_error" in fields:
        yield lambda run: (run.get("error") is not None) == fields["has_error"]
    if "run_type" in fields:
        yield _one_of("run_type", frozenset([fields["run_type"].lower()]))
    if "filter" in fields:
        yield run_filter(fields["filter"])


def _one_of(column: str, values: frozenset[Any]) -> Predicate:
    return lambda run: run.get(column) in values
