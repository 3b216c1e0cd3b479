# ruff: noqa: S101 - assertions are what a law is made of
"""Laws of looking things up: known ones whole, unknown ones left out, and no id that becomes a path."""

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


def disguised(known: str) -> list[str]:
    """Texts that a careless path or query would take for something known."""
    return [
        *(
            f"{known}/",
            f"/{known}",
            f"./{known}",
            f"x/../{known}",
            f"{known}/.",
            f"{known}/sessions",
            f"{known}%2F",
        ),
        *(f"{known}?", f"{known}?x=1", f"{known}#", f"{known}\0", f"{known}%00", f"{known}\r\n", f"{known} "),
        *(f" {known}", f"{known},", f"{known},{known}", f"{known}&", f"{known};", f"{known}\\", f'"{known}"'),
    ]


class LookupLaws(Contract):
    """What holds of get_experiments and get_sessions, and of every ref that a client may make up."""

    async def test_looking_up_nothing_makes_no_call(self) -> None:
        """Nor does asking for no list."""
        async with self.opened() as subject:
            assert dict(await subject.adapter.get_experiments([])) == {}
            assert dict(await subject.adapter.get_sessions([])) == {}
            assert dict(await subject.adapter.get_scores([])) == {}
            assert list(await subject.adapter.list_sessions([])) == []
            assert subject.calls == []

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_known_experiments_are_found_complete_and_unknown_ones_left_out(self, seed: int) -> None:
        """Whether asked for alone, together, or twice; the number of sessions may still be deferred."""
        async with self.opened(seed) as subject:
            known = list(subject.vendor.experiments())
            found = await subject.adapter.get_experiments([*self.unknown_refs, *known, *known[:2]])
            assert set(found) == set(known)
            for ref in known:
                experiment = expect(found[ref], Experiment)
                assert experiment.ref == ref
                assert experiment.source == subject.adapter.name
                assert experiment.deferred <= {"session_count"}
            for ref in known[:3]:
                assert dict(await subject.adapter.get_experiments([ref])) == {ref: found[ref]}
            assert dict(await subject.adapter.get_experiments(list(self.unknown_refs))) == {}

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_listed_experiment_is_the_one_that_is_looked_up(self, seed: int) -> None:
        """In every field that the list does not defer."""
        async with self.opened(seed) as subject:
            complete = await subject.complete_experiments()
            for listed in rows(await subject.experiments()):
                assert _given(listed) == _given(replace(complete[listed.ref], deferred=listed.deferred))

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_known_sessions_are_found_complete_and_unknown_ones_left_out(self, seed: int) -> None:
        """A session of one experiment is unknown in another."""
        async with self.opened(seed) as subject:
            refs = list(subject.vendor.experiments())[:4]
            known = [SessionRef(ref, one) for ref in refs for one in subject.vendor.sessions(ref)]
            elsewhere = [SessionRef(refs[1], known[0].session_id), SessionRef(refs[0], known[-1].session_id)]
            unknown = [
                *elsewhere,
                *(SessionRef(refs[0], made_up) for made_up in self.unknown_refs),
                *(SessionRef(made_up, known[0].session_id) for made_up in self.unknown_refs),
            ]
            found = await subject.adapter.get_sessions([*unknown, *known])
            assert set(found) == set(known)
            for ref in known:
                session = expect(found[ref], Session)
                assert session.ref == ref
                assert session.deferred == frozenset()
            assert dict(await subject.adapter.get_sessions([known[-1]])) == {known[-1]: found[known[-1]]}

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_listed_session_is_the_one_that_is_looked_up(self, seed: int) -> None:
        """In every field that the list does not defer."""
        async with self.opened(seed) as subject:
            for experiment in list((await subject.complete_experiments()).values())[:4]:
                listed = rows(await subject.sessions_of(experiment))
                found = await subject.adapter.get_sessions([one.ref for one in listed])
                for one in listed:
                    looked_up = expect(found[one.ref], Session)
                    assert _given(one) == _given(replace(looked_up, deferred=one.deferred))

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_scores_that_a_list_defers_are_those_of_the_sessions_looked_up(self, seed: int) -> None:
        """A session that nobody scored is left out, and so is one that is unknown."""
        async with self.opened(seed) as subject:
            for experiment in list((await subject.complete_experiments()).values())[:4]:
                deferring = [
                    one for one in rows(await subject.sessions_of(experiment)) if "scores" in one.deferred
                ]
                refs = [one.ref for one in deferring]
                whole = await subject.adapter.get_sessions(refs)
                scores = await subject.adapter.get_scores(
                    [*refs, SessionRef(experiment.ref, self.unknown_refs[0])]
                )
                assert scores == {ref: one for ref in refs if (one := expect(whole[ref], Session).scores)}

    async def test_a_made_up_experiment_is_unknown_and_reaches_no_other_path(self) -> None:
        """Neither as a path of its own nor as a further parameter; the known one beside it stands."""
        async with self.opened() as subject:
            known, _ = subject.known

            async def look(ref: str) -> None:
                found = await subject.adapter.get_experiments([known, ref])
                assert expect(found[known], Experiment).ref == known
                assert isinstance(found.get(ref), SourceError | None), ref
                alone = await subject.adapter.get_experiments([ref])
                assert isinstance(alone.get(ref), SourceError | None), ref

            await self._stays_within(subject, look, self.unknown_refs[0], known)

    async def test_a_made_up_session_is_unknown_and_reaches_no_other_path(self) -> None:
        """Whether it is the session's id that is made up or the experiment's."""
        async with self.opened() as subject:
            known, session_id = subject.known

            async def look(made_up: str) -> None:
                for ref in (SessionRef(known, made_up), SessionRef(made_up, session_id)):
                    found = await subject.adapter.get_sessions([ref])
                    assert isinstance(found.get(ref), SourceError | None), ref

            await self._stays_within(subject, look, self.unknown_refs[0], known, session_id)

    async def test_the_sessions_of_a_made_up_experiment_are_none_and_reach_no_other_path(self) -> None:
        """An error in its place, or an empty page."""
        async with self.opened() as subject:
            known, _ = subject.known

            async def look(ref: str) -> None:
                (answer,) = await subject.adapter.list_sessions([first_sessions(subject.adapter, ref, 5)])
                assert isinstance(answer, SourceError | Page), ref
                assert isinstance(answer, SourceError) or not answer.items, ref

            await self._stays_within(subject, look, self.unknown_refs[0], known)

    async def test_a_filter_with_a_made_up_ref_matches_nothing_and_reaches_no_other_path(self) -> None:
        """Refs in a filter are a client's, too."""
        async with self.opened() as subject:
            known, _ = subject.known

            async def look(ref: str) -> None:
                listing = await subject.experiments(matching=ExperimentFilter(refs=frozenset({ref})))
                assert rows(listing) == [], ref

            await self._stays_within(subject, look, self.unknown_refs[0], known)

    async def _stays_within(
        self, subject: Subject, look: Callable[[str], Awaitable[None]], plain: str, *known: str
    ) -> None:
        """Nothing hostile reaches a route, a parameter or a key of a body that a plain unknown id does not."""
        subject.calls.clear()
        await look(plain)
        allowed = set(_reached(subject))
        for text in (*HOSTILE, *(text for one in known for text in disguised(one))):
            subject.calls.clear()
            await look(text)
            assert set(_reached(subject)) <= allowed, text


def _reached(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Where calls went, and what they asked with: method, route, and each name of a parameter or key."""
    for call in subject.calls:
        yield call.method, call.path_class, ""
        for name in (*call.query, *(call.body or ())):
            yield call.method, call.path_class, name


def _given(row: Experiment | Session) -> dict[str, Any]:
    """The fields that a row gives: all but the deferred and the raw object."""
    return {name: value for name, value in row.comparable_fields().items() if name not in row.deferred}
