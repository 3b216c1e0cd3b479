"""The soak's outcome: which laws held, in figures, with the machine and the seed."""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter
from datetime import UTC, datetime

from tools.soak.run import DEADLINE_S, MAX_CONNECTIONS, SLACK_S, Plan, Result
from tools.soak.watch import quarters

_GROWTH = 1.05
_SOCKETS = 3 * MAX_CONNECTIONS + 8
"""Three pools; the event loop's own and the one that listens."""
_IDLE_TASKS = 5
_STEADY_S = 120.0
"""A shorter run says nothing about memory."""


def broken_laws(plan: Plan, result: Result) -> list[str]:
    """What should have been otherwise; empty for a good run."""
    tally = result.tally
    broken = [f"wrong: {one}" for one in tally.wrong[:20]]
    broken += [f"server error: {one}" for one in tally.server_errors[:20]]
    broken += [f"hung: {one}" for one in tally.hung[:20]]
    if plan.seconds >= _STEADY_S:
        before, after = _memory_mb(result)
        if after > before * _GROWTH:
            broken.append(f"memory grew from {before:.1f} to {after:.1f} MB")
        most = max(sample.sockets for sample in result.samples)
        if most > _SOCKETS + plan.connections:
            broken.append(f"{most} open sockets are more than the pools hold")
        if result.idle.tasks > _IDLE_TASKS:
            broken.append(f"{result.idle.tasks} tasks are left when nothing is asked")
    return broken


def summary(plan: Plan, result: Result) -> str:
    """The outcome as Markdown."""
    tally = result.tally
    before, after = _memory_mb(result)
    sockets, tasks = _medians(result, "sockets"), _medians(result, "tasks")
    latencies = sorted(tally.latencies_ms)
    lines = [
        f"Seed {plan.seed}, {plan.seconds:.0f} s, {plan.connections} connections, {datetime.now(UTC):%Y-%m-%d}, "
        f"on {_machine()}.",
        "",
        "| | |",
        "|---|---|",
        f"| requests | {sum(tally.requests.values()):,}: {_counts(tally.requests)} |",
        f"| rows and figures checked | {tally.rows:,} |",
        f"| wrong rows | {len(tally.wrong)} |",
        f"| HTTP 5xx, INTERNAL_SERVER_ERROR | {len(tally.server_errors)} |",
        f"| without a response {DEADLINE_S:.0f} s + {SLACK_S:.0f} s after the request | {len(tally.hung)} |",
        f"| slowest response | {latencies[-1]:,.0f} ms (deadline {DEADLINE_S * 1000:,.0f} ms); "
        f"median {latencies[len(latencies) // 2]:,.0f} ms |",
        f"| injected faults | {sum(result.faults.values())}: {_counts(result.faults)} |",
        f"| source reports other than OK | {_counts(tally.statuses)} |",
        f"| GraphQL errors | {_counts(tally.errors)} |",
        f"| resident memory, first and last quarter | {before:.1f} and {after:.1f} MB "
        f"({after / before - 1:+.1%}) |",
        f"| open sockets, first and last quarter, idle at the end | {sockets[0]:.0f}, {sockets[1]:.0f}, "
        f"{result.idle.sockets} |",
        f"| asyncio tasks, first and last quarter, idle at the end | {tasks[0]:.0f}, {tasks[1]:.0f}, "
        f"{result.idle.tasks} |",
    ]
    broken = broken_laws(plan, result)
    return "\n".join([*lines, *(["", "Broken:", ""] if broken else []), *(f"- {one}" for one in broken)]) + "\n"


def _memory_mb(result: Result) -> tuple[float, float]:
    """The mean over the first quarter, and over the last."""
    first, last = quarters(result.samples)
    return (
        statistics.fmean(sample.rss_bytes for sample in first) / 1e6,
        statistics.fmean(sample.rss_bytes for sample in last) / 1e6,
    )


def _medians(result: Result, what: str) -> tuple[float, float]:
    """Of the first quarter, and of the last."""
    first, last = quarters(result.samples)
    return (
        statistics.median(getattr(sample, what) for sample in first),
        statistics.median(getattr(sample, what) for sample in last),
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items())) or "none"


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"
