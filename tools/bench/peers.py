"""Measures other gateways on the same work, if the peers' benchmark is set up."""

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
class PeerMeasurement:
    """One gateway at one delay of the vendors; `rss_mb` is the sum of all its processes."""

    name: str
    delay_ms: int
    cpu_ms: float
    queries_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    calls: float
    foreign_cpus: float
    """The number of processors that other processes used meanwhile."""


def is_set_up(folder: Path) -> bool:
    """Return whether the peers' `setup.sh` was run in the folder and the folder is writable."""
    return (folder / "mesh" / "supergraph.graphql").exists() and os.access(folder, os.W_OK)


def measure_peers(folder: Path, seconds: int, rounds: int) -> list[PeerMeasurement]:
    """Measure all peers and this project with one worker, then with two; return the round with the least CPU.

    The speed of a shared machine varies: the least is the cost without disturbance.
    """
    best: dict[tuple[str, int], PeerMeasurement] = {}
    for _ in range(rounds):
        for peers, workers in ((tuple(_NAMES), 1), (_OURS, 2)):
            for measurement in _run(folder, seconds, peers, workers):
                before = best.setdefault((measurement.name, measurement.delay_ms), measurement)
                best[measurement.name, measurement.delay_ms] = min(
                    before, measurement, key=lambda candidate: candidate.cpu_ms
                )
    return list(best.values())


def _run(folder: Path, seconds: int, peers: tuple[str, ...], workers: int) -> list[PeerMeasurement]:
    with tempfile.TemporaryDirectory() as folder_name:
        out = Path(folder_name, "results.jsonl")
        environment = os.environ | {
            "OUT": str(out),
            "PEERS": " ".join(peers),
            "DUR": str(seconds),
            "TRACEGRAPH": str(Path(sys.executable).with_name("tracegraph")),
            "TRACEGRAPH_WORKERS": str(workers),
        }
        subprocess.run([str(folder / "run_peer.sh")], env=environment, check=True, stdout=subprocess.DEVNULL)
        lines = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    return [_measurement(line, workers) for line in lines if "rps" in line]


def _measurement(line: dict[str, Any], workers: int) -> PeerMeasurement:
    ours = ", 2 workers" if workers > 1 else ""
    return PeerMeasurement(
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
