"""One soak from start to end: processes, clients, fault injection, samples."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

import httpx

from tools.processes import GatewayProcess, gateway_running, http_client, vendors_running
from tools.soak.client import Client, SoakStats
from tools.soak.expected import Expected, expected
from tools.soak.listing import Mismatch
from tools.soak.mischief import FaultInjector
from tools.soak.questions import QueryMix
from tools.soak.watch import Sample, Watch
from tracegraph.simulators.vendors import DemoVendors

DEADLINE_S = 4.0
SLACK_S = 4.0
"""The tolerated delay after the deadline on a machine with all cores busy."""
_WARM_UP = 0.5
"""The share of the time before memory is sampled: caches and pools fill for some 300 s, measured with 600 s."""
_MAX_RESPONSE_BYTES = 1_000_000
"""The limit of an endless body. The longest correct one has some 300 kB."""
MAX_CONNECTIONS = 32
"""The connections to each source, few enough to reveal a leaked connection."""
_SOURCE_KEYS = f"max_response_bytes = {_MAX_RESPONSE_BYTES}\nmax_connections = {MAX_CONNECTIONS}"
_GATEWAY_TABLES = f"""
[limits]
deadline_s = {DEADLINE_S}

[cache]
ttl_s = 2
stale_s = 20
max_mb = 16

[sources.langsmith.limits.rates]
"runs/query" = {{ calls = 400, per_s = 10 }}
"""
"""With LangSmith's own rate of 15 in 10 s, nearly every reply would be RATE_LIMITED."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The duration, the random seed, the number of connections, and two settings of the gateway."""

    seconds: float
    seed: int
    connections: int
    transport: str = "pooled"
    compiled_plans: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome: `samples` were taken after the warm-up, `idle` after the last response."""

    stats: SoakStats
    faults: Counter[str]
    samples: list[Sample]
    idle: Sample


async def soak(plan: Plan) -> Result:
    """Run the soak."""
    world = expected()
    tables = f"{_GATEWAY_TABLES}\n[server]\ncompiled_plans = {str(plan.compiled_plans).lower()}\n"
    keys = f'{_SOURCE_KEYS}\ntransport = "{plan.transport}"'
    with vendors_running() as vendors, gateway_running(vendors, tables, keys) as gateway:
        async with http_client(plan.connections + 4) as http:
            await gateway.ready(http)
            return await _load(plan, http, vendors, gateway, world)


async def _load(
    plan: Plan, http: httpx.AsyncClient, vendors: DemoVendors, gateway: GatewayProcess, world: Expected
) -> Result:
    random = Random(plan.seed)
    stats = SoakStats()
    addresses = {
        "nemo": vendors.nemo_url,
        "langsmith": vendors.langsmith_url,
        "meibel": vendors.meibel_url.removesuffix("/v2"),
    }
    injector = FaultInjector(http, addresses, Random(random.random()))
    watch = Watch(gateway)
    ends_at = asyncio.get_running_loop().time() + plan.seconds
    async with _in_background(injector.run()), _in_background(watch.run()):
        await asyncio.gather(
            *(
                _client(
                    Client(http, gateway.url, stats, Random(random.random()), DEADLINE_S + SLACK_S), world, ends_at
                )
                for _ in range(plan.connections)
            )
        )
    await injector.end()
    await asyncio.sleep(DEADLINE_S)
    warm = watch.samples[int(len(watch.samples) * _WARM_UP) :]
    return Result(stats, injector.played, warm, await watch.sample())


async def _client(client: Client, world: Expected, ends_at: float) -> None:
    """Query until the end. Record each violation and continue."""
    query_mix = QueryMix(client, world)
    while asyncio.get_running_loop().time() < ends_at:
        try:
            await query_mix.run_one()
        except Mismatch as mismatch:
            client.stats.wrong.append(str(mismatch))
        except TimeoutError:
            client.stats.hung.append("no response by the deadline and the slack")
        except httpx.HTTPError as error:
            client.stats.server_errors.append(f"the connection broke: {error!r}")


@asynccontextmanager
async def _in_background(work: object) -> AsyncIterator[None]:
    """Run the work while the block runs. The block raises its exception."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
