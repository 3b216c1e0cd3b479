# ruff: noqa: S101 - assertions are what a law is made of
"""Laws of lists: the order, pages of any size, resuming anywhere, rows that come and go meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from tracegraph.domain.filters import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    OrderDirection,
    SessionOrder,
    experiment_sort_value,
)
from tracegraph.domain.models import Experiment, Session
from tracegraph.federation.lists import Listing, MergeRequest, list_experiments
from tracegraph.federation.merge import Positions
from tracegraph.federation.position import Position
from tracegraph.testing.subject import (
    AMPLE,
    EVERYTHING,
    EXPERIMENT_ORDERS,
    SESSION_ORDERS,
    Contract,
    in_both_directions,
    in_every_order,
    in_pages,
    ordered,
    ordered_refs,
    ordered_sessions,
    refs_of,
    rows,
    sound,
)
from tracegraph.testing.vendor import seeded

SEEDS = (1, 2)


class ListingLaws(Contract):
    """What holds of every list, in every order that the gateway offers."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_one_page_holds_every_experiment_in_the_total_order(self, seed: int) -> None:
        """Value by direction, nulls last, equals by vendor id; the total is the number of rows, or not told."""
        async with self.opened(seed) as subject:
            complete = list((await subject.complete_experiments()).values())
            assert {one.ref for one in complete} == set(subject.vendor.experiments())
            for order in EXPERIMENT_ORDERS:
                listing = await subject.experiments(order)
                assert refs_of(rows(listing)) == ordered_refs(complete, order), order
                assert listing.merged.has_next is False
                assert listing.total_count in {None, len(complete)}

    @in_every_order
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_pages_of_one_give_the_experiments_of_one_page(self, seed: int, order: ExperimentOrder) -> None:
        """Each is read from where the one before it ended."""
        async with self.opened(seed) as subject:
            whole = rows(await subject.experiments(order))
            assert await in_pages(partial(subject.experiments, order, first=1)) == whole

    @in_every_order
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_any_experiment_resumes_with_exactly_the_rest(self, seed: int, order: ExperimentOrder) -> None:
        """Not only the last one of a page."""
        async with self.opened(seed) as subject:
            listing = await subject.experiments(order)
            whole = refs_of(rows(listing))
            for index, merged in enumerate(listing.merged.rows):
                positions = listing.merged.positions_after(merged)
                rest = await subject.experiments(order, positions=positions)
                assert refs_of(rows(rest)) == whole[index + 1 :]

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_hint_that_is_out_of_date_costs_calls_and_no_experiment(self, seed: int) -> None:
        """The key is the truth, the vendor's offset a hint: rows have moved since the cursor was made."""
        async with self.opened(seed) as subject:
            for order in EXPERIMENT_ORDERS:
                listing = await subject.experiments(order)
                whole = refs_of(rows(listing))
                middle = len(whole) // 2
                true = listing.merged.positions_after(listing.merged.rows[middle])
                hinted = {
                    key: one.hint for key, one in true.overrides.items() if one.hint is not None and one.hint >= 0
                }
                for wrong in (0, 1, 7, 10_000):
                    own = {key: Position(true.overrides[key].sort_key, wrong) for key in hinted}
                    rest = await subject.experiments(
                        order, positions=Positions(true.sort_key, {**true.overrides, **own})
                    )
                    assert refs_of(rows(rest)) == whole[middle + 1 :], (order, wrong)

    @in_every_order
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_experiments_that_stay_come_once_while_others_come_and_go(
        self, seed: int, order: ExperimentOrder
    ) -> None:
        """Whatever is added and deleted between two pages; and the order holds from page to page."""
        async with self.opened(seed) as subject:
            rng = seeded(seed)
            staying = {ref for ref in subject.vendor.experiments() if rng.random() < 0.6}
            numbers = iter(range(500, 600))
            seen: list[str] = []
            positions = Positions()
            while True:
                listing = await subject.experiments(order, first=2, positions=positions)
                seen += refs_of(rows(listing))
                if not listing.merged.has_next:
                    break
                positions = listing.merged.positions_at_end()
                for ref in sorted(set(subject.vendor.experiments()) - staying):
                    if rng.random() < 0.2:
                        subject.vendor.remove_experiment(ref)
                if len(seen) < 30:
                    subject.vendor.add_experiment(rng, next(numbers))
            assert len(seen) == len(set(seen))
            assert staying <= set(seen)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_one_page_holds_every_session_of_an_experiment(self, seed: int) -> None:
        """By start time in both directions, and each of them is that experiment's."""
        async with self.opened(seed) as subject:
            for ref, experiment in (await subject.complete_experiments()).items():
                for order in SESSION_ORDERS:
                    listing = await subject.sessions_of(experiment, order)
                    found: list[Session] = rows(listing)
                    assert {one.vendor_id for one in found} == set(subject.vendor.sessions(ref))
                    assert found == ordered_sessions(found, order)
                    assert {one.experiment_ref for one in found} <= {ref}
                    assert listing.total_count in {None, len(found)}
                    assert listing.merged.has_next is False

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_pages_of_one_give_the_sessions_of_one_page(self, seed: int, order: SessionOrder) -> None:
        """Of a long list pages of thirty do."""
        async with self.opened(seed) as subject:
            for experiment in (await subject.complete_experiments()).values():
                whole = rows(await subject.sessions_of(experiment, order))
                first = 1 if len(whole) < 20 else 30
                parts = await in_pages(partial(subject.sessions_of, experiment, order, first=first))
                assert parts == whole

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_any_session_resumes_with_exactly_the_rest(self, seed: int, order: SessionOrder) -> None:
        """Of an experiment with many, one in twenty is tried."""
        async with self.opened(seed) as subject:
            for experiment in (await subject.complete_experiments()).values():
                listing = await subject.sessions_of(experiment, order)
                whole = rows(listing)
                for index in range(0, len(whole), 1 if len(whole) < 20 else 20):
                    positions = listing.merged.positions_after(listing.merged.rows[index])
                    rest = await subject.sessions_of(experiment, order, positions=positions)
                    assert rows(rest) == whole[index + 1 :]

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_sessions_that_stay_come_once_while_others_come_and_go(
        self, seed: int, order: SessionOrder
    ) -> None:
        """Whatever starts, or is deleted, between two pages."""
        async with self.opened(seed) as subject:
            rng = seeded(seed)
            ref, experiment = next(iter((await subject.complete_experiments()).items()))
            staying = {one for one in subject.vendor.sessions(ref) if rng.random() < 0.6}
            seen: list[str] = []
            positions = Positions()
            for number in range(900, 999):
                listing = await subject.sessions_of(experiment, order, first=15, positions=positions)
                seen += [one.vendor_id for one in rows(listing)]
                if not listing.merged.has_next:
                    break
                positions = listing.merged.positions_at_end()
                for gone in sorted(set(subject.vendor.sessions(ref)) - staying):
                    if rng.random() < 0.1:
                        subject.vendor.remove_session(ref, gone)
                if number < 920:
                    subject.vendor.add_session(rng, ref, number)
            assert len(seen) == len(set(seen))
            assert staying <= set(seen)

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_sessions_of_several_experiments_are_one_list(self, seed: int, order: SessionOrder) -> None:
        """In one page, in pages of four, and resumed after one row in five; an unknown experiment has none."""
        async with self.opened(seed) as subject:
            complete = list((await subject.complete_experiments()).values())[1:]
            refs = [*refs_of(complete), *self.unknown_refs]
            each = [rows(await subject.sessions_of(one, order)) for one in complete]
            whole = ordered_sessions([session for some in each for session in some], order)
            listing = await subject.sessions(refs, order)
            assert rows(listing) == whole
            parts = await in_pages(partial(subject.sessions, refs, order, first=4))
            assert parts == whole
            for index in range(0, len(whole), 5):
                positions = listing.merged.positions_after(listing.merged.rows[index])
                assert rows(await subject.sessions(refs, order, positions=positions)) == whole[index + 1 :]

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_without_experiments_those_of_the_most_recently_active_are_listed(self, seed: int) -> None:
        """Five of them, as the budget says."""
        async with self.opened(seed) as subject:
            complete = await subject.complete_experiments()
            activity = ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.DESC)
            active = ordered_refs(list(complete.values()), activity)[:5]
            each = [rows(await subject.sessions_of(complete[ref])) for ref in active]
            whole = ordered_sessions([session for some in each for session in some], SessionOrder())
            assert rows(await subject.sessions(None)) == whole

    @in_every_order
    async def test_two_sources_are_merged_in_one_order(self, order: ExperimentOrder) -> None:
        """Equal values go by the source's name, then by the vendor's id."""
        async with self.opened(4, name="a-source") as one, self.opened(5, name="b-source") as other:
            adapters = [one.adapter, other.adapter]
            filters = {adapter.name: ExperimentFilter() for adapter in adapters}

            async def page(first: int, positions: Positions) -> Listing[Experiment]:
                return sound(
                    await list_experiments(adapters, filters, order, MergeRequest(first, positions, AMPLE))
                )

            everything = [
                experiment
                for subject in (one, other)
                for experiment in (await subject.complete_experiments()).values()
            ]
            expected = ordered(
                everything,
                lambda experiment: experiment_sort_value(experiment, order.field),
                order.direction,
                lambda experiment: (experiment.source, experiment.vendor_id),
            )
            in_one_page = rows(await page(EVERYTHING, Positions()))
            assert _names(in_one_page) == _names(expected)
            assert await in_pages(partial(page, 5)) == in_one_page


def _names(experiments: Sequence[Experiment]) -> list[tuple[str, str]]:
    return [(one.source, one.ref) for one in experiments]
