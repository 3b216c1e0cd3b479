"""Runs the query over the configured sources in this process, or sends it to a running gateway over HTTP."""

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
from tracegraph.commands.compare.progress import session_progress, spinner, with_progress
from tracegraph.config.settings import Settings
from tracegraph.domain.secrets import resolve
from tracegraph.errors import BadUserInput, TracegraphError
from tracegraph.graphql.runner import Operation
from tracegraph.sources import open_sources

_DEADLINE_S = 300.0
"""A person at a terminal waits longer than a web page, and sees the progress bar."""


class GatewayUnreachable(TracegraphError):
    """A running gateway did not return a GraphQL response."""


@dataclass(frozen=True, slots=True)
class CompareResponse:
    """The GraphQL response: `data` is None when execution failed."""

    data: Mapping[str, Any] | None
    errors: Sequence[Mapping[str, Any]]

    @classmethod
    def from_json(cls, response: Any) -> CompareResponse:
        """Return the parts of a response. Raise GatewayUnreachable when it is not a GraphQL response."""
        if not isinstance(response, dict) or not response.keys() & {"data", "errors"}:
            raise GatewayUnreachable("The server at that URL is not a GraphQL endpoint: check --url.")
        return cls(response.get("data"), response.get("errors") or ())


async def query_sources(operation: Operation, settings: Settings, origin: str) -> CompareResponse:
    """Run the query over the configured sources, with a longer deadline and a progress bar.

    Args:
        operation: The comparison query.
        settings: The configuration.
        origin: The name of the configuration in messages, such as its file.

    Raises:
        ConfigurationError: The settings are invalid.
    """
    limits = settings.limits.model_copy(update={"deadline_s": _DEADLINE_S})
    command_settings = settings.model_copy(update={"limits": limits})
    with session_progress() as progress:
        async with open_sources(command_settings, origin) as sources:
            counted = [with_progress(adapter, progress) for adapter in sources.adapters]
            runner = build_runner(replace(sources, adapters=counted), command_settings)
            result = await runner.run(operation)
    return CompareResponse.from_json(result.response())


def query_gateway(operation: Operation, url: str, headers: Sequence[str]) -> CompareResponse:
    """Send the query to a running gateway.

    Args:
        operation: The comparison query.
        url: The URL of the gateway.
        headers: Headers of the request, as `Name: value`.

    Raises:
        BadUserInput: The URL or a header is invalid.
        GatewayUnreachable: The gateway did not return a GraphQL response.
    """
    body = json.dumps({"query": operation.query, "variables": operation.variables}).encode()
    request_headers = {"content-type": "application/json", "accept": "application/json"} | _headers(headers)
    request = Request(_endpoint(url), body, request_headers)  # noqa: S310 - the scheme is checked
    with spinner("Querying the gateway"):
        return CompareResponse.from_json(_send(request))


def _send(request: Request) -> Any:
    opener = build_opener(_NoRedirects)
    try:
        try:
            with opener.open(request, timeout=_DEADLINE_S) as response:
                return json.load(response)
        except HTTPError as http_error:
            with http_error:
                return _graphql_errors(http_error)
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise GatewayUnreachable(f"The gateway did not respond: {reason}. Check --url.") from None
    except ValueError:
        raise GatewayUnreachable("The server at that URL is not a GraphQL endpoint: check --url.") from None


def _graphql_errors(http_error: HTTPError) -> Any:
    """Return the GraphQL errors of an HTTP error, or raise GatewayUnreachable."""
    try:
        response = json.load(http_error)
    except ValueError:
        response = None
    if isinstance(response, dict) and response.get("errors"):
        return response
    raise GatewayUnreachable(
        f"The gateway responded {http_error.code} {http_error.reason}: check --url and --header."
    )


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, which would send the headers to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Treat the redirect as the response."""


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise BadUserInput("--url must be an http(s) URL such as http://127.0.0.1:8000/graphql.")
    return parts._replace(path="/graphql").geturl() if parts.path in {"", "/"} else url


def _headers(lines: Sequence[str]) -> dict[str, str]:
    """Parse `Name: value`. Words such as env:NAME or file:PATH in a value are replaced by the secret."""
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
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
