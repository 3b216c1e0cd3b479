"""Search for the experiments for which a query over several experiments fails.

LangSmith rejects a query over many tracer sessions as a whole: with 404 if one was deleted, with 403 if the key
has no access to one. The search needs few calls, because the vendor allows only 15 run queries in 10 s
(docs/vendors/langsmith.md#rate-limits).

After a 404, one call for the tracer sessions finds the missing ones. After another error, a bisection probes
halves with one row each. The number of failed probes is limited, and grows with the logarithm of the number of
experiments.
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

ExistingIds = Callable[[Sequence[str]], Awaitable[tuple[set[str], int]]]
"""Returns those of the ids that are tracer sessions, and the number of calls. Raises SourceError."""

Probe = Callable[[Sequence[str]], Awaitable[int]]
"""Runs the query over these experiments and returns the number of calls. Raises SourceError."""


def may_concern_one_experiment(error: SourceError) -> bool:
    """Return whether the error may concern only one of several experiments."""
    if isinstance(error, SourceUnauthorized):
        return error.http_status == 403
    return isinstance(error, SourceNotFound | SourceBadRequest) or error.http_status == 500


@dataclass(slots=True)
class FailingExperiments:
    """Finds the experiments for which a query fails.

    `calls` counts the calls of the search. `remaining_splits` bounds the bisection.
    """

    existing_ids: ExistingIds
    probe: Probe
    path: str
    remaining_splits: int
    calls: int = 0
    failing: dict[str, SourceError] = field(default_factory=dict)

    @classmethod
    def for_experiments(
        cls, existing_ids: ExistingIds, probe: Probe, path: str, experiments: Sequence[str]
    ) -> FailingExperiments:
        """Return a search with enough splits to find one failing experiment by bisection, and mostly several.

        Args:
            existing_ids: Finds the tracer sessions that exist.
            probe: Runs the query over a subset of the experiments.
            path: The path of the query.
            experiments: The experiments of the query.
        """
        return cls(existing_ids, probe, path, 2 * len(experiments).bit_length() + 2)

    async def find(self, experiments: Sequence[str], error: SourceError) -> Mapping[str, SourceError]:
        """Return the experiments for which the query fails, with their errors, given the error of the whole query.

        A missing experiment has SourceObjectNotFound. If all exist and the vendor answers 404, the vendor lacks
        the query: each experiment has SourceNotFound.
        """
        if isinstance(error, SourceNotFound):
            await self._find_missing(experiments, error)
        elif may_concern_one_experiment(error):
            await self._halve(experiments, error)
        else:
            self.failing |= dict.fromkeys(experiments, error)
        return self.failing

    async def _find_missing(self, experiments: Sequence[str], error: SourceError) -> None:
        existing = await self._existing(experiments)
        missing = (
            [] if existing is None else [experiment for experiment in experiments if experiment not in existing]
        )
        if missing:
            self.failing |= dict.fromkeys(missing, _object_not_found_error(error))
            return
        ends = list(dict.fromkeys([experiments[0], experiments[-1]]))
        if len(ends) == 1:
            self.failing[ends[0]] = error if existing is None else no_run_query_error(error, self.path)
        elif all([await self._probe_error([experiment]) is not None for experiment in ends]):
            self.failing |= dict.fromkeys(experiments, no_run_query_error(error, self.path))
        else:
            await self._halve(experiments, error)
            for experiment, failure in self.failing.items():
                if isinstance(failure, SourceNotFound):
                    self.failing[experiment] = _object_not_found_error(failure)

    async def _existing(self, experiments: Sequence[str]) -> set[str] | None:
        """Return the existing experiments, or None if the call fails."""
        try:
            existing, calls = await self.existing_ids(experiments)
        except SourceError as failure:
            self.calls += failure.upstream_requests
            return None
        self.calls += calls
        return existing

    async def _halve(self, experiments: Sequence[str], error: SourceError) -> None:
        """Bisect the failing experiments.

        If the first half succeeds, the second half fails, which needs no further call.
        """
        self.remaining_splits -= 2 if error.http_status == 500 else 1  # the upstream client retries a 500
        if len(experiments) == 1 or self.remaining_splits < 0 or not may_concern_one_experiment(error):
            self.failing |= dict.fromkeys(experiments, error)
            return
        middle = len(experiments) // 2
        first, second = experiments[:middle], experiments[middle:]
        first_error = await self._probe_error(first)
        second_error = error if first_error is None else await self._probe_error(second)
        for part, failure in ((first, first_error), (second, second_error)):
            if failure is not None:
                await self._halve(part, failure)

    async def _probe_error(self, experiments: Sequence[str]) -> SourceError | None:
        try:
            self.calls += await self.probe(experiments)
        except SourceError as error:
            self.calls += error.upstream_requests
            return error
        return None


def _object_not_found_error(error: SourceError) -> SourceError:
    return error.restated(
        SourceObjectNotFound, f"Source {error.source!r} no longer has an experiment with that id."
    )


def no_run_query_error(error: SourceError, path: str) -> SourceError:
    """Return the error for a vendor that has the experiments but not the query for their runs."""
    return error.restated(
        SourceNotFound,
        f"Source {error.source!r} has no {path} ({error.http_status}): "
        "check its base_url and its LangSmith version.",
    )
