"""The gateway over the three simulated vendors, for tests that meet it as its users do.

    vendors.nemo.world.add(nemo_experiment("baseline"), [nemo_session("s1")])
    answer = await gateway.ask("{ experiments { nodes { name } } }")
    assert answer.data["experiments"]["nodes"] == [{"name": "baseline"}]
    assert len(vendors.nemo.calls) == 1

The vendors always listen on loopback. The gateway is asked in process, or over a socket where that matters.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx
import orjson
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tracegraph.app import create_app
from tracegraph.config.settings import Settings
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.core.simulator import RecordedCall, Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.mlflow.world import MlflowWorld
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld
from tracegraph.simulators.phoenix.world import PhoenixWorld

World = TypeVar("World", NemoWorld, LangSmithWorld, MeibelWorld, MlflowWorld, PhoenixWorld)

NEMO, LANGSMITH, MEIBEL = "nemo", "langsmith", "meibel"
NAMES = (NEMO, LANGSMITH, MEIBEL)

TRANSPORT = os.environ.get("TRACEGRAPH_TESTS_TRANSPORT", "pooled")
"""The transport of the sources in this test run (`make test-httpx`)."""

COMPILED_PLANS = os.environ.get("TRACEGRAPH_SERVER__COMPILED_PLANS", "true") != "false"
"""Whether the gateways of this test run use compiled plans (`make test-plans-off`)."""


def settings_of(**tables: Any) -> Settings:
    """A configuration of these tables; without compiled plans where the test run disables them."""
    server = {"compiled_plans": COMPILED_PLANS, **tables.pop("server", {})}
    return Settings.model_validate({"server": server, **tables})


class Vendor(Generic[World]):
    """One simulated vendor on loopback, which can be stopped and started again where it was."""

    def __init__(self, world: World, create: Callable[[World], Simulator]) -> None:
        self.world: World = world
        self.simulator = create(world)
        self.url = ""
        self._running = AsyncExitStack()
        self._held: socket.socket | None = None

    @property
    def calls(self) -> list[RecordedCall]:
        """Every request that reached the vendor, in order."""
        return self.simulator.calls

    def fail(self, *faults: Fault) -> None:
        """Let the next requests meet these faults."""
        self.simulator.faults.add(*faults)

    def recover(self) -> None:
        """Answer rightly again."""
        self.simulator.faults.clear()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self._release()
        self.url = await self._running.enter_async_context(running(self.simulator, port))

    async def stop(self) -> None:
        """Stop listening and cut every connection; the port is held, so that no other process takes it."""
        await self.close()
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", int(self.url.rpartition(":")[2])))

    async def close(self) -> None:
        """Stop for good."""
        await self._running.aclose()
        self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


@dataclass(frozen=True, slots=True)
class Vendors:
    """All three of them."""

    nemo: Vendor[NemoWorld]
    langsmith: Vendor[LangSmithWorld]
    meibel: Vendor[MeibelWorld]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, nemo_world: NemoWorld, langsmith_world: LangSmithWorld, meibel_world: MeibelWorld
    ) -> AsyncIterator[Vendors]:
        """Run vendors with these worlds while the block runs."""
        vendors = cls(
            Vendor(nemo_world, nemo.create_app),
            Vendor(langsmith_world, langsmith.create_app),
            Vendor(meibel_world, meibel.create_app),
        )
        async with AsyncExitStack() as stack:
            for vendor in vendors.all:
                await vendor.start()
                stack.push_async_callback(vendor.close)
            yield vendors

    @property
    def all(self) -> Sequence[Vendor[Any]]:
        """Every vendor."""
        return (self.nemo, self.langsmith, self.meibel)

    def named(self, name: str) -> Vendor[Any]:
        """The vendor behind the source of that name."""
        return dict(zip(NAMES, self.all, strict=True))[name]

    @property
    def call_counts(self) -> tuple[int, int, int]:
        """How many requests reached NeMo, LangSmith and Meibel."""
        return len(self.nemo.calls), len(self.langsmith.calls), len(self.meibel.calls)

    def forget_calls(self) -> None:
        """Count from zero again."""
        for vendor in self.all:
            vendor.calls.clear()

    def settings(self, **tables: Any) -> Settings:
        """The configuration over them, a source for each; `limits={...}` and other tables as given.

        Without a cache unless one is given, so that counts of calls are those of one request.
        """
        return settings_of(**{"cache": {"url": "off"}, "sources": self.sources(), **tables})

    def sources(self) -> dict[str, dict[str, Any]]:
        """The tables `[sources.*]`."""
        tables: dict[str, dict[str, Any]] = {
            NEMO: {
                "vendor": "nemo",
                "base_url": self.nemo.url,
                "workspace": self.nemo.world.workspace,
                "release": "0.2",
            },
            LANGSMITH: {
                "vendor": "langsmith",
                "base_url": self.langsmith.url,
                "api_key": SecretStr(self.langsmith.world.api_key),
                "api": "v1",  # finding the dialect costs a call
                "limits": {"rates": {"runs/query": "off", "*": "off"}},  # the simulator has none
            },
            MEIBEL: {
                "vendor": "meibel",
                "base_url": f"{self.meibel.url}/v2",
                "api_key": SecretStr(self.meibel.world.api_key),
            },
        }
        return {name: table | {"transport": TRANSPORT} for name, table in tables.items()}

    def patient_sources(self, timeout_s: float, **others: float) -> dict[str, dict[str, Any]]:
        """The same tables with a time-out that a healthy vendor on a busy machine does not reach.

        Args:
            timeout_s: The time-out. The default would be two fifths of the deadline.
            others: The time-outs of sources that have another, by name.
        """
        return {name: table | {"timeout_s": others.get(name, timeout_s)} for name, table in self.sources().items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway's answer to one request."""

    status: int
    headers: httpx.Headers
    content: bytes
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", orjson.loads(self.content))

    @property
    def data(self) -> Any:
        """The data of an answer without errors."""
        assert "errors" not in self.body, self.body["errors"]
        return self.body["data"]

    @property
    def partial(self) -> Any:
        """The data, whatever errors stand beside it."""
        return self.body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors; none is an empty list."""
        found: list[dict[str, Any]] = self.body.get("errors", [])
        return found

    @property
    def codes(self) -> list[str]:
        """Every error's code."""
        return [error["extensions"]["code"] for error in self.errors]

    @property
    def troubles(self) -> dict[str, str]:
        """`extensions.sources`: code, or status where there is none, by source."""
        reports = self.body.get("extensions", {}).get("sources", [])
        return {report["source"]: report["code"] or report["status"] for report in reports}


class Gateway:
    """A client of the gateway."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.http = client

    async def ask(self, query: str, /, **variables: Any) -> Answer:
        """POST a query with its variables."""
        return await self.post(orjson.dumps({"query": query, "variables": variables}))

    async def post(self, body: bytes, **headers: str) -> Answer:
        """POST any bytes as application/json; headers with underscores for dashes."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.http.post(
            "/graphql", content=body, headers={"content-type": "application/json"} | given
        )
        return Answer(response.status_code, response.headers, response.content)


async def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Wait until a condition holds; False when it does not in time."""
    ends_at = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends_at:
            return False
        await asyncio.sleep(0.01)
    return True


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The gateway as an application whose lifespan is the block's."""
    async with living(create_app(settings)) as app:
        yield app


@asynccontextmanager
async def living(app: Starlette) -> AsyncIterator[ASGIApp]:
    """An application with a lifespan, a new one each time: with nothing that it learnt before."""
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {**scope.get("state", {}), **(state or {})}}, receive, send)

        yield with_state


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[Gateway]:
    """The gateway without a socket of its own."""
    async with over_app(create_app(settings)) as gateway:
        yield gateway


@asynccontextmanager
async def over_app(app: Starlette) -> AsyncIterator[Gateway]:
    """A client of an application that was made before, without a socket."""
    async with (
        living(app) as application,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://localhost", trust_env=False, timeout=60
        ) as client,
    ):
        yield Gateway(client)


@asynccontextmanager
async def over_http(settings: Settings) -> AsyncIterator[Gateway]:
    """The gateway behind uvicorn on loopback."""
    async with (
        application(settings) as app,
        running(app) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client,
    ):
        yield Gateway(client)
