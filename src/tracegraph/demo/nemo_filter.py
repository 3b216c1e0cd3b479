"""NeMo's filters: from the query's two written forms to a tree, and the tree against a row (VENDORS.md A3).

A tree is `{field: {operator: value}, ...}`, or one logical operator: `{"$and": [tree, ...]}`.
"""

import json
import operator
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from starlette.datastructures import QueryParams

from tracegraph.demo.answers import Refused
from tracegraph.demo.rows import Row
from tracegraph.demo.times import parse as parse_time

Tree: TypeAlias = dict[str, Any]

LOGICAL = frozenset({"$and", "$or", "$not"})
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}
_OPERATORS = frozenset({"$eq", "$like", "$in", "$nin", *_COMPARE})
_DATES = frozenset({"created_at", "updated_at"})
_BRACKETS = re.compile(r"filter((?:\[[^\]]*\])+)")


def is_filter(parameter: str) -> bool:
    """Tell whether a query parameter is `filter` or one of its bracket forms."""
    return parameter == "filter" or _BRACKETS.fullmatch(parameter) is not None


def parse_filter(query: QueryParams) -> Tree | None:
    """Read the query's filter, None without one; with `filter=` the brackets are not looked at.

    The service's third form, a text language under `filter=`, is not simulated: it is refused with 400.
    """
    text = query.get("filter")
    if text is not None:
        return _normal(_json_tree(text))
    nested: Tree = {}
    for name, value in query.multi_items():
        brackets = _BRACKETS.fullmatch(name)
        if brackets is not None:
            _put(nested, re.findall(r"\[([^\]]*)\]", brackets[1]), value)
    return _normal(_lists(nested)) if nested else None


def check_fields(tree: Tree, valid: Collection[str]) -> None:
    """Refuse a field that the list does not know (400) and a date that is none (500, as observed)."""
    for name, condition in tree.items():
        if name in LOGICAL:
            for branch in condition if isinstance(condition, list) else [condition]:
                check_fields(branch, valid)
            continue
        if name not in valid:
            raise _bad(f"Invalid filter field '{name}'. Valid fields: {', '.join(sorted(valid))}")
        if name in _DATES:
            for value in condition.values():
                _times(value)


def matches(tree: Tree, row: Row) -> bool:
    """Tell whether a row passes; a missing value passes no comparison."""
    return all(_holds(name, condition, row) for name, condition in tree.items())


def equalities(tree: Tree, fields: Collection[str]) -> dict[str, Any]:
    """Pick the top-level `field = value` of the given fields: all that the sessions list heeds (trap 4)."""
    found = {name: tree[name] for name in fields if name in tree}
    return {name: condition["$eq"] for name, condition in found.items() if "$eq" in condition}


def _bad(message: str) -> Refused:
    return Refused(400, {"detail": message})


def _json_tree(text: str) -> Tree:
    if not text.startswith("{"):
        raise _bad("Invalid filter: expected a JSON object.")
    try:
        tree: Tree = json.loads(text)
    except ValueError:
        raise _bad("Invalid filter: malformed JSON.") from None
    return tree


def _put(nested: Tree, path: list[str], value: str) -> None:
    for part in path[:-1]:
        nested = nested.setdefault(part, {})
        if not isinstance(nested, dict):
            raise _bad(f"Invalid filter: conflicting conditions at '{part}'.")
    nested[path[-1]] = value


def _lists(node: Any) -> Any:
    """Turn `{"0": a, "1": b}`, which is how brackets write a list, into `[a, b]`."""
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _lists(value) for key, value in node.items()}


def _normal(tree: Any) -> Tree:
    if not isinstance(tree, dict):
        raise _bad("Invalid filter: expected an object.")
    if LOGICAL.intersection(tree) and len(tree) > 1:
        raise _bad("Logical operators cannot be mixed with other conditions at the same level.")
    return {name: _normal_condition(name, condition) for name, condition in tree.items()}


def _normal_condition(name: str, condition: Any) -> Any:
    if name == "$not":
        return _normal(condition)
    if name in LOGICAL:
        if not isinstance(condition, list):
            raise _bad(f"'{name}' expects a list of conditions.")
        return [_normal(branch) for branch in condition]
    if not isinstance(condition, dict):
        return {"$eq": condition}
    return dict(_normal_operator(*item) for item in condition.items())


def _normal_operator(name: str, value: Any) -> tuple[str, Any]:
    name = name if name.startswith("$") else f"${name}"
    if name not in _OPERATORS:
        raise _bad(f"Unsupported filter operator '{name}'.")
    if name in {"$in", "$nin"} and isinstance(value, str):
        return name, value.split(",")
    return name, value


def _holds(name: str, condition: Any, row: Row) -> bool:
    if name == "$and":
        return all(matches(branch, row) for branch in condition)
    if name == "$or":
        return any(matches(branch, row) for branch in condition)
    if name == "$not":
        return not matches(condition, row)
    return all(_compare(name, sign, value, row.get(name)) for sign, value in condition.items())


def _compare(name: str, sign: str, wanted: Any, given: Any) -> bool:
    if given is None or wanted is None:
        return sign == "$eq" and given is wanted
    if sign == "$like":
        pattern = ".*".join(re.escape(part) for part in str(wanted).split("%"))
        return re.search(pattern, str(given), re.IGNORECASE | re.DOTALL) is not None
    if name in _DATES:
        wanted, given = _times(wanted), parse_time(given)
    if sign == "$in":
        return given in wanted
    if sign == "$nin":
        return given not in wanted
    if sign == "$eq":
        return bool(given == wanted)
    return _COMPARE[sign](given, wanted)


def _times(value: Any) -> datetime | list[Any] | None:
    if isinstance(value, list):
        return [_times(one) for one in value]
    if value is None:
        return None
    try:
        return parse_time(value)
    except (ValueError, TypeError):
        raise Refused(500, {"detail": "An unexpected error occurred."}) from None
