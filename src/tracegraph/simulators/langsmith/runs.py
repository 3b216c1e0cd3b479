"""LangSmith's POST /runs/query: filters, order and pages with an opaque cursor."""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tracegraph.simulators.core.responses import ApiError, check_range, check_uuid, invalid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import tie_key
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.langsmith.filters import FilterError, Predicate, compile_filter

_MAX_PAGE_SIZE = 100


_SCOPES = ("session", "id", "parent_run", "trace", "reference_example")


_NOT_SIMULATED = ("query", "trace_filter", "tree_filter", "search_filter")


def compiled(text: str) -> Predicate:
    """Compile a filter of the vendor's language. Raise a 400 for an invalid one."""
    try:
        return compile_filter(text)
    except FilterError as error:
        raise ApiError(400, {"detail": f"Invalid filter: {error}"}) from None


class RunQuery:
    """The validated body of a run query. An invalid body is 400 or 422, as from the vendor.

    See docs/vendors/langsmith.md#runs.
    """

    def __init__(self, body: Row, cursors: "Cursors") -> None:
        self._cursors = cursors
        self._body = {key: value for key, value in body.items() if value is not None}
        self._limit = self._page_size()
        self._descending = self._order() == "desc"
        unknown = [name for name in _NOT_SIMULATED if name in self._body]
        if unknown:
            raise ApiError(400, {"detail": f"Not simulated: {', '.join(unknown)}"})
        if not any(scope in self._body for scope in _SCOPES):
            # The text is the vendor's own: PostHog/posthog pull request 72783.
            scopes = "'session', 'id', 'parent_run', 'trace' or 'reference_example'"
            raise ApiError(400, {"detail": f"At least one of {scopes} must be specified"})
        self._sessions = self._uuids("session")
        self._tests = list(self._all_tests())
        self._cursor = self._cursors.read(self._body["cursor"], self._body) if "cursor" in self._body else None

    def execute(self, runs: Mapping[str, Sequence[Row]], seed: int | None) -> Row:
        """Return one page. With a seed, runs with one start time come in an order of that seed.

        A cursor keeps the seed of its page, so that a traversal is complete under any seed.
        """
        if self._cursor is not None:
            seed = self._cursor.seed
        tie = tie_key(seed)
        keyed = [(_start(run), tie(run["id"]), run) for run in self._matching(runs)]
        keyed.sort(key=lambda entry: entry[1])
        keyed.sort(key=lambda entry: entry[0], reverse=self._descending)
        if self._cursor is not None:
            keyed = [entry for entry in keyed if self._cursor.is_before(entry[0], entry[1], self._descending)]
        page = keyed[: self._limit]
        more = len(keyed) > len(page)
        last = _Cursor(page[-1][0], page[-1][1], seed) if more and page else None
        return {
            "runs": [self._selected(run) for _, _, run in page],
            "cursors": {"next": last and self._cursors.write(last, self._body), "prev": None},
            "search_cursors": None,
            "parsed_query": self._body.get("filter"),
        }

    def _page_size(self) -> int:
        limit = self._body.get("limit", _MAX_PAGE_SIZE)
        if not isinstance(limit, int):
            invalid(["body", "limit"], "int_type", "Input should be a valid integer", limit)
        if limit > _MAX_PAGE_SIZE:
            detail = f"Limit exceeds maximum allowed value of {_MAX_PAGE_SIZE}"
            raise ApiError(400, {"detail": detail})
        return check_range(limit, ["body", "limit"], limit, 1, None)

    def _order(self) -> str:
        order = self._body.get("order", "desc")
        if order not in {"asc", "desc"}:
            invalid(["body", "order"], "enum", "Input should be 'asc' or 'desc'", order)
        return str(order)

    def _uuids(self, name: str) -> list[str] | None:
        values = self._body.get(name)
        if values is None:
            return None
        if not isinstance(values, list):
            invalid(["body", name], "list_type", "Input should be a valid list", values)
        return [check_uuid(text, ["body", name, index]) for index, text in enumerate(values)]

    def _all_tests(self) -> Iterator[Predicate]:
        """Yield the body's filters as predicates. With ids, the other filters are ignored."""
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
        """Bound the start of a run. That `end_time` also bounds the start is inferred from v2's names."""
        earliest, latest = self._time("start_time"), self._time("end_time")
        if earliest is not None:
            yield lambda run: _start(run) >= earliest
        if latest is not None:
            yield lambda run: _start(run) <= latest

    def _time(self, name: str) -> datetime | None:
        value = self._body.get(name)
        if value is None:
            return None
        try:
            return parse(value)
        except (TypeError, ValueError):
            invalid(["body", name], "datetime_parsing", "Input should be a valid datetime", value)

    def _matching(self, runs: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
        scope = runs if self._sessions is None or "id" in self._body else self._sessions
        for session_id in scope:
            for run in runs.get(session_id, ()):
                if all(test(run) for test in self._tests):
                    yield {"session_id": session_id, **run}

    def _selected(self, run: Row) -> Row:
        """Return the selected fields and always the id."""
        fields = self._body.get("select")
        return run if fields is None else {key: run.get(key) for key in dict.fromkeys(["id", *fields])}


@dataclass(frozen=True)
class _Cursor:
    """The position after the last run of a page: its start, its tie key, and the seed of the order."""

    start: datetime
    tie: tuple[int, str]
    seed: int | None

    def is_before(self, start: datetime, tie: tuple[int, str], descending: bool) -> bool:  # noqa: FBT001
        """Return whether a run comes after this position."""
        if start != self.start:
            return (start < self.start) == descending
        return tie > self.tie


class Cursors:
    """Cursors as opaque text.

    A cursor of an earlier generation has expired. A bound cursor is valid only with its own body.
    """

    def __init__(self, generation: int = 0, *, bound: bool = False) -> None:
        self._generation = generation
        self._bound = bound

    def write(self, cursor: _Cursor, body: Row) -> str:
        """Encode a cursor for a body."""
        start = (cursor.start - _EPOCH) // timedelta(microseconds=1)
        parts = [self._generation, self._digest(body), start, *cursor.tie, cursor.seed]
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(parts)).decode()

    def read(self, text: Any, body: Row) -> _Cursor:
        """Decode a cursor. Raise a 400 for an expired one, for one of another body, and for anything else."""
        try:
            generation, digest, start, first, second, seed = msgspec.msgpack.decode(base64.urlsafe_b64decode(text))
            moment = _EPOCH + timedelta(microseconds=start)
        except (TypeError, ValueError, OverflowError):
            raise ApiError(400, {"detail": "Invalid cursor"}) from None
        if (generation, digest) != (self._generation, self._digest(body)):
            raise ApiError(400, {"detail": "Invalid cursor"})
        return _Cursor(moment, (first, second), seed)

    def _digest(self, body: Row) -> int:
        rest = {key: value for key, value in body.items() if key != "cursor"}
        return zlib.crc32(json.dumps(rest, sort_keys=True).encode()) if self._bound else 0


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _start(run: Row) -> datetime:
    return parse(run["start_time"])


def _equals(column: str, expected: Any) -> Predicate:
    return lambda run: run.get(column) == expected
