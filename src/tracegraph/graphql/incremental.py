"""Incremental delivery: the parts of a response with `@defer`, and the whole result that the parts add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from graphql import ExperimentalIncrementalExecutionResults, GraphQLError
from graphql.execution import (
    CompletedResult,
    IncrementalDeferResult,
    InitialIncrementalExecutionResult,
    PendingResult,
    SubsequentIncrementalExecutionResult,
)

from tracegraph.graphql.errors import to_client_error

ClientError = dict[str, Any]
"""An error as clients see it."""

ResponsePath = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class PendingFragment:
    """A deferred fragment that later parts complete. `path` is its place in the response."""

    id: str
    path: ResponsePath
    label: str | None


@dataclass(frozen=True, slots=True)
class FragmentData:
    """Fields of a deferred fragment. They belong to the object at `sub_path` below the fragment's path."""

    fragment: PendingFragment
    sub_path: ResponsePath
    data: dict[str, Any]
    errors: Sequence[ClientError]

    @property
    def path(self) -> ResponsePath:
        """The place of the fields in the response."""
        return [*self.fragment.path, *self.sub_path]


@dataclass(frozen=True, slots=True)
class CompletedFragment:
    """A deferred fragment of which nothing follows. With `errors`, the fragment failed and has no data."""

    fragment: PendingFragment
    errors: Sequence[ClientError] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPart:
    """The first part: everything that is not deferred."""

    data: dict[str, Any] | None
    errors: Sequence[ClientError]
    pending: Sequence[PendingFragment]
    extensions: Mapping[str, Any]
    has_next: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterPart:
    """A later part. `extensions` replace those of earlier parts, entry by entry."""

    pending: Sequence[PendingFragment] = ()
    fragments: Sequence[FragmentData] = ()
    completed: Sequence[CompletedFragment] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    has_next: bool = True


Part = FirstPart | LaterPart

ReceivePart = Callable[[Part], None]
"""Receives the parts of a response in order. It must not keep their data: see `Delivery`."""


class PartLog:
    """The parts of a response so far, for receivers that join at any time."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._receivers: list[ReceivePart] = []

    def publish(self, part: Part) -> None:
        """Send a part to every receiver."""
        self._parts.append(part)
        for receive in self._receivers:
            receive(part)

    @contextmanager
    def receiver(self, receive: ReceivePart | None) -> Iterator[None]:
        """Send the parts so far, and those that follow within the block, to one more receiver, if there is one."""
        if receive is None:
            yield
            return
        for part in self._parts:
            receive(part)
        self._receivers.append(receive)
        try:
            yield
        finally:
            self._receivers.remove(receive)


@dataclass(slots=True)
class Delivery:
    """Publishes the parts of one response, and then merges them.

    `finish` adds the fields of the fragments to the data of the first part, so each receiver must have encoded a
    part when it returns.

    A delivery has no reference to the operation: a cycle would keep each operation in memory until the next
    garbage collection.

    Attributes:
        receive: Receives each part.
    """

    receive: ReceivePart
    _first: FirstPart | None = None
    _later: list[LaterPart] = field(default_factory=list)
    _pending: dict[str, PendingFragment] = field(default_factory=dict)
    _sent_extensions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_begun(self) -> bool:
        """Whether the first part was published."""
        return self._first is not None

    async def publish(
        self, results: ExperimentalIncrementalExecutionResults, extensions: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Publish the parts as graphql-core produces them. A cancellation ends the work on further parts.

        Args:
            results: The parts.
            extensions: Returns the extensions of the response as they are now.
        """
        later = results.subsequent_results
        try:
            self._publish_first(results.initial_result, extensions())
            async for result in later:
                self._publish_later(result, extensions())
        finally:
            await later.aclose()

    def fail(self, error: ClientError, extensions: Mapping[str, Any]) -> None:
        """Publish the last part, unless it was published: every pending fragment fails with this error."""
        if self._later and not self._later[-1].has_next:
            return
        failed = [
            CompletedFragment(fragment, [{**error, "path": list(fragment.path)}])
            for fragment in self._pending.values()
        ]
        self._pending.clear()
        self._send(LaterPart(completed=failed, extensions=self._changed(extensions), has_next=False))

    def finish(self) -> tuple[dict[str, Any] | None, list[ClientError]]:
        """Return the data and the errors of the whole response. A failed fragment lacks its fields."""
        if self._first is None:
            raise RuntimeError("the first part was not published")
        data, errors = self._first.data, list(self._first.errors)
        for part in self._later:
            for fragment in part.fragments:
                _object_at(data, fragment.path).update(fragment.data)  # each field is delivered once
                errors += fragment.errors
            errors += [error for completed in part.completed for error in completed.errors]
        return data, errors

    def _publish_first(self, result: InitialIncrementalExecutionResult, extensions: Mapping[str, Any]) -> None:
        self._first = FirstPart(
            data=result.data,
            errors=_client_errors(result.errors),
            pending=self._begun(result.pending),
            extensions=self._changed(extensions),
        )
        self.receive(self._first)

    def _publish_later(self, result: SubsequentIncrementalExecutionResult, extensions: Mapping[str, Any]) -> None:
        pending = self._begun(result.pending)
        data = [self._data(one) for one in result.incremental or () if isinstance(one, IncrementalDeferResult)]
        completed = [self._completed(one) for one in result.completed or ()]
        self._send(
            LaterPart(
                pending=pending,
                fragments=data,
                completed=completed,
                extensions=self._changed(extensions),
                has_next=result.has_next,
            )
        )

    def _send(self, part: LaterPart) -> None:
        self._later.append(part)
        self.receive(part)

    def _begun(self, pending: Iterable[PendingResult] | None) -> list[PendingFragment]:
        begun = [PendingFragment(one.id, one.path, one.label) for one in pending or ()]
        self._pending.update((one.id, one) for one in begun)
        return begun

    def _data(self, result: IncrementalDeferResult) -> FragmentData:
        return FragmentData(
            self._pending[result.id], result.sub_path or (), result.data, _client_errors(result.errors)
        )

    def _completed(self, result: CompletedResult) -> CompletedFragment:
        return CompletedFragment(self._pending.pop(result.id), _client_errors(result.errors))

    def _changed(self, extensions: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the extensions if they differ from those of the parts so far."""
        if extensions == self._sent_extensions:
            return {}
        self._sent_extensions = extensions
        return extensions


def _client_errors(errors: Iterable[GraphQLError] | None) -> list[ClientError]:
    return [dict(to_client_error(error).formatted) for error in errors or ()]


def _object_at(data: Any, path: ResponsePath) -> dict[str, Any]:
    for key in path:
        data = data[key]
    found: dict[str, Any] = data
    return found
