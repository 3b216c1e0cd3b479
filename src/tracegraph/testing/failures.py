# ruff: noqa: S101 - the contract consists of assertions
"""Failures: each kind of vendor failure is one SourceError, with its calls counted and no vendor text."""

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
from tracegraph.testing.mocked import SOURCE
from tracegraph.testing.subject import Contract, Subject, first_experiments, first_sessions
from tracegraph.upstream.request_scope import deadline

VENDOR_TEXT = "the-vendor's-own-words"
_BODY = {"detail": VENDOR_TEXT, "message": VENDOR_TEXT, "code": VENDOR_TEXT, "error": VENDOR_TEXT}


@dataclass(frozen=True)
class FaultCase:
    """A fault of every call, and the expected error."""

    fault: Fault
    error: type[SourceError]
    status: int | None = None
    attempts: int = 1
    """The expected attempts of the two allowed: two where a retry may help."""
    max_calls: int | None = None
    """The most calls where the adapter or the transport sends more requests; None means `attempts`."""
    transport: Mapping[str, Any] = field(default_factory=dict)


def _status(status: int) -> Fault:
    return Fault("status", times=None, status=status, body=_BODY)


FAULT_CASES = {
    "401": FaultCase(_status(401), SourceUnauthorized, 401),
    "403": FaultCase(_status(403), SourceUnauthorized, 403),
    "429": FaultCase(_status(429), SourceRateLimited, 429, attempts=2),
    "500": FaultCase(_status(500), SourceUnavailable, 500, attempts=2),
    "503": FaultCase(_status(503), SourceUnavailable, 503, attempts=2),
    "504": FaultCase(_status(504), SourceTimeout, 504, attempts=2),
    "hang": FaultCase(Fault("hang", times=None), SourceTimeout, transport={"timeout_s": 0.2}),
    "reset": FaultCase(Fault("reset", times=None), SourceUnavailable, attempts=2, max_calls=3),
    "truncate": FaultCase(Fault("truncate", times=None), SourceUnavailable, attempts=2),
    "html": FaultCase(Fault("html", times=None), SourceBadResponse, 200),
    "wrong shape": FaultCase(Fault("wrong_shape", times=None, body=_BODY), SourceBadResponse, 200),
    "redirect": FaultCase(Fault("redirect", times=None, location="/elsewhere"), SourceBadResponse, 302),
    "endless": FaultCase(
        Fault("endless", times=None),
        SourceBadResponse,
        200,
        max_calls=7,
        transport={"max_response_bytes": 200_000},
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
    (page,) = await adapter.list_sessions([first_sessions(adapter, ref, 5)])
    return page


async def _get_sessions(adapter: Adapter, ref: str, session_id: str) -> object:
    session_ref = SessionRef(ref, session_id)
    return (await adapter.get_sessions([session_ref])).get(session_ref)


async def _check(adapter: Adapter, _ref: str, _session_id: str) -> object:
    health = await adapter.check()
    assert (health.last_error is None) == (health.status is SourceHealthStatus.UP)
    assert health.checked_at is not None
    return health.last_error or health


OPERATIONS: tuple[Operation, ...] = (_list_experiments, _get_experiments, _list_sessions, _get_sessions, _check)


class FailureLaws(Contract):
    """The behaviour when the vendor, or the network, fails."""

    @pytest.mark.parametrize("case", FAULT_CASES)
    async def test_a_fault_is_the_right_error_with_its_calls_counted(self, case: str) -> None:
        """Every call is retried where a retry may help, and only there."""
        fault_case = FAULT_CASES[case]
        async with self.open_subject(attempts=2, **fault_case.transport) as subject:
            known_refs = subject.known_refs
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            subject.vendor.simulator.faults.add(fault_case.fault)
            for operation in OPERATIONS:
                subject.calls.clear()
                error = await operation(subject.adapter, *known_refs)
                assert isinstance(error, fault_case.error), (operation, error)
                assert isinstance(error, SourceError)
                assert error.http_status == fault_case.status, operation
                assert error.source == SOURCE
                # One of several concurrent calls may have failed before the others.
                assert error.upstream_requests == len(subject.calls), (
                    f"{operation.__name__} made {len(subject.calls)} calls, and its error counts "
                    f"{error.upstream_requests}: an error must carry the calls made before it (CallCost)"
                )
                assert (
                    fault_case.attempts <= len(subject.calls) <= (fault_case.max_calls or fault_case.attempts)
                ), (
                    f"{operation.__name__} made {len(subject.calls)} calls: make one call for one object, leave "
                    "retries to the gateway, and stop at the first failed call"
                )
                assert not any("elsewhere" in call.path for call in subject.calls), "a redirect was followed"

    async def test_a_vendor_that_is_not_running_is_unavailable(self) -> None:
        """The port refuses every connection."""
        with socket.socket() as bound:  # bound, but not listening
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            async with self.connect_adapter(url, attempts=2) as adapter:
                for operation in OPERATIONS:
                    error = await operation(
                        adapter, self.configuration.unknown_refs[0], self.configuration.unknown_refs[0]
                    )
                    assert type(error) is SourceUnavailable, operation
                    assert isinstance(error, SourceError)
                    assert error.upstream_requests == 2
                    _assert_reveals_nothing(error, self.configuration.secret, url)

    @pytest.mark.parametrize("case", [case for case in FAULT_CASES if case != "hang"])
    async def test_no_error_and_no_log_reveals_a_secret(self, case: str) -> None:
        """No error contains an address, a header or the vendor's text: they go to the log's detail."""
        fault_case = FAULT_CASES[case]
        async with self.open_subject(**fault_case.transport) as subject:
            known_refs = subject.known_refs
            with capture_logs() as logs:
                await subject.adapter.check()
                headers = _secret_headers(subject, self.configuration.secret)
                assert headers, (
                    "no call has the credential: send it with every call, and name its header in "
                    "Simulator(..., recorded_headers={...})"
                )
                subject.vendor.simulator.faults.add(fault_case.fault)
                for operation in OPERATIONS:
                    error = await operation(subject.adapter, *known_refs)
                    assert isinstance(error, SourceError)
                    _assert_reveals_nothing(error, self.configuration.secret, subject.base_url, *headers)
            assert logs
            assert self.configuration.secret not in repr(logs), "the log has the credential: keep it a SecretStr"

    async def test_a_reply_of_any_other_shape_is_a_bad_response(self) -> None:
        """A shape that happens to be an empty reply may give a result without rows."""
        async with self.open_subject() as subject:
            known_refs = subject.known_refs
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            for body in ODD_BODIES:
                for operation in OPERATIONS[:4]:
                    subject.vendor.simulator.faults.clear()
                    subject.vendor.simulator.faults.add(_answer(body))
                    outcome = await operation(subject.adapter, *known_refs)
                    nothing = outcome is None or (isinstance(outcome, Page) and not outcome.items)
                    assert nothing or type(outcome) is SourceBadResponse, (
                        f"the reply {body!r} gave {outcome!r} in {operation.__name__}: a reply of another "
                        "shape must be SourceBadResponse; decode it with a LenientDecoder that names its fields"
                    )

    async def test_a_row_without_its_identity_fails_the_page(self) -> None:
        """A row without an identity cannot be sorted, resumed after, or looked up."""
        async with self.open_subject() as subject:
            known_refs = subject.known_refs
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            for body, operation in (
                (self.configuration.nameless_experiments, _list_experiments),
                (self.configuration.nameless_sessions, _list_sessions),
            ):
                subject.vendor.simulator.faults.add(Fault("wrong_shape", body=body))
                outcome = await operation(subject.adapter, *known_refs)
                assert type(outcome) is SourceBadResponse, (
                    f"{body!r} gave {outcome!r}: a list without a readable row must fail (refuse_without_rows)"
                )

    async def test_the_deadline_ends_every_call(self) -> None:
        """The deadline is shorter than the call's own timeout."""
        async with self.open_subject(timeout_s=60.0) as subject:
            known_refs = subject.known_refs
            subject.vendor.simulator.faults.add(Fault("hang", times=None))
            for operation in OPERATIONS:
                async with asyncio.timeout(20):
                    with deadline(0.1):
                        error = await operation(subject.adapter, *known_refs)
                assert type(error) is SourceTimeout, operation
                _assert_reveals_nothing(error, self.configuration.secret, subject.base_url)

    async def test_if_any_call_fails_the_result_is_complete_or_an_error(self) -> None:
        """A partial result is never passed off as complete. The calls of a failed page are counted exactly."""
        async with self.open_subject(steady=True) as subject:
            known_refs = subject.known_refs
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            faults = subject.vendor.simulator.faults
            for operation in OPERATIONS:
                subject.calls.clear()
                complete = _comparable(await operation(subject.adapter, *known_refs))
                for good_calls in range(len(subject.calls)):
                    faults.clear()
                    faults.add(*(Fault("delay", seconds=0) for _ in range(good_calls)), _status(503))
                    subject.calls.clear()
                    outcome = await operation(subject.adapter, *known_refs)
                    faults.clear()
                    if isinstance(outcome, Page) and outcome.error is not None:  # a partial page with an error
                        assert outcome.provenance.upstream_requests == len(subject.calls), good_calls
                        continue
                    if not isinstance(outcome, SourceError):
                        assert _comparable(outcome) == complete, (operation, good_calls)
                        continue
                    assert type(outcome) is SourceUnavailable, (operation, good_calls)
                    assert 1 <= outcome.upstream_requests <= len(subject.calls)
                    if operation in {_list_experiments, _list_sessions}:
                        assert outcome.upstream_requests == len(subject.calls), good_calls

    async def test_the_calls_of_every_page_are_counted(self) -> None:
        """A report can then state the cost of a list."""
        async with self.open_subject(1) as subject:
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            requests = [first_sessions(subject.adapter, ref, 4) for ref in subject.vendor.experiments()]
            capabilities = next(iter(subject.adapter.capabilities.experiment_lists().values()))
            query, request = first_experiments(subject.adapter, 1)  # the list of one kind may be short
            for _ in range(2):
                subject.calls.clear()
                page = await subject.adapter.list_experiments(query, request)
                assert page.provenance.upstream_requests == len(subject.calls), (
                    "Page.provenance must count its calls"
                )
                assert page.next_hint is not None
                request = capabilities.next_page(1, page.next_hint)
            subject.calls.clear()
            results = await subject.adapter.list_sessions(requests)
            pages = [result for result in results if isinstance(result, Page)]
            assert len(pages) == len(requests)
            assert sum(page.provenance.upstream_requests for page in pages) == len(subject.calls)

    async def test_a_failing_request_fails_alone(self) -> None:
        """The other requests return the same pages as without it."""
        async with self.open_subject(steady=True) as subject:
            requests = [first_sessions(subject.adapter, ref, 9) for ref in list(subject.vendor.experiments())[2:5]]
            made_up = first_sessions(subject.adapter, "no/such/experiment", 9)
            expected = [_comparable(answer) for answer in await subject.adapter.list_sessions(requests)]
            pages = await subject.adapter.list_sessions([requests[0], made_up, *requests[1:], made_up])
            assert isinstance(pages[1], SourceError)
            assert isinstance(pages[4], SourceError)
            assert [_comparable(pages[index]) for index in (0, 2, 3)] == expected

    async def test_a_request_whose_call_fails_leaves_the_other_requests_their_pages(self) -> None:
        """Where the vendor has one path for all experiments, all requests fail."""
        async with self.open_subject(steady=True) as subject:
            refs = list(subject.vendor.experiments())[2:5]
            requests = [first_sessions(subject.adapter, ref, 200) for ref in refs]
            expected, paths = [_comparable(answer) for answer in await subject.adapter.list_sessions(requests)], []
            for request in requests:
                subject.calls.clear()
                await subject.adapter.list_sessions([request])
                paths.append({call.path for call in subject.calls})
            faulty = paths[1] - paths[0] - paths[2]
            subject.vendor.simulator.faults.add(
                *(Fault("status", path=path, times=None, status=503) for path in faulty or paths[1])
            )
            pages = await subject.adapter.list_sessions(requests)
            assert isinstance(pages[1], SourceUnavailable)
            if faulty:
                assert [_comparable(pages[index]) for index in (0, 2)] == [expected[0], expected[2]]
            else:
                assert all(isinstance(answer, SourceUnavailable) for answer in pages)

    async def test_the_adapter_recovers_with_the_vendor(self) -> None:
        """A failure leaves no state behind."""
        async with self.open_subject(steady=True) as subject:
            known_refs = subject.known_refs
            await subject.adapter.check()  # an adapter may find its dialect with its first call
            before = [_comparable(await operation(subject.adapter, *known_refs)) for operation in OPERATIONS]
            for kind in ("reset", "truncate", "html", "wrong_shape", "status"):
                for operation in OPERATIONS:
                    subject.vendor.simulator.faults.add(Fault(kind, times=None))
                    assert isinstance(await operation(subject.adapter, *known_refs), SourceError)
                    subject.vendor.simulator.faults.clear()
            assert [
                _comparable(await operation(subject.adapter, *known_refs)) for operation in OPERATIONS
            ] == before


def _answer(body: Any) -> Fault:
    """Return a 200 with a body. For null, use another fault, because a fault without a body has a default one."""
    return Fault("status", times=None, status=200, body=body) if body is not None else Fault("html", times=None)


def _secret_headers(subject: Subject, secret: str) -> list[str]:
    """Return the names of the headers that contain the credential."""
    return [name for name, value in subject.calls[-1].headers.items() if secret in value]


def _assert_reveals_nothing(error: SourceError, secret: str, url: str, *headers: str) -> None:
    host = url.removeprefix("http://")
    for text in (error.message, str(error), repr(error)):
        for hidden in (
            secret,
            url,
            host,
            "127.0.0.1",
            VENDOR_TEXT,
            "http://",
            "/api",
            "/v2",
            "{",
            "<",
            *headers,
        ):
            assert hidden.lower() not in text.lower(), (hidden, text)


def _comparable(result: object) -> object:
    """Return the parts of a result that are equal in repeated calls."""
    if isinstance(result, Page):
        return list(result.items), result.offset, result.next_hint, result.total
    if isinstance(result, SourceError):
        return type(result), result.message
    if isinstance(result, Session) or result is None:
        return result
    status = getattr(result, "status", None)
    return (status, getattr(result, "experiment_count", None)) if status is not None else result
