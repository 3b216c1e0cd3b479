"""Which of several experiments a run query fails for.

LangSmith refuses a query over many tracer sessions as a whole: with 404 when one was deleted, with 403 when the
key may not see one. The others are found with few calls: the vendor allows 15 run queries in 10 s
(docs/vendors/langsmith.md#rate-limits).

    404    one call of the other class says which of them are there; it is not those that are not
    else   halves are tried with one row each, within a number of failures that grows with the logarithm
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tracegraph.errors import (
    SourceBadRequest,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
    SourceUnauthorized,
)
from tracegraph_langsmith.client import LangSmithClient

Probe = Callable[[Sequence[str]], Awaitable[int]]
"""Tries the query over these experiments; the number of calls that it took. Raises SourceError."""


def may_be_of_one(error: SourceError) -> bool:
    """Whether a query may fail so for one of its experiments only, and go well for the others."""
    if isinstance(error, SourceUnauthorized):
        return error.http_status == 403
    return isinstance(error, SourceNotFound | SourceBadRequest) or error.http_status == 500


@dataclass(slots=True)
class FailingExperiments:
    """Finds out which experiments a query fails for.

    `calls` are those that it made, `splits` how often it may halve yet.
    """

    client: LangSmithClient
    probe: Probe
    splits: int
    calls: int = 0
    found: dict[str, SourceError] = field(default_factory=dict)

    @classmethod
    def of(cls, client: LangSmithClient, probe: Probe, experiments: Sequence[str]) -> FailingExperiments:
        """Enough splits to find one experiment by halving, whatever it fails for, and several for most."""
        return cls(client, probe, 2 * len(experiments).bit_length() + 2)

    async def errors(self, experiments: Sequence[str], error: SourceError) -> Mapping[str, SourceError]:
        """The experiments that the query fails for, and each one's error, given that of all together.

        An experiment that is not there has SourceObjectNotFound. Where all are there and the vendor answers 404,
        it has no such query: SourceNotFound for each.
        """
        if isinstance(error, SourceNotFound):
            await self._missing(experiments, error)
        elif may_be_of_one(error):
            await self._halve(experiments, error)
        else:
            self.found |= dict.fromkeys(experiments, error)
        return self.found

    async def _missing(self, experiments: Sequence[str], error: SourceError) -> None:
        there = await self._known(experiments)
        gone = [] if there is None else [one for one in experiments if one not in there]
        if gone:
            self.found |= dict.fromkeys(gone, _object_not_found(error))
            return
        ends = list(dict.fromkeys([experiments[0], experiments[-1]]))
        if len(ends) == 1:
            self.found[ends[0]] = error if there is None else no_run_query(error)
        elif all([await self._tried([one]) is not None for one in ends]):
            self.found |= dict.fromkeys(experiments, no_run_query(error))
        else:
            await self._halve(experiments, error)
            for one, failure in self.found.items():
                if isinstance(failure, SourceNotFound):
                    self.found[one] = _object_not_found(failure)

    async def _known(self, experiments: Sequence[str]) -> set[str] | None:
        """Those that are there, None when that cannot be had."""
        try:
            there, calls = await self.client.known(experiments)
        except SourceError as failure:
            self.calls += failure.upstream_requests
            return None
        self.calls += calls
        return there

    async def _halve(self, experiments: Sequence[str], error: SourceError) -> None:
        """Halve what fails. When one half goes well, it is the other that fails, which takes no further call."""
        self.splits -= 2 if error.http_status == 500 else 1  # such a call is tried again, too
        if len(experiments) == 1 or self.splits < 0 or not may_be_of_one(error):
            self.found |= dict.fromkeys(experiments, error)
            return
        middle = len(experiments) // 2
        first, second = experiments[:middle], experiments[middle:]
        of_first = await self._tried(first)
        of_second = error if of_first is None else await self._tried(second)
        for part, failure in ((first, of_first), (second, of_second)):
            if failure is not None:
                await self._halve(part, failure)

    async def _tried(self, experiments: Sequence[str]) -> SourceError | None:
        try:
            self.calls += await self.probe(experiments)
        except SourceError as error:
            self.calls += error.upstream_requests
            return error
        return None


def _object_not_found(error: SourceError) -> SourceError:
    message = f"Source {error.source!r} has no experiment of that id any more."
    return _as(SourceObjectNotFound, error, message)


def no_run_query(error: SourceError) -> SourceError:
    """The error for a vendor that has the experiments and does not know the query for their runs."""
    message = (
        f"Source {error.source!r} has no /api/v1/runs/query (404): check its base_url and what it offers now."
    )
    return _as(SourceNotFound, error, message)


def _as(kind: type[SourceError], error: SourceError, message: str) -> SourceError:
    named = kind(error.source, message, http_status=404, upstream_requests=error.upstream_requests)
    named.reference = error.reference  # the log has the call under it
    return named
