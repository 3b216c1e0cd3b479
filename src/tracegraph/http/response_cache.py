"""Answers to equal queries: one for all who ask at one moment, kept while it would come out the same.

    refused?       permanent for every caller: the same refusal
    kept?          an answer made of pages that are all in the cache still, the same ones and fresh -> that
    under way?     the same query, for somebody who sees the same -> what it gives
    else           run it; without a failure its bytes are kept, beside the pages and within their bounds

So a kept answer is never older than the pages that the cache would have given: the cache's rules are its rules.
A query for figures of this very request (`upstreamRequests`, `durationMs`, `health`) is run for each caller.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b

import orjson
from pydantic import SecretStr

from tracegraph.domain.clocks import elapsed_s
from tracegraph.errors import BadUserInput, Forbidden, QueryTooComplex, RateLimited
from tracegraph.federation.report import SourceReportStatus
from tracegraph.graphql.context import CostCharger
from tracegraph.graphql.runner import Operation, OperationRunner, Outcome, rejected_outcome
from tracegraph.http.compression import compressed
from tracegraph.http.json import to_json
from tracegraph.metrics.operations import Reuse
from tracegraph.upstream.cache.dependencies import CacheDependencies, collect_dependencies
from tracegraph.upstream.cache.memory import CacheEntry, MemoryStore
from tracegraph.upstream.request_scope import bypass_cache, pass_through_credentials

_PERMANENT_ERROR_CODES = {BadUserInput.code, QueryTooComplex.code, Forbidden.code}


_MOST_REFUSALS, _MOST_REFUSALS_BYTES = 2000, 2_000_000
"""Apart from what vendors answered: who sends nothing but nonsense takes no room from that."""


_UNCACHEABLE_FIELDS = ("upstreamRequests", "durationMs", "health")


_JOINED_WITHIN = 0.1
"""The part of a query's time after which it is too late to join it: who joins has so much less."""


_PER_ANSWER_BYTES, _PER_PAGE_BYTES = 800, 110
"""What a kept answer takes beside its body, as an entry and for each page (measured with tracemalloc)."""


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """An operation, and what decides its answer beside it: `sources` that are seen, and the caller's own `keys`.

    `bypass_cache`: every vendor is asked now. `charge` takes the cost, whether the answer is made or had.
    """

    operation: Operation
    sources: frozenset[str] | None
    keys: Mapping[str, SecretStr]
    bypass_cache: bool
    charge: CostCharger | None


@dataclass(frozen=True, slots=True)
class OperationResponse:
    """How it went, and the response as JSON. The outcome of a kept answer is without its data.

    `number` is that of its entry in the store, None for one that is in no store.
    """

    outcome: Outcome
    body: bytes
    reuse: Reuse | None = None
    number: int | None = None

    @classmethod
    def of(cls, outcome: Outcome) -> OperationResponse:
        """The answer that tells the outcome."""
        return cls(outcome, to_json(outcome.response()))


class ResponseCache:
    """Gives answers. Without `store` none is kept; `clock` is that of the store's entries."""

    def __init__(
        self,
        executor: OperationRunner,
        store: MemoryStore | None,
        *,
        share: bool,
        clock: Callable[[], float] = elapsed_s,
    ) -> None:
        self._executor = executor
        self._store = store
        self._refusals = MemoryStore(max_entries=_MOST_REFUSALS, max_bytes=_MOST_REFUSALS_BYTES)
        self._share = share
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._under_way: dict[object, _Flight] = {}
        self._compressing = asyncio.Lock()

    async def to(self, question: ExecutionRequest) -> OperationResponse:
        """The answer. Who stops waiting ends the work for it, unless others wait for it, too."""
        try:
            key = self._key(question)
        except TypeError:  # variables that are nested too deeply to be written down
            return await self._made(None, question)
        refusal = self._refusals.get(key)
        if isinstance(refusal, _CachedResponse):
            return refusal.answer()
        had = None if question.bypass_cache else self._kept(key)
        if had is not None:
            self._executor.schema.touch(question.operation.query)
        if had is None and self._share and not _is_uncacheable(question):
            had = await self._shared(key, question)
        if had is None:
            return await self._made(key, question)
        if question.charge is not None and had.reuse is not None:
            try:
                await question.charge(had.outcome.cost)
            except RateLimited as limited:
                return OperationResponse.of(rejected_outcome(limited))
        return had

    async def compressed(self, answer: OperationResponse) -> bytes:
        """The answer's body for `gzip_file`. That of a stored answer is compressed once, and stored beside it."""
        if self._store is None or answer.number is None:
            return await compressed(answer.body)
        key = b"gzip:%d" % answer.number
        known = self._store.get(key)
        if known is None:
            async with self._compressing:  # of those who wait for the same one, the first does it for all
                known = self._store.get(key)
                if known is None:
                    known = CacheEntry(await compressed(answer.body), self._clock())
                    self._store.put(key, known)
        return known.body

    def _key(self, question: ExecutionRequest) -> bytes:
        """A digest of all that decides the answer; a caller's key cannot be had or guessed from it.

        Raises TypeError.
        """
        operation, sources = question.operation, question.sources
        decides = (
            operation.query,
            operation.name,
            operation.variables,
            operation.wants_cost,
            None if sources is None else sorted(sources),
            {source: key.get_secret_value() for source, key in question.keys.items()},
        )
        return blake2b(orjson.dumps(decides), key=self._secret, digest_size=24, person=b"answer").digest()

    # -- kept ------------------------------------------------------------------------------------------

    def _kept(self, key: bytes) -> OperationResponse | None:
        entry = None if self._store is None else self._store.get(key)
        if self._store is None or not isinstance(entry, _CachedResponse):
            return None
        if entry.dependencies.is_valid(self._store, self._clock()):
            return entry.answer()
        self._store.remove(key)
        return None

    def _keep(
        self, key: bytes | None, question: ExecutionRequest, answer: OperationResponse, made_of: CacheDependencies
    ) -> OperationResponse:
        now = self._clock()
        if key is not None and _is_permanently_rejected(answer.outcome):
            self._refusals.put(
                key,
                _CachedResponse(answer.body, now, outcome=answer.outcome, dependencies=CacheDependencies()),
            )
        if (
            self._store is not None
            and key is not None
            and made_of.valid_until > now
            and _is_cacheable(answer.outcome)
            and not _is_uncacheable(question)
        ):
            outcome = replace(answer.outcome, data=None)
            entry = _CachedResponse(answer.body, now, outcome=outcome, dependencies=made_of)
            self._store.put(key, entry)
            return replace(answer, number=entry.number)
        return answer

    async def _made(self, key: bytes | None, question: ExecutionRequest) -> OperationResponse:
        executor = self._executor.restricted_to(question.sources)
        with ExitStack() as within:
            within.enter_context(bypass_cache(question.bypass_cache))
            within.enter_context(pass_through_credentials(question.keys))
            made_of = within.enter_context(collect_dependencies())
            answer = OperationResponse.of(await executor.run(question.operation, question.charge))
        return self._keep(key, question, answer, made_of)

    # -- shared ----------------------------------------------------------------------------------------

    async def _shared(self, key: bytes, question: ExecutionRequest) -> OperationResponse | None:
        """What is made for all who ask now; None for who joined and can use nothing of it.

        It is made in a task of its own, which begins when all that has arrived with it has come here.
        """
        operation, loop = question.operation, asyncio.get_running_loop()
        shared_by = (key, operation.deadline_s, question.bypass_cache)
        known = self._under_way.get(shared_by)
        if known is not None and known.askers and loop.time() < known.joined_until:
            answer = await known.wait()
            return replace(answer, reuse=Reuse.SHARED) if answer.outcome.executed else None
        task = asyncio.create_task(self._made(key, question))
        joined_until = loop.time() + _JOINED_WITHIN * self._executor.allowed_s(operation)
        begun = self._under_way[shared_by] = _Flight(task, joined_until)
        task.add_done_callback(partial(self._ended, shared_by, begun))
        return await begun.wait()

    def _ended(self, shared_by: object, one: _Flight, _: object) -> None:
        if self._under_way.get(shared_by) is one:
            del self._under_way[shared_by]


@dataclass(slots=True, kw_only=True)
class _CachedResponse(CacheEntry):
    """An answer as it is kept."""

    outcome: Outcome
    dependencies: CacheDependencies

    def answer(self) -> OperationResponse:
        """The cached response, for the next caller."""
        return OperationResponse(self.outcome, self.body, Reuse.KEPT, self.number)

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        name = self.outcome.operation or ""
        return len(self.body) + len(name) + _PER_ANSWER_BYTES + _PER_PAGE_BYTES * len(self.dependencies.numbers)


@dataclass(slots=True)
class _Flight:
    """An answer that is being made, and for how many."""

    task: asyncio.Task[OperationResponse]
    joined_until: float
    askers: int = 0

    async def wait(self) -> OperationResponse:
        """The answer; when the last who waits has gone, no more is done for it."""
        self.askers += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self.askers -= 1
            if not self.askers:
                self.task.cancel()


def _is_uncacheable(question: ExecutionRequest) -> bool:
    return any(field in question.operation.query for field in _UNCACHEABLE_FIELDS)


def _is_permanently_rejected(outcome: Outcome) -> bool:
    """Whether document, variables and settings alone forbid it; what is too much at this moment may go later."""
    return not outcome.executed and all(
        error["extensions"]["code"] in _PERMANENT_ERROR_CODES for error in outcome.errors
    )


def _is_cacheable(outcome: Outcome) -> bool:
    reports = outcome.extensions.get("sources", ())
    limited = SourceReportStatus.SCAN_LIMITED.value
    return outcome.executed and not outcome.errors and all(report["status"] == limited for report in reports)
