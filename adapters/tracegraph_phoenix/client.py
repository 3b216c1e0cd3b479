"""HTTP client of Phoenix: its GraphQL, its credential, and the meaning of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import Raw
from pydantic import SecretStr

from tracegraph.adapter import FetchInfo, LenientDecoder, Reply, VendorClient, bearer, json_object
from tracegraph.errors import SourceBadRequest, SourceError, SourceNotFound, SourceUnavailable
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.raw import RawRow, bad_response
from tracegraph_phoenix import wire
from tracegraph_phoenix.documents import PROJECT_IDS

R = TypeVar("R")
T = TypeVar("T")

PROJECTS, EXPERIMENTS, RUNS, ROOT_SPANS, SPANS, FIGURES, CHECK = (
    *("projects", "experiments", "runs", "root-spans"),
    *("spans", "figures", "check"),
)
CALL_KINDS = frozenset({PROJECTS, EXPERIMENTS, RUNS, ROOT_SPANS, SPANS, FIGURES, CHECK})
"""The classes of calls. All go to one path: a slow list of spans must not stop the lists of experiments."""

_UNEXPECTED = "an unexpected error occurred"
_EXPECTED = frozenset({200})
"""A client may ask for an id that is unknown, which Phoenix reports with this status."""

_VERSION = "x-phoenix-server-version"


class PhoenixFailure(SourceUnavailable):
    """Phoenix hides the reason of an error of its own. An unknown id is one, and so is a failing database."""


class Rows(NamedTuple):
    """The nodes that a query by id found, by id, each with the vendor's object or as an error; and the calls."""

    rows: Mapping[str, tuple[Any, RawRow] | SourceError]
    provenance: FetchInfo


class PhoenixClient(VendorClient):
    """Sends queries. Each raises SourceError, and PhoenixFailure for an error whose reason Phoenix hides."""

    def __init__(self, upstream: Upstream, api_key: SecretStr | None) -> None:
        super().__init__(upstream, {"Authorization": bearer(api_key)})
        self.version: str | None = None

    async def query(
        self, kind: str, document: str, variables: Mapping[str, Any], decoder: LenientDecoder[T]
    ) -> Reply[T]:
        """Send a query.

        Args:
            kind: The class of the call.
            document: The GraphQL document.
            variables: Its variables.
            decoder: The decoder of the whole reply.

        Raises:
            SourceError: The call failed.
        """
        return await self.post(kind, "/graphql", decoder, {"query": document, "variables": variables})

    async def nodes(
        self,
        kind: str,
        document: tuple[str, Mapping[str, str]],
        row: LenientDecoder[R],
        variables: Mapping[str, Any] | None = None,
    ) -> Rows:
        """Return nodes by id. An unreadable one is an error in its place.

        Args:
            kind: The class of the call.
            document: The document, and the ids by alias.
            row: The decoder of one node.
            variables: The variables beside the ids.

        Raises:
            SourceError: The call failed.
        """
        text, ids = document
        body = {"query": text, "variables": {**ids, **(variables or {})}}
        reply = await self.post(kind, "/graphql", wire.NODES, body, expected_statuses=_EXPECTED)
        rows = {ids[name]: _row(reply, name, row) for name in ids if name in reply.value.data}
        return Rows(rows, reply.provenance)

    async def project_ids(self) -> Reply[wire.Answer[wire.ProjectIdsData]]:
        """Return the ids of all projects but the hidden ones of experiments."""
        return await self.query(PROJECTS, PROJECT_IDS, {}, wire.PROJECT_IDS)

    def refusal_in(self, reply: UpstreamResponse) -> SourceError | None:
        """Return the error of a reply with `errors`: GraphQL answers with status 200."""
        self.version = reply.headers.get(_VERSION, self.version)
        errors = _errors(reply.body)
        if not errors:
            return None
        if any(isinstance(error, dict) and error.get("message") == _UNEXPECTED for error in errors):
            message = f"Source {self.source!r} failed to answer a query, and does not say why."
            return PhoenixFailure(self.source, message, http_status=200, vendor_body=reply.body)
        message = f"Source {self.source!r} rejected a query: Tracegraph reads Phoenix 20.26 or newer."
        return SourceBadRequest(self.source, message, http_status=200, vendor_body=reply.body)

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:  # noqa: ARG002
        """Return the error with our message where the server has no GraphQL."""
        if type(error) is not SourceNotFound:
            return error
        source = self.source
        message = f"Source {source!r} has no /graphql: sources.{source}.base_url must be the address of a Phoenix."
        return error.restated(SourceNotFound, message)


def _row(
    reply: Reply[wire.Answer[dict[str, Raw]]], name: str, row: LenientDecoder[R]
) -> tuple[R, RawRow] | SourceError:
    try:
        value, _ = row.read(bytes(reply.value.data[name]))
    except ValueError:
        return bad_response(reply.response, "with an object that does not match its contract")
    return value, reply.raw("data", name)


def _errors(body: bytes) -> Sequence[Any]:
    """Return the errors of a reply. Most replies have none and are not parsed twice."""
    errors = (json_object(body) or {}).get("errors") if b'"errors"' in body else None
    return errors if isinstance(errors, list) else ()
