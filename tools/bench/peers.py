"""Other gateways on the same work, where the peers' benchmark is set up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_NAMES = {
    "tailcall": "Tailcall (Rust)",
    "tailcall_dedupe": "Tailcall, dedupe",
    "hive": "Hive Gateway (Node)",
    "hive_fork2": "Hive Gateway, 2 processes",
    "hive_dedupe": "Hive Gateway, in-flight dedup",
    "strawberry_naive": "strawberry and httpx, unmodified",
    "tracegraph": "Tracegraph, no cache, no sharing",
    "tracegraph_shared": "Tracegraph, defaults",
}
_OURS = ("tracegraph", "tracegraph_shared")


@dataclass(frozen=True, slots=True)
class PeerMeasured:
    """One gateway at one delay of the vendors; `rss_mb` is all its processes'."""

    name: str
    delay_ms: int
    cpu_ms: float
    queries_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    calls: float
    foreign_cpus: float
    """How many processors' worth of work others did meanwhile."""


def is_set_up(folder: Path) -> bool:
    """Whether the peers can be run there: their own `setup.sh` was, and the folder can be written to."""
    return (folder / "mesh" / "supergraph.graphql").exists() and os.access(folder, os.W_OK)


def peers_measured(folder: Path, seconds: int, rounds: int) -> list[PeerMeasured]:
    """All peers and this project with one worker, then with two; of each the round with the least CPU.

    A machine of others is now fast, now slow: the least is what it takes when nobody disturbs it.
    """
    best: dict[tuple[str, int], PeerMeasured] = {}
    for _ in range(rounds):
        for peers, workers in ((tuple(_NAMES), 1), (_OURS, 2)):
            for one in _run(folder, seconds, peers, workers):
                before = best.setdefault((one.name, one.delay_ms), one)
                best[one.name, one.delay_ms] = min(before, one, key=lambda any_of: any_of.cpu_ms)
    return list(best.values())


def _run(folder: Path, seconds: int, peers: tuple[str, ...], workers: int) -> list[PeerMeasured]:
    with tempfile.TemporaryDirectory() as kept:
        out = Path(kept, "results.jsonl")
        environment = os.environ | {
            "OUT": str(out),
            "PEERS": " ".join(peers),
            "DUR": str(seconds),
            "TRACEGRAPH": str(Path(sys.executable).with_name("tracegraph")),
            "TRACEGRAPH_WORKERS": str(workers),
        }
        subprocess.run([str(folder / "run_peer.sh")], env=environment, check=True, stdout=subprocess.DEVNULL)
        lines = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    return [_measured(line, workers) for line in lines if "rps" in line]


def _measured(line: dict[str, Any], workers: int) -> PeerMeasured:
    ours = ", 2 workers" if workers > 1 else ""
    return PeerMeasured(
        _NAMES[line["peer"]] + ours,
        delay_ms=line["latency_ms"],
        cpu_ms=line["cpu_ms_per_req"],
        queries_per_s=line["rps"],
        p50_ms=line["p50_ms"],
        p99_ms=line["p99_ms"],
        rss_mb=line["rss_mb"],
        calls=line["upstream_calls_per_req"],
        foreign_cpus=line["foreign_cpus"],
    )
