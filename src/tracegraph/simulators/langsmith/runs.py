"""LangSmith's POST /runs/query: which runs, in which order, a page at a time behind an opaque cursor."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tracegraph.simulators.core.responses import Refused, check_range, check_uuid, invalid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.langsmith.filters import FilterError, Predicate, compile_filter

_LARGEST_PAGE = 100


_SCOPES = ("session", "id", "parent_run", "trace", "reference_example")


_NOT_SIMULATED = ("query", "trace_filter", "tree_filter", "search_filter")


def compiled(text: str) -> Predicate:
    """Compile a filter of the vendor's language; 400 when it is none."""
    try:
        return compile_filter(text)
    except FilterError as error:
        raise Refused(400, {"detail": f"Invalid filter: {error}"}) from None


class RunQuery:
    """One body of a run query, checked; refused with 400 or 422 as the vendor does.

    See docs/vendors/langsmith.md#runs.
    """

    def __init__(self, body: Row) -> None:
        self._body = {key: value for key, value in body.items() if value is not None}
        self._limit = self._page_size()
        self._descending = self._order() == "desc"
        unknown = [name for name in _NOT_SIMULATED if name in self._body]
        if unknown:
            raise Refused(400, {"detail": f"Not simulated: {', '.join(unknown)}"})
        if not any(scope in self._body for scope in _SCOPES):
            # The text is the vendor's own: PostHog/posthog pull request 72783.
            wanted = "'session', 'id', 'parent_run', 'trace' or 'reference_example'"
            raise Refused(400, {"detail": f"At least one of {wanted} must be specified"})
        self._sessions = self._uuids("session")
        self._tests = list(self._all_tests())
        self._cursor = _Cursor.read(self._body["cursor"]) if "cursor" in self._body else None

    def answer(self, runs: Mapping[str, Sequence[Row]], seed: int | None) -> Row:
        """Give one page. With a seed, runs of one start time come in an order of that seed's own.

        A cursor goes on in the order of the page that gave it, so a traversal is whole under any seed.
        """
        if self._cursor is not None:
            seed = self._cursor.seed
        tie = tie_key(seed)
        keyed = [(_start(run), tie(run["id"]), run) for run in self._matching(runs)]
        keyed.sort(key=lambda one: one[1])
        keyed.sort(key=lambda one: one[0], reverse=self._descending)
        if self._cursor is not None:
            keyed = [one for one in keyed if self._cursor.is_before(one[0], one[1], self._descending)]
        page = keyed[: self._limit]
        more = len(keyed) > len(page)
        following = _Cursor(page[-1][0], page[-1][1], seed).write() if more and page else None
        return {
            "runs": [self._selected(run) for _, _, run in page],
            "cursors": {"next": following, "prev": None},
            "search_cursors": None,
            "parsed_query": self._body.get("filter"),
        }

    def _page_size(self) -> int:
        limit = self._body.get("limit", _LARGEST_PAGE)
        if not isinstance(limit, int):
            invalid(["body", "limit"], "int_type", "Input should be a valid integer", limit)
        if limit > _LARGEST_PAGE:
            detail = f"Limit exceeds maximum allowed value of {_LARGEST_PAGE}"
            raise Refused(400, {"detail": detail})
        return check_range(limit, ["body", "limit"], limit, 1, None)

    def _order(self) -> str:
        order = self._body.get("order", "desc")
        if order not in {"asc", "desc"}:
            invalid(["body", "order"], "enum", "Input should be 'asc' or 'desc'", order)
        return str(order)

    def _uuids(self, name: str) -> list[str] | None:
        given = self._body.get(name)
        if given is None:
            return None
        if not isinstance(given, list):
            invalid(["body", name], "list_type", "Input should be a valid list", given)
        return [check_uuid(text, ["body", name, index]) for index, text in enumerate(given)]

    def _all_tests(self) -> Iterator[Predicate]:
        """Turn the body's filters into predicates; ids, when given, are the only one heeded."""
        ids = self._uuids("id")
        if ids is not None:
            yield lambda run: run["id"] in ids
            return
        if "is_root" in self._body:
            yield lambda run: (run.get("parent_run_id") is None) == self._body["is_root"]
        if "error" in self._body:
            yield lambda run: (run.get("error") is not None) == self._body["error"]
        for name, column in (
            ("parent_run", "parent_run_id"),
            ("trace", "trace_id"),
            ("run_type", "run_type"),
        ):
            if name in self._body:
                yield _equals(column, self._body[name])
        examples = self._uuids("reference_example")
        if examples is not None:
            yield lambda run: run.get("reference_example_id") in examples
        yield from self._time_tests()
        if "filter" in self._body:
            yield compiled(self._body["filter"])

    def _time_tests(self) -> Iterator[Predicate]:
        """Bound the start of a run; that `end_time` bounds the start too is read from v2's names."""
        earliest, latest = self._time("start_time"), self._time("end_time")
        if earliest is not None:
            yield lambda run: _start(run) >= earliest
        if latest is not None:
            yield lambda run: _start(run) <= latest

    def _time(self, name: str) -> datetime | None:
        given = self._body.get(name)
        if given is None:
            return None
        try:
            return parse(given)
        except (TypeError, ValueError):
            invalid(["body", name], "datetime_parsing", "Input should be a valid datetime", given)

    def _matching(self, runs: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
        scope = runs if self._sessions is None or "id" in self._body else self._sessions
        for session_id in scope:
            for run in runs.get(session_id, ()):
                if all(test(run) for test in self._tests):
                    yield {"session_id": session_id, **run}

    def _selected(self, run: Row) -> Row:
        """Keep the asked fields; the id always comes."""
        wanted = self._body.get("select")
        return run if wanted is None else {key: run.get(key) for key in dict.fromkeys(["id", *wanted])}


class _Cursor:
    """The place after the last run of a page: its start, its place among equals, and the order's seed."""

    def __init__(self, start: datetime, tie: tuple[int, str], seed: int | None) -> None:
        self._start = start
        self._tie = tie
        self.seed = seed

    @classmethod
    def read(cls, text: Any) -> "_Cursor":
        """Read what `write` wrote; 400 for anything else."""
        try:
            start, first, second, seed = json.loads(base64.urlsafe_b64decode(text))
            return cls(parse(start), (first, second), seed)
        except (TypeError, ValueError):
            raise Refused(400, {"detail": "Invalid cursor"}) from None

    def write(self) -> str:
        """Write the cursor as opaque text."""
        parts = [self._start.isoformat(), *self._tie, self.seed]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()

    def is_before(self, start: datetime, tie: tuple[int, str], descending: bool) -> bool:  # noqa: FBT001
        """Tell whether a run comes after this place in the order."""
        if start != self._start:
            return (start < self._start) == descending
        return tie > self._tie


def _start(run: Row) -> datetime:
    return parse(run["start_time"])


def _equals(column: str, wanted: Any) -> Predicate:
    return lambda run: run.get(column) == wanted
