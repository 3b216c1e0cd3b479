"""The checks at the port: for any value or exception of an adapter, the core gets a valid value or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from tests.federation.misbehaving import BROKEN_ANSWERS, MisbehavingSource, experiment
from tests.gateway import Vendors
from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, SessionPageRequest
from tracegraph.adapter.protocol import Adapter, SourceHealth, SourceHealthStatus
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Score, Session, SessionRef, SessionStatus
from tracegraph.errors import SourceBadResponse, SourceError, SourceErrorCode, SourceTimeout
from tracegraph.sources import open_sources

ASKS = [SessionPageRequest((ref,), OffsetRequest(5)) for ref in ("a", "b")]
REFS = [SessionRef("a", "1"), SessionRef("a", "2")]
START = datetime(2026, 1, 1, tzinfo=UTC)


def session(ref: SessionRef = REFS[0], **values: Any) -> Session:
    return replace(Session("v", ref.experiment_ref, ref.session_id, SessionStatus.SUCCESS, START), **values)


class AnsweringSource(MisbehavingSource):
    """Returns a given value from every call but list_experiments; a callable is called first."""

    def __init__(self, answer: Any) -> None:
        super().__init__([])
        self.answer = answer

    async def _answer(self, *_: Any) -> Any:
        return self.answer() if callable(self.answer) else self.answer

    list_sessions = get_sessions = get_scores = get_experiments = check = _answer  # type: ignore[assignment]


def checked(answer: Any) -> CheckedAdapter:
    return CheckedAdapter(AnsweringSource(answer))


def failing(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


async def every_call(adapter: Adapter) -> Sequence[Any]:
    return await asyncio.gather(
        adapter.get_experiments(["a"]),
        adapter.list_sessions(ASKS),
        adapter.get_sessions(REFS),
        adapter.get_scores(REFS),
        return_exceptions=True,
    )


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), TypeError("x"), AssertionError(), RecursionError(), StopIteration(), BaseException("x")],
)
async def test_any_exception_of_an_adapter_is_a_bad_response_of_its_source(error: BaseException) -> None:
    outcomes = await every_call(checked(failing(error)))
    assert [type(outcome) for outcome in outcomes] == [SourceBadResponse] * 4
    assert {outcome.source for outcome in outcomes} == {"v"}
    assert "the gateway cannot use" in outcomes[0].message


@pytest.mark.parametrize("answer", [None, "text", 7, {1, 2}, object()], ids=lambda value: type(value).__name__)
async def test_any_unusable_value_of_an_adapter_is_a_bad_response_of_its_source(answer: Any) -> None:
    outcomes = await every_call(checked(answer))
    assert [type(outcome) for outcome in outcomes] == [SourceBadResponse] * 4


async def test_the_log_says_which_source_and_operation_it_was_under_the_errors_reference() -> None:
    bug = KeyError("a secret of the inside")
    with capture_logs() as logs, pytest.raises(SourceBadResponse) as raised:
        await checked(failing(bug)).get_scores(REFS)
    (line,) = logs
    assert (line["log_level"], line["source"], line["operation"]) == ("error", "v", "get_scores")
    assert (line["reference"], line["exc_info"]) == (raised.value.reference, bug)
    assert "secret" not in raised.value.message


async def test_a_source_error_passes_as_it_is() -> None:
    error = SourceTimeout("v", "It took too long.")
    with capture_logs() as logs:
        outcomes = await every_call(checked(failing(error)))
    assert outcomes == [error] * 4
    assert logs == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_an_exception_that_ends_the_program_passes(error: type[BaseException]) -> None:
    with pytest.raises(error):
        await checked(failing(error())).get_sessions(REFS).__await__().send(None)


async def test_a_call_that_is_cancelled_ends_as_cancelled() -> None:
    class Waiting(MisbehavingSource):
        async def check(self) -> SourceHealth:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("never gets here")

    call = asyncio.ensure_future(CheckedAdapter(Waiting([])).check())
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_cancellation_without_a_cause_is_a_bad_response() -> None:
    outcomes = await every_call(checked(failing(asyncio.CancelledError())))
    assert [type(outcome) for outcome in outcomes] == [SourceBadResponse] * 4


UNREPORTABLE = [
    pytest.param(SourceTimeout("w", "It took too long."), id="of another source"),
    pytest.param(SourceTimeout("v", None), id="without a message"),  # type: ignore[arg-type]
    pytest.param(SourceTimeout("v", "x", upstream_requests="7"), id="calls as text"),  # type: ignore[arg-type]
    pytest.param(SourceTimeout("v", "x", upstream_requests=-1), id="less than no call"),
    pytest.param(SourceTimeout("v", "x", upstream_requests=2**31), id="calls beyond an Int"),
    pytest.param(SourceTimeout("v", "x", http_status="503"), id="a status as text"),  # type: ignore[arg-type]
    pytest.param(SourceTimeout("v", "x", http_status=10**12), id="a status beyond an Int"),
    pytest.param(SourceTimeout("v", "x", retry_after_s="soon"), id="a pause as text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("error", UNREPORTABLE)
async def test_an_error_that_cannot_be_reported_as_the_sources_own_is_a_bad_response_of_it(
    error: SourceError,
) -> None:
    raised = await every_call(checked(failing(error)))
    (page, _) = await checked([error, Page([], 0, None)]).list_sessions(ASKS)
    results = await checked({REFS[0]: error}).get_sessions(REFS)
    (partial, _) = await checked([Page([], 0, None, error=error)] * 2).list_sessions(ASKS)
    stale: Page[Session] = Page([], 0, None, provenance=FetchInfo(1, error))
    (older, _) = await checked([stale, stale]).list_sessions(ASKS)
    outcomes = [*raised, page, results[REFS[0]], partial, older]
    assert [type(outcome) for outcome in outcomes] == [SourceBadResponse] * 8
    assert {outcome.source for outcome in outcomes} == {"v"}


async def test_a_result_that_fails_when_it_is_read_is_a_bad_response() -> None:
    class Exploding(dict[Any, Any]):
        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

        def values(self) -> Any:
            raise KeyError("values")

        def get(self, *_: Any) -> Any:
            raise KeyError("get")

    assert await checked(Exploding({REFS[0]: session()})).get_sessions(REFS) == {REFS[0]: session()}
    with pytest.raises(SourceBadResponse):
        await checked(Exploding()).list_sessions(ASKS)


@pytest.mark.parametrize("broken", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
async def test_a_page_of_experiments_that_is_none_is_a_bad_response(broken: Any) -> None:
    source = MisbehavingSource([experiment("a", 1), experiment("b", 2)], breaks=broken)
    with pytest.raises(SourceBadResponse):
        await CheckedAdapter(source).list_experiments(ExperimentQuery(), OffsetRequest(5))


# -- several results at once -----------------------------------------------------------------------------

WRONG_SESSIONS = [
    pytest.param(session(source="w"), id="another source's"),
    pytest.param(session(started_at=datetime(2026, 1, 1)), id="a naive start"),  # noqa: DTZ001
    pytest.param(session(started_at=None), id="no start"),
    pytest.param(session(ended_at=datetime(2026, 1, 1)), id="a naive end"),  # noqa: DTZ001
    pytest.param(session(vendor_id=3), id="an id that is a number"),
    pytest.param(session(status="SUCCESS"), id="a status as text"),
    pytest.param(session(vendor_id="\ud800"), id="an id that is no Unicode"),
    pytest.param(session(tokens={"input": 1}), id="tokens as a dict"),
    pytest.param(session(scores_by_evaluator=[1.0]), id="scores as a list"),
    pytest.param(session(deferred=None), id="no deferred fields"),
    pytest.param(session(raw={"a": 1}), id="the vendor's object as a dict"),
    pytest.param({"vendor_id": "1"}, id="a dict"),
    pytest.param(None, id="None"),
]


@pytest.mark.parametrize("wrong", WRONG_SESSIONS)
async def test_one_page_of_several_that_cannot_be_used_costs_that_page_only(wrong: Any) -> None:
    good = Page([session()], 0, None)
    answers = await checked([Page([session(), wrong], 0, None), good]).list_sessions(ASKS)
    assert isinstance(answers[0], SourceBadResponse)
    assert answers[1] == good


@pytest.mark.parametrize("wrong", WRONG_SESSIONS)
async def test_one_look_up_that_cannot_be_used_costs_its_key_only(wrong: Any) -> None:
    results = await checked({REFS[0]: wrong, REFS[1]: session(REFS[1])}).get_sessions(REFS)
    assert isinstance(results[REFS[0]], SourceBadResponse)
    assert results[REFS[1]] == session(REFS[1])


@pytest.mark.parametrize(
    "wrong",
    [None, 1.0, [1.0], [Score("accuracy", "high")], [Score("accuracy", float("nan"))], [Score(None, 1.0)]],  # type: ignore[arg-type]
    ids=repr,
)
async def test_scores_that_cannot_be_used_cost_their_session_only(wrong: Any) -> None:
    results = await checked({REFS[0]: wrong, REFS[1]: (Score("accuracy", 1.0),)}).get_scores(REFS)
    assert isinstance(results[REFS[0]], SourceBadResponse)
    assert results[REFS[1]] == (Score("accuracy", 1.0),)


@pytest.mark.parametrize("pages", [0, 1, 3])
async def test_more_or_fewer_pages_than_requests_are_a_bad_response(pages: int) -> None:
    with pytest.raises(SourceBadResponse):
        await checked([Page((), 0, None)] * pages).list_sessions(ASKS)


# -- repaired pages --------------------------------------------------------------------------------------


async def test_a_repeated_row_of_a_page_stays_at_its_first_position_only() -> None:
    first, second = session(), session(REFS[1])
    later = replace(first, started_at=START - timedelta(days=1))
    (page, _) = await checked([Page([first, second, later], 0, None, 3), Page((), 0, None)]).list_sessions(ASKS)
    assert not isinstance(page, SourceError)
    assert (list(page.items), page.total) == ([first, second], None)


async def test_one_session_id_in_two_experiments_is_two_rows() -> None:
    both = [session(), session(SessionRef("b", "1"))]
    (page, _) = await checked([Page(both, 0, None), Page((), 0, None)]).list_sessions(ASKS)
    assert not isinstance(page, SourceError)
    assert list(page.items) == both


@pytest.mark.parametrize(
    ("start", "following", "total", "believed"),
    [
        (0, None, 2, 2),
        (0, 2, 9, 9),
        (4, None, 6, 6),
        (None, None, 2, 2),
        (None, "on", 3, 3),
        (0, None, 0, None),
        (0, None, 3, None),
        (4, 6, 5, None),
        (4, None, 9, None),
        (None, "on", 1, None),
    ],
)
async def test_a_total_stands_unless_the_rows_contradict_it(
    start: int | None, following: int | str | None, total: int, believed: int | None
) -> None:
    rows = [session(), session(REFS[1])]
    (page, _) = await checked([Page(rows, start, following, total), Page((), 0, None)]).list_sessions(ASKS)
    assert not isinstance(page, SourceError)
    assert page.total == believed


# -- health and capabilities -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        failing(KeyError("x")),
        failing(SourceTimeout("v", "late")),
        None,
        "UP",
        SourceHealth(SourceHealthStatus.DOWN, last_error=SourceTimeout("w", "late")),
        SourceHealth(SourceHealthStatus.UP, circuit="CLOSED"),  # type: ignore[arg-type]
    ],
)
async def test_a_source_whose_check_fails_is_down_with_the_error(answer: Any) -> None:
    health = await checked(answer).check()
    assert health.status is SourceHealthStatus.DOWN
    assert health.last_error is not None
    assert health.last_error.code in {SourceErrorCode.BAD_RESPONSE, SourceErrorCode.TIMEOUT}


async def test_a_check_passes_as_it_is() -> None:
    health = SourceHealth(SourceHealthStatus.DEGRADED, checked_at=START)
    assert await checked(health).check() is health


def test_capabilities_that_fail_later_are_those_that_were_usable_last() -> None:
    class Forgetful(MisbehavingSource):
        forgets = False

        @property
        def capabilities(self) -> Capabilities:
            return 1 // 0 if self.forgets else super().capabilities  # type: ignore[return-value]

    source = Forgetful([])
    adapter = CheckedAdapter(source)
    capabilities = adapter.capabilities
    source.forgets = True
    assert adapter.capabilities == capabilities


async def test_every_source_that_is_opened_is_checked(vendors: Vendors) -> None:
    async with open_sources(vendors.settings()) as sources:
        assert [type(adapter) for adapter in sources.adapters] == [CheckedAdapter] * 3
