"""The base class of a vendor's HTTP client: requests, decoded replies, and the vendor's words for errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from tracegraph.domain.calls import FetchInfo
from tracegraph.errors import SourceError
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.lenient_decoder import LenientDecoder, readable_rows
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse
from tracegraph.upstream.raw import RawDocument, RawRow, bad_response, decode

T = TypeVar("T")


R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A reply with its decoded body: `value` in the type of the decoder, `document` undecoded."""

    value: T
    response: UpstreamResponse
    document: RawDocument

    @property
    def provenance(self) -> FetchInfo:
        """Return the cost and origin of the reply."""
        return self.response.provenance

    def raw(self, *path: str | int) -> RawRow:
        """Return the vendor's object at that path of keys and indices; it is decoded on demand."""
        return RawRow(self.document, path)

    def rows(self, rows: Sequence[R | None], *path: str | int) -> list[tuple[R, RawRow]]:
        """Return the readable rows of a list in the reply, each with the vendor's object.

        Args:
            rows: The decoded rows, None for an unreadable one.
            path: Where the list is in the reply.
        """
        document = self.document
        return [(row, RawRow(document, (*path, index))) for index, row in readable_rows(rows)]

    def unreadable(self, ids: Iterable[str], rows: Sequence[object]) -> dict[str, SourceError]:
        """Return an error for each id if a row of a look-up by id cannot be read: its id is unknown.

        The rows that can be read replace their errors.
        """
        if all(row is not None for row in rows):
            return {}
        return dict.fromkeys(ids, bad_response(self.response, "of which a row cannot be read"))


class VendorClient:
    """The HTTP client of one source. A vendor's client adds one method for each path."""

    def __init__(self, upstream: Upstream, credential: Mapping[str, SecretStr | None]) -> None:
        """Take the source's client; `credential` holds headers for every call, None for no header."""
        self.upstream = upstream.with_credential(credential)

    @property
    def source(self) -> str:
        """The configured name of the source."""
        return self.upstream.source

    async def get(
        self,
        kind: str,
        path: str,
        wire: LenientDecoder[T],
        query: Sequence[tuple[str, str]] = (),
        *,
        expected_statuses: frozenset[int] = frozenset(),
    ) -> Reply[T]:
        """Send a GET and return its decoded reply.

        Args:
            kind: The class of the call, among `Capabilities.call_kinds`.
            path: The escaped path, relative to the base URL: see `path_segment`.
            wire: The decoder of the reply.
            query: The query parameters.
            expected_statuses: The statuses that are no failure of the vendor.

        Raises:
            SourceError: The call failed, or its reply cannot be decoded.
        """
        return await self.fetch(UpstreamRequest(kind, path, query, expected_statuses=expected_statuses), wire)

    async def post(
        self,
        kind: str,
        path: str,
        wire: LenientDecoder[T],
        body: Mapping[str, Any],
        *,
        expected_statuses: frozenset[int] = frozenset(),
        is_batch: bool = False,
    ) -> Reply[T]:
        """Send a POST that only reads, and return its decoded reply.

        Args:
            kind: The class of the call, among `Capabilities.call_kinds`.
            path: The escaped path, relative to the base URL: see `path_segment`.
            wire: The decoder of the reply.
            body: The JSON body.
            expected_statuses: The statuses that are no failure of the vendor.
            is_batch: Whether one of several objects may make the vendor respond with 500.

        Raises:
            SourceError: The call failed, or its reply cannot be decoded.
        """
        request = UpstreamRequest(kind, path, body=body, expected_statuses=expected_statuses, is_batch=is_batch)
        return await self.fetch(request, wire)

    async def fetch(self, request: UpstreamRequest, wire: LenientDecoder[T]) -> Reply[T]:
        """Send any request and return its decoded reply.

        Args:
            request: The request. Its `read` is replaced.
            wire: The decoder of the reply.

        Raises:
            SourceError: The call failed, or its reply cannot be decoded.
        """
        try:
            response = await self.upstream.fetch(replace(request, read=partial(self._read, wire=wire)))
        except SourceError as error:
            explained = self.explain_error(error, request)
            if explained is error:
                raise
        else:
            return Reply(response.value, response, RawDocument(response.body))
        raise explained  # outside the except block: the error must not reference the other error and its body

    def _read(self, reply: UpstreamResponse, wire: LenientDecoder[T]) -> T:
        refusal = self.refusal_in(reply)
        if refusal is not None:
            raise refusal
        return decode(reply, wire)

    def refusal_in(self, reply: UpstreamResponse) -> SourceError | None:  # noqa: ARG002 - for subclasses
        """Return the error that a reply with status 2xx stands for, None for a result.

        A vendor's client overrides this where the vendor reports failures with status 200, as GraphQL does. Such a
        reply is not cached. With `http_status=200`, it is neither retried nor counted by the circuit breaker.
        """
        return None

    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:  # noqa: ARG002 - for subclasses
        """Return the error that the vendor's reply stands for.

        A vendor's client overrides this where the vendor gives a status a meaning of its own: see
        `SourceError.restated`.
        """
        return error
