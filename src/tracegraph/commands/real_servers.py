"""The real servers of `tracegraph demo --real`: started with the sample content, and stopped at the end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeAlias

from tracegraph.errors import ConfigurationError
from tracegraph.real_servers.content import MLFLOW_PROFILES, PHOENIX_PROFILES, sample_content
from tracegraph.real_servers.servers import MLFLOW, PHOENIX, Server, running

_CONTENT = {"mlflow": (MLFLOW, MLFLOW_PROFILES), "phoenix": (PHOENIX, PHOENIX_PROFILES)}


@dataclass(frozen=True, slots=True)
class RealVendor:
    """A running server: the name of its adapter, its URL, and its name with its version."""

    name: str
    url: str
    title: str


RealVendors: TypeAlias = Sequence[RealVendor]


@contextmanager
def real_vendors(environments: Path) -> Iterator[RealVendors]:
    """Run MLflow and Phoenix with the sample content while the block runs.

    Args:
        environments: The folder of their virtual environments.

    Raises:
        ConfigurationError: One is not installed, or does not start.
    """
    _require_installed([server for server, _ in _CONTENT.values()], environments)
    sys.stdout.write("Starting MLflow and Phoenix and ingesting the sample content takes a minute.\n")
    sys.stdout.flush()
    with _ended_by_sigterm(), ExitStack() as stack:
        yield [_started(name, environments, stack) for name in _CONTENT]


def _require_installed(servers: Sequence[Server], environments: Path) -> None:
    missing = [str(server) for server in servers if server.environment.installed_in(environments) is None]
    if missing:
        raise ConfigurationError(
            f"Not installed in {environments}: {' and '.join(missing)}. Run `make demo-real`, or "
            f"`python -m tracegraph.real_servers.environments {environments}`, which takes 1.7 GB."
        )


def _started(name: str, environments: Path, stack: ExitStack) -> RealVendor:
    server, profiles = _CONTENT[name]
    try:
        opened = stack.enter_context(running(server, environments))
        opened.ingest(sample_content(profiles))
    except RuntimeError as error:
        last_line = str(error).strip().splitlines()[-1]
        raise ConfigurationError(
            f"{server} does not start, or takes no content. It ended with: {last_line}"
        ) from None
    return RealVendor(name, opened.url, str(server))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the block, so that the servers stop before this process ends."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
