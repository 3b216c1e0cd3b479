"""The request id, and one log line for each GraphQL request and for each refused request."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from tracegraph.domain.calls import RateLimit
from tracegraph.http.errors import CLIENT_CLOSED_REQUEST
from tracegraph.http.request_record import RECORD, REQUEST_ID_HEADER, RequestRecord
from tracegraph.http.routes.health import PROBES
from tracegraph.metrics.http_requests import HttpRequests
from tracegraph.upstream.resilience.rate_limit import SlidingWindowLimit

REFUSAL_LINES = RateLimit(10, 10.0)
"""The most lines about refusals with one status and code, since anybody can cause them and fill a disk."""


_MAX_PATH_LENGTH = 100


_log = structlog.get_logger("tracegraph.http")


class RefusalLog:
    """Counts refused requests, and writes a line for each within REFUSAL_LINES."""

    def __init__(self, counters: HttpRequests, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._clock = clock
        self._limits: dict[tuple[int, str], SlidingWindowLimit] = {}
        self._left_out: dict[tuple[int, str], int] = {}

    def refused(self, status: int, code: str | None, **fields: Any) -> None:
        """Count a refusal and log it. The next line says how many lines before it were left out.

        Args:
            status: The HTTP status.
            code: The code of the error; None for the name of the status.
            fields: Other fields of the line. Those that are None are left out.
        """
        key = status, code or HTTPStatus(status).name
        self._counters.refused[key] += 1
        limit, now = self._limits.setdefault(key, SlidingWindowLimit(REFUSAL_LINES)), self._clock()
        if limit.delay_s(now) > 0:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        limit.add(now)
        known = {name: value for name, value in fields.items() if value is not None}
        left_out = self._left_out.pop(key, 0)
        _log.info(
            "http.refused", status=status, code=key[1], **known, **({"left_out": left_out} if left_out else {})
        )


class RequestLogMiddleware:
    """ASGI middleware: gives every request an id, returns it in `X-Request-Id`, and logs the end of the request.

    All events of the request have its `request_id`, and its `trace_id` if it has one.
    """

    def __init__(self, app: ASGIApp, counters: HttpRequests, refusals: RefusalLog) -> None:
        self._app = app
        self._counters = counters
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the application's response with the id of the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = scope[RECORD] = RequestRecord.from_headers(scope["headers"])
        status: int | None = None

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, record.request_id.encode())]
            await send(message)

        ids = {"request_id": record.request_id} | ({"trace_id": record.trace_id} if record.trace_id else {})
        self._counters.in_flight += 1
        with bound_contextvars(**ids):
            try:
                await self._app(scope, receive, with_id)
            finally:
                self._counters.in_flight -= 1
                self._write_line(scope, record, status)

    def _write_line(self, scope: Scope, record: RequestRecord, status: int | None) -> None:
        if record.ran:
            if record.is_gone:  # the head of a response in parts has been sent before
                _log.info("graphql.client_gone", status=CLIENT_CLOSED_REQUEST, **record.fields)
            else:
                _log.info("graphql.request", status=status, **record.fields)
        elif record.code is not None or (
            status is not None and 400 <= status < 500 and scope["path"] not in PROBES
        ):
            self._refusals.refused(
                status or CLIENT_CLOSED_REQUEST,
                record.code,
                reason=record.reason,
                method=scope["method"],
                path=scope["path"][:_MAX_PATH_LENGTH],
                **record.fields,
            )
