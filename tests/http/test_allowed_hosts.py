"""Without authentication the gateway accepts loopback names only, against DNS rebinding."""

import httpx
import orjson
import pytest

from tests.gateway import Gateway, Vendors, living, over_http
from tests.http.raw import raw
from tests.worlds import fill
from tracegraph.app import create_app
from tracegraph.http.auth.api_keys import hash_key, new_key

QUERY = orjson.dumps({"query": "{ experiments { nodes { name } } }"})
KEY = new_key()
ALLOWED = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "127.8.9.1", "[::1]", "[::1]:8000"]
FOREIGN = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:localhost",
    "localhost@evil.example",
    "localhost]evil.example",
    "[::1].evil.example",
    "::1",
    "192.0.2.1",
    "0.0.0.0",  # noqa: S104 - not listened on
    "",
    "gateway.example",
]


async def ask_as(gateway: Gateway, host: str, path: str = "/graphql") -> httpx.Response:
    headers = {"host": host, "content-type": "application/json"}
    return await gateway.http.request(
        "POST" if path == "/graphql" else "GET", path, content=QUERY, headers=headers
    )


def is_misdirected(response: httpx.Response) -> bool:
    if response.status_code != 421:
        return False
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "server.allowed_hosts" in error["message"]
    assert response.headers["content-security-policy"]
    return True


@pytest.mark.parametrize("host", ALLOWED)
async def test_the_names_of_this_machine_are_accepted(served: Gateway, vendors: Vendors, host: str) -> None:
    fill(vendors, experiments=1, sessions=0)
    assert len((await ask_as(served, host)).json()["data"]["experiments"]["nodes"]) == 3


@pytest.mark.parametrize("host", FOREIGN)
async def test_any_other_name_is_refused_and_calls_no_vendor(served: Gateway, vendors: Vendors, host: str) -> None:
    assert is_misdirected(await ask_as(served, host))
    assert vendors.call_counts == (0, 0, 0)


@pytest.mark.parametrize("path", ["/metrics", "/playground/x", "/nothing", "/healthz/", "/readyz/x"])
async def test_no_other_route_accepts_another_name(served: Gateway, path: str) -> None:
    assert is_misdirected(await ask_as(served, "evil.example", path))
    assert not is_misdirected(await ask_as(served, "localhost", path))


@pytest.mark.parametrize(
    "hosts",
    [[], ["localhost", "evil.example"], ["evil.example", "localhost"], ["localhost", "localhost"]],
    ids=["none", "first", "second", "twice"],
)
async def test_a_request_that_names_no_host_or_two_is_refused(served: Gateway, hosts: list[str]) -> None:
    head = ["GET /metrics HTTP/1.0", *(f"Host: {host}" for host in hosts)]
    answer = await raw(served, "\r\n".join([*head, "", ""]).encode())
    assert answer.startswith((b"HTTP/1.1 421 ", b"HTTP/1.0 421 "))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("hosts", [["10.1.2.3:8000"], ["evil.example"], [], ["one.example", "two.example"]])
async def test_a_probe_is_accepted_with_any_host(served: Gateway, path: str, hosts: list[str]) -> None:
    """An orchestrator uses the address of a container. Some load balancers send HTTP/1.0 without a host."""
    head = [f"GET {path} HTTP/1.0", *(f"Host: {host}" for host in hosts)]
    answer = await raw(served, "\r\n".join([*head, "", ""]).encode())
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 "))


async def test_the_response_to_a_probe_with_another_host_names_no_source(served: Gateway) -> None:
    """A page can read the response after DNS rebinding."""
    assert (await ask_as(served, "evil.example", "/readyz")).json() == {"status": "ready"}
    assert (await ask_as(served, "localhost", "/readyz")).json()["sources"] == ["nemo", "langsmith", "meibel"]


async def test_the_addresses_of_an_allowed_network_are_accepted(vendors: Vendors) -> None:
    server = {"allowed_hosts": ["10.0.0.0/8", "2001:DB8::/32", "traces.example"]}
    async with over_http(vendors.settings(server=server)) as gateway:
        for host in ("10.0.0.0", "10.255.1.2:8000", "[2001:db8::7]:80", "traces.example", "localhost"):
            assert (await ask_as(gateway, host)).status_code == 200
        for host in ("11.0.0.1", "[2001:db9::7]", "10.0.0.1.evil.example", "010.0.0.1", "evil.example"):
            assert is_misdirected(await ask_as(gateway, host))


async def test_a_star_allows_every_name(vendors: Vendors) -> None:
    async with over_http(vendors.settings(server={"allowed_hosts": ["*"]})) as gateway:
        for host in ("evil.example", "10.1.2.3:80", "[2001:db8::7]"):
            assert (await ask_as(gateway, host)).status_code == 200


async def test_an_allowed_name_is_accepted(vendors: Vendors) -> None:
    server = {"allowed_hosts": ["Traces.example", "2001:db8::1"]}
    async with over_http(vendors.settings(server=server)) as gateway:
        for host in ("traces.example", "TRACES.example:8443", "[2001:db8::1]:80", "localhost"):
            assert (await ask_as(gateway, host)).status_code == 200
        for host in ("other.example", "traces.example.evil.example", "evil.traces.example"):
            assert is_misdirected(await ask_as(gateway, host))


async def test_with_authentication_any_name_is_accepted(vendors: Vendors) -> None:
    """A page cannot know a key, and a proxy in front may use any name for the gateway."""
    auth = {"keys": {"dashboard": {"sha256": hash_key(KEY)}}}
    async with over_http(vendors.settings(auth=auth)) as gateway:
        assert (await ask_as(gateway, "evil.example")).status_code == 401
    async with over_http(vendors.settings(auth=auth, server={"allowed_hosts": ["traces.example"]})) as gateway:
        assert (await ask_as(gateway, "traces.example")).status_code == 401
        assert is_misdirected(await ask_as(gateway, "evil.example"))


async def test_behind_an_authenticating_proxy_any_name_is_accepted(vendors: Vendors) -> None:
    """This is the case of `serve --insecure`."""
    app = create_app(vendors.settings(), insecure=True)
    async with living(app) as opened, httpx.AsyncClient(transport=httpx.ASGITransport(opened)) as client:
        assert (await client.get("http://traces.example/healthz")).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "", "https://traces.example", "traces.example:8443", "a/b", "a b", "[::1]", "*.example", "**",
        "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/255.0.0.0", "2001:db8::/129",
    ],
)  # fmt: skip
def test_an_invalid_name_is_refused_at_start(vendors: Vendors, host: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        vendors.settings(server={"allowed_hosts": [host]})
