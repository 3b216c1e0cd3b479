"""The merged list against vendors that change between pages, as a state machine.

`make test-paging` runs 10,000 examples; plain runs have a few hundred.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.examples import examples
from tests.federation.fake import FakeVendor, Item, comparable_key, page
from tracegraph.domain.filters import OrderDirection
from tracegraph.federation.merge import Merged, Positions
from tracegraph.federation.sort_key import ComparableKey

EXAMPLES = int(os.environ.get("PAGING_EXAMPLES", examples(200)))
VALUES = st.one_of(st.none(), st.integers(0, 300))
SEEDS = st.integers(0, 2**32)
HABITS = st.sampled_from(
    [
        *("plain", "shuffled", "short", "both", "grid", "range", "unordered", "restless"),
        *("tokens", "tokens and ranges", "windows", "windows with tokens", "from the end", "whole"),
    ]
)
HOUR = 3_600_000_000
AMPLE, SCANT = 100_000, 3


class PagingMachine(RuleBasedStateMachine):
    """A client pages through a list, filtered or not, while rows are added, deleted and moved and vendors fail.

    `throughout` are the matching items that kept their position since the traversal began. `ever` are all items
    that existed at some time. `seen` are the keys received, `pages` the pages of the traversal.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.vendors: list[FakeVendor] = []
        self.number = 0

    def teardown(self) -> None:
        self.runner.close()

    @initialize(
        direction=st.sampled_from(OrderDirection),
        groups=st.lists(
            st.lists(st.tuples(VALUES, st.one_of(st.integers(1, 6), st.integers(1, 200))), max_size=3),
            min_size=1,
            max_size=3,
        ),
        singles=st.lists(st.integers(0, 150), min_size=3, max_size=3),
        page_maxima=st.lists(st.integers(4, 100), min_size=3, max_size=3),
        habits=st.lists(HABITS, min_size=3, max_size=3),
        nulls_first=st.booleans(),
        one_in=st.sampled_from([1, 1, 1, 3, 40]),
        budget=st.sampled_from([AMPLE, AMPLE, SCANT]),
        seed=SEEDS,
    )
    def begin(  # noqa: PLR0917 - hypothesis gives them by name
        self,
        direction: OrderDirection,
        groups: list[list[tuple[int | None, int]]],
        singles: list[int],
        page_maxima: list[int],
        habits: list[str],
        nulls_first: bool,  # noqa: FBT001 - hypothesis draws it by name
        one_in: int,
        budget: int,
        seed: int,
    ) -> None:
        self.direction, self.one_in, self.budget = direction, one_in, budget
        self.rng = random.Random(seed)
        for index, values_and_counts in enumerate(groups):
            habit, rng = habits[index], random.Random(seed + index)
            vendor = FakeVendor(
                f"v{index}",
                [],
                direction,
                page_max=page_maxima[index],
                shuffle=rng if habit in {"shuffled", "both"} else None,
                short=rng if habit in {"short", "both"} else None,
                nulls_first=nulls_first and budget == AMPLE,
                align_to_cache_pages=habit == "grid",
                pages_by_range=habit in {"range", "windows"},
                pages_by_token="tokens" in habit,
                token_ranges=habit in {"tokens and ranges", "windows with tokens"},
                whole=habit == "whole" and budget == AMPLE,
                one_direction=habit in {"windows", "windows with tokens", "from the end"},
                vendor_orders=habit != "unordered" or budget == SCANT,
            )
            self.vendors.append(vendor)
            for _ in range(singles[index]):
                self.add(vendor, rng.randint(0, 300))
            for value, count in values_and_counts:
                for _ in range(count):
                    self.add(vendor, value)
            if habit == "restless":
                vendor.between_calls = partial(self.stir, vendor)
        self.restart()

    def restart(self) -> None:
        self.throughout = {i.id: self.key_of(v, i) for v in self.vendors for i in v.items if self.matches(i)}
        self.ever = {item.id for vendor in self.vendors for item in vendor.items}
        self.seen: list[ComparableKey] = []
        self.positions = Positions()
        self.pages: list[Merged[Item]] = []
        self.standing: list[set[ComparableKey]] = []
        """The places of the wanted items when each page was read."""
        self.failed = False
        self.quiet_since_a_page_that_goes_on = False

    # -- the list --------------------------------------------------------------------------------------

    def matches(self, item: Item) -> bool:
        """Return whether an item matches the filter; rows are numbered as they are added."""
        return int(item.tag) % self.one_in == 0

    def key_of(self, vendor: FakeVendor, item: Item) -> ComparableKey:
        return comparable_key(vendor.name, item, self.direction)

    def keys_of(self, merged: Merged[Item]) -> list[ComparableKey]:
        return [comparable_key(row.sort_key.source, row.node, self.direction) for row in merged.rows]

    def read(self, first: int, positions: Positions, budget: int) -> Merged[Item]:
        matches = self.matches if self.one_in > 1 else None
        return self.runner.run(page(self.vendors, first, positions, matches=matches, budget=budget))

    @property
    def restless(self) -> bool:
        return any(vendor.between_calls for vendor in self.vendors)

    # -- the client ------------------------------------------------------------------------------------

    @rule(first=st.one_of(st.integers(1, 25), st.just(2000)))
    def next_page(self, first: int) -> None:
        merged = self.read(first, self.positions, self.budget)
        failed = any(stream.error for stream in merged.streams)
        limited = any(stream.budget_exhausted for stream in merged.streams)
        assert len(merged.rows) == first or limited or failed or not merged.has_next
        # A source fails whose next group of equal values is longer than its budget.
        is_empty = not (merged.rows or merged.has_next or failed)
        assert not (is_empty and self.quiet_since_a_page_that_goes_on), "an extra empty page"
        self.failed |= failed
        self.pages.append(merged)
        self.standing.append(self.present())
        self.seen += self.keys_of(merged)
        self.positions = merged.positions_at_end()
        self.quiet_since_a_page_that_goes_on = merged.has_next and not (self.restless or self.failed or limited)
        self.recover()
        if not (merged.has_next or failed):
            assert set(self.throughout.values()) <= set(self.seen)
            self.everything_came_once_and_in_order()
            self.restart()

    @precondition(lambda self: not self.restless)
    @rule(first=st.integers(20, 60))
    def read_to_the_end(self, first: int) -> None:
        """A list that nothing changes ends, within any budget."""
        for _ in range(2_000):
            self.next_page(first)
            if self.failed or not self.pages:
                return
        raise AssertionError("the list does not end")

    @precondition(lambda self: not self.failed and not self.restless and any(shown.rows for shown in self.pages))
    @rule(seed=SEEDS)
    def resume_from_any_edge_of_any_page(self, seed: int) -> None:
        self.recover()
        rng = random.Random(seed)
        index = rng.choice([number for number, shown in enumerate(self.pages) if shown.rows])
        edge = rng.choice(self.pages[index].rows)
        rest = self.read(5000, self.pages[index].positions_after(edge), AMPLE)
        reached = comparable_key(edge.sort_key.source, edge.node, self.direction)
        keys, present = self.keys_of(rest), self.present()
        assert increases(keys)
        assert set(keys) <= {key for key in present if key > reached}
        # A row that was added since may stand where the filter had dropped all others.
        assert {key for key in present & self.standing[index] if key > reached} <= set(keys)
        assert not rest.has_next

    def present(self) -> set[ComparableKey]:
        return {
            self.key_of(vendor, item) for vendor in self.vendors for item in vendor.items if self.matches(item)
        }

    @invariant()
    def everything_came_once_and_in_order(self) -> None:
        """Rows of a failed source come late: the order then holds on a page, and within a source."""
        if not self.vendors:
            return
        for merged in self.pages:
            assert increases(self.keys_of(merged))
        assert {key[3] for key in self.seen} <= self.ever
        assert self.failed or increases(self.seen)
        for vendor in self.vendors:
            came = [key for key in self.seen if key[2] == vendor.name]
            assert increases(came)
            reached = max(came if self.failed else self.seen, default=None)
            passed = {
                key for key in self.throughout.values() if reached and key[2] == vendor.name and key <= reached
            }
            assert passed <= set(came)

    # -- the vendors -----------------------------------------------------------------------------------

    @rule(which=st.integers(0, 2), value=VALUES, count=st.integers(1, 30))
    def insert(self, which: int, value: int | None, count: int) -> None:
        vendor = self.vendors[which % len(self.vendors)]
        for _ in range(count):
            self.add(vendor, value)

    @rule(which=st.integers(0, 2), seed=SEEDS, count=st.integers(1, 30))
    def delete(self, which: int, seed: int, count: int) -> None:
        vendor = self.vendors[which % len(self.vendors)]
        self.remove(vendor, random.Random(seed).sample(vendor.items, min(count, len(vendor.items))))

    @precondition(lambda self: self.seen)
    @rule(which=st.integers(0, 2), count=st.integers(1, 60), ahead=st.booleans())
    def delete_around_the_position(self, which: int, count: int, ahead: bool) -> None:  # noqa: FBT001
        """Delete the nearest rows before or after the position."""
        vendor = self.vendors[which % len(self.vendors)]
        items = sorted(vendor.items, key=lambda item: self.key_of(vendor, item))
        past = [item for item in items if self.key_of(vendor, item) <= self.seen[-1]]
        self.remove(vendor, items[len(past) :][:count] if ahead else past[-count:])

    @rule(which=st.integers(0, 2), seed=SEEDS, value=VALUES)
    def move(self, which: int, seed: int, value: int | None) -> None:
        """An update moves a row in the order."""
        vendor = self.vendors[which % len(self.vendors)]
        if vendor.items:
            item = random.Random(seed).choice(vendor.items)
            self.remove(vendor, [item])
            self.add(vendor, value, again=item)

    @precondition(lambda self: self.seen)
    @rule(value=VALUES)
    def move_the_row_of_the_position(self, value: int | None) -> None:
        place = self.seen[-1]
        for vendor in self.vendors:
            for item in [item for item in vendor.items if self.key_of(vendor, item) == place]:
                self.remove(vendor, [item])
                self.add(vendor, value, again=item)

    @rule(which=st.integers(0, 2), calls=st.integers(0, 4))
    def fail_during_the_next_page(self, which: int, calls: int) -> None:
        self.vendors[which % len(self.vendors)].down_after = calls
        self.quiet_since_a_page_that_goes_on = False

    @rule(which=st.integers(0, 2))
    def expire_tokens(self, which: int) -> None:
        self.vendors[which % len(self.vendors)].expire()

    def recover(self) -> None:
        for vendor in self.vendors:
            vendor.down, vendor.down_after = False, None

    def stir(self, vendor: FakeVendor) -> None:
        """Change a restless vendor between two calls."""
        if vendor.items and self.rng.random() < 0.3:
            self.remove(vendor, self.rng.sample(vendor.items, min(self.rng.randint(1, 9), len(vendor.items))))
        if self.rng.random() < 0.3:
            for _ in range(self.rng.randint(1, 9)):
                self.add(vendor, self.rng.choice(vendor.items).value if vendor.items else 1)

    def add(self, vendor: FakeVendor, value: int | None, again: Item | None = None) -> None:
        """Add a row, or move one, where the vendor supports its value.

        A vendor that lists nulls first gets none during a traversal: its first page identifies it. With a scant
        budget only lists in the vendor's order can be read, and a list by range has no nulls.
        """
        ranges = vendor.pages_by_range or vendor.token_ranges
        if value is None and (ranges or vendor.nulls_first or self.budget == SCANT):
            value = 0
        if vendor.one_direction and ranges and not again and value is not None:
            value *= HOUR
        self.number += 1
        tag, name = f"{self.number:06}", "zyx"[self.vendors.index(vendor)]  # ids run against the sources' names
        vendor.items.append(Item(again.id, value, again.tag) if again else Item(f"{name}-{tag}", value, tag))
        self.quiet_since_a_page_that_goes_on = False
        if hasattr(self, "ever"):
            self.ever.add(vendor.items[-1].id)

    def remove(self, vendor: FakeVendor, gone: list[Item]) -> None:
        ids = {item.id for item in gone}
        vendor.items = [item for item in vendor.items if item.id not in ids]
        self.quiet_since_a_page_that_goes_on = False
        for item_id in ids:
            self.throughout.pop(item_id, None)


def increases(keys: Iterable[ComparableKey]) -> bool:
    """Return whether each key is greater than the previous one: no repetition, no disorder."""
    return all(previous < current for previous, current in pairwise(keys))


PagingMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPaging = PagingMachine.TestCase
