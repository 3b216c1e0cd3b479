"""A gateway over three vendors for each kind of question, so that one fault can befall all questions at once."""

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

from tests.gateway import LANGSMITH, MEIBEL, NAMES, NEMO, Answer, Gateway, Vendor, Vendors, living
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
MARK = "vendor-said-4711"
"""What a failing vendor puts wherever it can: it must never be seen again."""
KEYS = ("lsv2_pt_secret_4711", "mb_secret_4711", "nemo_secret_4711")

Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A query, the vendors' paths that answer its critical part, and what is left of its data without a vendor."""

    name: str
    query: str
    paths: Callable[[str], Sequence[str]]
    without: Callable[[Any, str], Any]
    errors: int
    """How many GraphQL errors a vendor makes that fails on those paths."""


def global_id(type_name: str, *parts: str) -> str:
    """An ID as the gateway gives it, for parts that need no escape."""
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
    kept = [node for node in data["experiments"]["nodes"] if node["source"]["name"] != failed]
    return {"experiments": {"nodes": kept}}


def _nested_without(data: Any, failed: str) -> Any:
    nodes = [
        node | {"sessions": {"nodes": []}} if node["source"]["name"] == failed else node
        for node in data["experiments"]["nodes"]
    ]
    return {"experiments": {"nodes": nodes}}


def _nodes_without(data: Any, failed: str) -> Any:
    mine = {node["id"] for node in data["nodes"] if node["source"]["name"] == failed}
    return {"nodes": [None if node["id"] in mine else node for node in data["nodes"]]}


def _session_paths(source: str) -> Sequence[str]:
    return {
        NEMO: [
            f"/apis/intake/v2/workspaces/default/experiments/n{index}/sessions" for index in range(EXPERIMENTS)
        ],
        LANGSMITH: ["/api/v1/runs/query"],
        MEIBEL: [f"/v2/agents/m{index}/sessions" for index in range(EXPERIMENTS)],
    }[source]


QUESTIONS = (
    Question(
        "merged list",
        "{ experiments(first: 50) { nodes { name createdAt source { name } } } }",
        lambda _: ["/"],
        list_without,
        errors=0,
    ),
    Question(
        "nested list",
        """{ experiments(first: 50) {
          nodes { name source { name } sessions(first: 5) { nodes { vendorId startedAt latencyMs } } }
        } }""",
        _session_paths,
        _nested_without,
        errors=EXPERIMENTS,
    ),
    Question(
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
    """Three vendors for each question, and the whole answers."""

    http: httpx.AsyncClient
    vendors: Mapping[str, Vendors]
    whole: dict[str, Any] = field(default_factory=dict)
    _apps: dict[str, Starlette] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Stacks]:
        """Run them while the block runs; the worlds are alike."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(verify=False, trust_env=False, timeout=60))  # noqa: S501
            vendors = {question.name: await stack.enter_async_context(_filled()) for question in QUESTIONS}
            stacks = cls(http, vendors)
            for question in QUESTIONS:
                async with stacks.gateway(question, cache={"url": "off"}) as gateway:
                    stacks.whole[question.name] = (await gateway.ask(question.query)).data
            yield stacks

    @asynccontextmanager
    async def gateway(
        self, question: Question, *, base_urls: Mapping[str, str] | None = None, **tables: Any
    ) -> AsyncIterator[Gateway]:
        """A fresh gateway over that question's vendors, listening on loopback, `base_urls` instead of theirs."""
        settings = self._settings(question, base_urls or {}, tables)
        key = f"{question.name} {settings!r}"
        if key not in self._apps:
            self._apps[key] = create_app(settings)
        async with living(self._apps[key]) as app, running(app) as url:
            yield _Elsewhere(self.http, url)

    def _settings(self, question: Question, base_urls: Mapping[str, str], tables: Mapping[str, Any]) -> Settings:
        sources = self.vendors[question.name].sources()
        sources[NEMO]["api_key"] = SecretStr(KEYS[2])
        for name, table in sources.items():
            table["max_response_bytes"] = 200_000
            table["breaker"] = {"enabled": False}  # a circuit that opened would cost the queries after the fault
            table["base_url"] = base_urls.get(name, table["base_url"])
        return Settings.model_validate({"sources": sources, **tables})

    def fail(self, question: Question, source: str, **fault: Any) -> None:
        """Let every request for the question's critical part meet the fault."""
        vendor: Vendor[Any] = self.vendors[question.name].named(source)
        vendor.fail(*(Fault(path=path, times=None, **fault) for path in question.paths(source)))

    @property
    def never_shown(self) -> list[str]:
        """What no answer and no log line may hold."""
        addresses = [vendor.url.removeprefix("http://") for each in self.vendors.values() for vendor in each.all]
        headers = ["x-api-key", "meibel-api-key", "authorization", "bearer "]
        return [*addresses, *KEYS, MARK, "sign in", "/v2/agents", "/api/v1", "/apis/intake", *headers]


class _Elsewhere(Gateway):
    """A gateway at a URL, asked through a client that several share: to make one costs more than an answer."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        super().__init__(client)
        self._url = url

    async def post(self, body: bytes, **headers: str) -> Answer:
        given = {"content-type": "application/json", **headers}
        response = await self.http.post(f"{self._url}/graphql", content=body, headers=given)
        return Answer(response.status_code, response.headers, response.content)


@asynccontextmanager
async def _filled() -> AsyncIterator[Vendors]:
    worlds = NemoWorld(token=KEYS[2]), LangSmithWorld(api_key=KEYS[0]), MeibelWorld(api_key=KEYS[1])
    async with Vendors.open(*worlds) as vendors:
        fill(vendors, experiments=EXPERIMENTS, sessions=3)
        yield vendors
