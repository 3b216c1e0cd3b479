"""NeMo's filters: from the query's two written forms to a tree, and the tree against a row.

Source: docs/vendors/nemo.md#filters, also for what the service does with odd values.

A tree is `{field: {operator: value}, ...}`, or one logical operator: `{"$and": [tree, ...]}`.
"""

import json
import operator
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from starlette.datastructures import QueryParams

from tracegraph.simulators.core.responses import Refused
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
    "$in": lambda given, wanted: given in wanted,
    "$nin": lambda given, wanted: given not in wanted,
}


_OPERATORS = frozenset({"$like", *_COMPARE})


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
            _put(nested, re.findall(r"\[([^\]]*)\]", brackets[1]), _bracket_value(value))
    return _normal(_lists(nested)) if nested else None


def check(tree: Tree, valid: Collection[str], unfit: Refused) -> None:
    """Refuse a field that the list does not know with 400, and a value that its store cannot take as `unfit`.

    Those are a list without $in, which a comma in a bracket makes, and a $in without one. A date that is none
    is always 500.
    """
    for name, condition in tree.items():
        if name in LOGICAL:
            for branch in condition if isinstance(condition, list) else [condition]:
                check(branch, valid, unfit)
            continue
        if name not in valid:
            raise _bad(f"Unknown filter field '{name}'. Valid fields: {sorted(valid)}")
        for sign, value in condition.items():
            if isinstance(value, list) != (sign in {"$in", "$nin"}):
                raise unfit
            if name in _DATES:
                _times(value)


def matches(tree: Tree, row: Row) -> bool:
    """Tell whether a row passes; a missing value passes no comparison."""
    return all(_holds(name, condition, row) for name, condition in tree.items())


def equalities(tree: Tree, fields: Collection[str]) -> dict[str, Any]:
    """Pick the top-level `field = value` of the given fields: all that the sessions list heeds.

    See docs/vendors/nemo.md#session-filters.
    """
    found = {name: tree[name] for name in fields if name in tree}
    return {name: condition["$eq"] for name, condition in found.items() if condition.get("$eq") is not None}


def _bad(message: str) -> Refused:
    return Refused(400, {"detail": message})


def _unexpected() -> Refused:
    return Refused(500, {"detail": "An unexpected error occurred."})


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise _bad("Invalid filter: malformed JSON.") from None


def _json_tree(text: str) -> Any:
    if not text.startswith("{"):
        raise _bad("Invalid filter: expected a JSON object.")
    tree = _json(text)
    if not tree:
        raise _bad("Invalid filter: empty.")
    return tree


def _bracket_value(text: str) -> Any:
    """Read a value between brackets: nothing is null, JSON is JSON, and a comma makes a list."""
    if not text:
        return None
    if text[0] in "{[":
        return _json(text)
    return text.split(",") if "," in text else text


def _put(nested: Tree, path: list[str], value: Any) -> None:
    """Put a value where its brackets say; a condition that is there already is 500, as observed."""
    for part in path[:-1]:
        nested = nested.setdefault(part, {})
        if not isinstance(nested, dict):
            raise _unexpected()
    if path[-1] in nested:
        raise _unexpected()
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


def _compare(name: str, sign: str, wanted: Any, given: Any) -> bool:
    if given is None or wanted is None:
        return sign == "$eq" and given is wanted
    if sign == "$like":
        pattern = re.escape(str(wanted)).replace("%", ".*").replace("_", ".")
        return re.search(pattern, str(given), re.IGNORECASE | re.DOTALL) is not None
    if name in _DATES:
        if sign == "$eq":
            return False  # as observed: no time is ever equal
        wanted, given = _times(wanted), parse_time(given)
    return _COMPARE[sign](given, wanted)


def _times(value: Any) -> datetime | list[Any] | None:
    """Read a filter's times; an offset is ignored and its digits taken for UTC, as observed."""
    if isinstance(value, list):
        return [_times(one) for one in value]
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except (ValueError, TypeError):
        raise _unexpected() from None
