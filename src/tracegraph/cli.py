"""The command line: serve, demo, check, compare, spans, config, key, new-adapter, schema."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from tracegraph.commands.check import run_check
from tracegraph.commands.compare.command import CompareTarget, run_compare
from tracegraph.commands.compare.query import CompareQuery
from tracegraph.commands.compare.rendering import Format
from tracegraph.commands.config import effective, summary
from tracegraph.commands.demo import run_demo
from tracegraph.commands.new_adapter import PagingKind, write_adapter
from tracegraph.commands.spans import SpansFormat, run_spans
from tracegraph.commands.validation import validate
from tracegraph.config.loader import Loaded, load, logs_json
from tracegraph.config.settings import LogSettings
from tracegraph.domain.figures import Statistic
from tracegraph.domain.models import AggregateBasis
from tracegraph.errors import ConfigurationError
from tracegraph.federation.analytics.cases import CaseKey
from tracegraph.graphql.schema import schema_text
from tracegraph.http.auth.api_keys import new_key, toml_table
from tracegraph.observability.logging import capture_warnings_and_exceptions, configure_logs, is_console
from tracegraph.server.listening import endpoint_url, remove_path
from tracegraph.server.run import (
    AppFactory,
    build_server,
    lifetime_events,
    open_socket,
    require_auth_unless_loopback,
    serve_with_workers,
    workers_folder,
)
from tracegraph.simulators.nemo.releases import NemoDialect
from tracegraph.simulators.vendors import DEFAULT_DIALECTS, Dialects, LangSmithDialect

_app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_key = typer.Typer(no_args_is_help=True, help="API keys of the gateway's clients.")
_app.add_typer(_key, name="key")
_config = typer.Typer(no_args_is_help=True, help="Check and show the configuration.")
_app.add_typer(_config, name="config")
_errors = Console(stderr=True)
_log = structlog.get_logger("tracegraph.cli")

_ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The configuration file. Default: tracegraph.toml here.")
]


def _print_version(requested: bool) -> None:  # noqa: FBT001 - typer's form
    if requested:
        sys.stdout.write(f"tracegraph {version('tracegraph')}\n")
        raise typer.Exit


@_app.callback()
def _tracegraph(
    _: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One GraphQL query over every place where LLM traces live."""


@_app.command()
def serve(
    config: _ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Listen here instead of the configured address.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Listen here instead of the configured address.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes that share the port. Default: server.workers."),
    ] = None,
    insecure: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool, typer.Option("--insecure", help="Allow other than loopback addresses without authentication.")
    ] = False,
) -> None:
    """Run the gateway over the configured sources."""
    log = LogSettings(format="json") if logs_json(config) else LogSettings()
    try:
        loaded = load(config)
        log = loaded.settings.log
        configure_logs(log, in_background=True)
        _serve(loaded, config, host, port, workers, insecure=insecure)
    except ConfigurationError as error:
        if log.format == "json":
            configure_logs(log, in_background=True)
            _log.critical("server.not_started", reason=error.message)
        else:
            _print_error(error)
        raise typer.Exit(2) from None


def _serve(
    loaded: Loaded, config: Path | None, host: str | None, port: int | None, workers: int | None, *, insecure: bool
) -> None:
    settings = loaded.settings
    asyncio.run(validate(loaded))
    for warning in loaded.warnings:
        _log.warning("config.warning", reason=warning)
    count = workers or settings.server.workers
    with ExitStack() as stack:
        folder = stack.enter_context(workers_folder(settings.metrics.directory)) if count > 1 else None
        listener, address = open_socket(settings, host, port, insecure=insecure)
        stack.callback(remove_path, listener, settings.server.uds)
        url = endpoint_url(listener, address)
        if is_console(settings.log):
            _errors.print(f"Tracegraph serves {len(settings.sources)} sources at [bold]{url}[/]")
        capture_warnings_and_exceptions()
        stack.enter_context(lifetime_events(loaded, url, count))
        factory = AppFactory(config, address, insecure, folder, settings.log)
        if count > 1:
            serve_with_workers(listener, count, factory)
        else:
            build_server(factory.create(), factory.create).run(sockets=[listener])


@_app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The gateway's port.")] = 8000,
    nemo: Annotated[NemoDialect, typer.Option(help="The release that NeMo speaks like.")] = DEFAULT_DIALECTS.nemo,
    langsmith: Annotated[
        LangSmithDialect, typer.Option(help="The version of LangSmith's runs.")
    ] = DEFAULT_DIALECTS.langsmith,
    real: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool, typer.Option("--real", help="Add real MLflow and Phoenix servers. The other vendors stay simulated.")
    ] = False,
    environments: Annotated[
        Path, typer.Option(metavar="FOLDER", help="With --real: where `make demo-real` installed the servers.")
    ] = Path(".live"),
) -> None:
    """Run the gateway over three simulated vendors with sample data, and with --real over two real servers too."""
    with _configuration_errors():
        run_demo(port, Dialects(nemo, langsmith), environments if real else None)


@_app.command()
def check(
    config: _ConfigOption = None,
    as_json: Annotated[  # noqa: FBT002 - typer's form of a flag
        bool, typer.Option("--json", help="Print the results as JSON.")
    ] = False,
) -> None:
    """Call every source, Redis, the identity provider and the collector; exit code 1 when one fails."""
    with _configuration_errors():
        loaded = load(config)
        configure_logs(loaded.settings.log)
        results = asyncio.run(run_check(loaded))
        _print_warnings(loaded)
        if as_json:
            sys.stdout.write(f"{json.dumps(results.document(), indent=2)}\n")
        else:
            console = Console()
            for table in results.tables(console.width):
                console.print(table)
            for sentence in results.sentences():
                console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        if not results.usable:
            raise typer.Exit(1)


@_config.command("check")
def config_check(config: _ConfigOption = None) -> None:
    """Check the whole configuration without any call; exit code 2 when it is invalid."""
    with _configuration_errors():
        loaded = load(config)
        asyncio.run(validate(loaded))
        _print_warnings(loaded)
        try:
            require_auth_unless_loopback(loaded.settings.server.host, loaded.settings.auth)
        except ConfigurationError as error:  # `serve` may run with --insecure, or with another --host
            _warn(error.message)
        sys.stdout.write(f"{summary(loaded)}\n")


@_config.command("show")
def config_show(config: _ConfigOption = None) -> None:
    """Print the effective settings as TOML, each with its origin; secrets as their references."""
    with _configuration_errors():
        loaded = load(config)
        asyncio.run(validate(loaded))
        _print_warnings(loaded)
        sys.stdout.write(effective(loaded))


@_app.command()
def compare(  # noqa: PLR0917 - typer reads options from parameters
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Global IDs of 2 to 20 experiments; duplicates are allowed.")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="ID", help="Compare with this one. Default: the first.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="latency, cost, score:NAME, ...; repeatable. Default: those that two have."),
    ] = None,
    statistic: Annotated[Statistic, typer.Option(case_sensitive=False)] = Statistic.MEAN,
    basis: Annotated[
        AggregateBasis,
        typer.Option(case_sensitive=False, help="Figures of the vendor or of the gateway."),
    ] = AggregateBasis.BEST,
    join_on: Annotated[
        CaseKey, typer.Option(case_sensitive=False, help="The key that pairs test cases.")
    ] = CaseKey.TEST_CASE_ID,
    cases: Annotated[
        int,
        typer.Option(min=0, max=1000, metavar="N", help="List the N largest regressions, by --metric or latency."),
    ] = 0,
    form: Annotated[Format, typer.Option("--format")] = "table",
    config: _ConfigOption = None,
    url: Annotated[str | None, typer.Option(help="Send the query to the gateway at this URL instead.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="With --url: 'Authorization: Bearer env:NAME'; repeatable.")
    ] = None,
) -> None:
    """Print experiments side by side; exit code 1 when a source failed, 2 for invalid arguments."""
    query = CompareQuery(ids, baseline, metric or (), statistic, basis, join_on, cases)
    raise typer.Exit(run_compare(query, CompareTarget(config, url, header or ()), form, _errors))


@_app.command()
def spans(  # noqa: PLR0917 - typer reads options from parameters
    session_id: Annotated[str, typer.Argument(metavar="SESSION_ID", help="The global ID of a session.")],
    first: Annotated[int, typer.Option(min=1, help="The most spans to print.")] = 1000,
    form: Annotated[SpansFormat, typer.Option("--format")] = "tree",
    config: _ConfigOption = None,
    url: Annotated[str | None, typer.Option(help="Send the query to the gateway at this URL instead.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="With --url: 'Authorization: Bearer env:NAME'; repeatable.")
    ] = None,
) -> None:
    """Print the steps of a session as a tree; exit code 1 when its source failed, 2 for invalid arguments."""
    target = CompareTarget(config, url, header or ())
    raise typer.Exit(run_spans(session_id, first, target, form, _errors))


@_key.command("new")
def new_api_key(
    name: Annotated[str, typer.Argument(help="The name of its holder in the configuration and the log.")] = "name",
) -> None:
    """Print a new API key, which is not stored, and the lines that add it to the configuration."""
    key = new_key()
    with _configuration_errors():
        table = toml_table(name, key)
    _errors.print("The key, printed only now; its holder sends it as Authorization: Bearer KEY")
    sys.stdout.write(f"{key}\n")
    _errors.print("For the configuration of the gateway:")
    sys.stdout.write(f"\n{table}")


@_app.command()
def new_adapter(
    name: Annotated[str, typer.Argument(help='The name of the vendor, as in vendor = "NAME".')],
    paging: Annotated[PagingKind, typer.Option(case_sensitive=False, help="How the vendor's lists go on.")],
    folder: Annotated[
        Path | None, typer.Option(help="The folder to create. Default: tracegraph-NAME here.")
    ] = None,
) -> None:
    """Write the package of a new adapter, with a simulator and its contract test."""
    with _configuration_errors():
        target = write_adapter(name, paging, folder)
        sys.stdout.write(
            f"Wrote {target}. Its contract test passes as it stands: run `python -m pytest` in this folder.\n"
            "Its README.md has the next steps.\n"
        )


@_app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(schema_text())


def main() -> None:
    """Run the `tracegraph` command."""
    _app()


def _print_warnings(loaded: Loaded) -> None:
    """Print the warnings about a valid configuration. An invalid one has one sentence: its error."""
    for warning in loaded.warnings:
        _warn(warning)


def _warn(sentence: str) -> None:
    _errors.print(f"Warning: {sentence}", style="yellow", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _configuration_errors() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        _print_error(error)
        raise typer.Exit(2) from None


def _print_error(error: ConfigurationError) -> None:
    _errors.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
