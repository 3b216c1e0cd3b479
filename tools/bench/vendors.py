"""The three simulated vendors behind a server that records their replies, so that replies cost almost nothing.

    python -m tools.bench.vendors

The simulator serves the first call of each URL and body. Further calls are served from memory, with any key. The
process prints the URLs, and runs until its standard input is closed. There are two control paths: `/__delay/50`
delays every reply by 50 ms from now on, `/__calls` returns the number of calls so far.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from datetime import timedelta
from functools import partial
from typing import Any

import httptools
import httpx
import uvloop

from tracegraph.simulators.core.times import EPOCH
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_session
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_session
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session
from tracegraph.simulators.vendors import DemoVendors

NEMO_EXPERIMENTS, LANGSMITH_EXPERIMENTS, AGENTS, SESSIONS = 50, 20, 2, 100
_HOST = "127.0.0.1"
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
RecordedResponses = dict[tuple[bytes, bytes], bytes]
"""Complete responses by URL and body."""


class _Control:
    """The shared state of all three vendors: delay and number of calls."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.calls = 0

    def handle(self, path: str) -> bytes:
        """Handle a control path."""
        if path.startswith("/__delay/"):
            self.delay_s = int(path.rpartition("/")[2]) / 1000
        return _response(200, json.dumps({"calls": self.calls}).encode())


class _Connection(asyncio.Protocol):
    """One persistent connection with consecutive requests."""

    def __init__(self, vendor: httpx.AsyncClient, recorded: RecordedResponses, control: _Control) -> None:
        self._vendor = vendor
        self._recorded = recorded
        self._control = control
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body = self._url, self._body
        self._url, self._body = b"", b""
        if url.startswith(b"/__"):
            self._transport.write(self._control.handle(url.decode()))
            return
        self._control.calls += 1
        response = self._recorded.get((url, body))
        if response is not None:
            self._send(response)
            return
        task = asyncio.ensure_future(self._fetch(self._parser.get_method(), url, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch(self, method: bytes, url: bytes, body: bytes) -> None:
        headers = {"content-type": "application/json"}
        response = await self._vendor.request(method.decode(), url.decode(), content=body, headers=headers)
        content = self._recorded[url, body] = _response(response.status_code, response.content)
        self._send(content)

    def _send(self, response: bytes) -> None:
        if self._control.delay_s:
            asyncio.get_running_loop().call_later(self._control.delay_s, self._write, response)
        else:
            self._write(response)

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def _response(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _worlds() -> tuple[NemoWorld, LangSmithWorld, MeibelWorld]:
    """Create experiments an hour apart with sessions a minute apart. The vendors accept any key."""
    nemo_world, langsmith_world, meibel_world = NemoWorld(), LangSmithWorld(), MeibelWorld()
    for index in range(NEMO_EXPERIMENTS):
        name, created = f"exp-{index}", EPOCH + index * _HOUR
        sessions = [
            nemo_session(f"{name}-{number}", started_at=created + number * _MINUTE) for number in range(SESSIONS)
        ]
        nemo_world.add(nemo_experiment(name, created_at=created), sessions)
    for index in range(LANGSMITH_EXPERIMENTS):
        langsmith_world.add(langsmith_session(f"project-{index}", start_time=EPOCH + index * _HOUR), [])
    for index in range(AGENTS):
        name = f"a{index + 1}"
        chats = [meibel_session(f"{name}-{number}", start_time=EPOCH + number * _MINUTE) for number in range(25)]
        meibel_world.add(meibel_agent(name, display_name=name), chats)
    return nemo_world, langsmith_world, meibel_world


async def _serve() -> None:
    nemo_world, langsmith_world, meibel_world = _worlds()
    apps: list[tuple[Any, dict[str, str]]] = [
        (nemo.create_app(nemo_world), {}),
        (langsmith.create_app(langsmith_world), {"x-api-key": langsmith_world.api_key}),
        (meibel.create_app(meibel_world), {"meibel-api-key": meibel_world.api_key}),
    ]
    control, loop, urls = _Control(), asyncio.get_running_loop(), []
    for app, key in apps:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://vendor", headers=key)
        server = await loop.create_server(partial(_Connection, client, {}, control), _HOST, 0)
        urls.append(f"http://{_HOST}:{server.sockets[0].getsockname()[1]}")
    vendors = DemoVendors(
        nemo_url=urls[0],
        nemo_workspace=nemo_world.workspace,
        langsmith_url=urls[1],
        langsmith_api_key=langsmith_world.api_key,
        meibel_url=f"{urls[2]}/v2",
        meibel_api_key=meibel_world.api_key,
    )
    sys.stdout.write(json.dumps(dataclasses.asdict(vendors)) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve())
