"""The merged list against vendors that change between any two pages, step by step, as a state machine.

`make test-paging` runs 10,000 examples; plain runs take a few hundred.
"""

from __future__ import annotations

import asyncio
import os
import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.federation.fake import FakeVendor, Item, page, place
from tracegraph.federation.merge import Merged, Positions
from tracegraph.query import OrderDirection

EXAMPLES = int(os.environ.get("PAGING_EXAMPLES", "150"))
VALUES = st.one_of(st.none(), st.integers(0, 300))
SEEDS = st.integers(0, 2**32)


class PagingMachine(RuleBasedStateMachine):
    """A client pages through a list while rows are added, removed and moved.

    `throughout` are the items that stood where they are since the traversal began, `ever` all that were there
    at some time, `seen` what came, with the place at which it came.
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
        habits=st.lists(st.sampled_from(["plain", "shuffled", "short", "both", "grid"]), min_size=3, max_size=3),
        nulls_first=st.booleans(),
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
        seed: int,
    ) -> None:
        self.direction = direction
        for index, some in enumerate(groups):
            habit = habits[index]
            rng = random.Random(seed + index)
            vendor = FakeVendor(
                f"v{index}",
                [self.item(index, rng.randint(0, 300)) for _ in range(singles[index])]
                + [self.item(index, value) for value, count in some for _ in range(count)],
                direction,
                page_max=page_maxima[index],
                shuffle=rng if habit in {"shuffled", "both"} else None,
                short=rng if habit in {"short", "both"} else None,
                nulls_first=nulls_first,
                on_grid=habit == "grid",
            )
            self.vendors.append(vendor)
        self.restart()

    def item(self, vendor: int, value: int | None) -> Item:
        self.number += 1
        return Item(f"{vendor}-{self.number:06}", value)

    def restart(self) -> None:
        self.throughout = {item.id: item.value for vendor in self.vendors for item in vendor.items}
        self.ever = set(self.throughout)
        self.seen: list[tuple[str, Item]] = []
        self.positions = Positions()
        self.last: Merged[Item] | None = None

    # -- the client ------------------------------------------------------------------------------------

    @rule(first=st.integers(1, 25))
    def next_page(self, first: int) -> None:
        merged = self.runner.run(page(self.vendors, first, self.positions))
        rows = [(row.row.mark.source, row.row.node) for row in merged.rows]
        assert len(rows) == first or not merged.has_next
        self.seen += rows
        self.last = merged
        if merged.has_next:
            self.positions = merged.positions_at_end()
            return
        ids = [item.id for _, item in self.seen]
        for item_id, value in self.throughout.items():
            assert sum(item.id == item_id and item.value == value for _, item in self.seen) == 1
        assert set(ids) <= self.ever
        self.restart()

    @precondition(lambda self: self.last is not None and self.last.rows)
    @rule(seed=SEEDS)
    def resume_from_any_edge(self, seed: int) -> None:
        assert self.last is not None
        edge = random.Random(seed).choice(list(self.last.rows))
        rest = self.runner.run(page(self.vendors, 5000, self.last.positions_after(edge)))
        present = sorted(
            (place(vendor.name, item, self.direction), item.id) for vendor in self.vendors for item in vendor.items
        )
        assert [row.row.node.id for row in rest.rows] == [
            item_id for at, item_id in present if at > edge.row.place
        ]
        assert not rest.has_next

    @invariant()
    def everything_came_in_order(self) -> None:
        if self.vendors:
            places = [place(source, item, self.direction) for source, item in self.seen]
            assert places == sorted(places)

    # -- the vendors -----------------------------------------------------------------------------------

    @rule(which=st.integers(0, 2), value=VALUES, count=st.integers(1, 30))
    def insert(self, which: int, value: int | None, count: int) -> None:
        vendor = self.vendors[which % len(self.vendors)]
        if self.keeps_its_nulls(vendor, value):
            vendor.items += [self.item(which % len(self.vendors), value) for _ in range(count)]
            self.ever |= {item.id for item in vendor.items}

    @rule(which=st.integers(0, 2), seed=SEEDS, count=st.integers(1, 30))
    def delete(self, which: int, seed: int, count: int) -> None:
        vendor = self.vendors[which % len(self.vendors)]
        rng = random.Random(seed)
        rng.shuffle(vendor.items)
        for item in vendor.items[:count]:
            self.throughout.pop(item.id, None)
        del vendor.items[:count]

    @rule(which=st.integers(0, 2), seed=SEEDS, value=VALUES)
    def move(self, which: int, seed: int, value: int | None) -> None:
        """An update gives a row another place in the order."""
        vendor = self.vendors[which % len(self.vendors)]
        if vendor.items and self.keeps_its_nulls(vendor, value):
            index = random.Random(seed).randrange(len(vendor.items))
            item = vendor.items[index]
            self.throughout.pop(item.id, None)
            vendor.items[index] = Item(item.id, value)

    def keeps_its_nulls(self, vendor: FakeVendor, value: int | None) -> bool:
        """Whether a change leaves a nulls-first vendor recognisable: its first null is seen on the first page.

        A vendor that began without nulls and lists them first hides a new one ahead of the position; it was not
        there throughout, but the law of resuming looks at what is there now.
        """
        return value is not None or not vendor.nulls_first


PagingMachine.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPaging = PagingMachine.TestCase
