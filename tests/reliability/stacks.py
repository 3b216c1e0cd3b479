"""A gateway over three vendors for each kind of query, so that one fault can apply to all queries at once."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from pydantic import SecretStr
from starlette.applications import Starlette

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Answer, Gateway, Vendor, Vendors, living, settings_of
from tests.worlds import fill
from tracegraph.app import create_app
from tracegraph.config.settings import Settings
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

EXPERIMENTS = 3
VENDOR_TEXT = "vendor-said-4711"
"""The text of a failing vendor, which must never be revealed."""
KEYS = ("lsv2_pt_secret_4711", "mb_secret_4711", "nemo_secret_4711")

Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueryCase:
    """A query, the vendors' paths of its critical part, and its expected data without a vendor."""

    name: str
    query: str
    paths: Callable[[str], Sequence[str]]
    without: Callable[[Any, str], Any]
    errors: int
    """The number of GraphQL errors when a vendor fails on those paths."""


def global_id(type_name: str, *parts: str) -> str:
    """Return an ID of the gateway, for parts that need no escape."""
    return base64.b64encode(":".join([type_name, *parts]).encode()).decode()


REFS = {
    NEMO: lambda index: f"n{index}",
    LANGSMITH: lambda index: stable_uuid(f"session:l{index}"),
    MEIBEL: lambda index: f"m{index}",
}
SESSIONS = {NEMO: "n0-0", LANGSMITH: stable_uuid("run:l0-0"), MEIBEL: "m0-0"}
IDS = [
    *(global_id("Experiment", name, REFS[name](index)) for name in NAMES for index in range(2)),
    *(global_id("Session", name, REFS[name](0), SESSIONS[name]) for name in NAMES),
]


def list_without(data: Any, failed: str) -> Any:
    nodes = [node for node in data["experiments"]["nodes"] if node["source"]["name"] != failed]
    return {"experiments": {"nodes": nodes}}


def _nested_without(data: Any, failed: str) -> Any:
    nodes = [
        node | {"sessions": None} if node["source"]["name"] == failed else node
        for node in data["experiments"]["nodes"]
    ]
    return {"experiments": {"nodes": nodes}}


def _nodes_without(data: Any, failed: str) -> Any:
    failed_ids = {node["id"] for node in data["nodes"] if node["source"]["name"] == failed}
    return {"nodes": [None if node["id"] in failed_ids else node for node in data["nodes"]]}


def _session_paths(source: str) -> Sequence[str]:
    return {
        NEMO: [
            f"/apis/intake/v2/workspaces/default/experiments/n{index}/sessions" for index in range(EXPERIMENTS)
        ],
        LANGSMITH: ["/api/v1/runs/query"],
        MEIBEL: [f"/v2/agents/m{index}/sessions" for index in range(EXPERIMENTS)],
    }[source]


QUERY_CASES = (
    QueryCase(
        "merged list",
        "{ experiments(first: 50) { nodes { name createdAt source { name } } } }",
        lambda _: ["/"],
        list_without,
        errors=0,
    ),
    QueryCase(
        "nested list",
        """{ experiments(first: 50) {
          nodes { name source { name } sessions(first: 5) { nodes { vendorId startedAt latencyMs } } }
        } }""",
        _session_paths,
        _nested_without,
        errors=EXPERIMENTS,
    ),
    QueryCase(
        "node lookup",
        """{ nodes(ids: IDS) {
          id ... on Experiment { name createdAt source { name } } ... on Session { startedAt source { name } }
        } }""".replace("IDS", orjson.dumps(IDS).decode()),
        lambda _: ["/"],
        _nodes_without,
        errors=3,
    ),
)


@dataclass(frozen=True, slots=True)
class Stacks:
    """Three vendors for each query, and the complete responses."""

    http: httpx.AsyncClient
    vendors: Mapping[str, Vendors]
    complete: dict[str, Any] = field(default_factory=dict)
    _apps: dict[str, Starlette] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Stacks]:
        """Run the vendors while the block runs; their content is the same."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(verify=False, trust_env=False, timeout=60))  # noqa: S501
            vendors = {query_case.name: await stack.enter_async_context(_filled()) for query_case in QUERY_CASES}
            stacks = cls(http, vendors)
            for query_case in QUERY_CASES:
                async with stacks.gateway(query_case, cache={"url": "off"}) as gateway:
                    stacks.complete[query_case.name] = (await gateway.ask(query_case.query)).data
            yield stacks

    @asynccontextmanager
    async def gateway(
        self,
        query_case: QueryCase,
        *,
        base_urls: Mapping[str, str] | None = None,
        timeouts_s: Mapping[str, float] | None = None,
        **tables: Any,
    ) -> AsyncIterator[Gateway]:
        """Yield a fresh gateway on loopback over a query's vendors.

        `base_urls` replace theirs, and `timeouts_s` a time-out that no healthy vendor reaches.
        """
        deadline_s = tables.setdefault("limits", {}).setdefault("deadline_s", 30.0)
        sources = self.vendors[query_case.name].patient_sources(deadline_s - 1, **(timeouts_s or {}))
        settings = self._settings(sources, base_urls or {}, tables)
        key = f"{query_case.name} {settings!r}"
        if key not in self._apps:
            self._apps[key] = create_app(settings)
        async with living(self._apps[key]) as app, running(app) as url:
            yield _RemoteGateway(self.http, url)

    def _settings(
        self, sources: dict[str, dict[str, Any]], base_urls: Mapping[str, str], tables: Mapping[str, Any]
    ) -> Settings:
        sources[NEMO]["api_key"] = SecretStr(KEYS[2])
        for name, table in sources.items():
            table["max_response_bytes"] = 200_000
            table["breaker"] = {"enabled": False}  # an open circuit would affect the queries after the fault
            table["base_url"] = base_urls.get(name, table["base_url"])
        return settings_of(sources=sources, **tables)

    def fail(self, query_case: QueryCase, source: str, **fault: Any) -> None:
        """Play the fault for every request to the critical part of a query."""
        vendor: Vendor[Any] = self.vendors[query_case.name].named(source)
        vendor.fail(*(Fault(path=path, times=None, **fault) for path in query_case.paths(source)))

    @property
    def secret_texts(self) -> list[str]:
        """Return texts that no response and no log line may contain."""
        addresses = [vendor.url.removeprefix("http://") for each in self.vendors.values() for vendor in each.all]
        headers = ["x-api-key", "meibel-api-key", "authorization", "bearer "]
        return [*addresses, *KEYS, VENDOR_TEXT, "sign in", "/v2/agents", "/api/v1", "/apis/intake", *headers]


class _RemoteGateway(Gateway):
    """A gateway at a URL with a shared client: creating a client costs more than a response."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        super().__init__(client)
        self._url = url

    async def post(self, body: bytes, **headers: str) -> Answer:
        sent_headers = {"content-type": "application/json", **headers}
        response = await self.http.post(f"{self._url}/graphql", content=body, headers=sent_headers)
        return Answer(response.status_code, response.headers, response.content)


@asynccontextmanager
async def _filled() -> AsyncIterator[Vendors]:
    worlds = NemoWorld(token=KEYS[2]), LangSmithWorld(api_key=KEYS[0]), MeibelWorld(api_key=KEYS[1])
    async with Vendors.open(*worlds) as vendors:
        fill(vendors, experiments=EXPERIMENTS, sessions=3)
        yield vendors
