# ruff: noqa: S101 - the contract consists of assertions
"""Lists: order, pages of any size, resuming after any row, rows that come and go during a traversal."""

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
    ALL_ROWS,
    AMPLE_BUDGET,
    EXPERIMENT_ORDERS,
    SESSION_ORDERS,
    Contract,
    healthy,
    in_both_directions,
    in_every_order,
    ordered,
    ordered_refs,
    ordered_sessions,
    read_all_pages,
    refs_of,
    rows,
)
from tracegraph.testing.vendor import seeded

SEEDS = (1, 2)


class ListingLaws(Contract):
    """The behaviour of every list, in every order of the gateway."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_one_page_holds_every_experiment_in_the_total_order(self, seed: int) -> None:
        """The order is value by direction, nulls last, vendor id. The total is the number of rows, or None."""
        async with self.open_subject(seed) as subject:
            complete = list((await subject.complete_experiments()).values())
            assert {experiment.ref for experiment in complete} == set(subject.vendor.experiments())
            for order in EXPERIMENT_ORDERS:
                listing = await subject.experiments(order)
                found = subject.experiment_ties_by_id(rows(listing), order)
                assert refs_of(found) == ordered_refs(complete, order), order
                assert listing.merged.has_next is False
                assert listing.total_count in {None, len(complete)}

    @in_every_order
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_pages_of_one_give_the_experiments_of_one_page(self, seed: int, order: ExperimentOrder) -> None:
        """Each page is read from the end of the previous page."""
        async with self.open_subject(seed) as subject:
            complete_list = subject.experiment_ties_by_id(rows(await subject.experiments(order)), order)
            parts = await read_all_pages(partial(subject.experiments, order, first=1))
            assert subject.experiment_ties_by_id(parts, order) == complete_list

    @in_every_order
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_any_experiment_resumes_with_exactly_the_rest(self, seed: int, order: ExperimentOrder) -> None:
        """The last row of a page is not special."""
        async with self.open_subject(seed) as subject:
            listing = await subject.experiments(order)
            complete_list = rows(listing)
            for index, merged in enumerate(listing.merged.rows):
                positions = listing.merged.positions_after(merged)
                rest = rows(await subject.experiments(order, positions=positions))
                expected = subject.experiment_ties_by_id(complete_list[index + 1 :], order)
                assert refs_of(subject.experiment_ties_by_id(rest, order)) == refs_of(expected)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_an_outdated_hint_costs_calls_but_no_experiment(self, seed: int) -> None:
        """The sort key is authoritative, the offset is a hint: rows may have moved since the cursor was made."""
        async with self.open_subject(seed) as subject:
            for order in EXPERIMENT_ORDERS:
                listing = await subject.experiments(order)
                complete_list = refs_of(rows(listing))
                middle = len(complete_list) // 2
                correct = listing.merged.positions_after(listing.merged.rows[middle])
                hinted_keys = {
                    key: position.hint
                    for key, position in correct.overrides.items()
                    if position.hint is not None and position.hint >= 0
                }
                for wrong in (0, 1, 7, 10_000):
                    overrides = {key: Position(correct.overrides[key].sort_key, wrong) for key in hinted_keys}
                    rest = await subject.experiments(
                        order, positions=Positions(correct.sort_key, {**correct.overrides, **overrides})
                    )
                    assert refs_of(rows(rest)) == complete_list[middle + 1 :], (order, wrong)

    @in_every_order
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_experiments_that_stay_come_once_while_others_come_and_go(
        self, seed: int, order: ExperimentOrder
    ) -> None:
        """Experiments are added and deleted between pages. The order holds from page to page."""
        async with self.open_subject(seed) as subject:
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
        """Sessions are ordered by start time in both directions, and all are that experiment's."""
        async with self.open_subject(seed) as subject:
            for ref, experiment in (await subject.complete_experiments()).items():
                for order in SESSION_ORDERS:
                    listing = await subject.sessions_of(experiment, order)
                    sessions: list[Session] = rows(listing)
                    assert {session.vendor_id for session in sessions} == set(subject.vendor.sessions(ref))
                    assert subject.ties_by_id(sessions, order) == ordered_sessions(sessions, order)
                    assert {session.experiment_ref for session in sessions} <= {ref}
                    assert listing.total_count in {None, len(sessions)}
                    assert listing.merged.has_next is False

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_pages_of_one_give_the_sessions_of_one_page(self, seed: int, order: SessionOrder) -> None:
        """A long list is read in pages of thirty."""
        async with self.open_subject(seed) as subject:
            for experiment in (await subject.complete_experiments()).values():
                complete_list = rows(await subject.sessions_of(experiment, order))
                first = 1 if len(complete_list) < 20 else 30
                parts = await read_all_pages(partial(subject.sessions_of, experiment, order, first=first))
                assert subject.ties_by_id(parts, order) == subject.ties_by_id(complete_list, order)

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_any_session_resumes_with_exactly_the_rest(self, seed: int, order: SessionOrder) -> None:
        """An experiment with many sessions is resumed after every twentieth."""
        async with self.open_subject(seed) as subject:
            for experiment in (await subject.complete_experiments()).values():
                listing = await subject.sessions_of(experiment, order)
                complete_list = rows(listing)
                for index in range(0, len(complete_list), 1 if len(complete_list) < 20 else 20):
                    positions = listing.merged.positions_after(listing.merged.rows[index])
                    rest = await subject.sessions_of(experiment, order, positions=positions)
                    expected = subject.ties_by_id(complete_list[index + 1 :], order)
                    assert subject.ties_by_id(rows(rest), order) == expected

    @in_both_directions
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_sessions_that_stay_come_once_while_others_come_and_go(
        self, seed: int, order: SessionOrder
    ) -> None:
        """Sessions start and are deleted between pages."""
        async with self.open_subject(seed) as subject:
            rng = seeded(seed)
            ref, experiment = next(iter((await subject.complete_experiments()).items()))
            staying = {session_id for session_id in subject.vendor.sessions(ref) if rng.random() < 0.6}
            seen: list[str] = []
            positions = Positions()
            for number in range(900, 999):
                listing = await subject.sessions_of(experiment, order, first=15, positions=positions)
                seen += [session.vendor_id for session in rows(listing)]
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
        """The list is read in one page, in pages of four, and after every fifth row.

        An unknown experiment has no sessions.
        """
        async with self.open_subject(seed) as subject:
            complete = list((await subject.complete_experiments()).values())[1:]
            refs = [*refs_of(complete), *self.configuration.unknown_refs]
            each = [rows(await subject.sessions_of(experiment, order)) for experiment in complete]
            complete_list = ordered_sessions([session for sessions in each for session in sessions], order)
            listing = await subject.sessions(refs, order)
            in_one_page = rows(listing)
            assert subject.ties_by_id(in_one_page, order) == complete_list
            parts = await read_all_pages(partial(subject.sessions, refs, order, first=4))
            assert subject.ties_by_id(parts, order) == complete_list
            for index in range(0, len(complete_list), 5):
                positions = listing.merged.positions_after(listing.merged.rows[index])
                rest = subject.ties_by_id(rows(await subject.sessions(refs, order, positions=positions)), order)
                assert rest == subject.ties_by_id(in_one_page[index + 1 :], order)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_without_experiments_the_most_recently_active_ones_are_listed(self, seed: int) -> None:
        """The budget allows five."""
        async with self.open_subject(seed) as subject:
            complete = await subject.complete_experiments()
            activity = ExperimentOrder(ExperimentOrderField.UPDATED_AT, OrderDirection.DESC)
            active = ordered_refs(list(complete.values()), activity)[:5]
            each = [rows(await subject.sessions_of(complete[ref])) for ref in active]
            complete_list = ordered_sessions(
                [session for sessions in each for session in sessions], SessionOrder()
            )
            assert subject.ties_by_id(rows(await subject.sessions(None)), SessionOrder()) == complete_list

    @in_every_order
    async def test_two_sources_are_merged_in_one_order(self, order: ExperimentOrder) -> None:
        """Equal values sort by the source's name, then by the vendor's id."""
        async with (
            self.open_subject(4, name="a-source") as first_subject,
            self.open_subject(5, name="b-source") as second_subject,
        ):
            adapters = [first_subject.adapter, second_subject.adapter]
            filters = {adapter.name: ExperimentFilter() for adapter in adapters}

            async def page(first: int, positions: Positions) -> Listing[Experiment]:
                return healthy(
                    await list_experiments(adapters, filters, order, MergeRequest(first, positions, AMPLE_BUDGET))
                )

            everything = [
                experiment
                for subject in (first_subject, second_subject)
                for experiment in (await subject.complete_experiments()).values()
            ]
            expected = ordered(
                everything,
                lambda experiment: experiment_sort_value(experiment, order),
                order.direction,
                lambda experiment: (experiment.source, experiment.vendor_id),
            )
            in_one_page = rows(await page(ALL_ROWS, Positions()))
            for found in (in_one_page, await read_all_pages(partial(page, 5))):
                assert _names(first_subject.experiment_ties_by_id(found, order)) == _names(expected)


def _names(experiments: Sequence[Experiment]) -> list[tuple[str, str]]:
    return [(experiment.source, experiment.ref) for experiment in experiments]
