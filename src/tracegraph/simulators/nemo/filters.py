"""NeMo's filters: parses the query's two notations into a tree, and matches the tree against a row.

Source: docs/vendors/nemo.md#filters, also for the service's handling of odd values.

A tree is `{field: {operator: value}, ...}`, or one logical operator: `{"$and": [tree, ...]}`.
"""

import json
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from starlette.datastructures import QueryParams

from tracegraph.simulators.core.responses import ApiError
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse as parse_time

Tree: TypeAlias = dict[str, Any]


LOGICAL = frozenset({"$and", "$or", "$not"})


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$eq": operator.eq,
    "$in": lambda value, expected: value in expected,
    "$nin": lambda value, expected: value not in expected,
}


_OPERATORS = frozenset({"$like", *_COMPARE})


_DATES = frozenset({"created_at", "updated_at"})


_WITH_PATHS = frozenset({"metadata", "cost_usd", "latency_ms", "tokens", "evaluators"})


_BRACKETS = re.compile(r"filter((?:\[[^\]]*\])+)")


def is_filter(parameter: str) -> bool:
    """Return whether a query parameter is `filter` or one of its bracket forms."""
    return parameter == "filter" or _BRACKETS.fullmatch(parameter) is not None


def parse_filter(query: QueryParams) -> Tree | None:
    """Parse the query's filter, None without one. With `filter=` the brackets are ignored.

    The service's third form, a text language under `filter=`, is not simulated and rejected with 400.
    """
    text = query.get("filter")
    if text is not None:
        return _normal(_json_tree(text))
    nested: Tree = {}
    for name, value in query.multi_items():
        brackets = _BRACKETS.fullmatch(name)
        if brackets is not None:
            _put(nested, re.findall(r"\[([^\]]*)\]", brackets[1]), _bracket_value(value))
    return _normal(_lists(nested)) if nested else None


def check(tree: Tree, valid: Collection[str], unsupported: ApiError) -> None:
    """Reject an unknown field with 400, and a value that the vendor's store cannot take with `unsupported`.

    Such values are a list without $in, which a comma in a bracket makes, and a $in without a list. An invalid date
    is always 500.
    """
    for name, sign, value in conditions(tree):
        check_field(name, valid)
        if isinstance(value, list) != (sign in {"$in", "$nin"}):
            raise unsupported
        if name in _DATES:
            _times(value)


def conditions(tree: Tree) -> Iterator[tuple[str, str, Any]]:
    """Return the field, operator and value of every condition, at any level."""
    for name, condition in tree.items():
        if name in LOGICAL:
            for branch in condition if isinstance(condition, list) else [condition]:
                yield from conditions(branch)
        else:
            for sign, value in condition.items():
                yield name, sign, value


def check_field(name: str, valid: Collection[str]) -> None:
    """Reject a field with 400 unless it is one of `valid`, or a path below one that has paths."""
    head = name.partition(".")[0]
    if (head if head in _WITH_PATHS else name) not in valid:
        raise _bad_request(f"Unknown filter field '{name}'. Valid fields: {sorted(valid)}")


def matches(tree: Tree, row: Row) -> bool:
    """Return whether a row matches the filter. A missing value matches no comparison, a list by any member."""
    return all(_holds(name, condition, row) for name, condition in tree.items())


def equalities(tree: Tree, fields: Collection[str]) -> dict[str, Any]:
    """Return the top-level `field = value` of the given fields: the sessions list ignores everything else.

    See docs/vendors/nemo.md#session-filters.
    """
    stated = {name: tree[name] for name in fields if name in tree}
    return {name: condition["$eq"] for name, condition in stated.items() if condition.get("$eq") is not None}


def _bad_request(message: str) -> ApiError:
    return ApiError(400, {"detail": message})


def _server_error() -> ApiError:
    return ApiError(500, {"detail": "An unexpected error occurred."})


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise _bad_request("Invalid filter: malformed JSON.") from None


def _json_tree(text: str) -> Any:
    if not text.startswith("{"):
        raise _bad_request("Invalid filter: expected a JSON object.")
    tree = _json(text)
    if not tree:
        raise _bad_request("Invalid filter: empty.")
    return tree


def _bracket_value(text: str) -> Any:
    """Parse a value of the bracket form: empty is null, JSON is JSON, and a comma makes a list."""
    if not text:
        return None
    if text[0] in "{[":
        return _json(text)
    return text.split(",") if "," in text else text


def _put(nested: Tree, path: list[str], value: Any) -> None:
    """Store a value at its bracket path. A repeated condition is 500, as observed."""
    for part in path[:-1]:
        nested = nested.setdefault(part, {})
        if not isinstance(nested, dict):
            raise _server_error()
    if path[-1] in nested:
        raise _server_error()
    nested[path[-1]] = value


def _lists(node: Any) -> Any:
    """Turn `{"0": a, "1": b}`, the bracket form of a list, into `[a, b]`."""
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _lists(value) for key, value in node.items()}


def _normal(tree: Any) -> Tree:
    if not isinstance(tree, dict):
        raise _bad_request("Invalid filter: expected an object.")
    if LOGICAL.intersection(tree) and len(tree) > 1:
        raise _bad_request("Logical operators cannot be mixed with other conditions at the same level.")
    return {name: _normal_condition(name, condition) for name, condition in tree.items()}


def _normal_condition(name: str, condition: Any) -> Any:
    if name == "$not":
        return _normal(condition)
    if name in LOGICAL:
        if not isinstance(condition, list):
            raise _bad_request(f"'{name}' expects a list of conditions.")
        return [_normal(branch) for branch in condition]
    if not isinstance(condition, dict):
        return {"$eq": condition}
    return dict(_normal_operator(*item) for item in condition.items())


def _normal_operator(name: str, value: Any) -> tuple[str, Any]:
    name = name if name.startswith("$") else f"${name}"
    if name not in _OPERATORS:
        raise _bad_request(f"Unsupported filter operator '{name}'.")
    if name in {"$in", "$nin"} and isinstance(value, str):
        return name, [value]
    return name, value


def _holds(name: str, condition: Any, row: Row) -> bool:
    if name == "$and":
        return all(matches(branch, row) for branch in condition)
    if name == "$or":
        return any(matches(branch, row) for branch in condition)
    if name == "$not":
        return not matches(condition, row)
    return all(_compare(name, sign, value, row.get(name)) for sign, value in condition.items())


def _compare(name: str, sign: str, expected: Any, value: Any) -> bool:
    if isinstance(value, list):
        return any(_compare(name, sign, expected, member) for member in value)
    if value is None or expected is None:
        return sign == "$eq" and value is expected
    if sign == "$like":
        pattern = re.escape(str(expected)).replace("%", ".*").replace("_", ".")
        return re.search(pattern, str(value), re.IGNORECASE | re.DOTALL) is not None
    if name in _DATES:
        if sign == "$eq":
            return False  # as observed: no time is equal to another
        expected, value = _times(expected), parse_time(value)
    return _COMPARE[sign](value, expected)


def _times(value: Any) -> datetime | list[Any] | None:
    """Parse a filter's times. An offset is ignored and the digits are taken as UTC, as observed."""
    if isinstance(value, list):
        return [_times(element) for element in value]
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except (ValueError, TypeError):
        raise _server_error() from None
