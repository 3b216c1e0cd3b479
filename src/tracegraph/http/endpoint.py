"""`/graphql`: GraphQL over HTTP for programs, the playground for a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from tracegraph.errors import Forbidden, QueryTooComplex, RateLimited
from tracegraph.graphql.runner import Operation
from tracegraph.http.auth.access_control import AccessControl
from tracegraph.http.auth.principal import Principal
from tracegraph.http.compression import WORTH_BYTES, gzip_file
from tracegraph.http.disconnect import ClientDisconnected, cancel_on_disconnect
from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.instrumentation import OperationObservation
from tracegraph.http.json import to_json
from tracegraph.http.middleware.cross_origin import CrossSiteRequest, is_cross_site
from tracegraph.http.negotiation import GRAPHQL, HTML, JSON, all_lines, negotiate, takes_gzip
from tracegraph.http.persisted_queries import PersistedQueryStore
from tracegraph.http.playground import playground_page
from tracegraph.http.request_parser import BadRequest, ReadingLimits, parse_operation
from tracegraph.http.response_cache import ExecutionRequest, OperationResponse, ResponseCache
from tracegraph.metrics.operations import OperationOutcome

_NOBODY_WAITS = 499


_NAMES_A_DOCUMENT = {"query", "documentId", "extensions"}


_REFUSED_IN_ANY_MEDIA = {Forbidden.code, QueryTooComplex.code}


_NO_HEADERS: Mapping[str, str] = {}


_log = structlog.get_logger("tracegraph.http")


class GraphQLEndpoint:
    """Answers GET and POST; any other method is refused."""

    def __init__(
        self,
        documents: PersistedQueryStore,
        reading: ReadingLimits,
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
        self._reading = reading
        self._playground = playground

    async def __call__(self, request: Request) -> Response:
        """One HTTP request; `request.state` holds what answers it, the door, the metrics and the tracing."""
        accept = all_lines(request.headers, "accept")
        media = negotiate(accept, (JSON, GRAPHQL))
        if request.method == "GET" and self._playground:
            first = negotiate(accept, (HTML, JSON, GRAPHQL))
            if first == HTML and not _NAMES_A_DOCUMENT & request.query_params.keys():
                return playground_page(request.scope.get("root_path", "") + "/playground")
            media = media or (JSON if first == HTML else None)
        if media is None:
            return error_response(BadRequest(406, f"This endpoint answers {GRAPHQL} and {JSON}."))
        if request.method == "GET" and is_cross_site(request.headers, self._cors_origins):
            return error_response(CrossSiteRequest(), media)
        state = request.state
        with OperationObservation(state.metrics.operations, state.tracing, request.headers) as seen:
            try:
                principal = await state.door.admit(request)
                operation = await parse_operation(request, self._reading, self._documents)
            except HTTPRequestError as refusal:
                seen.ended = OperationOutcome.REFUSED
                return error_response(refusal, media)
            return await self._run(request, principal, operation, media, seen)

    async def _run(
        self, request: Request, principal: Principal, operation: Operation, media: str, seen: OperationObservation
    ) -> Response:
        began = perf_counter()
        answers: ResponseCache = request.state.answers
        door: AccessControl = request.state.door
        question = ExecutionRequest(
            operation,
            principal.sources,
            door.callers_keys(request),
            bypass_cache=self._allow_no_cache and _asks_past_cache(request),
            charge=door.charge(principal),
        )
        seen.name = operation.name
        try:
            answer = await cancel_on_disconnect(request.receive, answers.to(question))
        except ClientDisconnected:
            seen.ended = OperationOutcome.GONE
            _log.info("graphql.client_gone", operation=operation.name, duration_ms=_since_ms(began))
            return Response(status_code=_NOBODY_WAITS)
        outcome = answer.outcome
        seen.answered(answer)
        _log.info(
            "graphql.request",
            operation=operation.name,
            principal=principal.id,
            duration_ms=_since_ms(began),
            errors=len(outcome.errors),
            sources=[report["source"] for report in outcome.extensions.get("sources", ())],
        )
        return await self._coded_response(request, answer, media)

    async def _coded_response(self, request: Request, answer: OperationResponse, media: str) -> Response:
        is_worth_it = len(answer.body) >= WORTH_BYTES and answer.outcome.executed and not answer.outcome.errors
        if not (is_worth_it and self._compression and takes_gzip(all_lines(request.headers, "accept-encoding"))):
            return _response(answer, media)
        answers: ResponseCache = request.state.answers
        body = gzip_file(await answers.compressed(answer))
        return _json(body, 200, media, {"content-encoding": "gzip"})


def _asks_past_cache(request: Request) -> bool:
    """Whether the client wants every vendor asked now (RFC 9111, 5.2.1.4)."""
    directives = (all_lines(request.headers, "cache-control") or "").split(",")
    return any(one.strip().lower() == "no-cache" for one in directives)


def _since_ms(began: float) -> float:
    return round((perf_counter() - began) * 1000, 1)


def _response(answer: OperationResponse, media: str) -> Response:
    """A refused operation is 400 in GraphQL's own media type; in the older JSON one, only beyond the limits."""
    outcome = answer.outcome
    codes = {error["extensions"]["code"] for error in outcome.errors}
    is_refused = not outcome.executed and (media == GRAPHQL or bool(codes & _REFUSED_IN_ANY_MEDIA))
    response = _json(answer.body, 400 if is_refused else 200, media)
    if RateLimited.code in codes and not outcome.executed:
        response.status_code = 429
        response.headers["retry-after"] = str(outcome.errors[0]["extensions"]["retryAfterSeconds"])
    return response


def error_response(refusal: HTTPRequestError, media: str = JSON) -> Response:
    """The answer to a request that is not let in."""
    error = GraphQLError(refusal.message, extensions={"code": refusal.code})
    # Apollo's own answers to an unknown hash are 200, as far as GraphQL's media type lets them.
    status = 400 if refusal.status == 200 and media == GRAPHQL else refusal.status
    response = _json(to_json({"errors": [error.formatted]}), status, media)
    response.headers.update(refusal.headers)
    return response


def _json(body: bytes, status: int, media: str, more: Mapping[str, str] = _NO_HEADERS) -> Response:
    headers = {"cache-control": "no-store", "vary": "accept, accept-encoding", **more}
    return Response(body, status, headers, f"{media}; charset=utf-8")


async def method_not_allowed(request: Request) -> Response:  # noqa: ARG001 - the router's form
    """Any method but GET and POST."""
    return error_response(
        HTTPRequestError(405, "BAD_USER_INPUT", "Use POST, or GET for a query.", {"allow": "GET, POST"})
    )
