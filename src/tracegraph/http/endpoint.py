"""The `/graphql` endpoint: GraphQL over HTTP for programs, and the playground for browsers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from tracegraph.errors import Forbidden, QueryTooComplex, RateLimited
from tracegraph.graphql.documents.deferral import DEFER
from tracegraph.graphql.runner import Operation
from tracegraph.http.auth.access_control import AccessControl
from tracegraph.http.auth.principal import Principal
from tracegraph.http.compression import MIN_COMPRESSED_BYTES, gzip_file
from tracegraph.http.disconnect import ClientDisconnected, cancel_on_disconnect
from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.incremental_formats import EVENTS, MULTIPART, negotiate_parts
from tracegraph.http.incremental_response import IncrementalResponse, PartExchange
from tracegraph.http.instrumentation import OperationObservation
from tracegraph.http.json import to_json
from tracegraph.http.middleware.cross_origin import CrossSiteRequest, is_cross_site
from tracegraph.http.negotiation import GRAPHQL, HTML, JSON, combined_header, negotiate, takes_gzip
from tracegraph.http.persisted_queries import PersistedQueryStore
from tracegraph.http.playground.page import playground_page
from tracegraph.http.request_parser import BadRequest, BodyLimits, parse_operation
from tracegraph.http.response_cache import ExecutionRequest, OperationResponse, ResponseCache
from tracegraph.metrics.operations import OperationOutcome

_CLIENT_CLOSED_REQUEST = 499
"""The status that nginx logs for a client that disconnects. No client receives this response."""


_DOCUMENT_PARAMETERS = {"query", "documentId", "extensions"}


_REJECTED_IN_ANY_MEDIA_TYPE = {Forbidden.code, QueryTooComplex.code}


_NOT_ACCEPTABLE = (
    f"The response is {GRAPHQL} or {JSON}, or {EVENTS}. With @defer it may be {MULTIPART}. Accept one of them."
)


_NO_HEADERS: Mapping[str, str] = {}


_log = structlog.get_logger("tracegraph.http")


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request with a valid operation. `media` is the media type of a response that is not sent in parts."""

    request: Request
    principal: Principal
    operation: Operation
    media: str
    observation: OperationObservation

    def close(self, response: OperationResponse | None) -> None:
        """Record and log the response, or None after the client disconnected."""
        observation, operation = self.observation, self.operation.name
        duration_ms = observation.elapsed_ms
        if response is None:
            observation.outcome = OperationOutcome.GONE
            _log.info("graphql.client_gone", operation=operation, duration_ms=duration_ms)
            return
        result, parts = response.result, observation.parts
        observation.record_response(response)
        in_parts = (
            {} if parts is None else {"first_part_ms": parts.first_part_ms, "fragments": parts.fragments.total()}
        )
        _log.info(
            "graphql.request",
            operation=operation,
            principal=self.principal.id,
            duration_ms=duration_ms,
            errors=len(result.errors),
            sources=[report["source"] for report in result.extensions.get("sources", ())],
            **in_parts,
        )


class GraphQLEndpoint:
    """The ASGI endpoint for GraphQL requests with GET and POST."""

    def __init__(
        self,
        documents: PersistedQueryStore,
        body_limits: BodyLimits,
        *,
        playground: bool,
        allow_no_cache: bool,
        compression: bool,
        cors_origins: Sequence[str] = (),
    ) -> None:
        self._documents = documents
        self._allow_no_cache = allow_no_cache
        self._compression = compression
        self._cors_origins = cors_origins
        self._body_limits = body_limits
        self._playground = playground

    async def __call__(self, request: Request) -> Response:
        """Return the response to one HTTP request, whose state the application's lifespan provides."""
        accept = combined_header(request.headers, "accept")
        media, part_media = negotiate(accept, (JSON, GRAPHQL)), negotiate_parts(accept)
        if request.method == "GET" and self._playground:
            first = negotiate(accept, (HTML, JSON, GRAPHQL))
            if first == HTML and not _DOCUMENT_PARAMETERS & request.query_params.keys():
                return playground_page(request.scope.get("root_path", "") + "/playground")
            media = media or (JSON if first == HTML else None)
        if media is None and part_media is None:
            return error_response(BadRequest(406, _NOT_ACCEPTABLE))
        always_events = media is None and part_media is not None and part_media.kind == EVENTS
        media = media or JSON
        if request.method == "GET" and is_cross_site(request.headers, self._cors_origins):
            return error_response(CrossSiteRequest(), media)
        observation = OperationObservation(
            request.state.metrics.operations, request.state.tracing, request.headers
        )
        with ExitStack() as stack:
            stack.enter_context(observation)
            try:
                principal = await request.state.access_control.authorize(request)
                operation = await parse_operation(request, self._body_limits, self._documents)
            except HTTPRequestError as error:
                observation.outcome = OperationOutcome.REFUSED
                return error_response(error, media)
            observation.name = operation.name
            exchange = _Exchange(request, principal, operation, media, observation)
            execution = self._execution(exchange)
            if part_media is not None and (always_events or DEFER in operation.query):
                respond = self._respond_with(exchange)
                in_parts = PartExchange(
                    execution, part_media, always_events, observation, stack.pop_all(), respond, exchange.close
                )
                return IncrementalResponse(request.state.response_cache, in_parts)
            return await self._run(exchange, execution)

    def _execution(self, exchange: _Exchange) -> ExecutionRequest:
        request, principal = exchange.request, exchange.principal
        access_control: AccessControl = request.state.access_control
        return ExecutionRequest(
            exchange.operation,
            principal.sources,
            access_control.pass_through_credentials(request),
            bypass_cache=self._allow_no_cache and _bypasses_cache(request),
            charge=access_control.cost_charger(principal),
        )

    async def _run(self, exchange: _Exchange, execution: ExecutionRequest) -> Response:
        cache: ResponseCache = exchange.request.state.response_cache
        try:
            response = await cancel_on_disconnect(exchange.request.receive, cache.get_or_execute(execution))
        except ClientDisconnected:
            exchange.close(None)
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        exchange.close(response)
        return await self._encoded_response(exchange.request, response, exchange.media)

    def _respond_with(self, exchange: _Exchange) -> Callable[[OperationResponse], Awaitable[Response]]:
        return lambda response: self._encoded_response(exchange.request, response, exchange.media)

    async def _encoded_response(self, request: Request, response: OperationResponse, media: str) -> Response:
        result = response.result
        is_compressible = len(response.body) >= MIN_COMPRESSED_BYTES and result.executed and not result.errors
        if not (is_compressible and self._compression and _accepts_gzip(request)):
            return _http_response(response, media)
        cache: ResponseCache = request.state.response_cache
        body = gzip_file(await cache.compressed_body(response))
        return _json(body, 200, media, {"content-encoding": "gzip"})


def _accepts_gzip(request: Request) -> bool:
    return takes_gzip(combined_header(request.headers, "accept-encoding"))


def _bypasses_cache(request: Request) -> bool:
    """Return whether the client sends `no-cache` (RFC 9111, 5.2.1.4)."""
    directives = (combined_header(request.headers, "cache-control") or "").split(",")
    return any(directive.strip().lower() == "no-cache" for directive in directives)


def _http_response(response: OperationResponse, media: str) -> Response:
    """Return the HTTP response with its status.

    The status of a rejected operation is 400 in GraphQL's own media type. In the older JSON type the status is 400
    only for operations beyond the limits and for forbidden operations.
    """
    result = response.result
    codes = {error["extensions"]["code"] for error in result.errors}
    is_rejected = not result.executed and (media == GRAPHQL or bool(codes & _REJECTED_IN_ANY_MEDIA_TYPE))
    http_response = _json(response.body, 400 if is_rejected else 200, media)
    if RateLimited.code in codes and not result.executed:
        http_response.status_code = 429
        http_response.headers["retry-after"] = str(result.errors[0]["extensions"]["retryAfterSeconds"])
    return http_response


def error_response(error: HTTPRequestError, media: str = JSON) -> Response:
    """Return the response to a request that is rejected before execution."""
    graphql_error = GraphQLError(error.message, extensions={"code": error.code})
    # Apollo Server responds to an unknown hash with 200. GraphQL's media type does not allow 200 here.
    status = 400 if error.status == 200 and media == GRAPHQL else error.status
    response = _json(to_json({"errors": [graphql_error.formatted]}), status, media)
    response.headers.update(error.headers)
    return response


def _json(body: bytes, status: int, media: str, extra_headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    headers = {"cache-control": "no-store", "vary": "accept, accept-encoding", **extra_headers}
    return Response(body, status, headers, f"{media}; charset=utf-8")


async def method_not_allowed(request: Request) -> Response:  # noqa: ARG001 - the router's signature
    """Return 405 for every method but GET and POST."""
    return error_response(
        HTTPRequestError(405, "BAD_USER_INPUT", "Use POST, or GET for a query.", {"allow": "GET, POST"})
    )
