"""How many runs an answer may hold where one was too large."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from tracegraph_langsmith.client import PAGE_MAX, RunsQuestion

_MOST = 1000


class PageSizes:
    """The latest projects whose runs are large; for a question over several, the smallest page size holds."""

    def __init__(self) -> None:
        self._limits: OrderedDict[object, int] = OrderedDict()
        self._largest = 0

    def of(self, question: RunsQuestion, limit: int) -> int:
        """The limit, or less."""
        if not self._limits:
            return limit
        return min([limit, *(self._limits.get(key, PAGE_MAX) for key in _keys(question))])

    def shrink(self, question: RunsQuestion, limit: int) -> None:
        """An answer was too large: let the next ones hold so many runs."""
        for key in _keys(question):
            self._limits[key] = limit
        while len(self._limits) > _MOST:
            self._limits.popitem(last=False)

    def learn(self, question: RunsQuestion, size: int) -> None:
        """An answer had so many bytes: after a small one the next may hold more runs."""
        self._largest = max(self._largest, size)
        if not self._limits or 4 * size > self._largest:
            return
        for key in _keys(question):
            limit = 2 * self._limits.pop(key, PAGE_MAX)
            if limit < PAGE_MAX:
                self._limits[key] = limit


def _keys(question: RunsQuestion) -> Iterator[object]:
    """Runs without their inputs are not large because those with them are."""
    return ((experiment, question.left_out) for experiment in question.experiments)
