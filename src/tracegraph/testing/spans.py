# ruff: noqa: S101 - the contract consists of assertions
"""Spans: those of each session, each once, the same alone and with others, and no id becomes a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.protocol import COSTLY_SPAN_FIELDS, ListsSpans
from tracegraph.domain.models import SessionRef, Span, SpanRef
from tracegraph.errors import SourceError
from tracegraph.federation.spans import arranged
from tracegraph.simulators.core.faults import Fault
from tracegraph.testing.lookup import HOSTILE, disguised
from tracegraph.testing.subject import Contract, Subject, expect

SEEDS = (91, 92)

NO_FIELDS: frozenset[str] = frozenset()


class SpanLaws(Contract):
    """The behaviour of list_spans and get_spans. An adapter that declares no spans has none, without a call."""

    async def test_spans_of_nothing_make_no_call(self) -> None:
        """Neither do spans of an adapter that declares none."""
        async with self.open_subject() as subject:
            adapter = _spans_of(subject)
            assert dict(await adapter.list_spans([])) == {}
            assert dict(await adapter.get_spans([])) == {}
            if not subject.adapter.capabilities.spans:
                assert dict(await adapter.list_spans([SessionRef(*subject.known_refs)])) == {}
            assert subject.calls == []

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_each_span_of_a_session_comes_once(self, seed: int) -> None:
        """Its id is unique within the session."""
        async with self.open_subject(seed) as subject:
            for ref, spans in (await _read(subject, _known(subject))).items():
                ids = [span.vendor_id for span in spans]
                assert len(set(ids)) == len(ids), f"spans of {ref} repeat: {ids}"

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_sessions_together_have_the_spans_that_each_has_alone(self, seed: int) -> None:
        """In the same trees. Unknown sessions beside them are left out, or have none."""
        async with self.open_subject(seed, steady=True) as subject:
            known = _known(subject)
            unknown = [SessionRef(known[0].experiment_ref, made_up) for made_up in self.configuration.unknown_refs]
            together = await _read(subject, [*unknown, *known])
            for ref in unknown:
                assert not together.get(ref)
            for ref in known[:6]:
                alone = await _read(subject, [ref])
                assert _outline(ref, together[ref]) == _outline(ref, alone[ref])

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_spans_with_few_fields_equal_those_with_all_in_what_both_have(self, seed: int) -> None:
        """A field that is not costly is in every list."""
        async with self.open_subject(seed, steady=True) as subject:
            known = _known(subject)[:6]
            few, all_fields = await _read(subject, known, NO_FIELDS), await _read(subject, known, None)
            for ref in known:
                assert _common(few[ref]) == _common(all_fields[ref])

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_a_span_that_lacks_fields_is_completed_by_a_look_up(self, seed: int) -> None:
        """What the list has does not change."""
        async with self.open_subject(seed, steady=True) as subject:
            listed = {
                SpanRef(ref, span.vendor_id): span
                for ref, spans in (await _read(subject, _known(subject)[:6])).items()
                for span in spans
                if span.deferred
            }
            complete = await _spans_of(subject).get_spans(list(listed))
            for ref, span in listed.items():
                found = expect(complete[ref], Span)
                assert found.deferred == frozenset()
                assert _given(found, span.deferred) == _given(span, span.deferred)

    async def test_spans_of_a_page_of_sessions_take_at_most_a_call_for_each(self) -> None:
        """The calls that find the vendor's dialect come before."""
        async with self.open_subject() as subject:
            ref = next(iter(subject.vendor.experiments()))
            refs = [SessionRef(ref, session_id) for session_id in list(subject.vendor.sessions(ref))[:20]]
            await subject.adapter.check()
            subject.calls.clear()
            await _spans_of(subject).list_spans(refs, NO_FIELDS)
            assert len(subject.calls) <= len(refs)

    async def test_a_failing_vendor_is_an_error_of_each_session(self) -> None:
        """It is never an empty list."""
        async with self.open_subject() as subject:
            if not subject.adapter.capabilities.spans:
                return
            refs = _known(subject)[:3]
            await subject.adapter.check()
            subject.vendor.simulator.faults.add(Fault("status", times=None, status=503))
            try:
                found = await _spans_of(subject).list_spans(refs)
            except SourceError:
                return
            assert all(isinstance(found[ref], SourceError) for ref in refs)

    async def test_the_spans_of_a_made_up_session_reach_no_other_path(self) -> None:
        """Either the session's id or the experiment's is made up, or that of a span."""
        async with self.open_subject() as subject:
            known_ref, session_id = subject.known_refs
            adapter = _spans_of(subject)

            async def look(made_up: str) -> set[tuple[str, str]]:
                subject.calls.clear()
                sessions = [SessionRef(known_ref, made_up), SessionRef(made_up, made_up)]
                for ref in sessions:
                    found = (await adapter.list_spans([ref])).get(ref)
                    assert isinstance(found, SourceError) or not found, made_up
                span = SpanRef(SessionRef(known_ref, session_id), made_up)
                assert isinstance((await adapter.get_spans([span])).get(span), SourceError | None), made_up
                return {(call.method, call.path_class) for call in subject.calls}

            allowed = await look(self.configuration.unknown_refs[0])
            for text in (*HOSTILE, *disguised(session_id)):
                assert await look(text) <= allowed, text


def _spans_of(subject: Subject) -> ListsSpans:
    """Return the adapter with its results checked, as the gateway reads it."""
    return cast("ListsSpans", CheckedAdapter(subject.adapter))


def _known(subject: Subject) -> list[SessionRef]:
    """Return sessions of the third and later experiments: the lists of those before are long and empty."""
    refs = list(subject.vendor.experiments())[2:6]
    return [SessionRef(ref, session_id) for ref in refs for session_id in subject.vendor.sessions(ref)]


async def _read(
    subject: Subject, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
) -> Mapping[SessionRef, Sequence[Span]]:
    found = await _spans_of(subject).list_spans(refs, fields)
    for outcome in found.values():
        assert not isinstance(outcome, SourceError), outcome
    spans = cast("Mapping[SessionRef, Sequence[Span]]", found)
    return dict.fromkeys(refs, ()) | dict(spans)


def _outline(ref: SessionRef, spans: Sequence[Span]) -> list[tuple[str, int]]:
    return [(placed.span.vendor_id, placed.depth) for placed in arranged("", ref, spans)]


def _given(span: Span, without: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in span.comparable_fields().items() if name not in {*without, "deferred"}}


def _common(spans: Sequence[Span]) -> dict[str, dict[str, Any]]:
    return {span.vendor_id: _given(span, COSTLY_SPAN_FIELDS) for span in spans}
