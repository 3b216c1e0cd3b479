"""`make soak-copies`: three copies behind nginx with one Redis, which is killed, hung, full and garbled in turn.

Clients send queries all the time, and each response is compared with the response of a copy before the faults.
During each fault the copies are restarted one after another. A wrong row, an error or a status of 5xx is a
violation.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.redis_server import RedisServer, free_port, running_redis
from tools.processes import GatewayProcess, gateway_running, terminated, vendors_running

_NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
_CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
_PORTS = (8080, 8001, 8002, 8003)
_CLIENTS = 8
_CACHE = '\n[cache]\nurl = "{url}"\nttl_s = 0.5\nstale_s = 0\ncopies = 3\n'


QUERIES = (
    "{ experiments(first: 20) { nodes { id name sessionCount source { name } } } }",
    "{ experiments(first: 3) { nodes { name sessions(first: 5) { nodes { id status latencyMs } } } } }",
    "{ sessions(first: 30, orderBy: {field: STARTED_AT}) { nodes { id startedAt } } }",
    "{ experiments(first: 4) { nodes { name aggregate(metric: {kind: LATENCY}) { median } } } }",
)
"""Their responses are always the same, since the sample data does not change."""


class Faults:
    """The faults of Redis by name. Each ends before the next begins."""

    names = ("killed", "hung", "full", "garbled")

    def __init__(self, redis: RedisServer) -> None:
        self._redis = redis

    @asynccontextmanager
    async def active(self, name: str) -> AsyncIterator[None]:
        """Let Redis have the fault during the block."""
        match name:
            case "killed":
                self._redis.kill()
            case "hung":
                self._redis.hang()
            case "full":
                self._redis.command("CONFIG", "SET", "maxmemory", "1")
            case "garbled":
                self._redis.kill()
        garbling = None
        if name == "garbled":
            garbling = await asyncio.start_server(_garble, "127.0.0.1", self._redis.port)
        try:
            yield
        finally:
            if garbling is not None:
                garbling.close()
            self._redis.kill()
            self._redis.start()


async def _garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reply to everything with random bytes, some of which look like replies of Redis."""
    try:
        while await reader.read(65536):
            writer.write(os.urandom(1)[0] % 2 * b"$5\r\n" + os.urandom(20) + b"\r\n")
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Clients:
    """Clients that send the queries in turn, and compare each response with the expected one."""

    def __init__(self, url: str, expected: list[Any]) -> None:
        self.results: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self._url = url
        self._expected = expected
        self._is_over = False

    def end(self) -> None:
        """End after the responses in flight."""
        self._is_over = True

    async def run(self) -> None:
        """Send queries until the end."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.TaskGroup() as group:
            for number in range(_CLIENTS):
                group.create_task(self._send(client, number))

    async def _send(self, client: httpx.AsyncClient, number: int) -> None:
        while not self._is_over:
            index = number % len(QUERIES)
            number += 1
            try:
                response = await client.post(self._url, json={"query": QUERIES[index]})
                result = self._judged(response, index)
            except httpx.HTTPError as error:
                result = type(error).__name__
            self.results[result] += 1
            await asyncio.sleep(0.02)

    def _judged(self, response: httpx.Response, index: int) -> str:
        if response.status_code != 200:
            result = f"status {response.status_code}"
        else:
            result = "ok" if response.json() == self._expected[index] else "wrong rows"
        if result != "ok":
            self.examples.setdefault(result, response.text[:500])
        return result


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[str]:
    """Run nginx with the configuration of deploy/ and these ports; yield the URL behind it."""
    text = _CONFIGURATION.read_text(encoding="utf-8")
    for documented, port in zip(_PORTS, ports, strict=True):
        text = re.sub(rf"127\.0\.0\.1:{documented}\b", f"127.0.0.1:{port}", text)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    config = folder / "nginx.conf"
    config.write_text(f"{head}http {{\naccess_log off;\n{temporary}{text}}}\n", encoding="utf-8")
    command = [str(_NGINX), "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(config)]
    with terminated(subprocess.Popen(command)):
        yield f"http://127.0.0.1:{ports[0]}/graphql"


async def soak(seconds: float) -> tuple[Clients, list[str]]:
    """Run the soak for so long, at least one round; return the clients and the faults that were played."""
    with ExitStack() as stack:
        vendors = stack.enter_context(vendors_running())
        redis = stack.enter_context(running_redis())
        ports = [free_port() for _ in _PORTS]
        copies: dict[int, tuple[ExitStack, GatewayProcess]] = {}

        async def start(port: int) -> None:
            own = ExitStack()
            tables = _CACHE.format(url=redis.url)
            process = await asyncio.to_thread(own.enter_context, gateway_running(vendors, tables, port=port))
            copies[port] = own, process
            async with httpx.AsyncClient(trust_env=False) as http:
                await process.ready(http)

        for port in ports[1:]:
            await start(port)
        stack.callback(_close_all, copies)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(nginx(folder, ports))
        clients = Clients(url, await _expected(copies[ports[1]][1].url))
        sending = asyncio.create_task(clients.run())
        played: list[str] = []
        ends_at = time.monotonic() + seconds
        while not played or time.monotonic() < ends_at:
            for name in Faults.names:
                async with Faults(redis).active(name):
                    await asyncio.sleep(max(seconds / 10, 3))
                    for port in ports[1:]:
                        own, _ = copies.pop(port)
                        await asyncio.to_thread(own.close)
                        await start(port)
                await asyncio.sleep(2)
                played.append(name)
                sys.stderr.write(f"{name}: {dict(clients.results)}\n")
        clients.end()
        await sending
        return clients, played


def _close_all(copies: dict[int, tuple[ExitStack, GatewayProcess]]) -> None:
    for own, _ in copies.values():
        own.close()


async def _expected(url: str) -> list[Any]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        responses = [await client.post(url, json={"query": query}) for query in QUERIES]
    for response in responses:
        if "errors" in response.json():
            raise RuntimeError(response.text)
    return [response.json() for response in responses]


def main() -> int:
    """Run the soak, and return 1 after a violation."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak.copies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    clients, played = asyncio.run(soak(parser.parse_args().seconds))
    sys.stdout.write(f"faults of Redis, with a restart of every copy in each: {', '.join(played)}\n")
    for result, count in clients.results.most_common():
        sys.stdout.write(f"{result}: {count}\n{clients.examples.get(result, '')}\n")
    return 0 if clients.results.keys() == {"ok"} else 1


if __name__ == "__main__":
    sys.exit(main())
