"""Phoenix's pages: by the place in a list that is read whole, or behind a row and its value in the order."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.phoenix.world import number_of

_PREFIX = "connection:"


def of_list(
    nodes: Sequence[Row], first: int | None, after: str | None, node: Callable[[Row], Any] = lambda row: row
) -> Row:
    """Return a page of a list. A cursor is the place of a row, so it names another row when rows come and go."""
    begin = 0 if after is None else int(_decoded(after).removeprefix(_PREFIX)) + 1
    begin = begin if begin <= len(nodes) else 0  # a place behind the list is ignored
    end = len(nodes) if first is None else begin + first
    edges = [
        {"cursor": _encoded(f"{_PREFIX}{begin + index}"), "node": node(row)}
        for index, row in enumerate(nodes[begin:end])
    ]
    return _connection(edges, has_next=first is not None and end < len(nodes))


def behind(
    rows: Sequence[Row],
    first: int,
    after: str | None,
    node: Callable[[Row], Any],
    *,
    number: Callable[[Row], int] = lambda row: number_of(row["id"]),
    value: Callable[[Row], Any] | None = None,
    descending: bool = False,
) -> Row:
    """Return a page of rows in an order, ties by their number in the same direction.

    Args:
        rows: The rows.
        first: The most rows of the page.
        after: The cursor of the row before the page.
        node: Returns what is served for a row.
        number: Returns the number of a row.
        value: Returns the value by which rows are ordered; None for the order of their numbers.
        descending: Whether the largest value comes first.
    """

    def key(row: Row) -> tuple[Any, int]:
        return (0 if value is None else value(row), number(row))

    in_order = sorted(rows, key=key, reverse=descending)
    if after is not None:
        place = _place(_decoded(after), has_value=value is not None)
        in_order = [row for row in in_order if (key(row) < place if descending else key(row) > place)]
    edges = [{"cursor": _cursor(row, number, value), "node": node(row)} for row in in_order[:first]]
    return _connection(edges, has_next=len(in_order) > first)


def _connection(edges: Sequence[Mapping[str, Any]], *, has_next: bool) -> Row:
    end = edges[-1]["cursor"] if edges else None
    return {"edges": edges, "pageInfo": {"hasNextPage": has_next, "endCursor": end}}


def _cursor(row: Row, number: Callable[[Row], int], value: Callable[[Row], Any] | None) -> str:
    if value is None:
        return _encoded(str(number(row)))
    held = value(row)
    kind = {datetime: "DATETIME", float: "FLOAT", int: "INT"}[type(held)]
    return _encoded(f"{number(row)}:{kind}:{held.isoformat() if isinstance(held, datetime) else held}")


def _place(text: str, *, has_value: bool) -> tuple[Any, int]:
    number, _, rest = text.partition(":")
    kind, _, held = rest.partition(":")
    if not has_value or not kind:
        return 0, int(number)
    read: Mapping[str, Callable[[str], Any]] = {"DATETIME": parse, "FLOAT": float, "INT": int}
    return read[kind](held), int(number)


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _decoded(cursor: str) -> str:
    return b64decode(cursor, validate=True).decode()
