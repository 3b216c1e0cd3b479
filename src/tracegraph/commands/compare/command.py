"""The command: run the query, print the result, and report failed sources by the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tracegraph.commands.compare.client import CompareResponse, GatewayUnreachable, query_gateway, query_sources
from tracegraph.commands.compare.query import CompareQuery
from tracegraph.commands.compare.regressions import as_tables
from tracegraph.commands.compare.rendering import Format, write
from tracegraph.config.loader import load
from tracegraph.errors import BadUserInput, ConfigurationError
from tracegraph.graphql.runner import Operation
from tracegraph.observability.logging import configure_logs

ANSWERED, SOURCE_FAILED, WRONG_USAGE = 0, 1, 2


_USAGE_CODES = {"BAD_USER_INPUT", "INVALID_ID"}


@dataclass(frozen=True, slots=True)
class CompareTarget:
    """Where the query runs: a gateway at `url`, else the sources of `config` in this process."""

    config: Path | None = None
    url: str | None = None
    headers: Sequence[str] = ()


def run_compare(query: CompareQuery, target: CompareTarget, form: Format, errors: Console) -> int:
    """Compare and print, and return the exit code.

    Args:
        query: The experiments and the kind of comparison.
        target: Where the query runs.
        form: The output format.
        errors: The console for errors, one sentence each.
    """
    try:
        response = run_operation(_operation(query, form), target)
    except (BadUserInput, ConfigurationError) as error:
        _print_error(errors, error.message)
        return WRONG_USAGE
    except GatewayUnreachable as error:
        _print_error(errors, error.message)
        return SOURCE_FAILED
    if response.data is None or response.data.get("comparison") is None:
        for message in _messages(response.errors):
            _print_error(errors, message)
        usage = any(error.get("extensions", {}).get("code") in _USAGE_CODES for error in response.errors)
        return WRONG_USAGE if usage else SOURCE_FAILED
    comparison = response.data["comparison"]
    write(response.data, form, Console(), as_tables(comparison, query.experiment_ids, query.regressions))
    return max(_report_sources(comparison, errors), _report_missing(response.data, errors))


def _operation(query: CompareQuery, form: Format) -> Operation:
    """Return the operation of a query. Raise BadUserInput for a form that has no place for cases."""
    if query.cases and form == "csv":
        raise BadUserInput("--cases goes with --format table or json: a row of the CSV form is a figure.")
    return query.operation()


def run_operation(operation: Operation, target: CompareTarget) -> CompareResponse:
    """Run a query at the target.

    Raises:
        BadUserInput: The options contradict one another, or the URL or a header is invalid.
        ConfigurationError: The configuration is invalid.
        GatewayUnreachable: The gateway did not return a GraphQL response.
    """
    if target.url is not None:
        if target.config is not None:
            raise BadUserInput("Give --config or --url, not both.")
        return query_gateway(operation, target.url, target.headers)
    if target.headers:
        raise BadUserInput("--header goes with --url only.")
    loaded = load(target.config)
    settings = loaded.settings
    configure_logs(settings.log.model_copy(update={"level": "error"}))
    return asyncio.run(query_sources(operation, settings, loaded.origin))


def _report_sources(comparison: Mapping[str, Any], errors: Console) -> int:
    """Print the sources that failed or were not read to the end."""
    code = ANSWERED
    for report in comparison["sources"]:
        name = report["source"]["name"]
        if report["status"] == "FAILED":
            code = SOURCE_FAILED
            _print_error(errors, f"{name} failed: {report['error']['message']}")
        elif report["status"] != "OK":
            _print_error(errors, f"{name} is {report['status']}: its figures omit sessions or are stale.")
    return code


def _report_missing(data: Mapping[str, Any], errors: Console) -> int:
    """Print the IDs of experiments that no source has."""
    missing = data["comparison"]["missingIds"]
    for text in missing:
        _print_error(errors, f"No source has an experiment with the ID {text}: the comparison omits it.")
    return WRONG_USAGE if missing else ANSWERED


def _messages(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(error.get("message", "The gateway gave no reason.")) for error in errors))


def _print_error(errors: Console, message: str) -> None:
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
