"""LangSmith's filter language: `and(gt(start_time, "2026-01-01"), eq(status, "error"))`.

See docs/vendors/langsmith.md#runs.

    expression = name "(" [argument {"," argument}] ")"
    argument   = expression | field | "text" | 'text' | number | true | false | null | list
    list       = "[" [argument {"," argument}] "]"

Operators: and, or, eq, neq, in, gt, gte, lt, lte, has, search. A field with several values, such as tags or
feedback keys, matches when one of them does. The pairs of feedback_key and feedback_score are not linked.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse

Predicate: TypeAlias = Callable[[Row], bool]


class FilterError(ValueError):
    """The text is not a filter. The message states the position and the reason."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign>[(),\[\]])
    )""",
    re.VERBOSE,
)


_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "True": True, "False": False}


_TIMES = frozenset({"start_time", "end_time"})


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


_PLAIN = frozenset(
    {
        *("id", "name", "run_type", "status", "error", "trace_id", "session_id", "parent_run_id"),
        *("total_tokens", "prompt_tokens", "completion_tokens", "reference_example_id", *_TIMES),
    }
)


def compile_filter(text: str) -> Predicate:
    """Compile a filter into a predicate on rows. Raise FilterError for an invalid text."""
    reader = _Reader(text)
    predicate = reader.expression(reader.take("word"))
    reader.end()
    return predicate


class _Reader:
    """Recursive-descent parser over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def take(self, kind: str, value: str | None = None) -> str:
        """Consume the next token, which must have this kind."""
        token_kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        if token_kind != kind or value not in {None, text}:
            raise FilterError(f"expected {value or kind} but found {text or 'the end'!r}")
        self._at += 1
        return text

    def end(self) -> None:
        """Check that no token is left."""
        if self._at < len(self._tokens):
            raise FilterError(f"unexpected {self._tokens[self._at][1]!r} after the expression")

    def expression(self, name: str) -> Predicate:
        """Parse the part after an operator's name."""
        self.take("sign", "(")
        arguments: list[Any] = []
        while self._peek() != ")":
            if arguments:
                self.take("sign", ",")
            arguments.append(self._argument())
        self.take("sign", ")")
        return _build(name, arguments)

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _argument(self) -> Any:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        if kind == "string":
            self._at += 1
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            self._at += 1
            return float(text)
        if text == "[":
            return self._list()
        word = self.take("word")
        if self._peek() == "(":
            return self.expression(word)
        return _WORDS[word] if word in _WORDS else _Field(word)

    def _list(self) -> list[Any]:
        self.take("sign", "[")
        members: list[Any] = []
        while self._peek() != "]":
            if members:
                self.take("sign", ",")
            members.append(self._argument())
        self.take("sign", "]")
        return members


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise FilterError(f"cannot read {text[at : at + 20]!r}")
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def _build(name: str, arguments: list[Any]) -> Predicate:
    if name in {"and", "or"}:
        if not arguments or not all(callable(argument) for argument in arguments):
            raise FilterError(f"{name} takes conditions")
        combine = all if name == "and" else any
        return lambda row: combine(argument(row) for argument in arguments)
    if name == "search":
        return _search(arguments)
    if len(arguments) != 2 or not isinstance(arguments[0], _Field) or callable(arguments[1]):
        raise FilterError(f"{name} takes a field and a value")
    field, expected = arguments[0].name, arguments[1]
    if isinstance(expected, _Field):
        raise FilterError(f"{expected.name} is not a value; quote text")
    if name == "has":
        return _has(field, expected)
    return _comparison(name, field, expected)


def _comparison(name: str, field: str, expected: Any) -> Predicate:
    values = _values(field)
    if (name == "in") != isinstance(expected, list):
        raise FilterError(f"{name} takes a list" if name == "in" else f"{name} takes no list")
    if name == "in":
        return lambda row: any(value in expected for value in values(row))
    if field in _TIMES and expected is not None:
        expected = _time(expected)
    if name == "eq":
        return lambda row: any(value == expected for value in values(row))
    if name == "neq":
        return lambda row: all(value != expected for value in values(row))
    if name not in _ORDERS:
        raise FilterError(f"unknown operator {name!r}")
    if expected is None:
        raise FilterError(f"{name} cannot compare with null")
    return lambda row: any(_in_order(_ORDERS[name], value, expected) for value in values(row))


def _in_order(compare: Callable[[Any, Any], bool], value: Any, expected: Any) -> bool:
    comparable = isinstance(value, type(expected)) or (isinstance(value, int) and isinstance(expected, float))
    return comparable and compare(value, expected)


def _has(field: str, expected: Any) -> Predicate:
    if field == "tags":
        return lambda row: expected in (row.get("tags") or [])
    if field != "metadata":
        raise FilterError("has takes tags or metadata")
    try:
        pairs = json.loads(str(expected))
    except ValueError:
        return lambda row: expected in _metadata(row)
    if not isinstance(pairs, dict):
        raise FilterError("has(metadata, ...) takes a key or a JSON object")
    return lambda row: pairs.items() <= _metadata(row).items()


def _search(arguments: list[Any]) -> Predicate:
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise FilterError("search takes one text")
    needle = arguments[0].lower()
    return lambda row: any(needle in json.dumps(row.get(key)).lower() for key in ("inputs", "outputs", "name"))


def _values(field: str) -> Callable[[Row], list[Any]]:
    """Return a reader of a field. It returns a list, because some fields have several values."""
    if field in _TIMES:
        return lambda row: [None if row.get(field) is None else _time(row[field])]
    if field in _PLAIN:
        return lambda row: [row.get(field)]
    multi_valued = _MULTI_VALUED.get(field)
    if multi_valued is None:
        raise FilterError(f"unknown field {field!r}")
    return multi_valued


def _time(value: Any) -> Any:
    try:
        return parse(value)
    except (TypeError, ValueError):
        raise FilterError(f"{value!r} is not a time") from None


def _latency(row: Row) -> list[Any]:
    if row.get("end_time") is None:
        return []
    return [(parse(row["end_time"]) - parse(row["start_time"])).total_seconds()]


def _metadata(row: Row) -> Row:
    metadata: Row = (row.get("extra") or {}).get("metadata") or {}
    return metadata


def _scores(row: Row) -> list[Any]:
    return [stats.get("avg") for stats in (row.get("feedback_stats") or {}).values()]


_MULTI_VALUED: Mapping[str, Callable[[Row], list[Any]]] = {
    "latency": _latency,
    "is_root": lambda row: [row.get("parent_run_id") is None],
    "tags": lambda row: row.get("tags") or [],
    "feedback_key": lambda row: list(row.get("feedback_stats") or {}),
    "feedback_score": _scores,
    "metadata_key": lambda row: list(_metadata(row)),
    "metadata_value": lambda row: list(_metadata(row).values()),
}
