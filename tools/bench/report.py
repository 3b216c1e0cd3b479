"""The results as tables, a plot and the marked part of a document."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tools.bench.measure import Measured
from tools.bench.peers import PeerMeasured

_BEGIN, _END = "<!-- make bench writes from here -->", "<!-- to here -->"
_ROUNDS = 2
"""Of calls that wait for each other in the query with 24 of them."""
_HEAD = "| {} | CPU ms a query | queries a second | p50 ms | p99 ms | memory MB | vendor calls a query |"
_RULE = "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"


def tables(cases: Sequence[Measured], peers: Sequence[PeerMeasured], how: str, connections: int) -> str:
    """The results in Markdown, with when, where and `how` they were taken."""
    parts = [
        f"On {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {os.cpu_count()} CPUs, Linux {platform.release()}, "
        f"Python {platform.python_version()},\n{how}.",
        "\n".join([_HEAD.format("case"), _RULE, *(_row(one.name, one) for one in cases)]),
        _ratios({one.name: one for one in cases}, connections),
    ]
    if peers:
        rows = [_row(f"{one.name}, vendors take {one.delay_ms} ms", one) for one in peers]
        busiest = max(one.foreign_cpus for one in peers)
        parts += [
            "Other gateways, in the same number of rounds of the peers' benchmark (memory of all processes "
            f"together; other processes of the machine used at most {busiest:.2f} processors):",
            "\n".join([_HEAD.format("gateway"), _RULE, *rows]),
        ]
    return "\n\n".join(parts)


def _row(name: str, one: Measured | PeerMeasured) -> str:
    cells = [
        name,
        f"{one.cpu_ms:.2f}",
        f"{one.queries_per_s:,.1f}",
        f"{one.p50_ms:.1f}",
        f"{one.p99_ms:.1f}",
        f"{one.rss_mb:.0f}",
        "" if one.calls is None else f"{one.calls:,.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _ratios(cases: dict[str, Measured], connections: int) -> str:
    """What the cases say about each other."""
    heavy, stock = cases["heavy, from the cache"], cases["heavy, stock strawberry from memory"]
    few, many = (
        cases["10 lists of 10 rows, no cache, no sharing"],
        cases["10 lists of 100 rows, no cache, no sharing"],
    )
    times, growth = stock.cpu_ms / heavy.cpu_ms, many.cpu_ms / few.cpu_ms
    waiting = [f"{_share_of_ceiling(one, connections):.2f} ({one.name})" for one in cases.values() if one.delay_ms]
    return (
        f"Stock strawberry uses {times:.0f} times the CPU of Tracegraph for the heavy query.\n"
        f"Ten times the rows need {growth:.1f} times the CPU.\n"
        f"Queries a second, as a ratio of those of {connections} connections that wait for the vendors only:\n"
        + ",\n".join(waiting)
        + "."
    )


def _share_of_ceiling(one: Measured, connections: int) -> float:
    """The queries a second, of those where nothing took time but the vendors."""
    return one.queries_per_s * _ROUNDS * one.delay_ms / 1000 / connections


def plot(cases: Sequence[Measured], peers: Sequence[PeerMeasured], file: Path) -> None:
    """CPU a query as bars: beside the peers where they were measured, else of the cases."""
    quick = [(one.name, one.cpu_ms) for one in peers if one.delay_ms == 0]
    bars = sorted(quick or [(one.name, one.cpu_ms) for one in cases], key=lambda bar: -bar[1])
    with mpl.rc_context({"svg.hashsalt": "tracegraph", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(9, 0.42 * len(bars) + 1), layout="constrained")
        axes = figure.subplots()
        ours = ["#2f6f4f" if name.startswith("Tracegraph") or not quick else "#9aa5b1" for name, _ in bars]
        drawn = axes.barh([name for name, _ in bars], [cpu for _, cpu in bars], color=ours)
        axes.bar_label(drawn, fmt="%.2f", padding=3)
        axes.set_xscale("log")
        axes.margins(x=0.15)
        of = "24 vendor calls, 570 rows; " if quick else ""
        axes.set_xlabel(f"CPU, ms a query ({of}logarithmic)")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, format="svg", metadata={"Date": None})


def written_into(document: Path, text: str) -> None:
    """Put the text between the document's marks. Raises ValueError when it has none."""
    whole = document.read_text(encoding="utf-8")
    before, _, rest = whole.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{document} has no marks to write between")
    document.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")
