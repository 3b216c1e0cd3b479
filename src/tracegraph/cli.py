"""The command line: serve, demo, check, compare, key, schema."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tracegraph.app import create_app
from tracegraph.checking import check_sources, render
from tracegraph.compare.command import Asked, run_compare
from tracegraph.compare.question import CompareQuestion
from tracegraph.compare.rendering import Format
from tracegraph.config.loader import DEFAULT_FILE, load_settings
from tracegraph.demo.command import run_demo
from tracegraph.errors import ConfigurationError
from tracegraph.federation.cases import CaseKey
from tracegraph.federation.comparison import Statistic
from tracegraph.graphql.schema import schema_text
from tracegraph.http.api_keys import hash_of, new_key
from tracegraph.logs import configure_logs
from tracegraph.model import AggregateBasis
from tracegraph.serving import handles_of, listen, refuse_open_door, serve_with_workers, server_of, url_of
from tracegraph.settings import Settings
from tracegraph.sources import open_sources
from tracegraph.tracing import open_tracing

_app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_key = typer.Typer(no_args_is_help=True, help="API keys of the gateway's clients.")
_app.add_typer(_key, name="key")
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
    insecure: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool, typer.Option("--insecure", help="Listen beyond this machine although nobody is asked who they are.")
    ] = False,
) -> None:
    """Run the gateway over the configured sources."""
    with _refusals():
        settings = load_settings(config)
        configure_logs(settings.log, in_background=True)
        asyncio.run(_try_opening(settings, config))
        address = host or settings.server.host
        if not insecure:
            refuse_open_door(address, settings.auth)
        opened = listen(address, settings.server.port if port is None else port)
        _errors.print(f"Tracegraph serves {len(settings.sources)} sources at [bold]{url_of(opened, address)}[/]")
        if workers > 1:
            serve_with_workers(opened, workers, config, insecure=insecure)
        else:
            app = create_app(settings, owns_process=True, insecure=insecure)
            server_of(app).run(sockets=handles_of(opened))


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
def compare(  # noqa: PLR0917 - typer reads options from parameters
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Global IDs of 2 to 20 experiments; one may come twice.")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="ID", help="Compare with this one. Default: the first.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="latency, cost, score:NAME, ...; again for more. Default: what two of them have."),
    ] = None,
    statistic: Annotated[Statistic, typer.Option(case_sensitive=False)] = Statistic.MEAN,
    basis: Annotated[
        AggregateBasis, typer.Option(case_sensitive=False, help="Whose figures: the vendor's or the gateway's.")
    ] = AggregateBasis.BEST,
    join_on: Annotated[
        CaseKey, typer.Option(case_sensitive=False, help="How test cases are recognised.")
    ] = CaseKey.TEST_CASE_ID,
    form: Annotated[Format, typer.Option("--format")] = "table",
    config: _ConfigOption = None,
    url: Annotated[str | None, typer.Option(help="Ask the gateway that runs here instead.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="With --url: 'Authorization: Bearer env:NAME'; again for more.")
    ] = None,
) -> None:
    """Print experiments side by side; exit code 1 when a source failed, 2 for a wrong question."""
    question = CompareQuestion(ids, baseline, metric or (), statistic, basis, join_on)
    raise typer.Exit(run_compare(question, Asked(config, url, header or ()), form, _errors))


@_key.command("new")
def new_api_key(
    name: Annotated[
        str, typer.Argument(help="What the configuration and the log shall call its holder.")
    ] = "name",
) -> None:
    """Print a new API key, which is kept nowhere, and the lines that make the gateway know it."""
    key = new_key()
    _errors.print("The key, shown this once; its holder sends it as Authorization: Bearer KEY")
    sys.stdout.write(f"{key}\n")
    _errors.print("For the configuration of the gateway:")
    sys.stdout.write(f'\n[auth.keys.{json.dumps(name)}]\nsha256 = "{hash_of(key)}"\n')


@_app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(schema_text())


def main() -> None:
    """The `tracegraph` command."""
    _app()


async def _try_opening(settings: Settings, config: Path | None) -> None:
    """Refuse a wrong configuration before anything listens."""
    async with open_tracing(settings.tracing), open_sources(settings, _origin(config)):
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
