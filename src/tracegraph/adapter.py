"""The port: what a vendor implements so that the gateway can ask it.

One port call is one question of the gateway, and an adapter answers it in the fewest calls its vendor allows.
Adapters translate; they do not merge, order, filter again or retry: federation and the upstream client do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tracegraph.config.messages import dotted, first_error, path_of, sentence_of
from tracegraph.errors import ConfigurationError, SourceError
from tracegraph.model import Experiment, ExperimentKind, MetricKind, Score, Session, SessionRef, SessionStatus
from tracegraph.query import (
    ExperimentFilter,
    ExperimentOrder,
    ExperimentOrderField,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
    SortValue,
)
from tracegraph.records import record

T = TypeVar("T")
Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a list: the value it is ordered by, and the vendor's id among equal values."""

    value: SortValue
    id: str


@record(frozen=True, slots=True)
class PageRequest:
    """Which stretch of a list is wanted, about `limit` rows long.

    An adapter that pages by offset reads from `hint` (an int: the offset, 0 when None). One that takes
    a range on the sorted value begins at `after.value`, that value included. One that pages by the vendor's
    cursor goes on from `hint` when it is the string that an earlier page gave as `next`. `fresh` asks for the
    vendor's present answer, past any cache: the reader saw that rows moved. `on_grid`: a cache holds answers, so
    better ask what other requests ask, too.
    """

    limit: int
    after: Key | None = None
    hint: int | str | None = None
    fresh: bool = False
    on_grid: bool = False


@record(frozen=True, slots=True)
class Provenance:
    """How an answer was obtained: calls made to the vendor, and why it is an older one if it is."""

    upstream_requests: int = 0
    stale: SourceError | None = None

    def __add__(self, other: Provenance) -> Provenance:
        return Provenance(self.upstream_requests + other.upstream_requests, self.stale or other.stale)


@record(frozen=True, slots=True)
class Page(Generic[T]):
    """An unbroken stretch of a vendor's list, in the vendor's order.

    `start` is the offset of the first item, None for a list that is asked by range. `next` is the hint that
    continues right after the last item, None when the list ends here. `total` is the vendor's own count for
    the question as asked, None when it tells none or when a part of the filter was left to the gateway.

    `skipped` are the places, from `start` on, of rows that the vendor sent and that cannot be read: `items` lacks
    them, and offsets count them. Where the list goes on by offset, `next` comes right after a row of `items`.

    `error` is why some of the experiments that were asked could not be read: `items` are those of the others, and
    the source has failed.
    """

    items: Sequence[T]
    start: int | None
    next: int | str | None
    total: int | None = None
    provenance: Provenance = Provenance()
    skipped: tuple[int, ...] = ()
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """A list of experiments: its filter and order."""

    filter: ExperimentFilter = ExperimentFilter()
    order: ExperimentOrder = ExperimentOrder()


@record(frozen=True, slots=True)
class SessionAsk:
    """A stretch of the sessions of some experiments, merged in one order.

    More than one experiment only where `Capabilities.pools_sessions`. `expected_total` is the number of
    sessions that the experiment was said to hold, a help for vendors that list in one direction only. `fields` are
    those of LARGE_SESSION_FIELDS that are needed, None for all: an adapter may leave out the others, which it then
    names in `Session.deferred`.
    """

    experiment_refs: tuple[str, ...]
    page: PageRequest
    filter: SessionFilter = SessionFilter()
    order: SessionOrder = SessionOrder()
    expected_total: int | None = None
    fields: frozenset[str] | None = None


LARGE_SESSION_FIELDS = frozenset({"input", "output", "metadata", "raw"})
"""The fields of a session that may be large: texts of any length, and the vendor's own object."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` in any `per_s` seconds."""

    calls: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the vendor does itself; all else the gateway does after fetching.

    `experiment_orders` and `session_orders` hold the orders in which the vendor lists; an order that is not
    here is made by the gateway from the whole list. Filters are named as the fields of ExperimentFilter and
    SessionFilter; a condition on an `absent` field, or on no kind or status that occurs, can match
    no row and causes no call. Page maxima are the vendor's.

    `call_kinds` are the classes of its calls, for limits and metrics, and `rate_limits` what the vendor documents
    for them; under `*` what it allows all classes together that are not named.
    """

    experiment_orders: frozenset[ExperimentOrderField]
    experiment_filters: frozenset[str]
    session_filters: frozenset[str]
    reported_metrics: tuple[MetricKind, ...]
    kinds: frozenset[ExperimentKind]
    statuses: frozenset[SessionStatus]
    experiment_page_max: int
    session_page_max: int
    session_orders: frozenset[SessionOrderField] = frozenset(SessionOrderField)
    absent_experiment_fields: frozenset[str] = frozenset()
    absent_session_fields: frozenset[str] = frozenset()
    pools_sessions: bool = False
    call_kinds: frozenset[str] = frozenset()
    rate_limits: Mapping[str, RateLimit] = field(default_factory=dict)

    def may_match_experiments(self, filter: ExperimentFilter) -> bool:  # noqa: A002 - the field's own word
        """Whether any experiment of this vendor could fulfil the filter."""
        if filter.kinds is not None and not filter.kinds & self.kinds:
            return False
        return not any(getattr(filter, name) is not None for name in self.absent_experiment_fields)

    def may_match_sessions(self, filter: SessionFilter) -> bool:  # noqa: A002 - the field's own word
        """Whether any session of this vendor could fulfil the filter."""
        if filter.statuses is not None and not filter.statuses & self.statuses:
            return False
        return not any(getattr(filter, name) is not None for name in self.absent_session_fields)


class SourceHealthStatus(Enum):
    """How a source does."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


class CircuitState(Enum):
    """Whether calls to a source go through."""

    CLOSED = "CLOSED"
    HALF_OPEN = "HALF_OPEN"
    OPEN = "OPEN"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What one cheap question to the vendor found out."""

    status: SourceHealthStatus
    circuit: CircuitState = CircuitState.CLOSED
    last_error: SourceError | None = None
    checked_at: datetime | None = None
    experiment_count: int | None = None


class Adapter(Protocol):
    """One source, ready to be asked. Every method is safe to call concurrently.

    Methods raise SourceError and nothing else; where they answer several questions at once, one that failed
    is a SourceError in its place and the others stand.
    """

    @property
    def name(self) -> str:
        """The source's configured name."""
        ...

    @property
    def vendor(self) -> str:
        """What the adapter calls its vendor."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the vendor does itself."""
        ...

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """A stretch of the experiments, in the asked order where it is among `experiment_orders`.

        For any other order the vendor's own, whichever, that is the same from call to call.
        """
        ...

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """The experiments by ref, complete; a ref that the vendor does not know is left out."""
        ...

    async def list_sessions(self, asks: Sequence[SessionAsk]) -> Sequence[Page[Session] | SourceError]:
        """One answer for each ask, in their order."""
        ...

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """The sessions by ref, complete; one that the vendor does not know is left out."""
        ...

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """The scores of sessions whose list leaves them out (`Session.deferred`), in fewer calls than all of them.

        Sessions without a score, and those whose list holds their scores, are left out.
        """
        ...

    async def check(self) -> SourceHealth:
        """Ask the vendor one cheap question with this source's credential; never raises SourceError."""
        ...


class StrictOptions(BaseModel):
    """Base of an adapter's own settings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One `[sources.<name>]` table: its name, its vendor and the keys that are the adapter's own.

    `common` names the keys that every vendor has, for messages.
    """

    name: str
    vendor: str
    options: Mapping[str, Any]
    origin: str = "the configuration"
    common: Sequence[str] = ("vendor", "base_url")

    def read(self, model: type[Options]) -> Options:
        """The adapter's own keys as its model; ConfigurationError names the key and the remedy."""
        try:
            return model.model_validate(dict(self.options))
        except ValidationError as error:
            raise ConfigurationError(self._complaint(error, model.model_fields)) from None

    def _complaint(self, error: ValidationError, known: Iterable[str]) -> str:
        first = first_error(error)
        key = dotted(["sources", self.name, *path_of(first, self.options)])
        if first["type"] == "extra_forbidden":
            words = ", ".join([*known, *self.common])
            return f"{self.origin}: {key} is not a setting of vendor {self.vendor!r}; it knows: {words}."
        if first["type"] == "missing":
            return f"{self.origin}: {key} is missing; vendor {self.vendor!r} needs it: add it."
        return f"{self.origin}: {key} cannot be used: {sentence_of(first)}."
