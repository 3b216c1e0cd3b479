"""One soak from start to end: processes, clients, mischief, samples."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

import aiohttp

from tools.processes import GatewayProcess, gateway_running, vendors_running
from tools.soak.client import Client, Tally
from tools.soak.expected import Expected, expected
from tools.soak.listing import Wrong
from tools.soak.mischief import Mischief
from tools.soak.questions import Questions
from tools.soak.watch import Sample, Watch
from tracegraph.simulators.vendors import DemoVendors

DEADLINE_S = 4.0
SLACK_S = 4.0
"""How much later than its deadline an answer may be on a machine whose every core is busy."""
_WARM_UP = 0.5
"""The share of the time before memory is looked at: caches and pools fill for some 300 s, measured with 600."""
_MAX_RESPONSE_BYTES = 1_000_000
"""What an endless body is read to; the longest right one has some 300 kB."""
MAX_CONNECTIONS = 32
"""Of each source: so few that a connection which is never given back shows."""
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
"""With LangSmith's own rate, 15 in 10 s, nearly every answer of it would be RATE_LIMITED."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, with which random choices, at how many connections."""

    seconds: float
    seed: int
    connections: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: `samples` are those after the warm-up, `idle` is the one after the last answer."""

    tally: Tally
    faults: Counter[str]
    samples: list[Sample]
    idle: Sample


async def soak(plan: Plan) -> Result:
    """Run it."""
    world = expected()
    with vendors_running() as vendors, gateway_running(vendors, _GATEWAY_TABLES, _SOURCE_KEYS) as gateway:
        connector = aiohttp.TCPConnector(limit=plan.connections + 4)
        async with aiohttp.ClientSession(connector=connector) as http:
            await gateway.ready(http)
            return await _load(plan, http, vendors, gateway, world)


async def _load(
    plan: Plan, http: aiohttp.ClientSession, vendors: DemoVendors, gateway: GatewayProcess, world: Expected
) -> Result:
    random = Random(plan.seed)
    tally = Tally()
    addresses = {
        "nemo": vendors.nemo_url,
        "langsmith": vendors.langsmith_url,
        "meibel": vendors.meibel_url.removesuffix("/v2"),
    }
    mischief = Mischief(http, addresses, Random(random.random()))
    watch = Watch(gateway)
    ends_at = asyncio.get_running_loop().time() + plan.seconds
    async with _beside(mischief.run()), _beside(watch.run()):
        await asyncio.gather(
            *(
                _client(
                    Client(http, gateway.url, tally, Random(random.random()), DEADLINE_S + SLACK_S), world, ends_at
                )
                for _ in range(plan.connections)
            )
        )
    await mischief.end()
    await asyncio.sleep(DEADLINE_S)
    warm = watch.samples[int(len(watch.samples) * _WARM_UP) :]
    return Result(tally, mischief.played, warm, await watch.sample())


async def _client(client: Client, world: Expected, ends_at: float) -> None:
    """Ask until the end; whatever is wrong is noted, and the next question asked."""
    questions = Questions(client, world)
    while asyncio.get_running_loop().time() < ends_at:
        try:
            await questions.ask_one()
        except Wrong as wrong:
            client.tally.wrong.append(str(wrong))
        except TimeoutError:
            client.tally.hung.append("no answer by the deadline and the slack")
        except aiohttp.ClientError as error:
            client.tally.server_errors.append(f"the connection broke: {error!r}")


@asynccontextmanager
async def _beside(work: object) -> AsyncIterator[None]:
    """Do it while the block runs; what it raises, the block raises."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
