"""Finds which interfaces a LangSmith deployment has, and follows the deployment when it drops one.

`GET /api/v1/info` names the backends of a deployment (docs/vendors/langsmith.md#dialects). v2 is preferred
wherever the deployment may have it. A call to a missing path goes to the other interface, which is then
remembered. Runs, tracer sessions and datasets are remembered each by itself: a deployment may have only some of
them in v2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Literal, TypeVar

import structlog

from tracegraph.adapter import CallCost, FetchInfo
from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceObjectNotFound,
)
from tracegraph_langsmith.client import LangSmithClient
from tracegraph_langsmith.wire import Info

T = TypeVar("T")

Api = Literal["auto", "v1", "v2"]
"""The setting: one interface for all calls, or those that the deployment has."""

_log = structlog.get_logger("tracegraph.adapter")

_MISSING = frozenset({404, 410, 501})
"""The statuses of a path that a deployment does not have or no longer has."""


class Dialect(Enum):
    """An interface of LangSmith."""

    V1 = "v1"
    V2 = "v2"

    @property
    def other(self) -> Dialect:
        """The interface that may exist instead."""
        return Dialect.V1 if self is Dialect.V2 else Dialect.V2


class Part(Enum):
    """A part of the vendor's interface, which may exist in one dialect only."""

    RUNS = "runs"
    SESSIONS = "sessions"
    DATASETS = "datasets"


def is_missing_path(outcome: object) -> bool:
    """Return whether the outcome of a call says that the deployment lacks the path."""
    is_object = isinstance(outcome, SourceObjectNotFound)
    return isinstance(outcome, SourceError) and not is_object and outcome.http_status in _MISSING


def dialect_of(info: Info) -> Dialect:
    """Return the dialect to use first, by the rule of the vendor's own client.

    A missing flag of ClickHouse means that it exists, a missing flag of SmithDB that it does not.
    """
    flags = info.instance_flags
    has_v2 = flags is not None and flags.sdb_query_enabled is True
    return Dialect.V2 if has_v2 else Dialect.V1


def _is_definitive(error: SourceError) -> bool:
    """Return whether asking for the backends again is useless: the deployment, or a proxy, does not tell them."""
    is_refusal = isinstance(error, SourceBadRequest | SourceBadResponse)
    return is_refusal or error.http_status in _MISSING | {403}


class Dialects:
    """The dialect of each part of one deployment.

    `version` is the vendor's version, None while it is unknown. `on_change` is called after each finding.
    """

    def __init__(self, client: LangSmithClient, api: Api, on_change: Callable[[], None]) -> None:
        self._client = client
        self._fixed = None if api == "auto" else Dialect(api)
        self._on_change = on_change
        self._is_asked = False
        self._first: Dialect | None = None
        self._found: dict[Part, Dialect] = {}
        self.version: str | None = None

    @property
    def is_known(self) -> bool:
        """Return whether the dialect was found or is fixed."""
        return self._fixed is not None or self._is_asked

    @property
    def may_follow(self) -> bool:
        """Return whether a call may go to the other dialect."""
        return self._fixed is None

    def known(self, part: Part) -> Dialect:
        """Return the dialect of a part as far as it is known, else the newest one."""
        return self._fixed or self._found.get(part) or self._first or Dialect.V2

    async def choose(self, part: Part) -> tuple[Dialect, FetchInfo]:
        """Return the dialect of a part, and the cost of finding it. One question is asked in the adapter's life.

        Equal calls at the same time share one request: the upstream client sees to it.

        Raises:
            SourceError: The vendor fails.
        """
        cost = FetchInfo() if self.is_known else await self.ask()
        return self.known(part), cost

    async def ask(self) -> FetchInfo:
        """Ask the deployment for its backends and its version, and return the cost.

        A deployment without this path is older than v2: v1 is tried first. If the path is refused, v2 is tried
        first. New backends replace earlier findings.

        Raises:
            SourceError: The vendor fails.
        """
        try:
            reply = await self._client.info()
        except SourceError as error:
            if not _is_definitive(error):
                raise
            self._is_asked = True
            self._first = Dialect.V1 if error.http_status in _MISSING else Dialect.V2
            self._on_change()
            return FetchInfo(error.upstream_requests)
        stated = dialect_of(reply.value)
        if stated is not self._first:
            self._found.clear()
        self._first, self._is_asked, self.version = stated, True, reply.value.version
        self._on_change()
        return reply.provenance

    def remember(self, part: Part, dialect: Dialect) -> None:
        """Use the dialect for this part from now on."""
        self._found[part] = dialect
        _log.warning(
            "langsmith.dialect_changed", source=self._client.source, part=part.value, dialect=dialect.value
        )
        self._on_change()

    async def read(self, part: Part, reads: Mapping[Dialect, Callable[[], Awaitable[T]]]) -> tuple[T, FetchInfo]:
        """Run the read of the part's dialect, or that of the other dialect if the path is missing.

        Args:
            part: The part that is read.
            reads: The read in each dialect. It raises SourceError.

        Returns:
            The result, and the cost of the calls before it.

        Raises:
            SourceError: The vendor fails, or has the path in neither dialect.
        """
        dialect, found = await self.choose(part)
        cost = CallCost(found)
        with cost:
            try:
                return await reads[dialect](), cost.total
            except SourceError as error:
                if not (self.may_follow and is_missing_path(error)):
                    raise
                missing = error
        cost.total += FetchInfo(missing.upstream_requests)
        with cost:
            try:
                result = await reads[dialect.other]()
            except SourceError as error:
                if is_missing_path(error):
                    raise missing.with_cost(error.upstream_requests) from None
                raise
        self.remember(part, dialect.other)
        return result, cost.total
