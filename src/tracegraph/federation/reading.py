"""How a list is read in the requested order, by what its vendor offers."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from tracegraph.adapter.capabilities import ListCapabilities
from tracegraph.adapter.paging import Paging
from tracegraph.domain.filters import ExperimentOrderField, Order, SessionOrderField

_BY_TIME = frozenset(
    {ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT, SessionOrderField.STARTED_AT}
)
"""The orders whose values windows can cut."""


class Reading(Enum):
    """The way to an order: the vendor's own, one of two ways against the vendor's direction, or a full scan."""

    FORWARD = "FORWARD"
    BY_WINDOWS = "BY_WINDOWS"
    FROM_THE_END = "FROM_THE_END"
    FULL_SCAN = "FULL_SCAN"

    @classmethod
    def of(cls, capabilities: ListCapabilities, order: Order) -> Reading:
        """Return the cheapest way to the order."""
        if capabilities.paging is Paging.WHOLE:
            return cls.FULL_SCAN
        if capabilities.lists_in(order):
            return cls.FORWARD
        if not capabilities.lists_in(replace(order, direction=order.direction.opposite)):
            return cls.FULL_SCAN
        if capabilities.takes_ranges and order.field in _BY_TIME:
            return cls.BY_WINDOWS
        return cls.FROM_THE_END if capabilities.paging is Paging.OFFSET else cls.FULL_SCAN

    @classmethod
    def backwards(cls, capabilities: ListCapabilities, order: Order) -> Reading:
        """Return the cheapest way to the mirror image of the order: that to the other direction, or a full scan.

        In the mirror image nulls come first, and ids order equal values. No vendor lists the former, and a list of
        tokens needs ranges for the latter.
        """
        if order.field is not SessionOrderField.STARTED_AT:
            return cls.FULL_SCAN
        reading = cls.of(capabilities, replace(order, direction=order.direction.opposite))
        has_ids = capabilities.paging is not Paging.CURSOR or capabilities.ranges
        return reading if has_ids else cls.FULL_SCAN

    @property
    def is_reversed(self) -> bool:
        """Whether the vendor lists in the other direction."""
        return self in {Reading.BY_WINDOWS, Reading.FROM_THE_END}
