# ruff: noqa: S101 - assertions are what a law is made of
"""Laws of failure: each way in which a vendor fails is one SourceError, counted, and says no more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from tracegraph.adapter.paging import Page
from tracegraph.adapter.protocol import Adapter, SourceHealthStatus
from tracegraph.domain.models import Session, SessionRef
from tracegraph.errors import (
    SourceBadResponse,
    SourceError,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.simulators.core.faults import Fault
from tracegraph.testing.subject import SOURCE, Contract, Subject, first_experiments, first_sessions
from tracegraph.upstream.request_scope import deadline

VENDORS_WORDS = "the-vendor's-own-words"
_BODY = {"detail": VENDORS_WORDS, "message": VENDORS_WORDS, "code": VENDORS_WORDS, "error": VENDORS_WORDS}


@dataclass(frozen=True)
class Failing:
    """A fault that every call meets, and what has to come of it."""

    fault: Fault
    error: type[SourceError]
    status: int | None = None
    tries: int = 1
    """Of two that are allowed: two where a second one may help."""
    most: int | None = None
    """How many calls there may be where an adapter asks for fewer rows; None for as many as there are tries."""
    transport: Mapping[str, Any] = field(default_factory=dict)


def _status(status: int) -> Fault:
    return Fault("status", times=None, status=status, body=_BODY)


FAILING = {
    "401": Failing(_status(401), SourceUnauthorized, 401),
    "403": Failing(_status(403), SourceUnauthorized, 403),
    "429": Failing(_status(429), SourceRateLimited, 429, tries=2),
    "500": Failing(_status(500), SourceUnavailable, 500, tries=2),
    "503": Failing(_status(503), SourceUnavailable, 503, tries=2),
    "504": Failing(_status(504), SourceTimeout, 504, tries=2),
    "hang": Failing(Fault("hang", times=None), SourceTimeout, transport={"timeout_s": 0.2}),
    "reset": Failing(Fault("reset", times=None), SourceUnavailable, tries=2),
    "truncate": Failing(Fault("truncate", times=None), SourceUnavailable, tries=2),
    "html": Failing(Fault("html", times=None), SourceBadResponse, 200),
    "wrong shape": Failing(Fault("wrong_shape", times=None, body=_BODY), SourceBadResponse, 200),
    "redirect": Failing(Fault("redirect", times=None, location="/elsewhere"), SourceBadResponse, 302),
    "endless": Failing(
        Fault("endless", times=None), SourceBadResponse, 200, most=7, transport={"max_response_bytes": 200_000}
    ),
}
ODD_BODIES: tuple[Any, ...] = (
    *(None, 0, 1.5, True, "text", [], {}, [None], [[]], [{}], ["text"], [[1], {"id": None}]),
    *({"data": None}, {"data": {}}, {"data": "x"}, {"data": [None]}, {"data": [{}]}, {"data": [{"id": 5}]}),
    *({"runs": None}, {"runs": {}}, {"runs": [None]}, {"runs": [{}]}, {"runs": [{"id": []}]}),
    *({"data": [], "pagination": []}, {"data": [], "total": "many"}, {"data": [{"session_id": ""}], "total": -1}),
)

Operation = Callable[[Adapter, str, str], Awaitable[object]]


async def _list_experiments(adapter: Adapter, _ref: str, _session_id: str) -> object:
    try:
        return await adapter.list_experiments(*first_experiments(adapter, 5))
    except SourceError as error:
        return error


async def _get_experiments(adapter: Adapter, ref: str, _session_id: str) -> object:
    return (await adapter.get_experiments([ref])).get(ref)


async def _list_sessions(adapter: Adapter, ref: str, _session_id: str) -> object:
    (answer,) = await adapter.list_sessions([first_sessions(adapter, ref, 5)])
    return answer


async def _get_sessions(adapter: Adapter, ref: str, session_id: str) -> object:
    wanted = SessionRef(ref, session_id)
    return (await adapter.get_sessions([wanted])).get(wanted)


async def _check(adapter: Adapter, _ref: str, _session_id: str) -> object:
    health = await adapter.check()
    assert (health.last_error is None) == (health.status is SourceHealthStatus.UP)
    assert health.checked_at is not None
    return health.last_error or health


OPERATIONS: tuple[Operation, ...] = (_list_experiments, _get_experiments, _list_sessions, _get_sessions, _check)


class FailureLaws(Contract):
    """What holds when the vendor, or the way to it, fails."""

    @pytest.mark.parametrize("case", FAILING)
    async def test_a_failing_vendor_is_the_right_error_with_its_calls_counted(self, case: str) -> None:
        """For every question; asked again where that may help, and only there."""
        failing = FAILING[case]
        async with self.opened(attempts=2, **failing.transport) as subject:
            known = subject.known
            subject.vendor.simulator.faults.add(failing.fault)
            for operation in OPERATIONS:
                subject.calls.clear()
                error = await operation(subject.adapter, *known)
                assert isinstance(error, failing.error), (operation, error)
                assert isinstance(error, SourceError)
                assert error.http_status == failing.status, operation
                assert error.source == SOURCE
                # A call of several at once may have failed before the others did.
                assert error.upstream_requests == len(subject.calls), operation
                assert failing.tries <= len(subject.calls) <= (failing.most or failing.tries), operation
                assert not any("elsewhere" in call.path for call in subject.calls), "a redirect was followed"

    async def test_a_vendor_that_nobody_runs_is_unavailable(self) -> None:
        """Its port refuses every connection."""
        with socket.socket() as bound:  # and does not listen
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            async with self.connected(url, attempts=2) as adapter:
                for operation in OPERATIONS:
                    error = await operation(adapter, self.unknown_refs[0], self.unknown_refs[0])
                    assert type(error) is SourceUnavailable, operation
                    assert isinstance(error, SourceError)
                    assert error.upstream_requests == 2
                    _tells_nothing(error, self.secret, url)

    @pytest.mark.parametrize("case", [case for case in FAILING if case != "hang"])
    async def test_no_error_and_no_log_tells_a_secret(self, case: str) -> None:
        """And no error tells an address, a header or the vendor's words: they are for the log's detail."""
        failing = FAILING[case]
        async with self.opened(**failing.transport) as subject:
            known = subject.known
            with capture_logs() as logs:
                await subject.adapter.check()
                headers = _secret_headers(subject, self.secret)
                assert headers, "the credential was not sent, or the simulator does not note its header"
                subject.vendor.simulator.faults.add(failing.fault)
                for operation in OPERATIONS:
                    error = await operation(subject.adapter, *known)
                    assert isinstance(error, SourceError)
                    _tells_nothing(error, self.secret, subject.base_url, *headers)
            assert logs
            assert self.secret not in repr(logs)

    async def test_an_answer_of_any_other_shape_is_a_bad_response_and_no_exception_else(self) -> None:
        """Or, where the shape happens to be one of an empty answer, an answer without rows."""
        async with self.opened() as subject:
            known = subject.known
            for body in ODD_BODIES:
                for operation in OPERATIONS[:4]:
                    subject.vendor.simulator.faults.clear()
                    subject.vendor.simulator.faults.add(_answer(body))
                    outcome = await operation(subject.adapter, *known)
                    nothing = outcome is None or (isinstance(outcome, Page) and not outcome.items)
                    assert nothing or type(outcome) is SourceBadResponse, (body, operation, outcome)

    async def test_a_row_without_its_identity_fails_the_page(self) -> None:
        """A row that nothing can refer to cannot be placed, resumed after, or looked up."""
        async with self.opened() as subject:
            known = subject.known
            for body, operation in (
                (self.nameless_experiments, _list_experiments),
                (self.nameless_sessions, _list_sessions),
            ):
                subject.vendor.simulator.faults.add(Fault("wrong_shape", body=body))
                assert type(await operation(subject.adapter, *known)) is SourceBadResponse

    async def test_the_deadline_ends_every_question(self) -> None:
        """However long a call may take by itself."""
        async with self.opened(timeout_s=60.0) as subject:
            known = subject.known
            subject.vendor.simulator.faults.add(Fault("hang", times=None))
            for operation in OPERATIONS:
                async with asyncio.timeout(20):
                    with deadline(0.1):
                        error = await operation(subject.adapter, *known)
                assert type(error) is SourceTimeout, operation
                _tells_nothing(error, self.secret, subject.base_url)

    async def test_whichever_call_fails_the_answer_is_whole_or_an_error(self) -> None:
        """Never a part of one that passes for all of it; the calls of a failed page are counted exactly."""
        async with self.opened(steady=True) as subject:
            known = subject.known
            faults = subject.vendor.simulator.faults
            for operation in OPERATIONS:
                subject.calls.clear()
                whole = _comparable(await operation(subject.adapter, *known))
                for good_calls in range(len(subject.calls)):
                    faults.clear()
                    faults.add(*(Fault("delay", seconds=0) for _ in range(good_calls)), _status(503))
                    subject.calls.clear()
                    outcome = await operation(subject.adapter, *known)
                    faults.clear()
                    if isinstance(outcome, Page) and outcome.error is not None:  # a part that says so
                        assert outcome.provenance.upstream_requests == len(subject.calls), good_calls
                        continue
                    if not isinstance(outcome, SourceError):
                        assert _comparable(outcome) == whole, (operation, good_calls)
                        continue
                    assert type(outcome) is SourceUnavailable, (operation, good_calls)
                    assert 1 <= outcome.upstream_requests <= len(subject.calls)
                    if operation in {_list_experiments, _list_sessions}:
                        assert outcome.upstream_requests == len(subject.calls), good_calls

    async def test_the_calls_of_every_page_are_counted(self) -> None:
        """So that a report can say what a list cost."""
        async with self.opened(1) as subject:
            asks = [first_sessions(subject.adapter, ref, 4) for ref in subject.vendor.experiments()]
            capabilities = next(iter(subject.adapter.capabilities.experiment_lists().values()))
            query, request = first_experiments(subject.adapter, 4)
            for _ in range(2):
                subject.calls.clear()
                page = await subject.adapter.list_experiments(query, request)
                assert page.provenance.upstream_requests == len(subject.calls)
                assert page.next_hint is not None
                request = capabilities.next_page(4, page.next_hint)
            subject.calls.clear()
            answers = await subject.adapter.list_sessions(asks)
            pages = [answer for answer in answers if isinstance(answer, Page)]
            assert len(pages) == len(asks)
            assert sum(page.provenance.upstream_requests for page in pages) == len(subject.calls)

    async def test_a_failing_ask_fails_alone(self) -> None:
        """Those beside it are answered as they are without it."""
        async with self.opened(steady=True) as subject:
            asks = [first_sessions(subject.adapter, ref, 9) for ref in list(subject.vendor.experiments())[2:5]]
            made_up = first_sessions(subject.adapter, "no/such/experiment", 9)
            without = [_comparable(answer) for answer in await subject.adapter.list_sessions(asks)]
            answers = await subject.adapter.list_sessions([asks[0], made_up, *asks[1:], made_up])
            assert isinstance(answers[1], SourceError)
            assert isinstance(answers[4], SourceError)
            assert [_comparable(answers[index]) for index in (0, 2, 3)] == without

    async def test_an_ask_whose_call_fails_leaves_the_other_asks_their_answers(self) -> None:
        """Where the vendor has a path for each experiment's sessions; where it has one for all, all fail."""
        async with self.opened(steady=True) as subject:
            refs = list(subject.vendor.experiments())[2:5]
            asks = [first_sessions(subject.adapter, ref, 200) for ref in refs]
            well, paths = [_comparable(answer) for answer in await subject.adapter.list_sessions(asks)], []
            for ask in asks:
                subject.calls.clear()
                await subject.adapter.list_sessions([ask])
                paths.append({call.path for call in subject.calls})
            faulty = paths[1] - paths[0] - paths[2]
            subject.vendor.simulator.faults.add(
                *(Fault("status", path=path, times=None, status=503) for path in faulty or paths[1])
            )
            answers = await subject.adapter.list_sessions(asks)
            assert isinstance(answers[1], SourceUnavailable)
            if faulty:
                assert [_comparable(answers[index]) for index in (0, 2)] == [well[0], well[2]]
            else:
                assert all(isinstance(answer, SourceUnavailable) for answer in answers)

    async def test_it_works_again_as_soon_as_the_vendor_does(self) -> None:
        """Nothing of a failure stays."""
        async with self.opened(steady=True) as subject:
            known = subject.known
            before = [_comparable(await operation(subject.adapter, *known)) for operation in OPERATIONS]
            for kind in ("reset", "truncate", "html", "wrong_shape", "status"):
                for operation in OPERATIONS:
                    subject.vendor.simulator.faults.add(Fault(kind, times=None))
                    assert isinstance(await operation(subject.adapter, *known), SourceError)
                    subject.vendor.simulator.faults.clear()
            assert [_comparable(await operation(subject.adapter, *known)) for operation in OPERATIONS] == before


def _answer(body: Any) -> Fault:
    """A 200 with that body; null has to be said, since a fault without a body has one of its own."""
    return Fault("status", times=None, status=200, body=body) if body is not None else Fault("html", times=None)


def _secret_headers(subject: Subject, secret: str) -> list[str]:
    """Names of the headers in which the credential was sent."""
    return [name for name, value in subject.calls[-1].headers.items() if secret in value]


def _tells_nothing(error: SourceError, secret: str, url: str, *headers: str) -> None:
    host = url.removeprefix("http://")
    for text in (error.message, str(error), repr(error)):
        for untold in (
            secret,
            url,
            host,
            "127.0.0.1",
            VENDORS_WORDS,
            "http://",
            "/api",
            "/v2",
            "{",
            "<",
            *headers,
        ):
            assert untold.lower() not in text.lower(), (untold, text)


def _comparable(answer: object) -> object:
    """What of an answer is the same each time it is given."""
    if isinstance(answer, Page):
        return list(answer.items), answer.offset, answer.next_hint, answer.total
    if isinstance(answer, SourceError):
        return type(answer), answer.message
    if isinstance(answer, Session) or answer is None:
        return answer
    status = getattr(answer, "status", None)
    return (status, getattr(answer, "experiment_count", None)) if status is not None else answer
