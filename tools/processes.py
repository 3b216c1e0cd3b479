"""The three simulated vendors and `tracegraph serve`, each as a process of its own on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracegraph.demo.vendors import DemoVendors

_VENDORS = """
import dataclasses, json, sys
from tracegraph.demo.vendors import demo_vendors
with demo_vendors() as vendors:
    print(json.dumps(dataclasses.asdict(vendors)), flush=True)
    sys.stdin.read()
"""
"""Runs until whoever started it closes its standard input, or is gone."""
_GATEWAY = "from tracegraph.cli import main; main()"


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A gateway that listens at `url`."""

    pid: int
    url: str


@contextmanager
def vendors_running() -> Iterator[DemoVendors]:
    """The vendors with the sample data of `tracegraph.demo.sample`, while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-c", _VENDORS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the vendors' process has no pipes")
        try:
            yield DemoVendors(**json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()


@contextmanager
def gateway_running(vendors: DemoVendors, tables: str = "") -> Iterator[GatewayProcess]:
    """`tracegraph serve` over them, with further tables of the configuration. Its log is read and dropped."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "tracegraph.toml")
        config.write_text(_configuration(vendors) + tables, encoding="utf-8")
        command = [sys.executable, "-c", _GATEWAY, "serve", "--config", str(config), "--port", "0"]
        process = subprocess.Popen(command, env=_environment(vendors), stderr=subprocess.PIPE, text=True)
        try:
            yield GatewayProcess(process.pid, _url(process))
        finally:
            process.terminate()
            process.wait(30)
            if process.stderr is not None:
                process.stderr.close()


def _url(process: subprocess.Popen[str]) -> str:
    """Wait for the line that says where it listens, and read on so that its pipe never fills."""
    if process.stderr is None:
        raise RuntimeError("the gateway's process has no pipe")
    for line in process.stderr:
        if found := re.search(r"http://[\w.:]+/graphql", line):
            reader = threading.Thread(target=_drop, args=(process,), daemon=True)
            reader.start()
            return found[0]
    raise RuntimeError("the gateway ended before it listened")


def _drop(process: subprocess.Popen[str]) -> None:
    for _ in process.stderr or ():
        pass


def _environment(vendors: DemoVendors) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACEGRAPH_")}
    return kept | {
        "SOAK_LANGSMITH_KEY": vendors.langsmith_api_key,
        "SOAK_MEIBEL_KEY": vendors.meibel_api_key,
        "COLUMNS": "200",
    }


def _configuration(vendors: DemoVendors) -> str:
    return f"""
[log]
level = "info"
format = "json"

[sources.nemo]
vendor = "nemo"
base_url = "{vendors.nemo_url}"
workspace = "{vendors.nemo_workspace}"

[sources.langsmith]
vendor = "langsmith"
base_url = "{vendors.langsmith_url}"
api_key = "env:SOAK_LANGSMITH_KEY"

[sources.meibel]
vendor = "meibel"
base_url = "{vendors.meibel_url}"
api_key = "env:SOAK_MEIBEL_KEY"
"""
