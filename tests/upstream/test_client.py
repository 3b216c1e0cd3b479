"""Connections of one source: deadline, limits, redirects, proxies, and no leaks after a failure."""

import asyncio
import gzip
import os
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from tests.upstream.conftest import READ, SECRET, Connect, failure
from tracegraph.errors import SourceBadResponse, SourceResponseTooLarge, SourceTimeout, SourceUnavailable
from tracegraph.simulators.core.faults import Fault, FaultKind
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.request_scope import deadline, remaining_s
from tracegraph.upstream.resilience.circuit_breaker import CircuitBreakerPolicy


class TestDeadline:
    async def test_a_call_ends_with_the_deadline(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("hang", times=None))
        upstream = await connect(vendor, timeout_s=60.0)
        async with asyncio.timeout(20):
            with deadline(0.2):
                error = await failure(upstream)
        assert (type(error), error.upstream_requests, len(vendor.calls)) == (SourceTimeout, 1, 1)

    async def test_a_body_that_trickles_in_ends_with_the_deadline(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("drip", times=None, seconds=1.0))
        upstream = await connect(vendor, timeout_s=60.0)
        async with asyncio.timeout(8):
            with deadline(0.3):
                assert type(await failure(upstream)) is SourceTimeout

    async def test_an_attempt_ends_with_its_own_timeout_and_is_not_retried(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang"))
        upstream = await connect(vendor, timeout_s=0.5, attempts=3)
        with deadline(30):
            error = await failure(upstream)
        assert (type(error), error.upstream_requests, len(vendor.calls)) == (SourceTimeout, 1, 1)

    async def test_a_deadline_that_has_passed_prevents_the_call(
        self, upstream: Upstream, vendor: Simulator
    ) -> None:
        with deadline(0):
            assert type(await failure(upstream)) is SourceTimeout
        assert vendor.calls == []

    async def test_the_wait_for_a_permit_counts_toward_the_deadline(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("hang", times=None))
        upstream = await connect(vendor, max_connections=1, timeout_s=60.0, attempts=1)
        async with asyncio.timeout(20):
            with deadline(0.3):
                errors = await asyncio.gather(*(failure(upstream) for _ in range(3)))
        assert {type(error) for error in errors} == {SourceTimeout}
        assert len(vendor.calls) == 1

    async def test_an_inner_deadline_cannot_extend_the_outer_one(self) -> None:
        with deadline(5), deadline(50):
            assert remaining_s(at_most=100) <= 5
        assert remaining_s(at_most=100) == 100

    async def test_tasks_inherit_the_deadline_of_their_creator(self) -> None:
        async def left() -> float:
            return remaining_s(at_most=100)

        with deadline(5):
            task = asyncio.create_task(left())
        assert await task <= 5
        assert await asyncio.create_task(left()) == 100

    async def test_the_remaining_time_is_never_negative(self) -> None:
        with deadline(-1):
            assert remaining_s(at_most=10) == 0


class TestCaps:
    async def test_concurrent_calls_are_limited_to_the_connections(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("delay", times=None, seconds=0.05))
        upstream = await connect(vendor, max_connections=4)
        await asyncio.gather(*(upstream.fetch(READ) for _ in range(20)))
        assert (len(vendor.calls), vendor.peak_in_flight) == (20, 4)

    @pytest.mark.parametrize("kind", ["hang", "reset", "truncate", "endless"])
    async def test_a_failed_call_releases_its_permit(
        self, connect: Connect, vendor: Simulator, kind: FaultKind
    ) -> None:
        vendor.faults.add(Fault(kind, times=4))
        upstream = await connect(
            vendor,
            max_connections=2,
            timeout_s=2.0,
            max_response_bytes=10_000,
            attempts=1,
            breaker=CircuitBreakerPolicy(enabled=False),
        )
        with deadline(30):
            await asyncio.gather(*(failure(upstream) for _ in range(4)))
            vendor.faults.clear()
            replies = await asyncio.gather(*(upstream.fetch(READ) for _ in range(6)))
        assert len(replies) == 6

    async def test_a_cancelled_call_releases_its_permit(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("hang", times=2))
        upstream = await connect(vendor, max_connections=2, timeout_s=60.0)
        tasks = [asyncio.create_task(upstream.fetch(READ)) for _ in range(2)]
        async with asyncio.timeout(10):
            while len(vendor.calls) < 2:  # noqa: ASYNC110 - the simulator has no event for it
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
        async with asyncio.timeout(10):
            await asyncio.gather(*(upstream.fetch(READ) for _ in range(4)))

    @pytest.mark.parametrize("compressed", [False, True])
    async def test_a_body_is_limited_to_the_cap(self, connect: Connect, *, compressed: bool) -> None:
        """The cap applies to the decoded body: a small compressed body may decode to a large one."""

        async def answer(request: Request) -> Response:
            body = b"0" * int(request.query_params["size"])
            headers = {"content-encoding": "gzip"} if compressed else {}
            return Response(gzip.compress(body) if compressed else body, headers=headers)

        upstream = await connect(Starlette(routes=[Route("/things", answer)]), max_response_bytes=100_000)
        reply = await upstream.fetch(UpstreamRequest("things", "/things", [("size", "100000")]))
        assert len(reply.body) == 100_000
        for size in ("100001", "20000000"):
            error = await failure(upstream, UpstreamRequest("things", "/things", [("size", size)]))
            assert (type(error), error.http_status) == (SourceResponseTooLarge, 200)

    async def test_an_endless_body_is_cut_off_at_the_cap(self, connect: Connect, vendor: Simulator) -> None:
        vendor.faults.add(Fault("endless"))
        upstream = await connect(vendor, max_response_bytes=50_000)
        assert type(await failure(upstream)) is SourceResponseTooLarge
        async with asyncio.timeout(10):
            while vendor.in_flight:  # noqa: ASYNC110 - until the vendor notices the closed connection
                await asyncio.sleep(0.01)

    async def test_a_body_that_does_not_decompress_is_a_bad_response(self, connect: Connect) -> None:
        async def answer(_: Request) -> Response:
            return Response(b"this is not gzip", headers={"content-encoding": "gzip"})

        error = await failure(await connect(Starlette(routes=[Route("/things", answer)])))
        assert (type(error), error.upstream_requests) == (SourceBadResponse, 1)


class TestDestinations:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_no_redirect_is_followed(self, connect: Connect, status: int) -> None:
        """A redirect could lead the credential to another host."""
        reached: list[str] = []

        async def answer(request: Request) -> Response:
            reached.append(request.url.path)
            return Response(status_code=status, headers={"location": "/elsewhere"})

        upstream = await connect(Starlette(routes=[Route("/{path}", answer)]))
        error = await failure(upstream)
        assert (type(error), error.http_status, reached) == (SourceBadResponse, status, ["/things"])
        assert "elsewhere" not in str(error)

    async def test_neither_a_proxy_nor_a_netrc_of_the_environment_is_used(
        self, vendor: Simulator, tmp_path: Path
    ) -> None:
        """The program runs with both set; the vendor gets the call without any credential but its own."""
        proxied: list[str] = []

        async def proxy(request: Request) -> Response:
            proxied.append(str(request.url))
            return Response(b"{}")

        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password else\n")
        netrc.chmod(0o600)
        catch_all = Starlette(routes=[Route("/{path:path}", proxy)])
        async with running(vendor) as url, running(catch_all) as proxy_url:
            proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), proxy_url)
            program = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _PROGRAM, url),
                env={**os.environ, **proxies, "NO_PROXY": "", "no_proxy": "", "NETRC": str(netrc)},
            )
            assert await program.wait() == 0
        assert proxied == []
        assert [call.path for call in vendor.calls] == ["/things"]
        assert "authorization" not in vendor.calls[0].headers


_PROGRAM = """
import asyncio, sys
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.resilience.pipeline import ResiliencePipeline
from tracegraph.upstream.transport import Transport, TransportSettings

async def main():
    async with Transport("vendor", TransportSettings(sys.argv[1])) as transport:
        pipeline = ResiliencePipeline(transport)
        await Upstream(pipeline).fetch(UpstreamRequest("things", "/things"))

asyncio.run(main())
"""


class TestFailureReports:
    async def test_a_failure_is_logged_once_under_its_reference_and_without_the_credential(
        self, upstream: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=500, times=None, body={"detail": "the vendor's words"}))
        with capture_logs() as logs:
            error = await failure(upstream)
        assert [(line["log_level"], line["reference"]) for line in logs] == [
            ("warning", error.reference),
            ("debug", error.reference),
        ]
        assert logs[0]["requests"] == 3
        assert "the vendor's words" not in repr(logs[0])
        assert "the vendor's words" in logs[1]["body"]
        assert SECRET.get_secret_value() not in repr(logs)

    async def test_a_response_that_is_not_http_is_unavailable_and_its_log_holds_no_credential(
        self, connect: Connect
    ) -> None:
        """The HTTP library's error repeats the line, in which a vendor may repeat the request."""

        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"no http at all: " + request.replace(b"\r\n", b" ") + b"\r\n\r\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        async with server:
            upstream = await connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            with capture_logs() as logs:
                error = await failure(upstream)
        assert (type(error), error.upstream_requests) == (SourceUnavailable, 3)
        assert "no http at all" in logs[1]["cause"]
        assert SECRET.get_secret_value() not in repr(logs)

    async def test_a_success_after_failures_is_not_logged_as_a_failure(
        self, upstream: Upstream, vendor: Simulator
    ) -> None:
        vendor.faults.add(Fault("status", status=500, times=2))
        with capture_logs() as logs:
            await upstream.fetch(READ)
        assert logs == []

    async def test_the_credential_is_in_no_repr(self, upstream: Upstream) -> None:
        assert SECRET.get_secret_value() not in repr(upstream)

    async def test_a_vendor_that_stops_between_two_calls_is_unavailable(
        self, connect: Connect, vendor: Simulator
    ) -> None:
        async with running(vendor) as url:
            upstream = await connect(url)
            await upstream.fetch(READ)
        error = await failure(upstream)
        assert (type(error), error.upstream_requests) == (SourceUnavailable, 3)
        assert url.removeprefix("http://") not in str(error)
