"""The query put to the configured sources in this process, or to a running gateway over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tracegraph.app import build_runner
from tracegraph.commands.compare.progress import counted, session_progress, waiting
from tracegraph.config.settings import Settings
from tracegraph.domain.secrets import resolve
from tracegraph.errors import BadUserInput, TracegraphError
from tracegraph.graphql.runner import Operation
from tracegraph.sources import open_sources

_DEADLINE_S = 300.0
"""A person at a terminal waits longer than a web page does, and sees the bar move."""


class GatewayUnreachable(TracegraphError):
    """A running gateway did not give a GraphQL answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The GraphQL response: `data` is None when nothing came of it."""

    data: Mapping[str, Any] | None
    errors: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, response: Any) -> Answer:
        """A response's parts. Raises GatewayUnreachable when it is no GraphQL response."""
        if not isinstance(response, dict) or not response.keys() & {"data", "errors"}:
            raise GatewayUnreachable("What answered is not a GraphQL endpoint: check --url.")
        return cls(response.get("data"), response.get("errors") or ())


async def ask_sources(operation: Operation, settings: Settings, origin: str) -> Answer:
    """Ask the configured sources. Raises ConfigurationError."""
    limits = settings.limits.model_copy(update={"deadline_s": _DEADLINE_S})
    patient = settings.model_copy(update={"limits": limits})
    with session_progress() as progress:
        async with open_sources(patient, origin) as sources:
            watched = [counted(adapter, progress) for adapter in sources.adapters]
            executor = build_runner(replace(sources, adapters=watched), patient)
            outcome = await executor.run(operation)
    return Answer.of(outcome.response())


def ask_gateway(operation: Operation, url: str, headers: Sequence[str]) -> Answer:
    """Ask a running gateway. Raises BadUserInput for a wrong URL or header, and GatewayUnreachable."""
    body = json.dumps({"query": operation.query, "variables": operation.variables}).encode()
    given = {"content-type": "application/json", "accept": "application/json"} | _headers(headers)
    request = Request(_endpoint(url), body, given)  # noqa: S310 - the scheme is checked
    with waiting("Asking the gateway"):
        return Answer.of(_send(request))


def _send(request: Request) -> Any:
    opener = build_opener(_NoRedirects)
    try:
        try:
            with opener.open(request, timeout=_DEADLINE_S) as response:
                return json.load(response)
        except HTTPError as refusal:
            with refusal:
                return _refused(refusal)
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise GatewayUnreachable(f"The gateway did not answer: {reason}. Check --url.") from None
    except ValueError:
        raise GatewayUnreachable("What answered is not a GraphQL endpoint: check --url.") from None


def _refused(refusal: HTTPError) -> Any:
    """The GraphQL errors of a refusal, where it holds some."""
    try:
        response = json.load(refusal)
    except ValueError:
        response = None
    if isinstance(response, dict) and response.get("errors"):
        return response
    raise GatewayUnreachable(f"The gateway answered {refusal.code} {refusal.reason}: check --url and --header.")


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would take the headers to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Take it as the answer."""


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise BadUserInput("--url must be an http(s) URL such as http://127.0.0.1:8000/graphql.")
    return parts._replace(path="/graphql").geturl() if parts.path in {"", "/"} else url


def _headers(given: Sequence[str]) -> dict[str, str]:
    """`Name: value`; words such as env:NAME or file:PATH in a value are replaced by what they name."""
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon or not name.strip():
            raise BadUserInput("--header is written as 'Name: value', such as 'Authorization: Bearer env:TOKEN'.")
        headers[name.strip()] = " ".join(_word(word) for word in value.split())
    return headers


def _word(word: str) -> str:
    if not word.startswith(("env:", "file:")):
        return word
    try:
        return resolve(word).get_secret_value()
    except ValueError as error:
        raise BadUserInput(f"--header cannot be used: {error}.") from None
