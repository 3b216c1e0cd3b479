# ruff: noqa: S101 - the contract consists of assertions
"""Filters: a filtered list equals filtering all rows in memory, whether or not the vendor applies the filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import pytest

from tracegraph.domain.filters import ExperimentFilter, SessionFilter, StringFilter, fields_of_conditions
from tracegraph.domain.models import ExperimentKind, Session, SessionRef, SessionStatus
from tracegraph.testing.filter_values import VALUE_NEEDED, experiment_filters, session_filters
from tracegraph.testing.subject import (
    EXPERIMENT_ORDERS,
    SESSION_ORDERS,
    Contract,
    ordered_refs,
    read_all_pages,
    refs_of,
    rows,
)
from tracegraph.testing.vendor import seeded

SEEDS = (11, 12)


class FilterLaws(Contract):
    """The behaviour of every filter, pushed down or not."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_filter_on_experiments_equals_filtering_in_memory(self, seed: int) -> None:
        """The order is random. The total is the number of rows, or None."""
        async with self.open_subject(seed) as subject:
            rng = seeded(seed)
            complete = list((await subject.complete_experiments()).values())
            for experiment_filter in experiment_filters(complete, [*self.configuration.unknown_refs], rng):
                order = rng.choice(EXPERIMENT_ORDERS)
                expected = ordered_refs(
                    [experiment for experiment in complete if experiment_filter.matches(experiment)], order
                )
                listing = await subject.experiments(order, experiment_filter)
                found = subject.experiment_ties_by_id(rows(listing), order)
                assert refs_of(found) == expected, (experiment_filter, order)
                assert listing.total_count in {None, len(expected)}, (experiment_filter, order)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_filtered_list_of_experiments_is_the_same_in_pages_of_one(self, seed: int) -> None:
        """Each page is read from the cursor of the previous page. A list by token keeps the vendor's ties."""
        async with self.open_subject(seed, steady=True) as subject:
            rng = seeded(seed)
            complete = list((await subject.complete_experiments()).values())
            for experiment_filter in rng.sample(
                [*experiment_filters(complete, [*self.configuration.unknown_refs], rng)], 8
            ):
                order = rng.choice(EXPERIMENT_ORDERS)
                expected = ordered_refs(
                    [experiment for experiment in complete if experiment_filter.matches(experiment)], order
                )
                parts = await read_all_pages(partial(subject.experiments, order, experiment_filter, first=1))
                found = subject.experiment_ties_by_id(parts, order)
                assert refs_of(found) == expected, (experiment_filter, order)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_filter_on_sessions_equals_filtering_in_memory(self, seed: int) -> None:
        """The list is of one experiment, in one page and in pages of five, and of several experiments."""
        async with self.open_subject(seed) as subject:
            rng = seeded(seed)
            complete = list((await subject.complete_experiments()).values())
            experiment, several_refs = complete[0], refs_of(complete[1:5])
            all_sessions = {
                order: subject.ties_by_id(rows(await subject.sessions_of(experiment, order)), order)
                for order in SESSION_ORDERS
            }
            sessions_of_several = {
                order: subject.ties_by_id(rows(await subject.sessions(several_refs, order)), order)
                for order in SESSION_ORDERS
            }
            of_one, of_several = all_sessions[SESSION_ORDERS[0]], sessions_of_several[SESSION_ORDERS[0]]
            completed = await subject.complete_sessions([*of_one, *of_several])
            for session_filter in session_filters([completed[session.ref] for session in of_one], rng):
                order = rng.choice(SESSION_ORDERS)
                listing = await subject.sessions_of(experiment, order, session_filter)
                expected = _matching(session_filter, all_sessions[order], completed)
                assert _session_refs(subject.ties_by_id(rows(listing), order)) == expected, (session_filter, order)
                assert listing.total_count in {None, len(expected)}, (session_filter, order)
                sessions = rows(await subject.sessions(several_refs, order, session_filter))
                matching = _matching(session_filter, sessions_of_several[order], completed)
                assert _session_refs(subject.ties_by_id(sessions, order)) == matching, (session_filter, order)
                if 0 < len(expected) < 15:
                    parts = await read_all_pages(
                        partial(subject.sessions_of, experiment, order, session_filter, first=5)
                    )
                    found = subject.ties_by_id(parts, order)
                    assert _session_refs(found) == expected, (session_filter, order)

    async def test_a_filter_on_experiments_that_nothing_can_match_causes_no_call(self) -> None:
        """A kind that the vendor does not have, a field that it does not know, no kind at all."""
        async with self.open_subject() as subject:
            capabilities = subject.adapter.capabilities
            kinds = frozenset(ExperimentKind) - capabilities.kinds
            impossible = [ExperimentFilter(kinds=frozenset())]
            impossible += [ExperimentFilter(kinds=kinds)] if kinds else []
            impossible += [
                replace(ExperimentFilter(), **{field: VALUE_NEEDED.get(field, StringFilter(eq="anything"))})
                for field in capabilities.unsupported_experiment_fields
            ]
            impossible.append(ExperimentFilter(name=StringFilter(eq="a", any_of=frozenset({"b"}))))
            for experiment_filter in impossible:
                listing = await subject.experiments(matching=experiment_filter)
                assert rows(listing) == []
                assert listing.total_count == 0
            assert subject.calls == []

    async def test_a_filter_on_sessions_that_nothing_can_match_causes_no_call(self) -> None:
        """The vendor lacks the status or the field, or the filter allows no status."""
        async with self.open_subject() as subject:
            experiment = next(iter((await subject.complete_experiments()).values()))
            subject.calls.clear()
            capabilities = subject.adapter.capabilities
            statuses = frozenset(SessionStatus) - capabilities.statuses
            impossible = [SessionFilter(statuses=frozenset())]
            impossible += [SessionFilter(statuses=statuses)] if statuses else []
            impossible += [
                replace(SessionFilter(), **{field: VALUE_NEEDED.get(field, StringFilter(eq="anything"))})
                for field in capabilities.unsupported_session_fields
            ]
            impossible.append(SessionFilter(test_case_id=StringFilter(any_of=frozenset())))
            for session_filter in impossible:
                for listing in (
                    await subject.sessions_of(experiment, matching=session_filter),
                    await subject.sessions([experiment.ref], matching=session_filter),
                    await subject.sessions(None, matching=session_filter),
                ):
                    assert rows(listing) == []
                    assert listing.total_count == 0
            assert subject.calls == []


def _matching(
    session_filter: SessionFilter, sessions: Sequence[Session], completed: Mapping[SessionRef, Session]
) -> list[SessionRef]:
    """Return the refs of the sessions that match. The complete form decides where the row lacks a field."""
    needed = fields_of_conditions(session_filter)
    return [
        row.ref
        for row in sessions
        if session_filter.matches(
            completed[row.ref] if row.deferred & needed or session_filter.ids is not None else row
        )
    ]


def _session_refs(sessions: Sequence[Session]) -> list[SessionRef]:
    return [session.ref for session in sessions]
