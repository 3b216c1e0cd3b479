"""The summary of a soak: violations and figures, with the machine and the seed."""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter
from datetime import UTC, datetime

from tools.soak.run import DEADLINE_S, MAX_CONNECTIONS, SLACK_S, Plan, Result
from tools.soak.watch import quarters

_MAX_GROWTH = 1.05
_MAX_SOCKETS = 3 * MAX_CONNECTIONS + 8
"""Three pools, the event loop's own sockets and the listening one."""
_MAX_IDLE_TASKS = 5
_MIN_SECONDS_FOR_MEMORY = 120.0
"""A shorter run is not conclusive about memory."""


def violations(plan: Plan, result: Result) -> list[str]:
    """Return the violations; empty for a good run."""
    stats = result.stats
    violated = [f"wrong: {message}" for message in stats.wrong[:20]]
    violated += [f"server error: {message}" for message in stats.server_errors[:20]]
    violated += [f"hung: {message}" for message in stats.hung[:20]]
    if plan.seconds >= _MIN_SECONDS_FOR_MEMORY:
        before, after = _memory_mb(result)
        if after > before * _MAX_GROWTH:
            violated.append(f"memory grew from {before:.1f} to {after:.1f} MB")
        max_sockets = max(sample.sockets for sample in result.samples)
        if max_sockets > _MAX_SOCKETS + plan.connections:
            violated.append(f"{max_sockets} open sockets are more than the pools hold")
        if result.idle.tasks > _MAX_IDLE_TASKS:
            violated.append(f"{result.idle.tasks} tasks are left without a request")
    return violated


def summary(plan: Plan, result: Result) -> str:
    """Return the summary as Markdown."""
    stats = result.stats
    before, after = _memory_mb(result)
    sockets, tasks = _medians(result, "sockets"), _medians(result, "tasks")
    latencies = sorted(stats.latencies_ms)
    lines = [
        f"Seed {plan.seed}, {plan.seconds:.0f} s, {plan.connections} connections, {datetime.now(UTC):%Y-%m-%d}, "
        f"on {_machine()}.",
        "",
        "| | |",
        "|---|---|",
        f"| requests | {sum(stats.requests.values()):,}: {_counts(stats.requests)} |",
        f"| rows and figures checked | {stats.rows:,} |",
        f"| wrong rows | {len(stats.wrong)} |",
        f"| HTTP 5xx, INTERNAL_SERVER_ERROR | {len(stats.server_errors)} |",
        f"| without a response {DEADLINE_S:.0f} s + {SLACK_S:.0f} s after the request | {len(stats.hung)} |",
        f"| slowest response | {latencies[-1]:,.0f} ms (deadline {DEADLINE_S * 1000:,.0f} ms); "
        f"median {latencies[len(latencies) // 2]:,.0f} ms |",
        f"| injected faults | {sum(result.faults.values())}: {_counts(result.faults)} |",
        f"| source reports other than OK | {_counts(stats.statuses)} |",
        f"| GraphQL errors | {_counts(stats.errors)} |",
        f"| resident memory, first and last quarter | {before:.1f} and {after:.1f} MB "
        f"({after / before - 1:+.1%}) |",
        f"| open sockets, first and last quarter, idle at the end | {sockets[0]:.0f}, {sockets[1]:.0f}, "
        f"{result.idle.sockets} |",
        f"| asyncio tasks, first and last quarter, idle at the end | {tasks[0]:.0f}, {tasks[1]:.0f}, "
        f"{result.idle.tasks} |",
    ]
    violated = violations(plan, result)
    return (
        "\n".join([*lines, *(["", "Broken:", ""] if violated else []), *(f"- {message}" for message in violated)])
        + "\n"
    )


def _memory_mb(result: Result) -> tuple[float, float]:
    """Return the mean of the first quarter, and of the last."""
    first, last = quarters(result.samples)
    return (
        statistics.fmean(sample.rss_bytes for sample in first) / 1e6,
        statistics.fmean(sample.rss_bytes for sample in last) / 1e6,
    )


def _medians(result: Result, field: str) -> tuple[float, float]:
    """Return the median of the first quarter, and of the last."""
    first, last = quarters(result.samples)
    return (
        statistics.median(getattr(sample, field) for sample in first),
        statistics.median(getattr(sample, field) for sample in last),
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items())) or "none"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"
