"""The command as a whole: ask, show, and say by the exit code whether every source answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from tracegraph.commands.compare.client import Answer, GatewayUnreachable, ask_gateway, ask_sources
from tracegraph.commands.compare.query import CompareQuery
from tracegraph.commands.compare.rendering import Format, write
from tracegraph.config.loader import load
from tracegraph.errors import BadUserInput, ConfigurationError
from tracegraph.observability.logging import configure_logs

ANSWERED, SOURCE_FAILED, WRONG_USAGE = 0, 1, 2


_USAGE_CODES = {"BAD_USER_INPUT", "INVALID_ID"}


@dataclass(frozen=True, slots=True)
class CompareTarget:
    """Who is asked: a running gateway at `url`, else the sources of `config` in this process."""

    config: Path | None = None
    url: str | None = None
    headers: Sequence[str] = ()


def run_compare(question: CompareQuery, asked: CompareTarget, form: Format, errors: Console) -> int:
    """Compare and print; the exit code. What went wrong goes to `errors`, one sentence each."""
    try:
        answer = _ask(question, asked)
    except (BadUserInput, ConfigurationError) as refusal:
        _say(errors, refusal.message)
        return WRONG_USAGE
    except GatewayUnreachable as failure:
        _say(errors, failure.message)
        return SOURCE_FAILED
    if answer.data is None or answer.data.get("comparison") is None:
        for message in _messages(answer.errors):
            _say(errors, message)
        usage = any(error.get("extensions", {}).get("code") in _USAGE_CODES for error in answer.errors)
        return WRONG_USAGE if usage else SOURCE_FAILED
    write(answer.data, form, Console())
    return _told(answer.data["comparison"], errors)


def _ask(question: CompareQuery, asked: CompareTarget) -> Answer:
    operation = question.operation()
    if asked.url is not None:
        if asked.config is not None:
            raise BadUserInput("Give --config or --url, not both: either asks for itself.")
        return ask_gateway(operation, asked.url, asked.headers)
    if asked.headers:
        raise BadUserInput("--header goes with --url only.")
    loaded = load(asked.config)
    settings = loaded.settings
    configure_logs(settings.log.model_copy(update={"level": "error"}))
    return asyncio.run(ask_sources(operation, settings, loaded.origin))


def _told(comparison: Mapping[str, Any], errors: Console) -> int:
    """Say which sources failed or were not read to the end."""
    code = ANSWERED
    for report in comparison["sources"]:
        name = report["source"]["name"]
        if report["status"] == "FAILED":
            code = SOURCE_FAILED
            _say(errors, f"{name} failed: {report['error']['message']}")
        elif report["status"] != "OK":
            _say(errors, f"{name} is {report['status']}: its figures are not of every session, or are older.")
    return code


def _messages(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(error.get("message", "The gateway gave no reason.")) for error in errors))


def _say(errors: Console, message: str) -> None:
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
