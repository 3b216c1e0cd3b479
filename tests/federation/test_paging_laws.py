"""Laws of the merged list, against a plain sort, for any changes of the vendors between pages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.examples import examples
from tests.federation.fake import FakeVendor, Item, comparable_key, page
from tracegraph.adapter.paging import Page, PageRequest
from tracegraph.domain.filters import OrderDirection
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import Position
from tracegraph.federation.sort_key import SortKey
from tracegraph.upstream import request_scope

VALUES = st.one_of(st.none(), st.integers(0, 12))
SEEDS = st.integers(0, 2**32)


KINDS = (
    "offset",
    "offset",
    "range",
    "tokens",
    "tokens and ranges",
    "whole",
    "windows",
    "token windows",
    "from the end",
)


@st.composite
def worlds(draw: st.DrawFn) -> list[FakeVendor]:
    direction = draw(st.sampled_from(OrderDirection))
    vendors = []
    for number in range(draw(st.integers(1, 3))):
        values = draw(st.lists(VALUES, max_size=25))
        kind = draw(st.sampled_from(KINDS))
        if takes_times(kind) and None in values:
            kind = "offset"
        moves = kind in {"offset", "whole"}
        vendors.append(
            FakeVendor(
                f"v{number}",
                [Item(f"{number}-{index}", value) for index, value in enumerate(values)],
                direction,
                page_max=draw(st.integers(3, 12)),
                shuffle=draw(st.one_of(st.none(), SEEDS.map(random.Random))) if moves else None,
                short=draw(st.one_of(st.none(), SEEDS.map(random.Random))) if moves else None,
                nulls_first=draw(st.booleans()) and kind == "offset",
                pages_by_range=kind in {"range", "windows"},
                pages_by_token=kind in {"tokens", "tokens and ranges", "token windows"},
                token_ranges=kind in {"tokens and ranges", "token windows"},
                whole=kind == "whole",
                one_direction=kind in {"windows", "token windows", "from the end"},
            )
        )
    return vendors


def takes_times(kind: str) -> bool:
    return kind in {"range", "windows", "tokens and ranges", "token windows"}


def change(vendors: list[FakeVendor], rng: random.Random, protected: set[str]) -> None:
    """Insert and delete unprotected rows and let tokens expire, at random."""
    for vendor in vendors:
        if rng.random() < 0.2:
            vendor.expire()
        for _ in range(rng.randint(0, 6)):
            unprotected = [item for item in vendor.items if item.id not in protected]
            if unprotected and rng.random() < 0.5:
                vendor.items.remove(rng.choice(unprotected))
            else:
                has_nulls = not (vendor.pages_by_range or vendor.token_ranges)
                value = rng.choice([None, *range(13)]) if has_nulls else rng.randint(0, 12)
                if value is None and not any(item.value is None for item in vendor.items):
                    value = 3  # a vendor without nulls at the start gets none: its order would change
                vendor.items.append(Item(f"{vendor.name[1:]}-new{rng.random()}", value))
            rng.shuffle(vendor.items)


@settings(max_examples=examples(150), deadline=None)
@given(worlds(), st.integers(1, 15), SEEDS)
async def test_rows_that_stay_come_exactly_once_and_in_order(
    vendors: list[FakeVendor], first: int, seed: int
) -> None:
    rng = random.Random(seed)
    throughout = {item.id for v in vendors for item in v.items if rng.random() < 0.6}
    direction = vendors[0].direction
    seen: list[tuple[str, Item]] = []
    positions = Positions()
    for _ in range(400):
        merged = await page(vendors, first, positions)
        seen += [(row.sort_key.source, row.node) for row in merged.rows]
        if not merged.has_next:
            break
        assert merged.rows
        positions = merged.positions_at_end()
        change(vendors, rng, throughout)
    else:
        raise AssertionError("the traversal does not end")
    ids = [item.id for _, item in seen]
    assert len(ids) == len(set(ids))
    assert throughout <= set(ids)
    places = [comparable_key(source, item, direction) for source, item in seen]
    assert places == sorted(places)


@settings(max_examples=examples(150), deadline=None)
@given(worlds(), st.integers(1, 15), SEEDS)
async def test_any_edge_resumes_right_after_itself(vendors: list[FakeVendor], first: int, seed: int) -> None:
    rng = random.Random(seed)
    everything = sorted((comparable_key(v.name, item, v.direction), item.id) for v in vendors for item in v.items)
    ids = [item_id for _, item_id in everything]
    positions = Positions()
    while True:
        merged = await page(vendors, first, positions)
        for edge in rng.sample(list(merged.rows), min(3, len(merged.rows))):
            rest = await page(vendors, 1000, merged.positions_after(edge))
            assert [row.node.id for row in rest.rows] == ids[ids.index(edge.node.id) + 1 :]
        if not merged.has_next:
            return
        positions = merged.positions_at_end()


@settings(max_examples=examples(150), deadline=None)
@given(worlds(), st.integers(1, 15), st.integers(1, 4), SEEDS)
async def test_a_filter_within_a_small_budget_still_reaches_every_row(
    vendors: list[FakeVendor], first: int, budget: int, seed: int
) -> None:
    rng = random.Random(seed)
    matching_ids = {item.id for v in vendors for item in v.items if rng.random() < 0.1}
    seen: list[str] = []
    positions = Positions()
    values = [[i.value for i in v.items] for v in vendors]  # nulls at the head: the whole list is read
    ordered = not any(
        None in vendor_values and (v.nulls_first or v.one_direction or set(vendor_values) == {None})
        for v, vendor_values in zip(vendors, values, strict=True)
    ) and not any(
        v.shuffle or v.short or v.whole for v in vendors
    )  # a group that moves takes more pages than a few
    for _ in range(1000):
        merged = await page(
            vendors, first, positions, matches=lambda i: i.id in matching_ids, budget=budget if ordered else 1000
        )
        seen += [row.node.id for row in merged.rows]
        if not merged.has_next:
            break
        positions = merged.positions_at_end()
    else:
        raise AssertionError("the traversal does not end")
    expected = sorted(
        (comparable_key(v.name, i, v.direction), i.id) for v in vendors for i in v.items if i.id in matching_ids
    )
    assert seen == [item_id for _, item_id in expected]


@settings(max_examples=examples(150), deadline=None)
@given(worlds(), st.integers(1, 15), SEEDS)
async def test_rows_of_a_failed_source_come_late_but_come(
    vendors: list[FakeVendor], first: int, seed: int
) -> None:
    rng = random.Random(seed)
    everything = {item.id for v in vendors for item in v.items}
    seen: list[str] = []
    positions = Positions()
    for round_ in range(1000):
        for vendor in vendors:
            vendor.down = round_ < 30 and rng.random() < 0.4
        merged = await page(vendors, first, positions)
        seen += [row.node.id for row in merged.rows]
        positions = merged.positions_at_end()
        if not merged.has_next and not any(v.down for v in vendors):
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == everything


async def test_a_list_that_fits_one_page_takes_one_call() -> None:
    vendor = FakeVendor("v", [Item(str(n), n) for n in range(20)])
    merged = await page([vendor], 20, Positions())
    assert (len(merged.rows), merged.has_next, len(vendor.calls)) == (20, False, 1)


async def test_a_list_without_any_value_is_read_whole_and_does_not_count_as_out_of_order() -> None:
    """Its first page does not show whether the vendor lists rows without a value first."""
    vendor = FakeVendor("v", [Item(f"n{number:02}", None) for number in range(20)])
    with capture_logs() as logs:
        merged = await page([vendor], 5, Positions())
    assert [row.node.id for row in merged.rows] == [f"n{number:02}" for number in range(5)]
    assert merged.has_next
    assert logs == []


async def test_a_page_in_the_middle_takes_one_call_too() -> None:
    vendor = FakeVendor("v", [Item(f"{n:05}", n) for n in range(5000)])
    positions = Positions()
    for _ in range(150):
        merged = await page([vendor], 20, positions)
        positions = merged.positions_at_end()
    assert len(vendor.calls) == 150


@settings(max_examples=examples(40), deadline=None)
@given(worlds(), st.integers(1, 15), st.integers(1, 4), SEEDS)
async def test_any_edge_resumes_right_after_itself_under_any_filter(
    vendors: list[FakeVendor], first: int, budget: int, seed: int
) -> None:
    rng = random.Random(seed)
    for vendor in vendors:  # nulls at the head would have the whole list read, and a group that moves many pages
        vendor.shuffle = vendor.short = None
        budget = 1000 if vendor.whole else budget
        dropped = range(rng.choice([0, 150]))
        vendor.items = [Item(item.id, 100 * (item.value or 0)) for item in vendor.items]
        vendor.items += [Item(f"{vendor.name}-dropped{n}", rng.randint(0, 1200)) for n in dropped]
    everything = sorted((comparable_key(v.name, item, v.direction), item.id) for v in vendors for item in v.items)
    ids = [item_id for _, item_id in everything if "dropped" not in item_id]
    merged = await page(vendors, first, Positions(), matches=lambda i: "dropped" not in i.id, budget=budget)
    for edge in merged.rows:
        positions, rest = merged.positions_after(edge), list[str]()
        for _ in range(1000):
            following = await page(vendors, 50, positions, matches=lambda i: "dropped" not in i.id, budget=budget)
            rest += [row.node.id for row in following.rows]
            positions = following.positions_at_end()
            if not following.has_next:
                break
        assert rest == ids[ids.index(edge.node.id) + 1 :]


async def test_a_sort_key_far_behind_its_hint_is_found_by_binary_search() -> None:
    """Thousands of rows inserted ahead are not read one by one."""
    vendor = FakeVendor("v", [Item(f"{n:05}", -n) for n in range(10_000)])
    sort_key = SortKey(-9_997, "v", "09997")
    merged = await page([vendor], 1, Positions(sort_key, {"v": Position(sort_key, 0)}))
    assert [row.node.id for row in merged.rows] == ["09998"]
    assert len(vendor.calls) < 40


async def test_a_long_group_of_equals_is_read_by_large_pages() -> None:
    """The page size does not depend on `first`."""
    vendor = FakeVendor("v", [Item(f"{n:05}", 5) for n in range(1_000)])
    merged = await page([vendor], 1, Positions())
    assert [row.node.id for row in merged.rows] == ["00000"]
    assert len(vendor.calls) < 20


class CachedVendor(FakeVendor):
    """Serves cached pages unless the request bypasses the cache; rows are deleted after its first call."""

    async def fetch(self, request: PageRequest) -> Page[Item]:
        if request_scope.bypasses_cache() or request not in self.cache:
            self.cache[request] = await super().fetch(request)
            if len(self.calls) == 1:
                del self.items[3:6]
        return self.cache[request]

    @cached_property
    def cache(self) -> dict[PageRequest, Page[Item]]:
        return {}


@pytest.mark.parametrize("values", [range(30), [1] * 30], ids=["a whole list", "a long group"])
async def test_a_list_that_changes_during_a_scan_is_read_again_bypassing_the_cache(values: Sequence[int]) -> None:
    """A cache would repeat the same gap."""
    ordered_items = [Item(f"{number:02}", value) for number, value in enumerate(values)]
    vendor = CachedVendor("v", list(ordered_items), OrderDirection.ASC, page_max=10)
    merged = await page([vendor], 50, Positions(), vendor_orders=len(set(values)) == 1)
    throughout = {item.id for item in ordered_items[:3] + ordered_items[6:]}
    assert throughout <= {row.node.id for row in merged.rows}
