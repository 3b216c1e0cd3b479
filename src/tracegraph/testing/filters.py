# ruff: noqa: S101 - the contract consists of assertions
"""Filters: a filtered list equals filtering all rows in memory, whether or not the vendor applies the filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import combinations
from random import Random
from typing import Any

import pytest

from tracegraph.domain.filters import ExperimentFilter, SessionFilter, StringFilter, TimeRange
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionStatus
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
EQUALITIES = ("agent_name", "agent_version", "dataset_name", "dataset_version", "group_id")
ODD_TEXTS = ("", " ", ",", "a,b", "null", '"', "\\", "{}", "[1]", "%", "a&b=c", "#", "é", "\ud800", "\0", "\r\n")


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
        """Each page is read from the cursor of the previous page."""
        async with self.open_subject(seed) as subject:
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
            for session_filter in session_filters(all_sessions[SESSION_ORDERS[0]], rng):
                order = rng.choice(SESSION_ORDERS)
                listing = await subject.sessions_of(experiment, order, session_filter)
                expected = [session for session in all_sessions[order] if session_filter.matches(session)]
                assert subject.ties_by_id(rows(listing), order) == expected, (session_filter, order)
                assert listing.total_count in {None, len(expected)}, (session_filter, order)
                sessions = rows(await subject.sessions(several_refs, order, session_filter))
                assert subject.ties_by_id(sessions, order) == [
                    session for session in sessions_of_several[order] if session_filter.matches(session)
                ], (session_filter, order)
                if 0 < len(expected) < 15:
                    parts = await read_all_pages(
                        partial(subject.sessions_of, experiment, order, session_filter, first=5)
                    )
                    assert subject.ties_by_id(parts, order) == expected, (session_filter, order)

    async def test_a_filter_on_experiments_that_nothing_can_match_causes_no_call(self) -> None:
        """A kind that the vendor does not have, a field that it does not know, no kind at all."""
        async with self.open_subject() as subject:
            capabilities = subject.adapter.capabilities
            kinds = frozenset(ExperimentKind) - capabilities.kinds
            impossible = [ExperimentFilter(kinds=frozenset())]
            impossible += [ExperimentFilter(kinds=kinds)] if kinds else []
            impossible += [
                _experiment_filter({field: "anything"}) for field in capabilities.unsupported_experiment_fields
            ]
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
                _session_filter({field: "anything"}) for field in capabilities.unsupported_session_fields
            ]
            for session_filter in impossible:
                for listing in (
                    await subject.sessions_of(experiment, matching=session_filter),
                    await subject.sessions([experiment.ref], matching=session_filter),
                    await subject.sessions(None, matching=session_filter),
                ):
                    assert rows(listing) == []
                    assert listing.total_count == 0
            assert subject.calls == []


def experiment_filters(
    experiments: Sequence[Experiment], unknown_refs: Sequence[str], rng: Random
) -> Iterator[ExperimentFilter]:
    """Yield each condition with values that occur, do not occur, and are edge cases; then pairs of conditions."""
    single: list[dict[str, Any]] = [
        {"kinds": frozenset(kinds)} for size in (1, 2, 3) for kinds in combinations(ExperimentKind, size)
    ]
    for field in EQUALITIES:
        occurring = sorted(
            {value for experiment in experiments if (value := getattr(experiment, field)) is not None}
        )
        texts = [*rng.sample(occurring, min(2, len(occurring))), "nothing of that name", rng.choice(ODD_TEXTS)]
        single += [{field: text} for text in texts]
    single += [{"name": name} for name in _name_conditions([experiment.name for experiment in experiments], rng)]
    refs = refs_of(experiments)
    single += [
        {"refs": frozenset(chosen)}
        for chosen in (refs[:1], [*rng.sample(refs, 3), *unknown_refs], unknown_refs, rng.sample(ODD_TEXTS, 3), ())
    ]
    for field in ("created_at", "updated_at"):
        times = [time for experiment in experiments if (time := getattr(experiment, field)) is not None]
        single += [{field: span} for span in _ranges(times, rng)]
    pairs = [rng.choice(single) | rng.choice(single) for _ in range(15)]
    yield from map(_experiment_filter, [*single, *pairs])


def _experiment_filter(conditions: Mapping[str, Any]) -> ExperimentFilter:
    return ExperimentFilter(**conditions)


def _session_filter(conditions: Mapping[str, Any]) -> SessionFilter:
    return SessionFilter(**conditions)


def _name_conditions(names: Sequence[str], rng: Random) -> Iterator[StringFilter]:
    first, second = rng.sample(names, 2)
    yield StringFilter()
    yield StringFilter(eq=first)
    yield StringFilter(eq=first.swapcase())
    yield StringFilter(eq=first[:-1])
    yield StringFilter(any_of=frozenset({first, second, "nothing of that name"}))
    yield StringFilter(any_of=frozenset())
    yield StringFilter(contains=first[1:4].swapcase())
    yield StringFilter(contains="")
    yield StringFilter(eq=first, any_of=frozenset({first, second}), contains=first[:2])
    yield StringFilter(eq=first, any_of=frozenset({second}))
    for text in rng.sample(ODD_TEXTS, 4):
        yield StringFilter(eq=text)
        yield StringFilter(contains=text)


def _ranges(times: Sequence[datetime], rng: Random) -> Iterator[TimeRange]:
    """Yield ranges with edges on times that occur, and a microsecond beside them."""
    early, late = sorted((rng.choice(times), rng.choice(times)))
    step = timedelta(microseconds=1)
    yield TimeRange()
    yield TimeRange(gte=early)
    yield TimeRange(lt=late)
    yield TimeRange(gte=early, lt=late + step)
    yield TimeRange(gte=early + step, lt=late)
    yield TimeRange(gte=late, lt=early)
    yield TimeRange(gte=max(times) + step)
    yield TimeRange(lt=min(times))


def session_filters(sessions: Sequence[Session], rng: Random) -> Iterator[SessionFilter]:
    """Yield each status, sets of statuses, test cases and ranges; then pairs of conditions."""
    single: list[dict[str, Any]] = [{"statuses": frozenset({status})} for status in SessionStatus]
    single += [{"statuses": frozenset(rng.sample(list(SessionStatus), size))} for size in (2, 3, 4, 5)]
    cases = sorted({session.test_case_id for session in sessions if session.test_case_id is not None})
    texts = [*rng.sample(cases, min(2, len(cases))), "no such case", *rng.sample(ODD_TEXTS, 3)]
    single += [{"test_case_id": text} for text in texts]
    single += [{"started_at": span} for span in _ranges([session.started_at for session in sessions], rng)]
    pairs = [rng.choice(single) | rng.choice(single) for _ in range(4)]
    yield from map(_session_filter, [*single, *pairs])
