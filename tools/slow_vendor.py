"""What a slow vendor costs the queries that do not touch it: their latencies with and without it, in one run.

    python -m tools.slow_vendor --rounds 6

In every other round NeMo takes five seconds, and clients of their own keep asking it; the measured clients ask
LangSmith and Meibel in all rounds alike, so a busy machine slows both kinds of rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import suppress

import aiohttp

from tools.processes import gateway_running, vendors_running

_SLOW_S = 5.0
_ROUND_S = 6.0
_QUERY = "{ experiments(first: 20, filter: {sources: %s}) { nodes { id name createdAt source { name } } } }"
_OTHERS = {"query": _QUERY % '["langsmith", "meibel"]'}
_SLOW = {"query": _QUERY % '["nemo"]'}
_MEASURED_CLIENTS = 4
_SLOW_CLIENTS = 8
_TABLES = '[cache]\nurl = "off"\n'
"""Without a cache, so that every query meets its vendors."""


async def measure(rounds: int) -> tuple[list[float], list[float]]:
    """Latencies in milliseconds, in order of size: while NeMo is quick, and while it is slow."""
    latencies: tuple[list[float], list[float]] = ([], [])
    with vendors_running() as vendors, gateway_running(vendors, _TABLES) as gateway:
        async with aiohttp.ClientSession() as http:
            await gateway.ready(http)
            await _ask_for(http, gateway.url, _OTHERS, time.monotonic() + 2)  # connections, plans, caches
            for number in range(2 * rounds):
                slow = number % 2 == 1
                if slow:
                    fault = {"kind": "delay", "seconds": _SLOW_S, "times": None}
                    await (await http.post(f"{vendors.nemo_url}/__faults", json=fault)).read()
                latencies[slow].extend(await _round(http, gateway.url))
                await (await http.delete(f"{vendors.nemo_url}/__faults")).read()
    return sorted(latencies[0]), sorted(latencies[1])


async def _round(http: aiohttp.ClientSession, url: str) -> list[float]:
    """The measured clients' latencies, while others keep asking NeMo, at most four times a second each."""
    ends_at = time.monotonic() + _ROUND_S
    asking = [asyncio.create_task(_ask_slowly(http, url, ends_at)) for _ in range(_SLOW_CLIENTS)]
    measured = await asyncio.gather(*(_ask_for(http, url, _OTHERS, ends_at) for _ in range(_MEASURED_CLIENTS)))
    for task in asking:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [latency for one in measured for latency in one]


async def _ask_for(http: aiohttp.ClientSession, url: str, body: object, ends_at: float) -> list[float]:
    taken = []
    while time.monotonic() < ends_at:
        began = time.monotonic()
        await _ask(http, url, body)
        taken.append((time.monotonic() - began) * 1000)
    return taken


async def _ask_slowly(http: aiohttp.ClientSession, url: str, ends_at: float) -> None:
    while time.monotonic() < ends_at:
        await _ask(http, url, _SLOW)
        await asyncio.sleep(0.25)


async def _ask(http: aiohttp.ClientSession, url: str, body: object) -> None:
    async with http.post(url, json=body) as response:
        await response.read()


def main() -> None:
    """The command line: two lines of figures and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m tools.slow_vendor")
    parser.add_argument("--rounds", type=int, default=6)
    quick, slow = asyncio.run(measure(parser.parse_args().rounds))
    for name, latencies in (("quick", quick), ("slow", slow)):
        median, p99 = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
        sys.stdout.write(
            f"NeMo {name}: {len(latencies):,} queries to the others, median {median:.1f} ms, p99 {p99:.1f} ms\n"
        )
    ratio = slow[int(len(slow) * 0.99)] / quick[int(len(quick) * 0.99)]
    sys.stdout.write(f"p99, slow over quick: {ratio:.2f}\n")


if __name__ == "__main__":
    main()
