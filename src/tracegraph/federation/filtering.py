"""Which conditions of a filter the gateway applies itself, and how many rows it then reads first."""

from __future__ import annotations

from tracegraph.adapter.capabilities import Capabilities, ListCapabilities
from tracegraph.domain.conditions import StringFilter, TimeRange, only_value
from tracegraph.domain.filters import ExperimentFilter, SessionFilter, active_conditions
from tracegraph.federation.reading import Reading

_POOLED_ROWS = 100
"""The first page of a list that shares its calls with the lists of other experiments.

These calls read so many rows of each experiment, although the first few may match.
"""


def gateway_conditions(
    conditions: ExperimentFilter | SessionFilter, listed: ListCapabilities, capabilities: Capabilities
) -> frozenset[str]:
    """Return the names of the conditions that drop rows of the vendor's list.

    Args:
        conditions: The filter.
        listed: The capabilities of the list.
        capabilities: The capabilities of the vendor.
    """
    return frozenset(
        name
        for name in active_conditions(conditions)
        if (name not in listed.filters or _is_inexact(getattr(conditions, name)))
        and not _is_met_by_all(name, getattr(conditions, name), capabilities)
    )


def least_rows(listed: ListCapabilities, reading: Reading, *, looks_up: bool, is_pooled: bool = False) -> int:
    """Return the fewest rows of a first page from which the gateway drops rows: mostly the vendor's largest page.

    A small first page costs calls: many rows may have to be read for one that matches, and some vendors fix the
    size of all pages by that of the first one.

    Args:
        listed: The capabilities of the list.
        reading: How the list is read. Windows find their own size.
        looks_up: Whether each row must be looked up before it is filtered. Then a large page costs calls.
        is_pooled: Whether the list may share its calls with lists of other experiments.
    """
    if looks_up or reading is Reading.BY_WINDOWS:
        return 0
    return min(listed.page_max, _POOLED_ROWS) if is_pooled else listed.page_max


def _is_inexact(condition: object) -> bool:
    """Whether a vendor that applies such conditions may not apply this one: it allows several texts."""
    return isinstance(condition, StringFilter) and only_value(condition) is None


def _is_met_by_all(name: str, condition: object, capabilities: Capabilities) -> bool:
    if isinstance(condition, frozenset):
        occurring: frozenset[object] = {"kinds": capabilities.kinds, "statuses": capabilities.statuses}.get(
            name, frozenset({None})
        )
        return occurring <= condition
    return condition in {StringFilter(), TimeRange()}
