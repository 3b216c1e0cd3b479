"""OpenTelemetry's libraries are an extra: without them tracing cannot be switched on, and all else works."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Running
from tests.cli.test_serve import ask, serve, served
from tests.processes import run, started


@pytest.fixture
def without_extra(vendors_running: Running, tmp_path: Path) -> dict[str, str]:
    """An environment in which the libraries cannot be imported."""
    package = tmp_path / "path" / "opentelemetry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ModuleNotFoundError(__name__)")
    path = [str(package.parent), *(entry for entry in sys.path if entry)]
    return vendors_running.env | {"PYTHONPATH": ":".join(path)}


def test_tracing_without_the_extra_is_refused_at_start(
    vendors_running: Running, without_extra: dict[str, str]
) -> None:
    code, _, err = run(*serve(vendors_running, more="[tracing]\nenabled = true"), env=without_extra)
    assert code == 2
    assert err == (
        "tracing.enabled needs libraries that are not installed: install tracegraph[otel], or set it to false.\n"
    )


def test_without_tracing_the_extra_is_not_missed(vendors_running: Running, without_extra: dict[str, str]) -> None:
    with started(*serve(vendors_running), env=without_extra) as process:
        assert ask(served(process)).json() == {"data": {"experiments": {"nodes": []}}}
