"""The oracle of merged lists: what the next page must be, whatever failed on the pages before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.soak.expected import Item, alike

_WHOLE = frozenset({"OK", "STALE"})
Place = Callable[[Item], Any]


class Wrong(Exception):
    """An answer that does not agree with the vendors' data; the text says how."""


class Traversal:
    """What of a list is still to come, by source.

    A page holds, of the sources that answered whole, exactly the first of what is to come; a source that failed
    may have given some of its next rows, or none, and is asked again from there on the next page.
    """

    def __init__(self, items: Sequence[Item], place: Place) -> None:
        self._place = place
        ordered = sorted(items, key=place)
        self._to_come: dict[str, list[Item]] = {}
        for item in ordered:
            self._to_come.setdefault(item.source, []).append(item)

    @property
    def ended(self) -> bool:
        """Whether every row came."""
        return not any(self._to_come.values())

    def take(self, connection: Mapping[str, Any], first: int, upto: int | None = None) -> int:
        """Check a page and go on behind it, or behind its edge number `upto`; the number of rows it held.

        Raises Wrong.
        """
        nodes = [edge["node"] for edge in connection["edges"]]
        statuses = {report["source"]["name"]: report["status"] for report in connection["sources"]}
        limited = "SCAN_LIMITED" in statuses.values()
        candidates: list[Item] = []
        for source, rows in self._to_come.items():
            whole = statuses.get(source) in _WHOLE or statuses.get(source) == "SCAN_LIMITED"
            came = sum(node["source"]["name"] == source for node in nodes)
            candidates += rows[: first + 1 if whole else came]
        page = sorted(candidates, key=self._place)[:first]
        if limited:  # the budget of pages ended: the rows so far, and the cursor goes on behind them
            page = page[: len(nodes)]
        _same(nodes, page)
        if all(statuses.get(source) in _WHOLE for source in self._to_come):
            goes_on = len(candidates) > len(page)
            if connection["pageInfo"]["hasNextPage"] is not goes_on:
                raise Wrong(f"hasNextPage is not {goes_on}")
        for item in page[:upto]:
            self._to_come[item.source].remove(item)
        return len(nodes)


def _same(nodes: Sequence[Any], page: Sequence[Item]) -> None:
    if len(nodes) != len(page):
        raise Wrong(f"a page of {len(nodes)} rows where {len(page)} must come")
    for index, (node, item) in enumerate(zip(nodes, page, strict=True)):
        if not alike(node, item.node):
            raise Wrong(f"row {index} is {node} and must be {item.node}")
