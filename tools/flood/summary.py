"""The flood's outcome as tables: honest queries' latencies, and the responses and CPU of each hostile kind."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime

from tools.flood.run import KNOWN, NEW, Plan, Result
from tools.flood.sending import BROKEN, SendStats

MAX_P99_RATIO = 20.0


def known_p99_ratio(result: Result) -> float:
    """Return the p99 of the cached light query in the flood, as a multiple of its p99 without the flood."""
    return _at(result.honest.latencies_ms[KNOWN], 0.99) / _at(result.alone.latencies_ms[KNOWN], 0.99)


def summary(plan: Plan, result: Result) -> str:
    """Return the outcome as Markdown."""
    return "\n".join([*_machine(plan, result), "", *_honest(result), "", *_kinds(result), ""])


def _machine(plan: Plan, result: Result) -> Iterator[str]:
    hostile = result.hostile
    yield (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} at the end."
    )
    yield (
        f"{plan.per_s:,} hostile requests a second for {plan.seconds:g} s{_allowed(plan)}: "
        f"{hostile.sent.total():,} sent, {hostile.unsent:,} not sent, "
        f"{sum(hostile.without_response.values()):,} without a response; "
        f"the gateway used {result.gateway_cpu:.0%} of its core, {result.peak_mb:.0f} MB at most."
    )


def _allowed(plan: Plan) -> str:
    allowed = plan.allowed_per_minute
    return "" if allowed is None else f" under a key that is allowed {allowed:,} a minute"


def _honest(result: Result) -> Iterator[str]:
    yield "| Honest query | without a flood: p50, p99 | in the flood: p50, p99, most | answered in the flood |"
    yield "|---|---|---|---|"
    for kind in (KNOWN, NEW):
        alone, flooded = result.alone.latencies_ms[kind], result.honest.latencies_ms[kind]
        yield (
            f"| {kind} | {_at(alone, 0.5):.1f}, {_at(alone, 0.99):.1f} ms "
            f"| {_at(flooded, 0.5):.1f}, {_at(flooded, 0.99):.1f}, {max(flooded):.1f} ms "
            f"| {_statuses(result.honest, kind)} |"
        )
    yield ""
    yield f"The known query's p99 is {known_p99_ratio(result):.1f} times its p99 without the flood."


def _kinds(result: Result) -> Iterator[str]:
    yield "| Kind | answered | in the flood: p50, p99 | CPU while new | CPU again |"
    yield "|---|---|---|---|---|"
    for kind, (new_ms, again_ms) in result.cpu_ms.items():
        latencies = result.hostile.latencies_ms.get(kind, [0.0])
        yield (
            f"| {kind} | {_statuses(result.hostile, kind)} "
            f"| {_at(latencies, 0.5):.0f}, {_at(latencies, 0.99):.0f} ms | {new_ms:.2f} ms | {again_ms:.2f} ms |"
        )


def _statuses(stats: SendStats, kind: str) -> str:
    counts = sorted(stats.statuses.get(kind, {}).items())
    return ", ".join(f"{'closed' if status == BROKEN else status}: {count:,}" for status, count in counts)


def _at(latencies_ms: list[float], share: float) -> float:
    """Return the nearest rank."""
    return sorted(latencies_ms)[min(int(len(latencies_ms) * share), len(latencies_ms) - 1)]
