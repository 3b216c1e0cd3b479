"""Sources without a network whose data is random, and partly invalid."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, TypeVar

from msgspec.structs import force_setattr, replace

from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.paging import ExperimentQuery, OffsetRequest, Page, PageRequest, Paging, SessionPageRequest
from tracegraph.adapter.protocol import SourceHealth
from tracegraph.adapter.protocol import SourceHealthStatus as Health
from tracegraph.domain.filters import (
    ExperimentOrderField,
    OrderDirection,
    SessionOrderField,
    experiment_sort_value,
)
from tracegraph.domain.models import (
    Aggregate,
    AggregateBasis,
    AggregatePopulation,
    Experiment,
    ExperimentKind,
    Metric,
    MetricKind,
    Score,
    ScoreText,
    Session,
    SessionRef,
    SessionStatus,
    Span,
    SpanKind,
    SpanRef,
    TokenUsage,
)
from tracegraph.errors import SourceError, SourceNotFound, SourceTimeout, SourceUnavailable
from tracegraph.graphql.relay.ids import experiment_id, session_id, span_id

T = TypeVar("T")
V = TypeVar("V", Aggregate, Experiment, Session, Span)

NEVER = frozenset(
    {
        *("source", "ref", "vendor_id", "experiment_ref", "parent_id", "deferred", "scores_error"),
        *("started_at", "created_at", "updated_at"),
    }
)
"""Fields that determine the lists: adapters must not return wrong values there."""


class Strange(Enum):
    """A value of no type of the schema."""

    VALUE = object()


WRONG: Sequence[Any] = (
    None, "", "text", 7, 2**40, -1.5, float("nan"), float("inf"), True, (), ("a", None), {"a": 1}, Strange.VALUE,
    ValueError("a value that is an error"), TokenUsage(1, None, 2**33, None), (Score("e", float("nan")),),
    (Score("e", 1.0), None), datetime(2026, 1, 1, tzinfo=UTC), SessionStatus.ERROR, MetricKind.COST,
    {"a": float("nan")},
)  # fmt: skip
SOURCE_FAILURES: Sequence[type[SourceError]] = (SourceTimeout, SourceUnavailable, SourceNotFound)
OTHER_FAILURES: Sequence[type[Exception]] = (LookupError, ValueError)


class RandomSource:
    """An adapter over random rows. Equal calls have equal results, in every order of calls."""

    api_version: ClassVar[str | None] = None

    vendor = "random"

    def __init__(self, name: str, seed: int, *, wrongness: float, failure: float) -> None:
        self.name = name
        self._seed = seed
        self._failure = failure
        rng = random.Random(f"{seed}/{name}")
        self._wrongness = wrongness
        self.experiments = [self._experiment(rng, number) for number in range(rng.randrange(6))]
        self.sessions = {
            one.ref: [self._session(rng, one.ref, number) for number in range(rng.randrange(5))]
            for one in self.experiments
        }
        self.capabilities = Capabilities(
            experiments=ListCapabilities(
                Paging.OFFSET,
                page_max=3,
                orders=both_directions(*rng.sample(list(ExperimentOrderField), rng.randrange(4))),
                filters=frozenset({"name"}),
            ),
            sessions=ListCapabilities(Paging.OFFSET, 3, both_directions(SessionOrderField.STARTED_AT)),
            reported_metrics=(MetricKind.LATENCY, MetricKind.SCORE),
            kinds=frozenset(ExperimentKind),
            statuses=frozenset(SessionStatus),
            spans=rng.random() < 0.8,
        )
        self.spans = {
            one.ref: [self._span(rng, number) for number in range(rng.randrange(6))]
            for some in self.sessions.values()
            for one in some
        }

    @property
    def ids(self) -> list[str]:
        """The global IDs of all its objects."""
        return (
            [experiment_id(self.name, one.ref) for one in self.experiments]
            + [session_id(self.name, one.ref) for some in self.sessions.values() for one in some]
            + [
                span_id(self.name, SpanRef(ref, one.vendor_id))
                for ref, some in self.spans.items()
                for one in some[:1]
            ]
        )

    # -- the port --------------------------------------------------------------------------------------

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        """In the asked order."""
        self._perhaps_fail("experiments", _offset(page) or None)
        rows = sorted(self.experiments, key=lambda one: _key(experiment_sort_value(one, query.order), one))
        if query.order.direction is OrderDirection.DESC:
            rows.reverse()
        return _page(rows, page)

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        """Complete ones."""
        found = {one.ref: replace(one, deferred=frozenset()) for one in self.experiments if one.ref in refs}
        return {ref: self._or_failure(one, "experiment", ref) for ref, one in found.items()}

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Sequence[Page[Session] | SourceError]:
        """By their start."""
        return [self._sessions_page(ask) for ask in asks]

    def _sessions_page(self, ask: SessionPageRequest) -> Page[Session] | SourceError:
        (ref,) = ask.experiment_refs
        rows = sorted(self.sessions.get(ref, ()), key=lambda one: (one.started_at, one.vendor_id))
        if ask.order.direction is OrderDirection.DESC:
            rows.reverse()
        return self._or_failure(_page(rows, ask.page), "sessions", ref, _offset(ask.page) or None)

    async def get_sessions(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Session | SourceError]:
        """Complete ones."""
        found = {
            ref: replace(one, deferred=frozenset())
            for ref in refs
            for one in self.sessions.get(ref.experiment_ref, ())
            if one.vendor_id == ref.session_id
        }
        return {ref: self._or_failure(one, "session", ref) for ref, one in found.items()}

    async def get_scores(self, _: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        """None beyond what the rows hold."""
        return {}

    async def list_spans(
        self,
        refs: Sequence[SessionRef],
        fields: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Mapping[SessionRef, Sequence[Span] | SourceError]:
        """In any order."""
        return {ref: self._or_failure(self.spans[ref], "spans", ref) for ref in refs if self.spans.get(ref)}

    async def get_spans(self, refs: Sequence[SpanRef]) -> Mapping[SpanRef, Span | SourceError]:
        """Complete ones."""
        found = {
            ref: replace(one, deferred=frozenset())
            for ref in refs
            for one in self.spans.get(ref.session, ())
            if one.vendor_id == ref.span_id
        }
        return {ref: self._or_failure(one, "span", ref) for ref, one in found.items()}

    def experiment_kind(self, ref: str) -> ExperimentKind | None:  # noqa: ARG002 - one list for all kinds
        """Return None: one list for all kinds."""
        return None

    async def check(self) -> SourceHealth:
        """Up, or failing."""
        self._perhaps_fail("check")
        return SourceHealth(Health.UP, last_error=SourceTimeout(self.name, "It took too long."))

    # -- chance ----------------------------------------------------------------------------------------

    def _chance(self, *parts: object) -> random.Random:
        return random.Random(repr((self._seed, self.name, *parts)))

    def _perhaps_fail(self, *parts: object) -> None:
        rng = self._chance(*parts)
        if rng.random() < self._failure:
            if rng.random() < 0.5:
                raise rng.choice(SOURCE_FAILURES)(self.name, "It failed.")
            raise rng.choice(OTHER_FAILURES)("It failed.")

    def _or_failure(self, value: T, *parts: object) -> T | SourceError:
        rng = self._chance(*parts)
        if rng.random() < self._failure:
            return rng.choice(SOURCE_FAILURES)(self.name, "It failed.")
        return value

    def _wronged(self, rng: random.Random, value: V) -> V:
        for name in value.__struct_fields__:
            if name not in NEVER and rng.random() < self._wrongness:
                force_setattr(value, name, rng.choice(WRONG))
        return value

    def _experiment(self, rng: random.Random, number: int) -> Experiment:
        begun = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=rng.randrange(5))
        aggregates = tuple(
            self._wronged(rng, Aggregate(metric, AggregateBasis.REPORTED, AggregatePopulation.RUNS, 3, mean=1.5))
            for metric in (Metric(MetricKind.LATENCY), Metric(MetricKind.SCORE, "e"))
        )
        return self._wronged(rng, Experiment(
            self.name, f"r{number}", f"v{number}", rng.choice(list(ExperimentKind)), f"name {number}",
            models=("m",), evaluators=("e", "f"), metadata={"a": [1, None]}, aggregates=aggregates,
            progress=rng.choice([None, 0.5]), vendor_status=rng.choice([None, "done"]),
            source_url=rng.choice([None, "https://git.example/1", "ftp://git.example"]),
            created_at=begun, updated_at=begun if rng.random() < 0.5 else None, session_count=rng.randrange(9),
            deferred=frozenset(name for name in ("models", "created_at", "session_count") if rng.random() < 0.2),
        ))  # fmt: skip

    def _session(self, rng: random.Random, ref: str, number: int) -> Session:
        begun = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(
            minutes=rng.randrange(5), microseconds=rng.choice([0, 7])
        )
        return self._wronged(rng, Session(
            self.name, ref, f"s{number}", rng.choice(list(SessionStatus)), begun,
            latency_ms=rng.choice([None, 12.5, 3.0]), input=rng.choice([None, "in"]), test_case_id=f"c{number}",
            tokens=rng.choice([None, TokenUsage(1, 2, 0, 3, 1, 2)]),
            scores_by_evaluator={"e": rng.random(), "f": None},
            cost_usd=rng.choice([None, 0.25]), metadata={"k": "v"},
            input_cost_usd=rng.choice([None, 0.1]), output_cost_usd=rng.choice([None, 0.15]),
            conversation_id=rng.choice([None, "chat"]), models=rng.choice([(), ("m", "n")]),
            providers=rng.choice([(), ("p",)]), failed_evaluators=rng.choice([(), ("f", "g")]),
            score_texts=rng.choice([None, {"e": ScoreText("good", "because"), "h": ScoreText("bad")}]),
            deferred=frozenset(name for name in ("input", "output", "scores") if rng.random() < 0.1),
        ))  # fmt: skip

    def _span(self, rng: random.Random, number: int) -> Span:
        begun = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(3))
        return self._wronged(rng, Span(
            f"p{number}", rng.choice(list(SpanKind)), rng.choice(list(SessionStatus)),
            rng.choice([None, *(f"p{parent}" for parent in range(4))]), started_at=begun, latency_ms=1.5,
            input="in", output=rng.choice([None, "out"]), tokens=rng.choice([None, TokenUsage(1, 2)]),
            scores=rng.choice([(), (Score("e", 0.5),)]), metadata={"k": 1},
            deferred=frozenset(name for name in ("input", "scores", "raw") if rng.random() < 0.2),
            scores_error=SourceTimeout(self.name, "It took too long.") if rng.random() < 0.1 else None,
        ))  # fmt: skip


def _key(value: Any, one: Experiment) -> tuple[bool, Any, str]:
    return (value is None, value if value is not None else 0, one.vendor_id)


def _offset(page: PageRequest) -> int:
    assert isinstance(page, OffsetRequest)
    return page.offset


def _page(rows: Sequence[T], page: PageRequest) -> Page[T]:
    start = _offset(page)
    items = rows[start : start + max(1, min(page.limit, 3))]
    end = start + len(items)
    return Page(items, start, end if end < len(rows) and items else None, len(rows))
