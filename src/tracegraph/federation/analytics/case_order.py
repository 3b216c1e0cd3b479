"""The orders of compared cases: by key, or by an experiment's value or delta, with ties in the order of keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tracegraph.domain.filters import OrderDirection
from tracegraph.domain.models import Better
from tracegraph.federation.analytics.case_table import CaseTable
from tracegraph.federation.analytics.cases import CaseId
from tracegraph.federation.analytics.comparison import delta
from tracegraph.federation.sort_key import directional


class CaseOrderField(Enum):
    """The fields by which cases can be ordered."""

    KEY = "KEY"
    DELTA = "DELTA"
    VALUE = "VALUE"


@dataclass(frozen=True, slots=True)
class CaseOrder:
    """The order of a comparison's cases.

    `experiment` is the index of the experiment whose delta or value counts, None with KEY. Keys are compared by
    their first characters, then by their digests.
    """

    field: CaseOrderField = CaseOrderField.KEY
    direction: OrderDirection = OrderDirection.ASC
    experiment: int | None = None


KEYS_ASCENDING = CaseOrder()
"""The order of cases without a requested one."""


@dataclass(frozen=True, slots=True)
class CasePlace:
    """The place of a case in an order: its delta or value, None with KEY or without one, and the case."""

    value: float | None
    case: CaseId


class CaseSorting:
    """Sorts the cases of a table."""

    def __init__(self, table: CaseTable, order: CaseOrder) -> None:
        self._table = table
        self._order = order
        is_reversed = order.field is CaseOrderField.DELTA and table.metric.better_when is Better.HIGHER
        self._direction = order.direction.opposite if is_reversed else order.direction

    def place(self, case: CaseId) -> CasePlace:
        """Return the place of a case."""
        experiment = self._order.experiment
        if experiment is None:
            return CasePlace(None, case)
        table = self._table
        value = table.value(experiment, case)
        if self._order.field is CaseOrderField.DELTA:
            value = delta(value, table.value(table.baseline, case))
        return CasePlace(value, case)

    def sort_key(self, place: CasePlace) -> Any:
        """Return a key that sorts places: missing values last, DELTA with the worst case first under DESC."""
        head, digest = place.case.head, place.case.digest
        if self._order.experiment is None:
            return directional(head, self._direction), digest
        return place.value is None, directional(place.value, self._direction), head, digest

    def case_key(self, case: CaseId) -> Any:
        """Return a key that sorts cases."""
        return self.sort_key(self.place(case))
