"""One flood from start to end: processes pinned to cores, senders, CPU by kind."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import cycle, islice, repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tools.flood.kinds import Keys, kinds, query
from tools.flood.sending import Request, SendStats, send
from tools.processes import GatewayProcess, gateway_running, http_client, vendors_running

_GATEWAY_CORE, _OTHERS_CORE = 0, 1
_KNOWN_PER_S, _NEW_PER_S = 40, 5
_SAMPLE_SIZE, _SAMPLE_PER_S = 30, 30
"""The requests that measure the CPU of one kind, and their rate: low enough that they do not overlap."""
_LIGHT = "experiments(first: 10) { nodes { id name createdAt } }"
KNOWN, NEW = "known", "new each time"


@dataclass(frozen=True, slots=True)
class Plan:
    """The rate of hostile requests, the duration, and the kinds (all kinds if none are named).

    `allowed_per_minute` is the `requests_per_minute` of the hostile key, as an operator would set it.
    """

    per_s: int
    seconds: float
    kinds: tuple[str, ...] = ()
    allowed_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a flood.

    `alone` are the honest clients' figures without a flood. `cpu_ms` is the gateway's CPU by kind, of consecutive
    requests: new ones, and repeated ones. `peak_mb` is the gateway's peak memory.
    """

    alone: SendStats
    honest: SendStats
    hostile: SendStats
    cpu_ms: Mapping[str, tuple[float, float]]
    peak_mb: float
    gateway_cpu: float
    """The share of its core that the gateway used during the flood."""


def flood(plan: Plan) -> Result:
    """Run the flood."""
    good = {name: f"tg_{secrets.token_urlsafe(32)}" for name in ("honest", "hostile", "measured")}
    with (
        TemporaryDirectory() as folder,
        _on_core(_OTHERS_CORE),
        vendors_running() as vendors,
        ProcessPoolExecutor(2, get_context("spawn")) as pool,
    ):
        tables, forged = _auth(Path(folder), good, plan.allowed_per_minute)
        keys = Keys(good["hostile"], f"tg_{secrets.token_urlsafe(32)}", forged)
        measured = replace(keys, good=good["measured"])
        with _on_core(_GATEWAY_CORE), gateway_running(vendors, tables) as gateway, _on_core(_OTHERS_CORE):
            asyncio.run(_ready(gateway))
            honest = pool.submit(_send_honest, gateway.url, good["honest"], 0, 3.0)
            honest.result()  # connections, plans, caches
            alone = pool.submit(_send_honest, gateway.url, good["honest"], 1_000_000, plan.seconds).result()
            cpu_ms = {name: _cpu_ms(gateway, measured, name) for name in plan.kinds or kinds(keys)}
            before_s, began = _cpu_s(gateway), time.monotonic()
            beside = pool.submit(_send_honest, gateway.url, good["honest"], 2_000_000, plan.seconds)
            hostile = pool.submit(_send_hostile, gateway.url, keys, plan).result()
            share = (_cpu_s(gateway) - before_s) / (time.monotonic() - began)
            return Result(alone, beside.result(), hostile, cpu_ms, _peak_mb(gateway), share)


def _send_honest(url: str, key: str, first_number: int, seconds: float) -> SendStats:
    """Send light queries, one of nine of which is new."""
    per_s = _KNOWN_PER_S + _NEW_PER_S
    every = per_s // _NEW_PER_S

    def requests() -> Iterator[Request]:
        for number in range(int(per_s * seconds)):
            if number % every:
                yield Request(KNOWN, (query(key, f"{{ {_LIGHT} }}"),))
            else:
                yield Request(NEW, (query(key, f"{{ new{first_number + number}: {_LIGHT} }}"),))

    return send(url, requests(), per_s)


def _send_hostile(url: str, keys: Keys, plan: Plan) -> SendStats:
    """Send all kinds in turn. Every other round repeats the first requests, the others send new ones."""
    os.nice(10)  # the honest clients share this core, and must not measure this process
    chosen = {name: kind for name, kind in kinds(keys).items() if name in (plan.kinds or (name,))}

    def requests() -> Iterator[Request]:
        turns = islice(cycle(chosen.items()), int(plan.per_s * plan.seconds))
        for number, (name, kind) in enumerate(turns):
            is_repeated = number // len(chosen) % 2 == 0
            yield Request(name, kind.request(0 if is_repeated else 1_000_000 + number))

    return send(url, requests(), plan.per_s)


def _cpu_ms(gateway: GatewayProcess, keys: Keys, name: str) -> tuple[float, float]:
    """Return the gateway's CPU for one request of a kind: new, and repeated."""
    kind = kinds(keys)[name]

    def measure(numbers: Iterable[int]) -> float:
        requests = [Request(name, kind.request(number)) for number in numbers]
        before_s = _cpu_s(gateway)
        send(gateway.url, requests, _SAMPLE_PER_S)
        return (_cpu_s(gateway) - before_s) * 1000 / len(requests)

    return measure(range(_SAMPLE_SIZE)), measure(repeat(0, _SAMPLE_SIZE))


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Pin processes started in the block to a core, if the machine has that many."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _auth(folder: Path, good: Mapping[str, str], hostile_per_minute: int | None) -> tuple[str, str]:
    """Return the configuration of keys and tokens, and a token that is not signed by the issuer."""
    real, attacker = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(real.public_key()))
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [{**jwk, "kid": "one"}]}), encoding="utf-8")
    claims = {
        "iss": "https://login.example",
        "aud": "tracegraph",
        "sub": "mallory",
        "exp": int(time.time()) + 3600,
    }
    tables = f'\n[auth.jwt]\nissuer = "https://login.example"\naudience = "tracegraph"\njwks = "file:{jwks}"\n'
    for name, key in good.items():
        tables += f'\n[auth.keys.{name}]\nsha256 = "{sha256(key.encode()).hexdigest()}"\n'
        if name == "hostile" and hostile_per_minute is not None:
            tables += f"requests_per_minute = {hostile_per_minute}\n"
    return tables, jwt.encode(claims, attacker, algorithm="RS256", headers={"kid": "one"})


async def _ready(gateway: GatewayProcess) -> None:
    async with http_client() as http:
        await gateway.ready(http)


def _cpu_s(gateway: GatewayProcess) -> float:
    """Return the CPU time of the event loop's thread."""
    return int(Path(f"/proc/{gateway.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def _peak_mb(gateway: GatewayProcess) -> float:
    status = Path(f"/proc/{gateway.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
