# ruff: noqa: S101 - the contract consists of assertions
"""Look-ups: known objects are complete, unknown ones are left out, and no id becomes a path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from tracegraph.adapter.paging import Page
from tracegraph.domain.filters import ExperimentFilter
from tracegraph.domain.models import Experiment, Session, SessionRef
from tracegraph.errors import SourceError
from tracegraph.testing.subject import Contract, Subject, expect, first_sessions, rows

SEEDS = (21, 22)

HOSTILE = (
    *("", ".", "..", "...", "/", "//", "../x", "..\\x", "a/b", "a\\b", "/etc/passwd", "a/../../b"),
    *("%2e%2e", "%2e%2e%2f", "%2E%2E/", "a%2Fb", "%252e", "%00", "%", "%zz"),
    *("\0", "a\0b", "\r\n", "a\r\nX-Injected: 1", "\n", "\t", "\x7f", " ", "\u2028", "\u202e"),
    *("?", "?limit=1", "a?b=c", "#", "#a", "a#b", "&", "a&id=b", "a=b", ";", "a;b", ":", "@", "http://127.0.0.1/"),
    *(",", "a,b", "*", "**", "{}", "{name}", "[]", '"', "'", "' or 1=1 --", "null", "None", "0", "-1", "true"),
    *("é", "日本", "\ud800", "a\udfffb", "x" * 5000, "é" * 2000),
)


def disguised(ref: str) -> list[str]:
    """Return texts that a careless path or query would treat as the known ref."""
    return [
        *(
            f"{ref}/",
            f"/{ref}",
            f"./{ref}",
            f"x/../{ref}",
            f"{ref}/.",
            f"{ref}/sessions",
            f"{ref}%2F",
        ),
        *(f"{ref}?", f"{ref}?x=1", f"{ref}#", f"{ref}\0", f"{ref}%00", f"{ref}\r\n", f"{ref} "),
        *(f" {ref}", f"{ref},", f"{ref},{ref}", f"{ref}&", f"{ref};", f"{ref}\\", f'"{ref}"'),
    ]


class LookupLaws(Contract):
    """The behaviour of get_experiments and get_sessions, and of every ref that a client may invent."""

    async def test_looking_up_nothing_makes_no_call(self) -> None:
        """Neither does requesting no list."""
        async with self.open_subject() as subject:
            assert dict(await subject.adapter.get_experiments([])) == {}
            assert dict(await subject.adapter.get_sessions([])) == {}
            assert dict(await subject.adapter.get_scores([])) == {}
            assert list(await subject.adapter.list_sessions([])) == []
            assert subject.calls == []

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_known_experiments_are_found_complete_and_unknown_ones_left_out(self, seed: int) -> None:
        """An experiment is looked up alone, with others, or twice. Its number of sessions may be deferred."""
        async with self.open_subject(seed) as subject:
            known_refs = list(subject.vendor.experiments())
            found_by_ref = await subject.adapter.get_experiments(
                [*self.configuration.unknown_refs, *known_refs, *known_refs[:2]]
            )
            assert set(found_by_ref) == set(known_refs)
            for ref in known_refs:
                experiment = expect(found_by_ref[ref], Experiment)
                assert experiment.ref == ref
                assert experiment.source == subject.adapter.name
                assert experiment.deferred <= {"session_count"}
            for ref in known_refs[:3]:
                assert dict(await subject.adapter.get_experiments([ref])) == {ref: found_by_ref[ref]}
            assert dict(await subject.adapter.get_experiments(list(self.configuration.unknown_refs))) == {}

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_listed_experiment_equals_the_looked_up_one(self, seed: int) -> None:
        """Deferred fields are excepted."""
        async with self.open_subject(seed) as subject:
            complete = await subject.complete_experiments()
            for listed in rows(await subject.experiments()):
                assert _given(listed) == _given(replace(complete[listed.ref], deferred=listed.deferred))

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_known_sessions_are_found_complete_and_unknown_ones_left_out(self, seed: int) -> None:
        """A session of one experiment is unknown in another."""
        async with self.open_subject(seed) as subject:
            refs = list(subject.vendor.experiments())[:4]
            known_refs = [
                SessionRef(ref, session_id) for ref in refs for session_id in subject.vendor.sessions(ref)
            ]
            elsewhere = [
                SessionRef(refs[1], known_refs[0].session_id),
                SessionRef(refs[0], known_refs[-1].session_id),
            ]
            unknown = [
                *elsewhere,
                *(SessionRef(refs[0], made_up) for made_up in self.configuration.unknown_refs),
                *(SessionRef(made_up, known_refs[0].session_id) for made_up in self.configuration.unknown_refs),
            ]
            found_by_ref = await subject.adapter.get_sessions([*unknown, *known_refs])
            assert set(found_by_ref) == set(known_refs)
            details = frozenset().union(*subject.adapter.capabilities.session_details)
            for ref in known_refs:
                session = expect(found_by_ref[ref], Session)
                assert session.ref == ref
                assert session.deferred <= details  # which `get_session_details` has
            assert dict(await subject.adapter.get_sessions([known_refs[-1]])) == {
                known_refs[-1]: found_by_ref[known_refs[-1]]
            }

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_listed_session_equals_the_looked_up_one(self, seed: int) -> None:
        """Deferred fields are excepted."""
        async with self.open_subject(seed) as subject:
            for experiment in list((await subject.complete_experiments()).values())[:4]:
                listed = rows(await subject.sessions_of(experiment))
                found_by_ref = await subject.adapter.get_sessions([session.ref for session in listed])
                for session in listed:
                    looked_up = expect(found_by_ref[session.ref], Session)
                    assert _given(session) == _given(replace(looked_up, deferred=session.deferred))

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_deferred_scores_equal_those_of_the_looked_up_sessions(self, seed: int) -> None:
        """Sessions without scores and unknown sessions are left out."""
        async with self.open_subject(seed) as subject:
            for experiment in list((await subject.complete_experiments()).values())[:4]:
                deferring = [
                    session
                    for session in rows(await subject.sessions_of(experiment))
                    if "scores" in session.deferred
                ]
                refs = [session.ref for session in deferring]
                sessions = await subject.complete_sessions(deferring)
                scores = await subject.adapter.get_scores(
                    [*refs, SessionRef(experiment.ref, self.configuration.unknown_refs[0])]
                )
                assert scores == {ref: found for ref in refs if (found := sessions[ref].scores)}

    async def test_a_made_up_experiment_is_unknown_and_reaches_no_other_path(self) -> None:
        """The ref becomes neither a path nor a parameter, and the known ref beside it is found."""
        async with self.open_subject() as subject:
            known_ref, _ = subject.known_refs

            async def look(ref: str) -> None:
                found_by_ref = await subject.adapter.get_experiments([known_ref, ref])
                assert expect(found_by_ref[known_ref], Experiment).ref == known_ref
                assert isinstance(found_by_ref.get(ref), SourceError | None), ref
                alone = await subject.adapter.get_experiments([ref])
                assert isinstance(alone.get(ref), SourceError | None), ref

            await self._stays_within(subject, look, self.configuration.unknown_refs[0], known_ref)

    async def test_a_made_up_session_is_unknown_and_reaches_no_other_path(self) -> None:
        """Either the session's id or the experiment's is made up."""
        async with self.open_subject() as subject:
            known_ref, session_id = subject.known_refs

            async def look(made_up: str) -> None:
                for ref in (SessionRef(known_ref, made_up), SessionRef(made_up, session_id)):
                    found_by_ref = await subject.adapter.get_sessions([ref])
                    assert isinstance(found_by_ref.get(ref), SourceError | None), ref

            await self._stays_within(subject, look, self.configuration.unknown_refs[0], known_ref, session_id)

    async def test_the_sessions_of_a_made_up_experiment_are_none_and_reach_no_other_path(self) -> None:
        """The result is an error or an empty page."""
        async with self.open_subject() as subject:
            known_ref, _ = subject.known_refs

            async def look(ref: str) -> None:
                (page,) = await subject.adapter.list_sessions([first_sessions(subject.adapter, ref, 5)])
                assert isinstance(page, SourceError | Page), ref
                assert isinstance(page, SourceError) or not page.items, ref

            await self._stays_within(subject, look, self.configuration.unknown_refs[0], known_ref)

    async def test_a_filter_with_a_made_up_ref_matches_nothing_and_reaches_no_other_path(self) -> None:
        """Clients also send refs in filters."""
        async with self.open_subject() as subject:
            known_ref, _ = subject.known_refs

            async def look(ref: str) -> None:
                listing = await subject.experiments(matching=ExperimentFilter(refs=frozenset({ref})))
                assert rows(listing) == [], ref

            await self._stays_within(subject, look, self.configuration.unknown_refs[0], known_ref)

    async def _stays_within(
        self, subject: Subject, look: Callable[[str], Awaitable[None]], plain: str, *known_refs: str
    ) -> None:
        """Check that hostile refs reach only routes, parameters and keys that a plain unknown ref reaches."""
        subject.calls.clear()
        await look(plain)
        allowed = set(_reached(subject))
        for text in (*HOSTILE, *(text for ref in known_refs for text in disguised(ref))):
            subject.calls.clear()
            await look(text)
            assert set(_reached(subject)) <= allowed, text


def _reached(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Yield the method, the route, and each parameter or key name of all calls."""
    for call in subject.calls:
        yield call.method, call.path_class, ""
        for name in (*call.query, *(call.body or ())):
            yield call.method, call.path_class, name


def _given(row: Experiment | Session) -> dict[str, Any]:
    """Return the fields of a row without the deferred ones and the raw object."""
    return {name: value for name, value in row.comparable_fields().items() if name not in row.deferred}
