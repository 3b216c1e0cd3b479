# ruff: noqa: S101 - assertions are what a law is made of
"""Laws of filters: whatever the vendor is told, the rows are those that a plain look at all of them picks."""

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
    in_pages,
    ordered_refs,
    refs_of,
    rows,
)
from tracegraph.testing.vendor import seeded

SEEDS = (11, 12)
EQUALITIES = ("agent_name", "agent_version", "dataset_name", "dataset_version", "group_id")
ODD_TEXTS = ("", " ", ",", "a,b", "null", '"', "\\", "{}", "[1]", "%", "a&b=c", "#", "é", "\ud800", "\0", "\r\n")


class FilterLaws(Contract):
    """What holds of every filter, pushed down or not."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_filter_on_experiments_gives_what_a_plain_look_gives(self, seed: int) -> None:
        """In some order or other; the total is the number of rows, or not told."""
        async with self.opened(seed) as subject:
            rng = seeded(seed)
            complete = list((await subject.complete_experiments()).values())
            for wanted in experiment_filters(complete, [*self.unknown_refs], rng):
                order = rng.choice(EXPERIMENT_ORDERS)
                expected = ordered_refs([one for one in complete if wanted.matches(one)], order)
                listing = await subject.experiments(order, wanted)
                assert refs_of(rows(listing)) == expected, (wanted, order)
                assert listing.total_count in {None, len(expected)}, (wanted, order)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_filtered_list_of_experiments_is_the_same_in_pages_of_one(self, seed: int) -> None:
        """Each page is read from the cursor of the one before it."""
        async with self.opened(seed) as subject:
            rng = seeded(seed)
            complete = list((await subject.complete_experiments()).values())
            for wanted in rng.sample([*experiment_filters(complete, [*self.unknown_refs], rng)], 8):
                order = rng.choice(EXPERIMENT_ORDERS)
                expected = ordered_refs([one for one in complete if wanted.matches(one)], order)
                parts = await in_pages(partial(subject.experiments, order, wanted, first=1))
                assert refs_of(parts) == expected, (wanted, order)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_filter_on_sessions_gives_what_a_plain_look_gives(self, seed: int) -> None:
        """Of one experiment, in one page and in pages of five, and of several experiments."""
        async with self.opened(seed) as subject:
            rng = seeded(seed)
            complete = list((await subject.complete_experiments()).values())
            experiment, several = complete[0], refs_of(complete[1:5])
            whole = {order: rows(await subject.sessions_of(experiment, order)) for order in SESSION_ORDERS}
            of_several = {order: rows(await subject.sessions(several, order)) for order in SESSION_ORDERS}
            for wanted in session_filters(whole[SESSION_ORDERS[0]], rng):
                order = rng.choice(SESSION_ORDERS)
                listing = await subject.sessions_of(experiment, order, wanted)
                expected = [one for one in whole[order] if wanted.matches(one)]
                assert rows(listing) == expected, (wanted, order)
                assert listing.total_count in {None, len(expected)}, (wanted, order)
                found = rows(await subject.sessions(several, order, wanted))
                assert found == [one for one in of_several[order] if wanted.matches(one)], (wanted, order)
                if 0 < len(expected) < 15:
                    parts = await in_pages(partial(subject.sessions_of, experiment, order, wanted, first=5))
                    assert parts == expected, (wanted, order)

    async def test_a_filter_on_experiments_that_nothing_can_match_causes_no_call(self) -> None:
        """A kind that the vendor does not have, a field that it does not know, no kind at all."""
        async with self.opened() as subject:
            capabilities = subject.adapter.capabilities
            kinds = frozenset(ExperimentKind) - capabilities.kinds
            impossible = [ExperimentFilter(kinds=frozenset())]
            impossible += [ExperimentFilter(kinds=kinds)] if kinds else []
            impossible += [
                _experiment_filter({field: "anything"}) for field in capabilities.unsupported_experiment_fields
            ]
            for wanted in impossible:
                listing = await subject.experiments(matching=wanted)
                assert rows(listing) == []
                assert listing.total_count == 0
            assert subject.calls == []

    async def test_a_filter_on_sessions_that_nothing_can_match_causes_no_call(self) -> None:
        """A status that the vendor does not have, a field that it does not know, no status at all."""
        async with self.opened() as subject:
            experiment = next(iter((await subject.complete_experiments()).values()))
            subject.calls.clear()
            capabilities = subject.adapter.capabilities
            statuses = frozenset(SessionStatus) - capabilities.statuses
            impossible = [SessionFilter(statuses=frozenset())]
            impossible += [SessionFilter(statuses=statuses)] if statuses else []
            impossible += [
                _session_filter({field: "anything"}) for field in capabilities.unsupported_session_fields
            ]
            for wanted in impossible:
                for listing in (
                    await subject.sessions_of(experiment, matching=wanted),
                    await subject.sessions([experiment.ref], matching=wanted),
                    await subject.sessions(None, matching=wanted),
                ):
                    assert rows(listing) == []
                    assert listing.total_count == 0
            assert subject.calls == []


def experiment_filters(
    experiments: Sequence[Experiment], unknown_refs: Sequence[str], rng: Random
) -> Iterator[ExperimentFilter]:
    """Every condition with values that occur, values that do not, values at the edge; then pairs of them."""
    single: list[dict[str, Any]] = [
        {"kinds": frozenset(kinds)} for size in (1, 2, 3) for kinds in combinations(ExperimentKind, size)
    ]
    for field in EQUALITIES:
        occurring = sorted({value for one in experiments if (value := getattr(one, field)) is not None})
        texts = [*rng.sample(occurring, min(2, len(occurring))), "nothing of that name", rng.choice(ODD_TEXTS)]
        single += [{field: text} for text in texts]
    single += [{"name": name} for name in _name_conditions([one.name for one in experiments], rng)]
    refs = refs_of(experiments)
    single += [
        {"refs": frozenset(some)}
        for some in (refs[:1], [*rng.sample(refs, 3), *unknown_refs], unknown_refs, rng.sample(ODD_TEXTS, 3), ())
    ]
    for field in ("created_at", "updated_at"):
        times = [time for one in experiments if (time := getattr(one, field)) is not None]
        single += [{field: span} for span in _ranges(times, rng)]
    pairs = [rng.choice(single) | rng.choice(single) for _ in range(15)]
    yield from map(_experiment_filter, [*single, *pairs])


def _experiment_filter(conditions: Mapping[str, Any]) -> ExperimentFilter:
    return ExperimentFilter(**conditions)


def _session_filter(conditions: Mapping[str, Any]) -> SessionFilter:
    return SessionFilter(**conditions)


def _name_conditions(names: Sequence[str], rng: Random) -> Iterator[StringFilter]:
    one, other = rng.sample(names, 2)
    yield StringFilter()
    yield StringFilter(eq=one)
    yield StringFilter(eq=one.swapcase())
    yield StringFilter(eq=one[:-1])
    yield StringFilter(any_of=frozenset({one, other, "nothing of that name"}))
    yield StringFilter(any_of=frozenset())
    yield StringFilter(contains=one[1:4].swapcase())
    yield StringFilter(contains="")
    yield StringFilter(eq=one, any_of=frozenset({one, other}), contains=one[:2])
    yield StringFilter(eq=one, any_of=frozenset({other}))
    for text in rng.sample(ODD_TEXTS, 4):
        yield StringFilter(eq=text)
        yield StringFilter(contains=text)


def _ranges(times: Sequence[datetime], rng: Random) -> Iterator[TimeRange]:
    """With both edges on times that occur, and a microsecond beside them."""
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
    """Every status, some sets of them, test cases that occur and others, ranges; then pairs of them."""
    single: list[dict[str, Any]] = [{"statuses": frozenset({status})} for status in SessionStatus]
    single += [{"statuses": frozenset(rng.sample(list(SessionStatus), size))} for size in (2, 3, 4, 5)]
    cases = sorted({one.test_case_id for one in sessions if one.test_case_id is not None})
    texts = [*rng.sample(cases, min(2, len(cases))), "no such case", *rng.sample(ODD_TEXTS, 3)]
    single += [{"test_case_id": text} for text in texts]
    single += [{"started_at": span} for span in _ranges([one.started_at for one in sessions], rng)]
    pairs = [rng.choice(single) | rng.choice(single) for _ in range(4)]
    yield from map(_session_filter, [*single, *pairs])
