"""The simulators as servers: they start quickly, stop requests in flight, and leave nothing behind."""

import asyncio
import gc
import shutil
import socket
import threading

import httpx
import pytest

from tests.simulators.conftest import eventually
from tracegraph.simulators.core.certificates import self_signed
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.servers import running, serving
from tracegraph.simulators.data import SampleWorlds
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld
from tracegraph.simulators.vendors import demo_vendors

PATH = "/apis/intake/v2/workspaces/default/experiments"


def test_nothing_listens_after_the_end() -> None:
    with serving([nemo.create_app(NemoWorld())]) as [url]:
        assert httpx.get(url + PATH).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + PATH)
    assert not [thread for thread in threading.enumerate() if thread.name == "simulated-vendors"]


async def test_a_server_stops_with_a_request_under_way_and_warns_of_nothing() -> None:
    simulator = nemo.create_app(NemoWorld())
    simulator.faults.add(Fault("hang"))
    async with httpx.AsyncClient() as client:
        async with running(simulator) as url:
            request_task = asyncio.create_task(client.get(url + PATH))
            assert await eventually(lambda: simulator.in_flight == 1)
        with pytest.raises(httpx.TransportError):
            await request_task
    assert simulator.in_flight == 0
    gc.collect()  # an unclosed socket or transport would warn here, and warnings are errors


async def test_a_server_uses_the_given_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    async with running(nemo.create_app(NemoWorld()), port) as url:
        assert url == f"http://127.0.0.1:{port}"


async def test_a_plain_port_refuses_tls() -> None:
    async with running(nemo.create_app(NemoWorld())) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError, match="SSL"):
            await client.get(url.replace("http://", "https://") + PATH)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command makes the certificate")
async def test_a_server_can_have_an_untrusted_certificate() -> None:
    async with running(nemo.create_app(NemoWorld()), tls=self_signed()) as url:
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(url + PATH)
        async with httpx.AsyncClient(verify=False) as credulous:  # noqa: S501 - the certificate is untrusted
            assert (await credulous.get(url + PATH)).status_code == 200


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        server = serving([nemo.create_app(NemoWorld())], [occupied.getsockname()[1]])
        with pytest.raises(OSError, match="in use"), server:
            pass


def test_the_demo_gives_a_url_and_a_key_for_every_vendor() -> None:
    worlds = SampleWorlds(NemoWorld(workspace="w"), LangSmithWorld(), MeibelWorld())
    with demo_vendors(worlds) as vendors:
        experiments = f"{vendors.nemo_url}/apis/intake/v2/workspaces/{vendors.nemo_workspace}/experiments"
        assert httpx.get(experiments).json()["data"] == []
        key = {"X-API-Key": vendors.langsmith_api_key}
        assert httpx.get(f"{vendors.langsmith_url}/api/v1/sessions", headers=key).json() == []
        key = {"Meibel-API-Key": vendors.meibel_api_key}
        assert httpx.get(f"{vendors.meibel_url}/agents", headers=key).json()["total"] == 0
