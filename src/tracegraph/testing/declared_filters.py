# ruff: noqa: S101 - the contract consists of assertions
"""Declared filters: the vendor applies what the capabilities declare, and drops no row that matches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import pytest

from tracegraph.domain.filters import ExperimentFilter, SessionFilter, active_conditions
from tracegraph.domain.models import Experiment, ExperimentKind, Session
from tracegraph.testing.filter_values import experiment_filters, session_filters
from tracegraph.testing.port_pages import (
    longest_lists,
    of_kind,
    read_experiments,
    read_sessions,
    session_list_of,
)
from tracegraph.testing.subject import Contract, Subject
from tracegraph.testing.vendor import seeded

SEEDS = (61, 62)

R = TypeVar("R", Experiment, Session)
F = TypeVar("F", ExperimentFilter, SessionFilter)


class DeclaredFilterLaws(Contract):
    """The behaviour of each filter that a list declares, without the gateway's own filter behind it.

    An adapter may send only some conditions of a declared filter, such as a single status. It must send one.
    """

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_vendor_applies_each_declared_filter_on_experiments(self, seed: int) -> None:
        """No row that matches is missing, and some condition drops a row."""
        async with self.open_subject(seed, steady=True) as subject:
            complete = list((await subject.complete_experiments()).values())
            conditions = list(experiment_filters(complete, self.configuration.unknown_refs, seeded(seed)))
            for kind, capabilities in subject.adapter.capabilities.experiment_lists().items():
                possible = [condition for condition in conditions if _may_match(subject, condition, kind)]
                for name in sorted(capabilities.filters - subject.vendor.refused_filters):
                    alone = [one for one in possible if active_conditions(one) == {name}]
                    listed = partial(_listed_experiments, subject, kind)
                    await _check_filter(f"experiments by {name}", alone, of_kind(complete, kind), listed)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_vendor_applies_each_declared_filter_on_sessions(self, seed: int) -> None:
        """No row that matches is missing, and some condition drops a row."""
        async with self.open_subject(seed, steady=True) as subject:
            for ref in longest_lists(subject):
                everything = await read_sessions(subject, ref, limit=100)
                conditions = list(session_filters(everything, seeded(seed)))
                possible = filter(subject.adapter.capabilities.may_match_sessions, conditions)
                each = list(possible)
                for name in sorted(session_list_of(subject, ref).filters - subject.vendor.refused_filters):
                    alone = [one for one in each if active_conditions(one) == {name}]
                    listed = partial(_listed_sessions, subject, ref)
                    await _check_filter(f"sessions by {name}", alone, everything, listed)


def _may_match(subject: Subject, condition: ExperimentFilter, kind: ExperimentKind | None) -> bool:
    is_of_kind = kind is None or condition.kinds is None or kind in condition.kinds
    return is_of_kind and subject.adapter.capabilities.may_match_experiments(condition)


async def _listed_experiments(
    subject: Subject, kind: ExperimentKind | None, condition: ExperimentFilter
) -> list[Experiment]:
    return await read_experiments(subject, kind, matching=condition, limit=100)


async def _listed_sessions(subject: Subject, ref: str, condition: SessionFilter) -> list[Session]:
    return await read_sessions(subject, ref, matching=condition, limit=100)


async def _check_filter(
    what: str, conditions: Iterable[F], everything: Sequence[R], listed: Callable[[F], Awaitable[Sequence[R]]]
) -> None:
    drops_a_row = is_applied = False
    for condition in conditions:
        expected = {row.ref for row in everything if condition.matches(row)}  # type: ignore[arg-type]  # a pair
        got = {row.ref for row in await listed(condition)}
        missing = expected - got
        assert not missing, (
            f"a declared filter of {what} drops rows that match: {condition} lacks "
            f"{sorted(map(str, missing))[:3]}: send only conditions that the vendor applies exactly as the "
            "gateway does"
        )
        drops_a_row = drops_a_row or len(expected) < len(everything)
        is_applied = is_applied or len(got) < len(everything)
    assert drops_a_row, (
        f"capabilities declare a filter of {what}, and no condition drops a row of the simulator's content: "
        "let the rows differ in that field, or do not declare the filter"
    )
    assert is_applied, (
        f"capabilities declare a filter of {what}, and every condition lists all {len(everything)} rows: "
        "send the condition to the vendor, or do not declare the filter"
    )
