# ruff: noqa: S101 - the contract consists of assertions
"""Details of sessions: those that are declared are deferred where they are asked for, and read on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import SessionPageRequest
from tracegraph.adapter.protocol import COSTLY_SESSION_FIELDS, ReadsSessionDetails
from tracegraph.domain.models import Session
from tracegraph.simulators.core.faults import Fault
from tracegraph.testing.subject import Contract, Subject, expect, rows

SEEDS = (93, 94)


class DetailLaws(Contract):
    """The behaviour of get_session_details. An adapter that declares no details reads none, without a call."""

    async def test_declared_details_are_costly_fields_in_disjoint_groups(self) -> None:
        """Lookahead reports the costly fields. Lists always defer scores that are details: figures read them."""
        async with self.open_subject() as subject:
            groups = subject.adapter.capabilities.session_details
            fields = [field for group in groups for field in group]
            assert len(set(fields)) == len(fields)
            assert set(fields) <= COSTLY_SESSION_FIELDS | {"scores", "turn_scores"}
            assert all(groups)

    async def test_details_of_nothing_make_no_call(self) -> None:
        """Neither do details that the adapter does not declare."""
        async with self.open_subject() as subject:
            sessions = await _sessions(subject)
            subject.calls.clear()
            reader = _reader(subject)
            for group in subject.adapter.capabilities.session_details:
                assert dict(await reader.get_session_details([], group)) == {}
            assert dict(await reader.get_session_details(sessions, frozenset({"started_at"}))) == {}
            assert subject.calls == []

    async def test_a_list_defers_no_detail_that_is_not_asked_for(self) -> None:
        """A row that lacks nothing is read without a resolver."""
        async with self.open_subject() as subject:
            groups = subject.adapter.capabilities.session_details
            details = frozenset().union(*(group for group in groups if group.isdisjoint({"scores", "input"})))
            ref = next(iter(subject.vendor.experiments()))
            first = subject.adapter.capabilities.session_list(subject.adapter.experiment_kind(ref)).first_page(5)
            for fields in (frozenset[str](), *({detail} for detail in details)):
                request = SessionPageRequest((ref,), first, fields=frozenset(fields))
                (page,) = await subject.adapter.list_sessions([request])
                assert not isinstance(page, Exception)
                assert all(row.deferred & details <= fields for row in page.items)

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_session_with_details_equals_the_listed_one_but_for_them(self, seed: int) -> None:
        """The details are no longer deferred."""
        async with self.open_subject(seed, steady=True) as subject:
            sessions = await _sessions(subject)
            for group in subject.adapter.capabilities.session_details:
                found = await _reader(subject).get_session_details(sessions, group)
                assert set(found) == {session.ref for session in sessions}
                for session in sessions:
                    detailed = expect(found[session.ref], Session)
                    assert detailed.deferred == session.deferred - group
                    assert _without(detailed, group) == _without(session, group)

    async def test_details_that_fail_are_errors_of_each_session(self) -> None:
        """Nothing is made up in place of them."""
        async with self.open_subject() as subject:
            sessions = await _sessions(subject)
            for group in subject.adapter.capabilities.session_details:
                subject.vendor.simulator.faults.add(Fault("status", times=None, status=503))
                found = await _reader(subject).get_session_details(sessions, group)
                assert not [outcome for outcome in found.values() if isinstance(outcome, Session)]


def _reader(subject: Subject) -> ReadsSessionDetails:
    """Return the adapter with its results checked, as the gateway reads it."""
    return cast("ReadsSessionDetails", CheckedAdapter(subject.adapter))


async def _sessions(subject: Subject) -> Sequence[Session]:
    """Return the sessions of two experiments, with all details that are declared deferred."""
    experiments = list((await subject.complete_experiments()).values())[:2]
    listed = [row for experiment in experiments for row in rows(await subject.sessions_of(experiment))]
    assert listed
    return listed


def _without(session: Session, group: frozenset[str]) -> dict[str, object]:
    given = session.comparable_fields()
    return {name: value for name, value in given.items() if name not in {*group, "deferred", "scores"}}
