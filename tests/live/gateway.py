"""The gateway over the live services, and what a test asks of it and of the service behind it."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.live.releases import Release
from tests.live.seed import Seeded
from tests.live.service import NemoService
from tracegraph.real_servers.processes import Process, free_port

Json = dict[str, Any]

EXPERIMENT_FIELDS = """
    id vendorId kind name description groupIds agentName agentVersion datasetName datasetVersion models evaluators
    createdAt updatedAt sessionCount metadata vendorFields source { name vendor }
"""
SESSION_FIELDS = """
    vendorId status vendorStatus startedAt endedAt latencyMs traceId rootSpanId testCaseId input output costUsd
    url vendorFields tokens { input output cached total } scores { evaluator value label explanation }
    models providers inputCostUsd outputCostUsd experiment { name }
"""
EXPERIMENTS = f"""
    query Experiments($first: Int, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {{
      page: experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {{
        totalCount
        edges {{ cursor node {{ {EXPERIMENT_FIELDS} }} }}
        pageInfo {{ hasNextPage endCursor }}
        sources {{ status error {{ code }} totalCount }}
      }}
    }}
"""
SESSIONS = f"""
    query Sessions($first: Int, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {{
      page: sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {{
        totalCount
        edges {{ cursor node {{ {SESSION_FIELDS} }} }}
        pageInfo {{ hasNextPage endCursor }}
        sources {{ status error {{ code }} totalCount }}
      }}
    }}
"""
AGGREGATE_FIELDS = """
    metric { kind evaluator unit } basis population count sum mean median p90 p95 p99 min max complete
"""
AGGREGATES = f"""
    query Aggregates($id: ID!, $metrics: [MetricInput!]) {{
      experiment(id: $id) {{ aggregates(metrics: $metrics) {{ {AGGREGATE_FIELDS} }} }}
    }}
"""
STATISTICS = ("sum", "mean", "median", "p90", "p95", "p99", "count")
PAGES_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Intake:
    """A service itself, and what was put into it."""

    client: httpx.Client
    service: NemoService
    seeded: Seeded

    @property
    def release(self) -> Release:
        """The service's release."""
        return self.service.release

    def get(self, path: str, **parameters: str | int) -> Json:
        """The service's own answer to a path of the workspace."""
        response = self.client.get(f"{self.seeded.api}/{path}", params=parameters)
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    def held(self, path: str | None = None) -> list[Json]:
        """All rows of one of the service's lists, by default of its runs."""
        rows: list[Json] = self.get(path or self.release.runs, page_size=1000)["data"]
        return rows

    def held_sessions(self, name: str) -> list[Json]:
        """The sessions of one run."""
        return self.held(f"{self.release.runs}/{quote(name, safe='')}/sessions")

    def held_totals(self, name: str) -> Json:
        """The totals of one run's traces."""
        lower = {"filter[started_at][$gte]": "2000-01-01T00:00:00Z"}
        points = self.get("traces/metrics", bucket="total", **{"filter[evaluation_name]": name}, **lower)["data"]
        point: Json = points[0]
        return point


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway with a source for each service."""

    client: httpx.Client
    url: str
    configuration: Path

    def answer(self, document: str, **variables: Any) -> Json:
        """The gateway's whole answer."""
        response = self.client.post(f"{self.url}/graphql", json={"query": document, "variables": variables})
        body: Json = response.json()
        return body

    def data(self, document: str, **variables: Any) -> Json:
        """The gateway's data, of an answer without errors."""
        body = self.answer(document, **variables)
        assert "errors" not in body, body["errors"]
        data: Json = body["data"]
        return data

    def everything(self, document: str, *, first: int = 100, **variables: Any) -> list[Json]:
        """The nodes of every page, read to the end."""
        nodes: list[Json] = []
        after: str | None = None
        for _ in range(PAGES_AT_MOST):
            page = self.data(document, first=first, after=after, **variables)["page"]
            assert {source["status"] for source in page["sources"]} <= {"OK"}, page["sources"]
            assert len(page["edges"]) <= first
            nodes += [edge["node"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return nodes
            after = page["pageInfo"]["endCursor"]
        pytest.fail(f"no end after {PAGES_AT_MOST} pages")


@dataclass(frozen=True, slots=True)
class Live:
    """One service, and the gateway's source over it."""

    intake: Intake
    gateway: Gateway
    found: dict[str, str] = field(default_factory=dict)
    """Global IDs of experiments by name, which stay the same."""

    @property
    def release(self) -> Release:
        """The service's release."""
        return self.intake.release

    @property
    def seeded(self) -> Seeded:
        """What is in the service."""
        return self.intake.seeded

    def of_source(self, condition: Mapping[str, Any] | None = None) -> Json:
        """A filter for the rows of this service."""
        return {"sources": [self.release.source], **(condition or {})}

    def experiments(
        self, condition: Mapping[str, Any] | None = None, *, first: int = 100, order: Json | None = None
    ) -> list[Json]:
        """The experiments of this source that the gateway lists, read to the end."""
        found = self.of_source(condition)
        return self.gateway.everything(EXPERIMENTS, first=first, filter=found, orderBy=order)

    def ids(self, *names: str) -> list[str]:
        """The global IDs of the experiments of these names."""
        if not self.found:
            self.found.update({node["name"]: node["id"] for node in self.experiments()})
        return [self.found[name] for name in names]

    def sessions(
        self,
        names: Sequence[str],
        condition: Mapping[str, Any] | None = None,
        *,
        first: int = 100,
        order: Json | None = None,
    ) -> list[Json]:
        """The sessions of these experiments that the gateway lists, read to the end."""
        found = {"experimentIds": self.ids(*names), **(condition or {})}
        return self.gateway.everything(SESSIONS, first=first, filter=found, orderBy=order)


@contextmanager
def gateway_over(intakes: Sequence[Intake], client: httpx.Client, directory: Path) -> Iterator[Gateway]:
    """Run a gateway with a source for each service and without a cache; stopped at the end."""
    sources = [
        f'[sources."{intake.release.source}"]\nvendor = "nemo"\nbase_url = "{intake.service.base_url}"\n'
        "timeout_s = 20\n"
        for intake in intakes
    ]
    with gateway_of(sources, client, directory) as gateway:
        yield gateway


@contextmanager
def gateway_of(sources: Sequence[str], client: httpx.Client, directory: Path) -> Iterator[Gateway]:
    """Run a gateway with these tables of sources and without a cache; stopped at the end."""
    configuration = directory / "tracegraph.toml"
    configuration.write_text("\n".join([*sources, "[limits]\ndeadline_s = 60\n", '[cache]\nurl = "off"\n']))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = Process(
        [Path(sys.executable).with_name("tracegraph"), "serve", "--config", configuration, "--port", str(port)],
        ready=f"{url}/healthz",
        log=directory / "gateway.log",
        env=os.environ,
    )
    try:
        yield Gateway(client, url, configuration)
    finally:
        process.stop()


def instant(text: str | None) -> datetime | None:
    """A time as the service or the gateway writes it; the service leaves out that it is UTC."""
    if text is None:
        return None
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


def known(value: datetime | None) -> datetime:
    """A time that must be there."""
    assert value is not None
    return value
