# ruff: noqa: S101 - the contract consists of assertions
"""Paging at the port: pages continue each other, and each declared order and range is the vendor's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import pytest

from tracegraph.adapter.capabilities import ListCapabilities, Order
from tracegraph.adapter.paging import Key, RangeRequest
from tracegraph.domain.filters import (
    ExperimentOrderField,
    OrderDirection,
    SessionOrderField,
    experiment_sort_value,
    session_sort_value,
)
from tracegraph.domain.sort_values import SortValue
from tracegraph.testing.port_pages import (
    experiment_orders,
    figure_orders,
    longest_lists,
    of_kind,
    read_experiments,
    read_sessions,
    session_list_of,
    session_orders,
)
from tracegraph.testing.subject import Contract, refs_of

T = TypeVar("T")

SEEDS = (51, 52)
TIMES = (ExperimentOrderField.CREATED_AT, ExperimentOrderField.UPDATED_AT, SessionOrderField.STARTED_AT)


class PagingLaws(Contract):
    """The behaviour of `list_experiments` and `list_sessions` themselves.

    The gateway orders, filters and repeats where a vendor does less than it declares. So its lists can be right
    although an adapter is wrong: it only costs calls. These laws read the port without the gateway.
    """

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_following_next_hint_gives_every_experiment_once(self, seed: int) -> None:
        """Pages are small, in every declared order."""
        async with self.open_subject(seed, steady=True) as subject:
            complete = list((await subject.complete_experiments()).values())
            for kind, capabilities in subject.adapter.capabilities.experiment_lists().items():
                expected = [experiment.ref for experiment in of_kind(complete, kind)]
                for order in experiment_orders(capabilities):
                    listed = await read_experiments(subject, kind, order=order, limit=2)
                    _require_each_once("list_experiments", [row.ref for row in listed], expected)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_following_next_hint_gives_every_session_once(self, seed: int) -> None:
        """Pages are small, in every declared order."""
        async with self.open_subject(seed, steady=True) as subject:
            for ref in subject.vendor.experiments():
                expected = list(subject.vendor.sessions(ref))
                for order in session_orders(session_list_of(subject, ref)):
                    limit = 2 if len(expected) < 20 else 20
                    listed = await read_sessions(subject, ref, order=order, limit=limit)
                    _require_each_once("list_sessions", [row.vendor_id for row in listed], expected)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_each_declared_order_of_experiments_holds_within_and_between_pages(self, seed: int) -> None:
        """Rows without a value may be at either end."""
        async with self.open_subject(seed, steady=True) as subject:
            complete = await subject.complete_experiments()
            for kind, capabilities in subject.adapter.capabilities.experiment_lists().items():
                orders = experiment_orders(capabilities) if capabilities.orders else []
                for order in orders:
                    listed = await read_experiments(subject, kind, order=order, limit=2)
                    values = [experiment_sort_value(complete[row.ref], order) for row in listed]
                    _require_order("experiments", (order.field, order.direction), values)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_each_declared_figure_orders_experiments(self, seed: int) -> None:
        """In both directions, within and between pages. Scores are left out: their evaluators are unknown here."""
        async with self.open_subject(seed, steady=True) as subject:
            complete = await subject.complete_experiments()
            for kind, capabilities in subject.adapter.capabilities.experiment_lists().items():
                for order in figure_orders(capabilities):
                    listed = await read_experiments(subject, kind, order=order, limit=2)
                    expected = refs_of(of_kind(list(complete.values()), kind))
                    _require_each_once("list_experiments", refs_of(listed), expected)
                    values = [experiment_sort_value(complete[row.ref], order) for row in listed]
                    valued = [value for value in values if isinstance(value, float)]
                    descending = order.direction is OrderDirection.DESC
                    assert valued == sorted(valued, reverse=descending), (
                        f"capabilities declare the figure {order.figure}, but the list is not in its order: "
                        "request this order from the vendor, for every page, or do not declare it"
                    )

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_each_declared_order_of_sessions_holds_within_and_between_pages(self, seed: int) -> None:
        """The longest list of sessions is read in small pages."""
        async with self.open_subject(seed, steady=True) as subject:
            for ref in longest_lists(subject):
                capabilities = session_list_of(subject, ref)
                orders = session_orders(capabilities) if capabilities.orders else []
                for order in orders:
                    listed = await read_sessions(subject, ref, order=order)
                    values = [session_sort_value(row, order) for row in listed]
                    _require_order("sessions", (order.field, order.direction), values)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_range_of_experiments_holds_exactly_the_rows_within_its_bounds(self, seed: int) -> None:
        """A list that takes ranges begins at the value of `after`, itself included."""
        async with self.open_subject(seed, steady=True) as subject:
            complete = list((await subject.complete_experiments()).values())
            for kind, capabilities in subject.adapter.capabilities.experiment_lists().items():
                for order in experiment_orders(capabilities):
                    by = (order.field, order.direction)
                    values = {row.ref: experiment_sort_value(row, order) for row in of_kind(complete, kind)}
                    for request in _ranges(capabilities, by, list(values.values()), limit=2):
                        listed = await read_experiments(subject, kind, order=order, first=request)
                        _require_range(request, order.direction, [row.ref for row in listed], values)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_range_of_sessions_holds_exactly_the_rows_within_its_bounds(self, seed: int) -> None:
        """A list that takes ranges begins at the value of `after`, itself included."""
        async with self.open_subject(seed, steady=True) as subject:
            for ref in longest_lists(subject):
                capabilities = session_list_of(subject, ref)
                sessions = await read_sessions(subject, ref)
                values = {row.vendor_id: session_sort_value(row) for row in sessions}
                for order in session_orders(capabilities):
                    by = (order.field, order.direction)
                    for request in _ranges(capabilities, by, list(values.values()), limit=20):
                        listed = await read_sessions(subject, ref, order=order, first=request)
                        _require_range(request, order.direction, [row.vendor_id for row in listed], values)


def _require_each_once(method: str, listed: Sequence[str], expected: Sequence[str]) -> None:
    repeated = sorted(ref for ref, count in Counter(listed).items() if count > 1)
    missing = sorted(set(expected) - set(listed))
    extra = sorted(set(listed) - set(expected))
    assert not repeated, (
        f"{method}: pages repeat {repeated[:5]}: send the request's token or offset to the vendor, "
        "so that a page begins right after the page before it"
    )
    assert not missing, (
        f"{method}: {len(missing)} of {len(expected)} rows are on no page, such as {missing[:3]}: "
        "return the vendor's own continuation as Page.next_hint until the vendor has no more rows"
    )
    assert not extra, f"{method}: pages hold rows that the vendor's list does not have: {extra[:5]}"


def _require_order(what: str, order: Order, values: Sequence[SortValue]) -> None:
    field, direction = order
    name = f"{field.value} {direction.value}"
    valued = [value for value in values if value is not None]
    assert len(set(valued)) > 1, (
        f"all {what} have one value of {field.value}, which shows no order: "
        "let the simulator's rows differ, or do not declare the order"
    )
    gaps = sum((before is None) != (after is None) for before, after in pairwise(values))
    descending = direction is OrderDirection.DESC
    for place, (before, after) in enumerate(pairwise(valued), 1):
        is_ordered = before >= after if descending else before <= after  # type: ignore[operator]  # of one type
        assert is_ordered, (
            f"capabilities declare the order {name} of {what}, but row {place + 1} comes after row {place}, "
            f"whose value is {before!r}, with the value {after!r}: request this order from the vendor, "
            "for every page, or do not declare it"
        )
    if field not in TIMES:  # a figure that cannot be read may stand anywhere: the gateway reads the whole list
        return
    assert gaps <= 1, f"in the order {name} of {what}, rows without a value are not together at one end"


def _ranges(
    capabilities: ListCapabilities, order: Order, values: Sequence[SortValue], limit: int
) -> list[RangeRequest]:
    """Return range requests for a list that takes them: from a value on and, where needed, up to a value."""
    field, direction = order
    known = sorted({value for value in values if isinstance(value, int)}, reverse=direction is OrderDirection.DESC)
    if not capabilities.takes_ranges or order not in capabilities.orders or field not in TIMES or not known:
        return []
    begin, end = known[len(known) // 3], known[2 * len(known) // 3]
    requests = [RangeRequest(limit, Key(begin, ""))]
    if (field, direction.opposite) not in capabilities.orders:  # the gateway then reads backwards by windows
        requests += [RangeRequest(limit, Key(begin, ""), end), RangeRequest(limit, None, begin)]
    return requests


def _require_range(
    request: RangeRequest, direction: OrderDirection, listed: Sequence[str], values: Mapping[str, SortValue]
) -> None:
    """Check the rows that have a value."""
    begin, end = request.after and request.after.value, request.until
    if direction is OrderDirection.DESC:
        begin, end = end, begin
    expected = {
        name
        for name, value in values.items()
        if isinstance(value, int)
        and (not isinstance(begin, int) or value >= begin)
        and (not isinstance(end, int) or value <= end)
    }
    got = {name for name in listed if values.get(name) is not None}
    assert got >= expected, (
        f"{request}: rows within the range are missing: {sorted(expected - got)[:5]}; bounds are included"
    )
    assert got <= expected, (
        f"{request}: rows outside of the range are listed: {sorted(got - expected)[:5]}: "
        "send `after` and `until` to the vendor, also with a token, or do not declare ranges"
    )
