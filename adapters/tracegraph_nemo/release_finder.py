"""Finds the release of the service with the first call, and again when its paths are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from tracegraph.adapter import CallCost, FetchInfo, Page, cost_of
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError
from tracegraph_nemo.client import NemoClient, PathNotFound
from tracegraph_nemo.releases import RELEASES, Release, release_of

T = TypeVar("T")


_TRUST_S = 30.0
"""The seconds for which the release is not doubted: a service is not replaced twice in that time."""


_PASSING_STATUSES = frozenset({408, 429})
"""Statuses below 500 that say nothing about the path."""


@dataclass(frozen=True, slots=True)
class FoundRelease:
    """The release, the service's own version if known, and the cost of finding them."""

    release: Release
    version: str | None = None
    provenance: FetchInfo = FetchInfo()


class ReleaseFinder:
    """Knows the release of one service. Concurrent calls share one search.

    `/cluster-info` gives the version. Where a proxy hides it, the paths decide: `/evaluations` exists from 0.3.0
    on, `/experiments` beside it from 0.4.0 on (docs/vendors/nemo.md#releases).
    """

    def __init__(
        self,
        client: NemoClient,
        fixed: Release | None,
        clock: Callable[[], float],
        on_found: Callable[[FoundRelease], None],
    ) -> None:
        """Take the client of the service.

        Args:
            client: The client.
            fixed: The configured release, which is never doubted.
            clock: Measures the age of the result in seconds.
            on_found: Gets every release that is found.
        """
        self._client = client
        self._is_fixed = fixed is not None
        self._clock = clock
        self._on_found = on_found
        self._found: FoundRelease | None = None
        self._found_at = 0.0
        self._has_served = False
        self._search: asyncio.Task[FoundRelease | SourceError] | None = None
        if fixed is not None:
            self._accept(FoundRelease(fixed))

    async def close(self) -> None:
        """Cancel a search that is running."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.gather(self._search, return_exceptions=True)

    async def run(
        self, read: Callable[[Release], Awaitable[T]], is_doubtful: Callable[[T], bool] = lambda _: False
    ) -> tuple[T, FetchInfo]:
        """Return the result of a read, and the cost of finding the release.

        A read that meets no such path is repeated if the service is another release now. The same holds for a read
        with a doubtful result in 0.2, whose path means something else from 0.4.0 on.

        Args:
            read: Reads in the words of a release.
            is_doubtful: Whether a result may stem from another release.

        Raises:
            SourceError: The search or the read failed.
        """
        cost = CallCost()
        with cost:
            release = cost.add(await self._current()).release
        outcome: T | SourceError
        try:
            with cost:
                outcome = await read(release)
        except (PathNotFound, SourceBadRequest) as error:
            gone = isinstance(error, PathNotFound) and self._may_be_gone()
            if not (gone or self._may_be_replaced(release)):
                raise
            return await self._read_again(read, release, error, cost_of(error))
        if is_doubtful(outcome) and self._may_be_replaced(release):
            return await self._read_again(read, release, outcome, cost.total)
        self._has_served = True
        return outcome, cost.total

    async def _read_again(
        self, read: Callable[[Release], Awaitable[T]], release: Release, outcome: T | SourceError, spent: FetchInfo
    ) -> tuple[T, FetchInfo]:
        """Return the result in the release that the service is now, or the first outcome if that is the same one.

        Args:
            read: Reads in the words of a release.
            release: The release of the first read.
            outcome: Its result, or its error.
            spent: The cost so far.
        """
        cost = CallCost(spent)
        with cost:
            newer = cost.add(await self._searched()).release
        if newer is not release:
            if isinstance(outcome, Page):
                cost.add(outcome)
            with cost:
                return await read(newer), cost.total
        if isinstance(outcome, SourceError):
            raise outcome.with_cost(cost.total.upstream_requests)
        return outcome, cost.total

    async def refresh(self) -> None:
        """Search again unless the release was found recently: newer releases may have the same paths.

        Raises:
            SourceError: The search failed.
        """
        if not self._is_fixed and (self._found is None or self._is_old()):
            await self._searched()

    def _may_be_gone(self) -> bool:
        """Return whether the paths of the release were there, or may be there by now."""
        return not self._is_fixed and (self._has_served or self._is_old())

    def _may_be_replaced(self, release: Release) -> bool:
        return not self._is_fixed and release.runs == "experiments" and self._is_old()

    def _is_old(self) -> bool:
        return self._clock() - self._found_at >= _TRUST_S

    async def _current(self) -> FoundRelease:
        return await self._searched() if self._found is None else replace(self._found, provenance=FetchInfo())

    async def _searched(self) -> FoundRelease:
        """Search, or wait for the search that runs. Its cost counts for the caller that began it."""
        if self._client.upstream.pass_through is not None:  # one caller's key must not decide for another
            outcome, is_own = await self._outcome(), True
        else:
            is_own = self._search is None
            if self._search is None:
                self._search = asyncio.create_task(self._outcome())
                self._search.add_done_callback(self._forget_search)
            outcome = await asyncio.shield(self._search)
        if isinstance(outcome, SourceError):
            raise outcome.with_cost(outcome.upstream_requests if is_own else 0)
        return outcome if is_own else replace(outcome, provenance=FetchInfo())

    def _forget_search(self, _: object) -> None:
        self._search = None

    async def _outcome(self) -> FoundRelease | SourceError:
        try:
            found = await self._find()
        except SourceError as error:
            return error
        self._accept(found)
        return found

    def _accept(self, found: FoundRelease) -> None:
        self._found, self._found_at, self._has_served = found, self._clock(), False
        self._on_found(found)

    async def _find(self) -> FoundRelease:
        cost = CallCost()
        version = await self._version(cost)
        release = None if version is None else release_of(version)
        if release is None:
            with cost:
                release = await self._release_by_paths(cost)
        return FoundRelease(release, version, cost.total)

    async def _version(self, cost: CallCost) -> str | None:
        """Return the service's version, None where a proxy hides it."""
        try:
            return cost.add(await self._client.cluster_info()).value.platform_version
        except SourceError as error:
            status = error.http_status
            is_hidden = status is not None and 300 <= status < 500 and status not in _PASSING_STATUSES
            if not is_hidden and not isinstance(error, SourceBadResponse):
                raise
            cost.add_outcomes([error])
            return None

    async def _release_by_paths(self, cost: CallCost) -> Release:
        if not await self._has_path("evaluations", cost):
            return RELEASES["0.2"]
        return RELEASES["0.4" if await self._has_path("experiments", cost) else "0.3"]

    async def _has_path(self, collection: str, cost: CallCost) -> bool:
        try:
            cost.add(await self._client.first_row(collection))
        except PathNotFound as error:
            cost.add_outcomes([error])
            return False
        return True
