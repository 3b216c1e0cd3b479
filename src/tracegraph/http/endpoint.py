"""The `/graphql` endpoint: GraphQL over HTTP for programs, and the playground for browsers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from tracegraph.errors import Forbidden, QueryTooComplex, RateLimited
from tracegraph.graphql.runner import Operation
from tracegraph.http.auth.access_control import AccessControl
from tracegraph.http.auth.principal import Principal
from tracegraph.http.compression import MIN_COMPRESSED_BYTES, gzip_file
from tracegraph.http.disconnect import ClientDisconnected, cancel_on_disconnect
from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.instrumentation import OperationObservation
from tracegraph.http.json import to_json
from tracegraph.http.middleware.cross_origin import CrossSiteRequest, is_cross_site
from tracegraph.http.negotiation import GRAPHQL, HTML, JSON, combined_header, negotiate, takes_gzip
from tracegraph.http.persisted_queries import PersistedQueryStore
from tracegraph.http.playground.page import playground_page
from tracegraph.http.request_parser import BadRequest, BodyLimits, parse_operation
from tracegraph.http.request_record import record_of, record_trace
from tracegraph.http.response_cache import ExecutionRequest, OperationResponse, ResponseCache
from tracegraph.metrics.operations import OperationOutcome

_CLIENT_CLOSED_REQUEST = 499
"""The status that nginx logs for a client that disconnects. No client receives this response."""


_DOCUMENT_PARAMETERS = {"query", "documentId", "extensions"}


_REJECTED_IN_ANY_MEDIA_TYPE = {Forbidden.code, QueryTooComplex.code}


_NO_HEADERS: Mapping[str, str] = {}


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
        media = negotiate(accept, (JSON, GRAPHQL))
        if request.method == "GET" and self._playground:
            first = negotiate(accept, (HTML, JSON, GRAPHQL))
            if first == HTML and not _DOCUMENT_PARAMETERS & request.query_params.keys():
                return playground_page(request.scope.get("root_path", "") + "/playground")
            media = media or (JSON if first == HTML else None)
        if media is None:
            refusal = BadRequest(406, f"The response is {GRAPHQL} or {JSON}: accept one of them.")
            return refused_response(request, refusal)
        if request.method == "GET" and is_cross_site(request.headers, self._cors_origins):
            return refused_response(request, CrossSiteRequest(), media)
        state = request.state
        with OperationObservation(state.metrics.operations, state.tracing, request.headers) as observation:
            if observation.trace_id is not None:
                record_trace(request, observation.trace_id)
            try:
                principal = await state.access_control.authorize(request)
                operation = await parse_operation(request, self._body_limits, self._documents)
            except HTTPRequestError as error:
                observation.outcome = OperationOutcome.REFUSED
                return refused_response(request, error, media)
            return await self._run(request, principal, operation, media, observation)

    async def _run(
        self,
        request: Request,
        principal: Principal,
        operation: Operation,
        media: str,
        observation: OperationObservation,
    ) -> Response:
        began = perf_counter()
        cache: ResponseCache = request.state.response_cache
        access_control: AccessControl = request.state.access_control
        execution = ExecutionRequest(
            operation,
            principal.sources,
            access_control.pass_through_credentials(request),
            bypass_cache=self._allow_no_cache and _bypasses_cache(request),
            charge=access_control.cost_charger(principal),
        )
        observation.name = operation.name
        record = record_of(request)
        try:
            response = await cancel_on_disconnect(request.receive, cache.get_or_execute(execution))
        except ClientDisconnected:
            observation.outcome = OperationOutcome.GONE
            record.is_gone = True
            record.complete(operation.name, principal.id, began)
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        observation.record_response(response)
        record.complete(response.result.operation or operation.name, principal.id, began)
        record.add_result(response, bypass_cache=execution.bypass_cache)
        return await self._encoded_response(request, response, media)

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


def refused_response(request: Request, error: HTTPRequestError, media: str = JSON) -> Response:
    """Return the response to a request that is rejected before execution, and record the refusal for the log."""
    record_of(request).refuse(error)
    return _error_response(error, media)


def _error_response(error: HTTPRequestError, media: str) -> Response:
    graphql_error = GraphQLError(error.message, extensions={"code": error.code})
    # Apollo Server responds to an unknown hash with 200. GraphQL's media type does not allow 200 here.
    status = 400 if error.status == 200 and media == GRAPHQL else error.status
    response = _json(to_json({"errors": [graphql_error.formatted]}), status, media)
    response.headers.update(error.headers)
    return response


def _json(body: bytes, status: int, media: str, extra_headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    headers = {"cache-control": "no-store", "vary": "accept, accept-encoding", **extra_headers}
    return Response(body, status, headers, f"{media}; charset=utf-8")


async def method_not_allowed(request: Request) -> Response:
    """Return 405 for every method but GET and POST."""
    refusal = HTTPRequestError(405, "BAD_USER_INPUT", "Use POST, or GET for a query.", {"allow": "GET, POST"})
    return refused_response(request, refusal)
