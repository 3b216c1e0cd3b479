"""The contract suite finds adapters that are wrong where the gateway's own order and filters hide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from tests.contract.small_vendor import (
    SECRET,
    Small,
    SmallAdapter,
    SmallContract,
    SmallList,
    contract_of,
    opens,
    small_row,
)
from tracegraph.adapter import ExperimentQuery, PageRequest, SessionPageRequest, gather_by_key
from tracegraph.domain.filters import SessionFilter
from tracegraph.domain.models import Session, SessionRef, SessionStatus, Span
from tracegraph.errors import SourceError
from tracegraph.simulators.core.rows import Row
from tracegraph.testing import Example
from tracegraph.testing.examples import ExampleLaws

SEED = 51


async def test_a_correct_adapter_passes() -> None:
    contract = SmallContract()
    await contract.test_following_next_hint_gives_every_experiment_once(SEED)
    await contract.test_following_next_hint_gives_every_session_once(SEED)
    await contract.test_each_declared_order_of_experiments_holds_within_and_between_pages(SEED)
    await contract.test_each_declared_order_of_sessions_holds_within_and_between_pages(SEED)
    await contract.test_the_vendor_applies_each_declared_filter_on_sessions(SEED)
    await contract.test_each_example_of_a_session_has_the_declared_values()
    await contract.test_examples_show_each_status_and_each_quantity_that_occurs()


class IgnoresTheToken(SmallAdapter):
    def token(self, page: PageRequest) -> str:  # noqa: ARG002
        return ""


async def test_a_reader_that_ignores_the_token_of_the_request() -> None:
    with pytest.raises(AssertionError, match="send the request's offset or token to the vendor"):
        await contract_of(IgnoresTheToken).test_following_next_hint_gives_every_session_once(SEED)


class DropsTheNextToken(SmallAdapter):
    def next_token(self, reply: SmallList) -> str | None:  # noqa: ARG002
        return None


async def test_a_reader_that_ignores_the_next_token_of_the_reply() -> None:
    """Its pages of 500 rows hold every list of the suite, so the gateway's lists are complete."""
    with pytest.raises(AssertionError, match="return the vendor's own continuation"):
        await contract_of(DropsTheNextToken).test_following_next_hint_gives_every_session_once(SEED)


class TurnsStatusesRound(SmallAdapter):
    def status(self, word: str | None) -> SessionStatus:
        opposite = {"ok": SessionStatus.ERROR, "bad": SessionStatus.SUCCESS}
        return opposite.get(word or "", SessionStatus.UNKNOWN)


async def test_a_status_turned_round() -> None:
    with pytest.raises(AssertionError, match=r"Session\.status is .*ERROR.* must be .*SUCCESS.*example-1"):
        await contract_of(TurnsStatusesRound).test_each_example_of_a_session_has_the_declared_values()


class KeepsSeconds(SmallAdapter):
    def latency_ms(self, seconds: float | None) -> float | None:
        return seconds


async def test_seconds_for_milliseconds() -> None:
    with pytest.raises(AssertionError, match=r"Session\.latency_ms is 1\.5 and must be 1500\.0"):
        await contract_of(KeepsSeconds).test_each_example_of_a_session_has_the_declared_values()


async def test_a_status_without_an_example() -> None:
    examples = [Example(small_row("a"), {"status": SessionStatus.SUCCESS, "latency_ms": 1500.0})]
    with pytest.raises(AssertionError, match=r"session_examples lack the statuses \['ERROR'\]"):
        await contract_of(
            SmallAdapter, session_examples=examples
        ).test_examples_show_each_status_and_each_quantity_that_occurs()


async def test_a_quantity_without_an_example() -> None:
    examples = [Example(small_row("a"), {"status": status}) for status in SessionStatus]
    with pytest.raises(AssertionError, match="session_examples show no latency_ms"):
        await contract_of(
            SmallAdapter, session_examples=examples
        ).test_examples_show_each_status_and_each_quantity_that_occurs()


class LeavesTheOrderOut(SmallAdapter):
    def order(self, query: ExperimentQuery) -> str:  # noqa: ARG002
        return "ASC"


async def test_a_declared_order_that_the_vendor_does_not_apply() -> None:
    with pytest.raises(AssertionError, match="declare the order CREATED_AT DESC of experiments"):
        await contract_of(
            LeavesTheOrderOut
        ).test_each_declared_order_of_experiments_holds_within_and_between_pages(SEED)


class OrdersEachPageAlone(SmallAdapter):
    def session_order(self, request: SessionPageRequest) -> str:  # noqa: ARG002
        return "NONE"

    def arranged(self, rows: list[Session]) -> list[Session]:
        return sorted(rows, key=lambda row: row.started_at)


async def test_an_order_broken_between_pages() -> None:
    with pytest.raises(AssertionError, match="declare the order STARTED_AT ASC of sessions, but row 21"):
        await contract_of(OrdersEachPageAlone).test_each_declared_order_of_sessions_holds_within_and_between_pages(
            SEED
        )


SESSIONS = SmallAdapter.capabilities.session_list(None)


class IgnoresTheRange(SmallAdapter):
    capabilities = replace(SmallAdapter.capabilities, sessions=replace(SESSIONS, ranges=True))


async def test_declared_ranges_that_the_vendor_does_not_apply() -> None:
    with pytest.raises(AssertionError, match="rows outside of the range are listed"):
        await contract_of(IgnoresTheRange).test_a_range_of_sessions_holds_exactly_the_rows_within_its_bounds(SEED)


class LeavesTheFilterOut(SmallAdapter):
    def states(self, condition: SessionFilter) -> Sequence[str]:  # noqa: ARG002
        return []


async def test_a_declared_filter_that_the_vendor_does_not_apply() -> None:
    with pytest.raises(AssertionError, match="filter of sessions by statuses, and every condition lists all"):
        await contract_of(LeavesTheFilterOut).test_the_vendor_applies_each_declared_filter_on_sessions(SEED)


class SendsTheOtherState(SmallAdapter):
    def states(self, condition: SessionFilter) -> Sequence[str]:
        opposite = {"ok": "bad", "bad": "ok"}
        return [opposite[word] for word in super().states(condition)]


async def test_a_filter_that_drops_rows_that_match() -> None:
    with pytest.raises(AssertionError, match="filter of sessions by statuses drops rows that match"):
        await contract_of(SendsTheOtherState).test_the_vendor_applies_each_declared_filter_on_sessions(SEED)


class WithSpans(SmallAdapter):
    """A session is a span, with another one within."""

    capabilities = replace(SmallAdapter.capabilities, spans=True)

    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        return await gather_by_key({ref: self.spans_of(ref, fields) for ref in refs})

    async def spans_of(self, ref: SessionRef, fields: frozenset[str] | None) -> Sequence[Span]:  # noqa: ARG002
        session = await self.find_session(ref)
        return [Span(session.vendor_id, started_at=session.started_at), Span("child", parent_id=session.vendor_id)]


async def test_an_adapter_with_spans_passes() -> None:
    contract = contract_of(WithSpans)
    await contract.test_each_span_of_a_session_comes_once(SEED)
    await contract.test_sessions_together_have_the_spans_that_each_has_alone(SEED)
    await contract.test_spans_with_few_fields_equal_those_with_all_in_what_both_have(SEED)
    await contract.test_a_failing_vendor_is_an_error_of_each_session()
    await contract.test_the_spans_of_a_made_up_session_reach_no_other_path()


class RepeatsSpans(WithSpans):
    async def spans_of(self, ref: SessionRef, fields: frozenset[str] | None) -> Sequence[Span]:
        return [*await super().spans_of(ref, fields), Span("child")]


async def test_spans_that_repeat() -> None:
    with pytest.raises(AssertionError, match="repeat"):
        await contract_of(RepeatsSpans).test_each_span_of_a_session_comes_once(SEED)


class HidesFailures(WithSpans):
    async def spans_of(self, ref: SessionRef, fields: frozenset[str] | None) -> Sequence[Span]:
        try:
            return await super().spans_of(ref, fields)
        except SourceError:
            return []


async def test_a_failure_that_becomes_no_spans() -> None:
    with pytest.raises(AssertionError):
        await contract_of(HidesFailures).test_a_failing_vendor_is_an_error_of_each_session()


class SharesTheFirstSession(WithSpans):
    async def list_spans(
        self, refs: Sequence[SessionRef], fields: frozenset[str] | None = None
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        found = await super().list_spans(refs, fields)
        return dict.fromkeys(found, next(iter(found.values()))) if found else {}


async def test_spans_of_another_session() -> None:
    with pytest.raises(AssertionError):
        await contract_of(SharesTheFirstSession).test_sessions_together_have_the_spans_that_each_has_alone(SEED)


class LosesTheOrderOfAdding(Small):
    def sessions(self, ref: str) -> Mapping[str, Row]:
        return dict(reversed(self.lists[ref].items()))


async def test_a_vendor_that_does_not_keep_the_order_of_adding() -> None:
    with pytest.raises(AssertionError, match=r"Vendor\.sessions\(\) must hold .* in the order of adding"):
        async with contract_of(SmallAdapter, vendor=LosesTheOrderOfAdding).open_subject():
            pass


# -- configurations --------------------------------------------------------------------------------------


class OtherSmall(Small):
    key = "another_made-up-key"


ONE = SmallContract().configuration
OTHER = replace(ONE, vendor=OtherSmall, secret=OtherSmall.key, options={"api_key": OtherSmall.key})


class TestTwoConfigurations(ExampleLaws):
    """Two credentials, each with its simulator."""

    open_adapter = staticmethod(opens(SmallAdapter))
    configurations: ClassVar = {"one key": ONE, "another key": OTHER}
    used: ClassVar[set[str]] = set()

    async def test_the_adapter_opens_with_the_options_of_its_configuration(self) -> None:
        async with self.open_subject() as subject:
            assert (await subject.adapter.check()).last_error is None
            self.used.add(subject.calls[-1].headers["x-api-key"])


def test_each_law_ran_for_each_configuration() -> None:
    assert TestTwoConfigurations.used == {SECRET, OtherSmall.key}
