"""The oracle of merged lists: the expected next page after any failures on earlier pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tools.soak.expected import Item, nearly_equal

_COMPLETE = frozenset({"OK", "STALE"})
SortKey = Callable[[Item], Any]


class Mismatch(Exception):
    """A response that contradicts the vendors' data. The text states the difference."""


class Traversal:
    """The remaining rows of a list, by source.

    Of complete sources, a page holds exactly the first remaining rows. A failed source may have returned some of
    its next rows or none. The next page continues that source after its last returned row.
    """

    def __init__(self, items: Sequence[Item], sort_key: SortKey) -> None:
        self._sort_key = sort_key
        ordered = sorted(items, key=sort_key)
        self._remaining: dict[str, list[Item]] = {}
        for item in ordered:
            self._remaining.setdefault(item.source, []).append(item)

    @property
    def ended(self) -> bool:
        """Return whether every row was received."""
        return not any(self._remaining.values())

    def check_page(self, connection: Mapping[str, Any], first: int, resume_index: int | None = None) -> int:
        """Check a page and continue after its last edge, or after edge number `resume_index`.

        Returns the number of rows on the page. Raises Mismatch.
        """
        nodes = [edge["node"] for edge in connection["edges"]]
        statuses = {report["source"]["name"]: report["status"] for report in connection["sources"]}
        limited = "SCAN_LIMITED" in statuses.values()
        candidates: list[Item] = []
        for source, rows in self._remaining.items():
            is_complete = statuses.get(source) in _COMPLETE or statuses.get(source) == "SCAN_LIMITED"
            received = sum(node["source"]["name"] == source for node in nodes)
            candidates += rows[: first + 1 if is_complete else received]
        page = sorted(candidates, key=self._sort_key)[:first]
        if limited:  # the page budget was used up: the cursor continues after the rows so far
            page = page[: len(nodes)]
        _same(nodes, page)
        if all(statuses.get(source) in _COMPLETE for source in self._remaining):
            has_next = len(candidates) > len(page)
            if connection["pageInfo"]["hasNextPage"] is not has_next:
                raise Mismatch(f"hasNextPage is not {has_next}")
        for item in page[:resume_index]:
            self._remaining[item.source].remove(item)
        return len(nodes)


def _same(nodes: Sequence[Any], page: Sequence[Item]) -> None:
    if len(nodes) != len(page):
        raise Mismatch(f"a page of {len(nodes)} rows where {len(page)} must come")
    for index, (node, item) in enumerate(zip(nodes, page, strict=True)):
        if not nearly_equal(node, item.node):
            raise Mismatch(f"row {index} is {node} and must be {item.node}")
