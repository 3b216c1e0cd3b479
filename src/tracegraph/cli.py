"""The command line: serve, demo, check, schema."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tracegraph.app import create_app
from tracegraph.checking import check_sources, render
from tracegraph.demo.command import run_demo
from tracegraph.errors import ConfigurationError
from tracegraph.graphql.schema import schema_text
from tracegraph.logs import configure_logs
from tracegraph.serving import listen, serve_with_workers, server_of, url_of
from tracegraph.settings import DEFAULT_FILE, Settings, load_settings
from tracegraph.sources import open_sources

_app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_errors = Console(stderr=True)

_ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The configuration file. Default: tracegraph.toml here.")
]


@_app.callback()
def _tracegraph() -> None:
    """One GraphQL query over every place where LLM traces live."""


@_app.command()
def serve(
    config: _ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Listen here instead of where the file says.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Listen here instead of where the file says.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
) -> None:
    """Run the gateway over the configured sources."""
    with _refusals():
        settings = load_settings(config)
        configure_logs(settings.log)
        asyncio.run(_try_opening(settings, config))
        address = host or settings.server.host
        opened = listen(address, settings.server.port if port is None else port)
        _errors.print(f"Tracegraph serves {len(settings.sources)} sources at [bold]{url_of(opened, address)}[/]")
        if workers > 1:
            serve_with_workers(opened, workers, config)
        else:
            server_of(create_app(settings)).run(sockets=[opened])


@_app.command()
def demo(port: Annotated[int, typer.Option(min=0, max=65535, help="The gateway's port.")] = 8000) -> None:
    """Run the gateway over three simulated vendors with sample data."""
    with _refusals():
        run_demo(port)


@_app.command()
def check(config: _ConfigOption = None) -> None:
    """Ask every source and print how it does; exit code 1 when one cannot be used."""
    with _refusals():
        settings = load_settings(config)
        configure_logs(settings.log)
        results = asyncio.run(check_sources(settings, _origin(config)))
        Console().print(render(results))
        if not all(result.usable for result in results):
            raise typer.Exit(1)


@_app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(schema_text())


def main() -> None:
    """The `tracegraph` command."""
    _app()


async def _try_opening(settings: Settings, config: Path | None) -> None:
    """Refuse a wrong configuration before anything listens."""
    async with open_sources(settings, _origin(config)):
        pass


def _origin(config: Path | None) -> str:
    return str(config or DEFAULT_FILE)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        _errors.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
