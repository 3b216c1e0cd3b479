"""A rolling restart of three copies behind nginx or HAProxy under load fails no request.

They run the configurations of deploy/ with other ports.
"""

import asyncio
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.configurations import over, written
from tests.cli.conftest import Running, vendors_running
from tests.cli.test_serve import served, until
from tests.processes import Process, started
from tests.redis_server import free_port
from tracegraph.simulators.nemo.world import nemo_experiment

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
DEPLOY = Path(__file__).parents[2] / "deploy"
REQUESTS = 2000
CLIENTS = 8
QUERY = {"query": "{ experiments { nodes { name } } }"}
RESPONSE = {"data": {"experiments": {"nodes": [{"name": "e"}]}}}
PORTS = (8080, 8001, 8002, 8003)
NGINX_CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{documented}
}}
"""

__all__ = ["vendors_running"]


def documented(file: str, ports: list[int]) -> str:
    """Return a configuration of deploy/ with these ports."""
    text = (DEPLOY / file).read_text(encoding="utf-8")
    for documented_port, port in zip(PORTS, ports, strict=True):
        text, count = re.subn(rf"127\.0\.0\.1:{documented_port}\b", f"127.0.0.1:{port}", text)
        assert count == 1
    return text


def nginx_command(folder: Path, ports: list[int]) -> list[str]:
    text = NGINX_CONFIG.format(folder=folder, documented=documented("nginx.conf", ports))
    config = written(folder, text, "nginx.conf")
    return [str(NGINX), "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(config)]


def haproxy_command(folder: Path, ports: list[int]) -> list[str]:
    config = written(folder, documented("haproxy.cfg", ports), "haproxy.cfg")
    return [str(HAPROXY), "-db", "-f", str(config)]


BALANCERS = [
    pytest.param(nginx_command, id="nginx", marks=pytest.mark.skipif(NGINX is None, reason="nginx is missing")),
    pytest.param(
        haproxy_command, id="haproxy", marks=pytest.mark.skipif(HAPROXY is None, reason="haproxy is missing")
    ),
]


@contextmanager
def balancing(command: list[str], port: int) -> Iterator[str]:
    """Run a load balancer during the block, and yield the URL of `/graphql` behind it."""
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}/graphql"
        assert until(lambda: responds(url))
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def responds(url: str) -> bool:
    try:
        return httpx.post(url, json=QUERY, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def copy(running: Running, port: int) -> list[str]:
    config = written(running.folder, over(*running.urls), f"copy-{port}.toml")
    return ["serve", "--config", str(config), "--port", str(port)]


class Load:
    """Clients that send one query after another on persistent connections."""

    def __init__(self, url: str) -> None:
        self.results: Counter[str] = Counter()
        self._url = url
        self._is_over = False

    async def run(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._send_queries(client))

    def end(self) -> None:
        """Stop after enough requests."""
        self._is_over = True

    async def _send_queries(self, client: httpx.AsyncClient) -> None:
        while not self._is_over or self.results.total() < REQUESTS:
            try:
                response = await client.post(self._url, json=QUERY)
                ok = response.status_code == 200 and response.json() == RESPONSE
                self.results["ok" if ok else f"{response.status_code} {response.text[:200]}"] += 1
            except httpx.HTTPError as error:
                self.results[repr(error)] += 1
            await asyncio.sleep(0.02)  # leaves CPU time for the starting copies


@pytest.mark.parametrize("command", BALANCERS)
def test_the_load_balancer_accepts_its_configuration(
    tmp_path: Path, command: Callable[[Path, list[int]], list[str]]
) -> None:
    check = "-t" if command is nginx_command else "-c"
    done = subprocess.run([*command(tmp_path, [*PORTS]), check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", BALANCERS)
def test_no_request_fails_while_three_copies_are_restarted(
    vendors_running: Running, tmp_path: Path, command: Callable[[Path, list[int]], list[str]]
) -> None:
    vendors_running.worlds[0].add(nemo_experiment("e"))
    env = vendors_running.env | {"TRACEGRAPH_SERVER__DRAIN_S": "3"}
    ports = [free_port() for _ in PORTS]

    async def restart_all(copies: dict[int, Process], stack: ExitStack, load: Load) -> None:
        for port, process in list(copies.items()):
            process.send(signal.SIGTERM)
            assert await asyncio.to_thread(process.end) == 0
            copies[port] = stack.enter_context(started(*copy(vendors_running, port), env=env))
            await asyncio.to_thread(served, copies[port])
        load.end()

    async def run(url: str, copies: dict[int, Process], stack: ExitStack) -> Counter[str]:
        load = Load(url)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            group.create_task(restart_all(copies, stack, load))
        return load.results

    with ExitStack() as stack:
        copies = {port: stack.enter_context(started(*copy(vendors_running, port), env=env)) for port in ports[1:]}
        for process in copies.values():
            served(process)
        url = stack.enter_context(balancing(command(tmp_path, ports), ports[0]))
        results = asyncio.run(run(url, copies, stack))
    assert results == {"ok": results.total()}
    assert results.total() >= REQUESTS
