"""TLS, IPv6, several addresses and proxies, over both transports."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.certificates import Authority
from tests.upstream.conftest import READ, Implementation
from tests.upstream.proxy_server import ProxyServer, proxy_running
from tests.upstream.scripted_server import WELL, HandledServer, ScriptedServer, connected_to, sent
from tracegraph.errors import SourceTimeout, SourceUnavailable
from tracegraph.upstream.addresses import open_socket
from tracegraph.upstream.errors import report_failure
from tracegraph.upstream.messages import UpstreamRequest
from tracegraph.upstream.transport import Transport, TransportSettings, open_http

CREDENTIAL = "gateway:pass/word-of-the-proxy"
POST = UpstreamRequest("things", "/things", body={"wanted": "all"})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.new(tmp_path)


# -- TLS -------------------------------------------------------------------------------------------------


async def test_a_private_authority_is_trusted_and_the_server_learns_the_host_name(
    authority: Authority, implementation: Implementation
) -> None:
    tls = authority.server("localhost")
    names: list[str] = []
    tls.sni_callback = lambda _connection, name, _context: names.append(name)
    trusting: dict[str, Any] = {"ca_file": str(authority.ca_file), "implementation": implementation}
    server = ScriptedServer(WELL)
    async with connected_to(server, tls=tls, host="localhost", **trusting) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"
    assert names == ["localhost"]
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("host", "trusts", "reason"),
    [("localhost", True, "is for another host"), ("127.0.0.1", False, "issued by an unknown authority")],
)
async def test_a_certificate_that_does_not_fit_is_refused(
    authority: Authority, implementation: Implementation, host: str, reason: str, *, trusts: bool
) -> None:
    tls = authority.server(host)
    ca_file = str(authority.ca_file) if trusts else None
    async with connected_to(
        ScriptedServer(WELL), tls=tls, ca_file=ca_file, implementation=implementation
    ) as transport:
        with pytest.raises(SourceUnavailable) as error:
            await sent(transport)
    assert reason in (error.value.reason or "")


def requiring_certificates(authority: Authority) -> ssl.SSLContext:
    tls = authority.server()
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(authority.ca_file)
    return tls


@pytest.mark.parametrize("in_one_file", [False, True])
async def test_a_client_certificate_is_shown(
    authority: Authority, implementation: Implementation, *, in_one_file: bool
) -> None:
    certificate, key = authority.client()
    if in_one_file:
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    settings: dict[str, Any] = {
        "ca_file": str(authority.ca_file),
        "client_certificate": str(certificate),
        "client_key": None if in_one_file else str(key),
        "implementation": implementation,
    }
    shown: list[object] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        shown.append(writer.get_extra_info("peercert")["subject"])
        writer.write(WELL)
        await writer.drain()

    tls = requiring_certificates(authority)
    async with connected_to(HandledServer(handle), tls=tls, **settings) as transport:
        assert (await sent(transport)).body == b"{}"
    assert shown == [((("commonName", "gateway"),),)]


async def test_a_server_that_demands_a_certificate_is_unavailable_without_one(
    authority: Authority, implementation: Implementation
) -> None:
    settings: dict[str, Any] = {"ca_file": str(authority.ca_file), "implementation": implementation}
    tls = requiring_certificates(authority)
    async with connected_to(ScriptedServer(WELL), tls=tls, **settings) as transport:
        with pytest.raises(SourceUnavailable):
            await sent(transport)


# -- addresses -------------------------------------------------------------------------------------------


async def test_a_host_may_be_an_ipv6_address(implementation: Implementation) -> None:
    server = ScriptedServer(WELL)
    async with connected_to(server, host="::1", implementation=implementation) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"
        host = transport.settings.base_url.removeprefix("http://")
    assert f"\r\nhost: {host}\r\n".encode() in server.requests[0]


class SeveralAddresses(asyncio.SelectorEventLoop):
    """A loop whose host has these addresses, in this order."""

    addresses: tuple[str, ...] = ()

    async def getaddrinfo(self, _host: object, port: object, **_: object) -> list[tuple[object, ...]]:  # type: ignore[override]
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in self.addresses]
        pairs = zip(families, self.addresses, strict=True)
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in pairs]


@pytest.mark.parametrize("addresses", [("::1", "127.0.0.1"), ("127.0.0.2", "::1", "127.0.0.1")])
def test_an_address_that_refuses_is_passed_over(addresses: tuple[str, ...]) -> None:
    loop = SeveralAddresses()
    loop.addresses = addresses

    async def peer() -> str:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), sock=listening())
        async with server:
            opened = await open_socket("vendor", server.sockets[0].getsockname()[1])
            with opened:
                return str(opened.getpeername()[0])

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(peer()) == "127.0.0.1"


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def test_a_host_that_refuses_on_every_address_is_refused() -> None:
    loop = SeveralAddresses()
    loop.addresses = ("::1", "127.0.0.1")
    runner = asyncio.Runner(loop_factory=lambda: loop)
    with listening() as closed, runner, pytest.raises(ConnectionRefusedError):
        runner.run(open_socket("vendor", closed.getsockname()[1]))


async def test_a_connection_that_does_not_open_in_time_is_a_timeout(implementation: Implementation) -> None:
    """A listener with a full backlog responds to nobody."""
    with listening() as listener:
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.settimeout(0)
                filler.connect_ex(address)
            settings = TransportSettings(
                f"http://127.0.0.1:{address[1]}", connect_timeout_s=0.2, implementation=implementation
            )
            async with Transport("vendor", settings) as transport:
                with pytest.raises(SourceTimeout, match=r"did not accept a connection within 0\.2 s"):
                    await sent(transport)
        finally:
            for filler in fillers:
                filler.close()


# -- proxies ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyServer]:
    with proxy_running(tmp_path_factory.mktemp("proxy"), CREDENTIAL) as running:
        yield running


def url_of(proxy: ProxyServer, credential: str = CREDENTIAL) -> SecretStr:
    user, _, password = credential.partition(":")
    return SecretStr(f"http://{user}:{quote(password, safe='')}@{proxy.address}")


@pytest.mark.parametrize("call", [READ, POST])
async def test_a_call_goes_through_the_proxy(proxy: ProxyServer, call: UpstreamRequest) -> None:
    server = ScriptedServer(WELL)
    async with connected_to(server, proxy=url_of(proxy)) as transport:
        assert (await sent(transport, call)).body == b"{}"
    assert server.requests[0].startswith(f"{call.method} /things HTTP/1.1\r\n".encode())
    assert b"word-of-the-proxy" not in server.requests[0]
    assert b"proxy-authorization" not in server.requests[0].lower()


async def test_a_path_arrives_unchanged_through_the_proxy(proxy: ProxyServer) -> None:
    server = ScriptedServer(WELL)
    target = "/v2/a%2Fb;c:d@e/%C3%A9?q=a+b%26c%23&empty="
    async with connected_to(server, proxy=url_of(proxy)) as transport:
        await sent(transport, UpstreamRequest("things", target))
    assert server.requests[0].split(b" ")[1].decode() == target


async def test_tls_reaches_through_the_proxy_to_the_vendor(proxy: ProxyServer, authority: Authority) -> None:
    server = ScriptedServer(WELL)
    settings: dict[str, Any] = {"ca_file": str(authority.ca_file), "proxy": url_of(proxy)}
    async with connected_to(server, tls=authority.server(), **settings) as transport:
        for _ in range(2):
            assert (await sent(transport)).body == b"{}"
        target = transport.settings.base_url.removeprefix("https://")
    assert len(server.connections) == 1
    async with asyncio.timeout(10):
        while f"CONNECT {target}" not in proxy.requests:  # noqa: ASYNC110 - the proxy logs a tunnel at its end
            await asyncio.sleep(0.02)


async def test_a_proxy_that_refuses_the_credential_is_named_without_it(
    proxy: ProxyServer, authority: Authority
) -> None:
    settings: dict[str, Any] = {
        "ca_file": str(authority.ca_file),
        "proxy": url_of(proxy, "gateway:wrong-password"),
    }
    with capture_logs() as logs:
        async with connected_to(ScriptedServer(WELL), tls=authority.server(), **settings) as transport:
            with pytest.raises(SourceUnavailable) as error:
                await sent(transport)
            report_failure("vendor", READ, error.value)
    assert error.value.reason == "the proxy refused the connection"
    assert "wrong-password" not in repr(logs) + repr(transport.settings)


async def test_a_proxy_that_is_not_there_is_a_refused_connection() -> None:
    with listening() as closed:
        proxy = SecretStr(f"http://127.0.0.1:{closed.getsockname()[1]}")
        async with connected_to(ScriptedServer(WELL), proxy=proxy) as transport:
            with pytest.raises(SourceUnavailable) as error:
                await sent(transport)
    assert error.value.reason == "the connection was refused: nothing listens on the port"


@pytest.mark.parametrize("settings", [{"proxy": SecretStr("http://127.0.0.1:1")}, {"implementation": "httpx"}])
async def test_httpx_own_transport_serves_what_the_pool_does_not(settings: dict[str, object]) -> None:
    transport = open_http(TransportSettings("http://vendor", **settings))  # type: ignore[arg-type]
    assert type(transport) is httpx.AsyncHTTPTransport
    await transport.aclose()
