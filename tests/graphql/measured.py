"""Sessions with random figures, as rows of each vendor, and numpy's statistics of the same figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Vendors
from tests.worlds import Row, minutes
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

METRICS = (
    "LATENCY",
    "FIRST_TOKEN_LATENCY",
    "COST",
    "INPUT_TOKENS",
    "OUTPUT_TOKENS",
    "CACHED_TOKENS",
    "TOTAL_TOKENS",
    "ERROR_RATE",
    "accuracy",
    "style",
)
"""Metric kinds, and evaluators."""
_RATES = {"SUCCESS": 0.0, "CANCELLED": 0.0, "ERROR": 1.0}
_WORDS = {
    NEMO: {"SUCCESS": "success", "ERROR": "error", "CANCELLED": "cancelled", "UNKNOWN": "unknown"},
    LANGSMITH: {"SUCCESS": "success", "ERROR": "error", "RUNNING": "pending", "UNKNOWN": "interrupted"},
    MEIBEL: {
        "SUCCESS": "COMPLETED",
        "ERROR": "FAILED",
        "CANCELLED": "CANCELED",
        "RUNNING": "RUNNING",
        "UNKNOWN": "PAUSED",
    },
}


@dataclass(frozen=True)
class Drawn:
    """One session's figures in whole milliseconds, which every vendor's time format can represent."""

    name: str
    minute: int
    status: str
    latency_ms: int | None
    first_token_ms: int | None
    micro_dollars: int | None
    tokens: tuple[int, int, int] | None
    scores: dict[str, float]

    def value(self, metric: str) -> float | None:
        """What the session says of a metric."""
        given, taken, cached = self.tokens or (None, None, None)
        return {
            "LATENCY": None if self.status == "RUNNING" else self.latency_ms,
            "FIRST_TOKEN_LATENCY": self.first_token_ms,
            "COST": None if self.micro_dollars is None else self.micro_dollars / 1_000_000,
            "INPUT_TOKENS": given,
            "OUTPUT_TOKENS": taken,
            "CACHED_TOKENS": cached,
            "TOTAL_TOKENS": None if given is None or taken is None else given + taken,
            "ERROR_RATE": _RATES.get(self.status),
        }.get(metric, self.scores.get(metric))


SAYS = {
    NEMO: {*METRICS} - {"FIRST_TOKEN_LATENCY"},
    LANGSMITH: {*METRICS},
    MEIBEL: {*METRICS} - {"FIRST_TOKEN_LATENCY", "COST"},
}
"""The metrics for which a vendor's sessions have values."""


def drawn(source: str, name: str, count: int) -> list[Drawn]:
    """Return random sessions; every value is missing in some of them, and some start in the same minute."""
    random = Random(f"{source}{name}{count}")

    def mostly(value: Any) -> Any:
        return value if random.random() < 0.9 else None

    return [
        Drawn(
            name=f"{name}-{index}",
            minute=index - index % 3,
            status=random.choice(sorted(_WORDS[source])),
            latency_ms=mostly(random.randrange(1, 100_000)),
            first_token_ms=mostly(random.randrange(1, 2_000)),
            micro_dollars=mostly(random.randrange(1_000_000)),
            tokens=mostly((random.randrange(5_000), random.randrange(1_000), random.randrange(100))),
            scores={one: round(random.random(), 3) for one in ("accuracy", "style") if mostly(one)},
        )
        for index in range(count)
    ]


def add(vendors: Vendors, source: str, name: str, sessions: Sequence[Drawn]) -> str:
    """Add an experiment with these sessions to a vendor's world, and return its ref."""
    return _ADD[source](vendors, name, sessions)


def _add_nemo(vendors: Vendors, name: str, sessions: Sequence[Drawn]) -> str:
    vendors.nemo.world.add(nemo_experiment(name), [_nemo(one) for one in sessions])
    return name


def _nemo(one: Drawn) -> Row:
    given, taken, cached = one.tokens or (None, None, None)
    return nemo_session(
        one.name,
        started_at=minutes(one.minute),
        latency_ms=one.latency_ms,
        status=_WORDS[NEMO][one.status],
        cost_total_usd=one.value("COST"),
        input_tokens=given,
        output_tokens=taken,
        cached_tokens=cached,
        evaluator_scores=one.scores,
    )


def _add_langsmith(vendors: Vendors, name: str, sessions: Sequence[Drawn]) -> str:
    vendors.langsmith.world.add(langsmith_session(name), [_langsmith(one) for one in sessions])
    return stable_uuid(f"session:{name}")


def _langsmith(one: Drawn) -> Row:
    given, taken, cached = one.tokens or (None, None, None)
    start = minutes(one.minute)
    first = None if one.first_token_ms is None else zulu(start + timedelta(milliseconds=one.first_token_ms))
    return langsmith_run(
        one.name,
        start_time=start,
        latency_s=None if one.latency_ms is None else one.latency_ms / 1000,
        status=_WORDS[LANGSMITH][one.status],
        first_token_time=first,
        total_cost=None if one.micro_dollars is None else f"{one.micro_dollars / 1_000_000:.6f}",
        prompt_tokens=given,
        completion_tokens=taken,
        total_tokens=one.value("TOTAL_TOKENS"),
        prompt_token_details={"cache_read": cached},
        feedback_stats={key: {"n": 1, "avg": score} for key, score in one.scores.items()},
    )


def _add_meibel(vendors: Vendors, name: str, sessions: Sequence[Drawn]) -> str:
    vendors.meibel.world.add(meibel_agent(name), [_meibel(one) for one in sessions])
    vendors.meibel.world.jobs += [
        meibel_job(one.name, module, score, agent_name=name)
        for one in sessions
        for module, score in one.scores.items()
    ]
    return name


def _meibel(one: Drawn) -> Row:
    given, taken, cached = one.tokens or (None, None, None)
    usage = {"input_tokens": given, "output_tokens": taken, "cached_tokens": cached}
    return meibel_session(
        one.name,
        start_time=minutes(one.minute),
        duration_s=None if one.latency_ms is None else one.latency_ms / 1000,
        status=_WORDS[MEIBEL][one.status],
        token_usage=None if one.tokens is None else usage,
    )


_ADD: dict[str, Callable[[Vendors, str, Sequence[Drawn]], str]] = {
    NEMO: _add_nemo,
    LANGSMITH: _add_langsmith,
    MEIBEL: _add_meibel,
}


def by_numpy(source: str, metric: str, sessions: Sequence[Drawn]) -> dict[str, float | int | None]:
    """Return every statistic of the metric over the sessions that have a value."""
    import numpy as np  # noqa: PLC0415 - slow to import

    known = [value for one in sessions if (value := one.value(metric)) is not None]
    values = np.array(known if metric in SAYS[source] else [], dtype=float)
    names = ("sum", "mean", "stddev", "min", "p25", "median", "p75", "p90", "p95", "p99", "max")
    if not values.size:
        return {"count": 0, **dict.fromkeys(names)}
    ranks = np.percentile(values, [25, 50, 75, 90, 95, 99], method="inverted_cdf")
    return {
        "count": values.size,
        "sum": float(values.sum()),
        "mean": float(values.mean()),
        "stddev": float(values.std(ddof=1)) if values.size > 1 else None,
        "min": float(values.min()),
        "max": float(values.max()),
        **dict(zip(("p25", "median", "p75", "p90", "p95", "p99"), map(float, ranks), strict=True)),
    }
