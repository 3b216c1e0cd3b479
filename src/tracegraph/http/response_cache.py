"""The response cache: single flight for equal queries, and reuse of complete responses.

The steps for one request, in order:

    permanent rejection    the same rejection was cached earlier: return the cached rejection
    cached response        the vendor replies behind it are still current in the reply cache: return it
    single flight          an equal query of an equal caller is in progress: wait for its response
    execution              run the operation, and cache its response if the response is complete

A cached response is never older than its vendor replies, so the rules of the reply cache (`upstream/cache/`) apply
to both. Both share the same bounds. A query with fields about its own execution, which the schema marks as
UNCACHEABLE, runs for each caller.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson
from pydantic import SecretStr

from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import BadUserInput, Forbidden, QueryTooComplex, RateLimited
from tracegraph.federation.report import SourceReportStatus
from tracegraph.graphql.context import CostCharger
from tracegraph.graphql.incremental import PartLog, ReceivePart
from tracegraph.graphql.runner import Operation, OperationResult, OperationRunner, rejected_result
from tracegraph.http.compression import deflate
from tracegraph.http.json import to_json
from tracegraph.metrics.operations import Reuse
from tracegraph.upstream.cache.dependencies import CacheDependencies
from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore
from tracegraph.upstream.request_scope import response_scope
from tracegraph.upstream.single_flight import Flight, SingleFlight

_PERMANENT_ERROR_CODES = {BadUserInput.code, QueryTooComplex.code, Forbidden.code}


MAX_REJECTIONS, MAX_REJECTIONS_BYTES = 2000, 2_000_000
"""The bounds of the separate store for rejections, so that invalid queries evict no vendor replies."""


_JOIN_FRACTION = 0.1
"""The fraction of the deadline in which an equal query may join. A later waiter would have too little time."""


_MIN_DEADLINE_S = 0.001
"""The deadline of a request whose time is over. It is positive, since a deadline of 0 means none."""


_ENTRY_OVERHEAD_BYTES, _REPLY_OVERHEAD_BYTES = 800, 110
"""The memory of a cached response beside its body: per entry, and per vendor reply (measured with tracemalloc)."""


_FlightKey = tuple[bytes, float | None, bool, bool]


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """An operation, and everything else that determines its response.

    Attributes:
        operation: The operation to execute.
        sources: The names of the sources that the caller may read, or None for all sources.
        credentials: The caller's own vendor credentials, by source.
        bypass_cache: Whether every vendor is called, without use of cached data.
        charge: Charges the cost to the caller, for executed and for reused responses. None without a limit.
        receive: Receives the parts of an operation with deferred fragments. None for one response.
    """

    operation: Operation
    sources: frozenset[str] | None
    credentials: Mapping[str, SecretStr]
    bypass_cache: bool
    charge: CostCharger | None
    receive: ReceivePart | None = None


@dataclass(frozen=True, slots=True)
class OperationResponse:
    """The result of an operation, and its response as JSON. The result of a cached response has no data.

    Attributes:
        result: The result of the execution.
        body: The response as JSON.
        reuse: The way in which the response was reused, or None for a new response.
        entry_number: The number of the response's entry in the store, or None for a response without an entry.
    """

    result: OperationResult
    body: bytes
    reuse: Reuse | None = None
    entry_number: int | None = None

    @classmethod
    def from_result(cls, result: OperationResult) -> OperationResponse:
        """Return a new response for the result."""
        return cls(result, to_json(result.response()))


class ResponseCache:
    """Executes operations, and reuses the responses of equal operations."""

    def __init__(
        self,
        runner: OperationRunner,
        store: MemoryStore | None,
        *,
        share: bool,
        clock: Callable[[], float] = elapsed_s,
    ) -> None:
        """Create a cache.

        Args:
            runner: Runs operations.
            store: The store of responses and vendor replies. Without a store, responses are not cached.
            share: Whether equal queries share one execution (single flight).
            clock: The clock of the store's entries.
        """
        self._runner = runner
        self._store = store
        self._rejections = MemoryStore(max_entries=MAX_REJECTIONS, max_bytes=MAX_REJECTIONS_BYTES)
        self._share = share
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._flights = SingleFlight[_FlightKey, OperationResponse, _FlightState]()
        self._compression_lock = asyncio.Lock()

    async def get_or_execute(self, request: ExecutionRequest) -> OperationResponse:
        """Return a cached, shared or new response. Cancellation of the last waiter cancels the execution."""
        try:
            key = self._key(request)
        except TypeError:  # variables that are nested too deeply to be encoded
            return await self._execute(None, request)
        rejection = self._rejections.get(key)
        if isinstance(rejection, _CachedResponse):
            return rejection.response()
        response = None if request.bypass_cache else self._lookup(key)
        if response is not None:
            self._runner.schema.touch(request.operation.query)
        if response is None and self._share and not _must_charge_first(request):
            started = self._clock()
            response = await self._join_or_start(key, request)
            if response is None:
                request = self._with_remaining_time(request, self._clock() - started)
        if response is None:
            return await self._execute(key, request)
        if request.charge is not None and response.reuse is not None:
            try:
                await request.charge(response.result.cost)
            except RateLimited as limited:
                return OperationResponse.from_result(rejected_result(limited))
        return response

    async def compressed_body(self, response: OperationResponse) -> bytes:
        """Return the body for `gzip_file`. The body of a cached response is compressed once."""
        if self._store is None or response.entry_number is None:
            return await deflate(response.body)
        key = b"gzip:%d" % response.entry_number
        entry = self._store.get(key)
        if entry is None:
            async with (
                self._compression_lock
            ):  # the first of several waiters compresses, the others find its entry
                entry = self._store.get(key)
                if entry is None:
                    entry = CacheEntry(await deflate(response.body), self._clock())
                    self._store.put(key, entry)
        return entry.body

    def _key(self, request: ExecutionRequest) -> bytes:
        """Return a keyed digest of everything that determines the response, or raise TypeError.

        The digest does not reveal the caller's credentials.
        """
        operation, sources = request.operation, request.sources
        parts = (
            operation.query,
            operation.name,
            operation.variables,
            operation.wants_cost,
            None if sources is None else sorted(sources),
            {source: credential.get_secret_value() for source, credential in request.credentials.items()},
        )
        return blake2b(orjson.dumps(parts), key=self._secret, digest_size=24, person=b"response").digest()

    # -- cached responses ------------------------------------------------------------------------------

    def _lookup(self, key: bytes) -> OperationResponse | None:
        entry = None if self._store is None else self._store.get(key)
        if self._store is None or not isinstance(entry, _CachedResponse):
            return None
        if entry.dependencies.is_valid(self._store, self._clock()):
            return entry.response()
        self._store.remove(key)
        return None

    def _store_response(
        self,
        key: bytes | None,
        response: OperationResponse,
        dependencies: CacheDependencies,
    ) -> OperationResponse:
        now = self._clock()
        if key is not None and _is_permanently_rejected(response.result):
            self._rejections.put(
                key,
                _CachedResponse(response.body, now, result=response.result, dependencies=CacheDependencies()),
            )
        if (
            self._store is not None
            and key is not None
            and dependencies.valid_until > now
            and _is_cacheable(response.result)
        ):
            result = replace(response.result, data=None)
            entry = _CachedResponse(response.body, now, result=result, dependencies=dependencies)
            self._store.put(key, entry)
            return replace(response, entry_number=entry.number)
        return response

    async def _execute(
        self, key: bytes | None, request: ExecutionRequest, admitted: Callable[[bool], None] | None = None
    ) -> OperationResponse:
        runner = self._runner.restricted_to(request.sources)
        with response_scope(request.credentials, bypass_cache=request.bypass_cache) as dependencies:
            result = await runner.run(request.operation, request.charge, admitted, request.receive)
            response = OperationResponse.from_result(result)
        return self._store_response(key, response, dependencies)

    # -- single flight ---------------------------------------------------------------------------------

    async def _join_or_start(self, key: bytes, request: ExecutionRequest) -> OperationResponse | None:
        """Return the response of a flight, or None for a waiter that cannot use the response of the flight.

        The flight is a task of its own. The task starts when all requests that arrived together have come here.
        """
        operation, loop = request.operation, asyncio.get_running_loop()
        flight_key = (key, operation.deadline_s, request.bypass_cache, request.receive is not None)
        flight = self._flights.get(flight_key)
        if flight is not None and loop.time() < flight.state.join_deadline:
            return await self._join(flight, request.receive)
        state = _FlightState(
            loop.time() + _JOIN_FRACTION * self._runner.allowed_s(operation), loop.create_future(), PartLog()
        )
        shared = request if request.receive is None else replace(request, receive=state.parts.publish)
        work = self._execute(key, shared, state.set_shareable)
        with state.parts.receiver(request.receive):
            return await self._flights.wait(self._flights.start(flight_key, work, state))

    async def _join(
        self, flight: Flight[_FlightKey, OperationResponse, _FlightState], receive: ReceivePart | None
    ) -> OperationResponse | None:
        """Return the response of the flight, or None as soon as the document is known not to be shareable."""
        if flight.state.is_unshareable.done():
            return None
        try:
            with flight.state.receiver(receive):
                response = await self._flights.wait(flight, leaves=flight.state.is_unshareable)
        except TimeoutError:
            return None
        return replace(response, reuse=Reuse.SHARED) if response.result.executed else None

    def _with_remaining_time(self, request: ExecutionRequest, waited_s: float) -> ExecutionRequest:
        """Return the request with the rest of its deadline, for a waiter that cannot use the response."""
        remaining_s = max(self._runner.allowed_s(request.operation) - waited_s, _MIN_DEADLINE_S)
        return replace(request, operation=replace(request.operation, deadline_s=remaining_s))


@dataclass(slots=True, kw_only=True)
class _CachedResponse(CacheEntry):
    """A response in the store."""

    result: OperationResult
    dependencies: CacheDependencies

    def response(self) -> OperationResponse:
        """Return the cached response for the next caller."""
        return OperationResponse(self.result, self.body, Reuse.CACHED, self.number)

    @property
    def size_bytes(self) -> int:
        """The memory of the entry."""
        name = self.result.operation or ""
        replies = len(self.dependencies.numbers)
        return len(self.body) + len(name) + _ENTRY_OVERHEAD_BYTES + _REPLY_OVERHEAD_BYTES * replies


@dataclass(frozen=True, slots=True)
class _FlightState:
    """Until when an equal query may join, and the parts so far.

    The future is done once the document is found not to be shareable.
    """

    join_deadline: float
    is_unshareable: asyncio.Future[None]
    parts: PartLog

    def receiver(self, receive: ReceivePart | None) -> AbstractContextManager[None]:
        """Send the parts to one more waiter, unless the waiter leaves before the first one."""
        if receive is None:
            return nullcontext()
        return self.parts.receiver(lambda part: None if self.is_unshareable.done() else receive(part))

    def set_shareable(self, is_shareable: bool) -> None:  # noqa: FBT001 - a callback
        """Let the waiters leave, unless the response may be shared."""
        if not is_shareable and not self.is_unshareable.done():
            self.is_unshareable.set_result(None)


def _must_charge_first(request: ExecutionRequest) -> bool:
    """Return whether the cost must be charged before parts are sent. Only the execution itself can do that."""
    return request.receive is not None and request.charge is not None


def _is_permanently_rejected(result: OperationResult) -> bool:
    """Return whether document, variables and settings alone cause the rejection, at any time and load."""
    return not result.executed and all(
        error["extensions"]["code"] in _PERMANENT_ERROR_CODES for error in result.errors
    )


def _is_cacheable(result: OperationResult) -> bool:
    reports = result.extensions.get("sources", ())
    limited = SourceReportStatus.SCAN_LIMITED.value
    is_complete = result.executed and not result.errors
    return result.cacheable and is_complete and all(report["status"] == limited for report in reports)
