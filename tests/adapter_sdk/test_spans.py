"""Spans at the port: only from adapters that declare them, and only usable ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from tests.adapter_sdk.test_base import Acme
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.domain.models import Score, SessionRef, Span, SpanKind
from tracegraph.errors import SourceBadResponse, SourceError

REF, OTHER = SessionRef("a", "s"), SessionRef("b", "s")
ROOT = Span("1", SpanKind.AGENT)


class WithSpans(Acme):
    """A vendor that lists spans."""

    capabilities = replace(Acme.capabilities, spans=True)
    spans: Mapping[SessionRef, Sequence[Span] | SourceError] = {}

    async def list_spans(
        self,
        refs: Sequence[SessionRef],
        fields: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        return {ref: self.spans[ref] for ref in refs if ref in self.spans}


def with_spans(spans: Mapping[SessionRef, Sequence[Span] | SourceError]) -> CheckedAdapter:
    adapter = WithSpans("acme")
    adapter.spans = spans
    return CheckedAdapter(adapter)


async def test_the_spans_of_a_session_pass() -> None:
    tree = [ROOT, Span("2", SpanKind.LLM, parent_id="1", scores=(Score("accuracy", 1.0),))]

    assert await with_spans({REF: tree}).list_spans([REF]) == {REF: tree}


async def test_an_adapter_that_declares_no_spans_is_not_called() -> None:
    adapter = WithSpans("acme")
    adapter.spans = {REF: [ROOT]}
    adapter.capabilities = Acme.capabilities

    assert await CheckedAdapter(adapter).list_spans([REF]) == {}


@pytest.mark.parametrize(
    "span",
    [
        "no span",
        Span(1),  # type: ignore[arg-type]
        Span("1", parent_id=1),  # type: ignore[arg-type]
        Span("1", kind="LLM"),  # type: ignore[arg-type]
        Span("1", status="SUCCESS"),  # type: ignore[arg-type]
        Span("1", started_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - a naive time
        Span("1", tokens={"input": 1}),  # type: ignore[arg-type]
        Span("1", scores=[("accuracy", 1.0)]),  # type: ignore[arg-type]
        Span("1", raw={}),  # type: ignore[arg-type]
    ],
)
async def test_an_unusable_span_is_a_bad_response_of_its_session_alone(span: Span) -> None:
    found = await with_spans({REF: [span], OTHER: [ROOT]}).list_spans([REF, OTHER])

    assert isinstance(found[REF], SourceBadResponse)
    assert found[OTHER] == [ROOT]
