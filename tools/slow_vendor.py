"""Measures the effect of a slow vendor on queries to other vendors: latencies with and without it, in one run.

    python -m tools.slow_vendor --rounds 6

In every other round NeMo takes five seconds, and separate clients keep querying it. The measured clients query
LangSmith and Meibel in all rounds alike, so a busy machine slows both kinds of rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import suppress

import httpx

from tools.processes import gateway_running, http_client, vendors_running

_SLOW_S = 5.0
_ROUND_S = 6.0
_QUERY = "{ experiments(first: 20, filter: {sources: %s}) { nodes { id name createdAt source { name } } } }"
_OTHERS = {"query": _QUERY % '["langsmith", "meibel"]'}
_SLOW = {"query": _QUERY % '["nemo"]'}
_MEASURED_CLIENTS = 4
_SLOW_CLIENTS = 8
_TABLES = '[cache]\nurl = "off"\n'
"""No cache, so that every query calls its vendors."""


async def measure(rounds: int) -> tuple[list[float], list[float]]:
    """Return sorted latencies in milliseconds: with a quick NeMo, and with a slow one."""
    latencies: tuple[list[float], list[float]] = ([], [])
    with vendors_running() as vendors, gateway_running(vendors, _TABLES) as gateway:
        async with http_client() as http:
            await gateway.ready(http)
            await _query_until(http, gateway.url, _OTHERS, time.monotonic() + 2)  # connections, plans, caches
            for number in range(2 * rounds):
                slow = number % 2 == 1
                if slow:
                    fault = {"kind": "delay", "seconds": _SLOW_S, "times": None}
                    await http.post(f"{vendors.nemo_url}/__faults", json=fault)
                latencies[slow].extend(await _round(http, gateway.url))
                await http.delete(f"{vendors.nemo_url}/__faults")
    return sorted(latencies[0]), sorted(latencies[1])


async def _round(http: httpx.AsyncClient, url: str) -> list[float]:
    """Return the measured clients' latencies, while other clients query NeMo at most four times a second each."""
    ends_at = time.monotonic() + _ROUND_S
    background = [asyncio.create_task(_query_slowly_until(http, url, ends_at)) for _ in range(_SLOW_CLIENTS)]
    results = await asyncio.gather(*(_query_until(http, url, _OTHERS, ends_at) for _ in range(_MEASURED_CLIENTS)))
    for task in background:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [latency for latencies in results for latency in latencies]


async def _query_until(http: httpx.AsyncClient, url: str, body: object, ends_at: float) -> list[float]:
    latencies = []
    while time.monotonic() < ends_at:
        began = time.monotonic()
        await _query(http, url, body)
        latencies.append((time.monotonic() - began) * 1000)
    return latencies


async def _query_slowly_until(http: httpx.AsyncClient, url: str, ends_at: float) -> None:
    while time.monotonic() < ends_at:
        await _query(http, url, _SLOW)
        await asyncio.sleep(0.25)


async def _query(http: httpx.AsyncClient, url: str, body: object) -> None:
    await http.post(url, json=body)


def main() -> None:
    """Parse the command line, and print two lines of figures and their ratio."""
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
