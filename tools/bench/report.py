"""Writes the results as tables, a plot and the marked part of a document."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tools.bench.measure import Measurement
from tools.bench.peers import PeerMeasurement

_BEGIN, _END = "<!-- make bench writes from here -->", "<!-- to here -->"
_ROUNDS = 2
"""Consecutive rounds of calls in the query with 24 calls."""
_HEAD = "| {} | CPU ms a query | queries a second | p50 ms | p99 ms | memory MB | vendor calls a query |"
_RULE = "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"


def tables(cases: Sequence[Measurement], peers: Sequence[PeerMeasurement], how: str, connections: int) -> str:
    """Return the results in Markdown.

    Args:
        cases: The measured cases.
        peers: The measured peers.
        how: A description of the method.
        connections: The number of connections.
    """
    parts = [
        f"On {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {os.cpu_count()} CPUs, Linux {platform.release()}, "
        f"Python {platform.python_version()},\n{how}.",
        "\n".join([_HEAD.format("case"), _RULE, *(_row(measurement.name, measurement) for measurement in cases)]),
        _ratios({measurement.name: measurement for measurement in cases}, connections),
    ]
    if peers:
        rows = [
            _row(f"{measurement.name}, vendors take {measurement.delay_ms} ms", measurement)
            for measurement in peers
        ]
        busiest = max(measurement.foreign_cpus for measurement in peers)
        parts += [
            "Other gateways, in the same number of rounds of the peers' benchmark (memory of all processes "
            f"together; other processes of the machine used at most {busiest:.2f} processors):",
            "\n".join([_HEAD.format("gateway"), _RULE, *rows]),
        ]
    return "\n\n".join(parts)


def _row(name: str, measurement: Measurement | PeerMeasurement) -> str:
    cells = [
        name,
        f"{measurement.cpu_ms:.2f}",
        f"{measurement.queries_per_s:,.1f}",
        f"{measurement.p50_ms:.1f}",
        f"{measurement.p99_ms:.1f}",
        f"{measurement.rss_mb:.0f}",
        "" if measurement.calls is None else f"{measurement.calls:,.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(cases: dict[str, Measurement], connections: int) -> str:
    """Return the ratios between the cases."""
    heavy, stock = cases["heavy, from the cache"], cases["heavy, stock strawberry from memory"]
    ten_rows, hundred_rows = (
        cases["10 lists of 10 rows, no cache, no sharing"],
        cases["10 lists of 100 rows, no cache, no sharing"],
    )
    times, growth = stock.cpu_ms / heavy.cpu_ms, hundred_rows.cpu_ms / ten_rows.cpu_ms
    waiting = [
        f"{_share_of_ceiling(measurement, connections):.2f} ({measurement.name})"
        for measurement in cases.values()
        if measurement.delay_ms
    ]
    return (
        f"Stock strawberry uses {times:.0f} times the CPU of Tracegraph for the heavy query.\n"
        f"Ten times the rows need {growth:.1f} times the CPU.\n"
        f"Queries a second, as a ratio of those of {connections} connections that wait for the vendors only:\n"
        + ",\n".join(waiting)
        + "."
    )


def _share_of_ceiling(measurement: Measurement, connections: int) -> float:
    """Return the share of the rate that would be possible if only the vendors took time."""
    return measurement.queries_per_s * _ROUNDS * measurement.delay_ms / 1000 / connections


def plot(cases: Sequence[Measurement], peers: Sequence[PeerMeasurement], file: Path) -> None:
    """Plot the CPU per query as bars: of the peers if they were measured, else of the cases."""
    quick = [(measurement.name, measurement.cpu_ms) for measurement in peers if measurement.delay_ms == 0]
    bars = sorted(
        quick or [(measurement.name, measurement.cpu_ms) for measurement in cases], key=lambda bar: -bar[1]
    )
    with mpl.rc_context({"svg.hashsalt": "tracegraph", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(9, 0.42 * len(bars) + 1), layout="constrained")
        axes = figure.subplots()
        ours = ["#2f6f4f" if name.startswith("Tracegraph") or not quick else "#9aa5b1" for name, _ in bars]
        drawn = axes.barh([name for name, _ in bars], [cpu for _, cpu in bars], color=ours)
        axes.bar_label(drawn, fmt="%.2f", padding=3)
        axes.set_xscale("log")
        axes.margins(x=0.15)
        scope = "24 vendor calls, 570 rows; " if quick else ""
        axes.set_xlabel(f"CPU, ms a query ({scope}logarithmic)")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, format="svg", metadata={"Date": None})


def write_into(document: Path, text: str) -> None:
    """Replace the text between the document's markers. Raise ValueError when it has none."""
    content = document.read_text(encoding="utf-8")
    before, _, rest = content.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{document} has no markers to write between")
    document.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")
