"""Renders a comparison as a table for people, as JSON or as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tracegraph.commands.compare.tables import DECIMALS, UNITS, baseline_column, figure, new_table

Format = Literal["table", "json", "csv"]


_PERCENTILES = {"median": "p50", "p95": "p95"}
"""Figures beside the compared statistic, with their headings."""


_OUTCOMES = ("improved", "regressed", "equal", "missing")


_SIGNS = ("+", "-", "=", "?")


_WIDE = 1000


COLUMNS = (
    "metric", "unit", "better_when", "statistic",
    "experiment_id", "experiment", "source", "is_baseline", "is_best",
    "value", "delta", "ratio", *_OUTCOMES, "basis", "population", "count", "complete",
    *_PERCENTILES,
)  # fmt: skip
"""The columns of the CSV form: one row for each metric and experiment; an empty cell is a null."""


def write(data: Mapping[str, Any], form: Format, console: Console, further: Sequence[RenderableType] = ()) -> None:
    """Write the data of a comparison query.

    Args:
        data: The data of the response.
        form: The output format.
        console: The console to write to.
        further: Tables that follow those of the metrics.
    """
    if form == "json":
        console.file.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif form == "csv":
        console.file.write(as_csv(data["comparison"]))
    else:
        tables = [*as_tables(data["comparison"]), *(part for one in further for part in ("", one))]
        if _least_width(tables, console) > console.width:
            for table in tables:
                if isinstance(table, Table):
                    table.padding = 0
        # A narrow terminal wraps lines: a truncated figure would be wrong.
        console.width = max(console.width, _least_width(tables, console))
        for table in tables:
            console.print(table)


def _least_width(tables: Sequence[RenderableType], console: Console) -> int:
    """Return the width in which no figure of the tables is truncated."""
    wide_options = console.options.update_width(_WIDE)
    return max(console.measure(table, options=wide_options).minimum for table in tables)


# -- CSV -----------------------------------------------------------------------------------------------


def as_csv(comparison: Mapping[str, Any]) -> str:
    """Return one row for each metric and experiment."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for metric in comparison["metrics"]:
        writer.writerows(_rows(comparison, metric))
    return text.getvalue()


def _rows(comparison: Mapping[str, Any], compared: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    metric = compared["metric"]
    for index, (entry, experiment) in enumerate(zip(compared["entries"], comparison["experiments"], strict=True)):
        yield {
            "metric": metric["name"],
            "unit": metric["unit"],
            "better_when": metric["betterWhen"],
            "statistic": compared["statistic"],
            "experiment_id": experiment["id"],
            "experiment": experiment["name"],
            "source": experiment["source"]["name"],
            "is_baseline": _word(index == baseline_column(comparison)),
            "is_best": _word(_is_best(compared, experiment)),
            **{name: entry[name] for name in ("value", "delta", "ratio")},
            **(entry["cases"] or {}),
            **{name: value for name, value in (entry["aggregate"] or {}).items() if name != "complete"},
            "complete": _word((entry["aggregate"] or {}).get("complete")),
        }


def _word(value: bool | None) -> str | None:  # noqa: FBT001 - the value to print
    return None if value is None else str(value).lower()


# -- tables --------------------------------------------------------------------------------------------


def as_tables(comparison: Mapping[str, Any]) -> Sequence[RenderableType]:
    """Return one table for each metric, and a legend of its signs."""
    if not comparison["metrics"]:
        return [Text("No two of these experiments have a metric in common. Name one with --metric.")]
    legend = (
        "* best; Δ and ratio against the baseline; its test cases: + improved, - regressed, = equal, ? missing; "
        "over sessions unless marked (runs) or the like; ~ not every session was read"
    )
    return [*(_table(comparison, metric) for metric in comparison["metrics"]), Text(legend, style="dim")]


def _table(comparison: Mapping[str, Any], compared: Mapping[str, Any]) -> Table:
    metric, statistic = compared["metric"], compared["statistic"].lower()
    unit = "" if statistic == "count" else f" {UNITS[metric['unit']]}"
    better = "lower" if metric["betterWhen"] == "LOWER" else "higher"
    percentiles = _percentiles(compared)
    table = new_table(f"{metric['name']}: {better} is better")
    table.add_column("experiment", overflow="fold", min_width=16)
    headings = [_PERCENTILES[name] for name in percentiles]
    for heading in (f"{statistic}{unit}", *headings, f"Δ{unit}", "ratio", *_SIGNS):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("basis", min_width=8)
    decimals = 0 if statistic == "count" else DECIMALS[metric["unit"]]
    for index, (entry, experiment) in enumerate(zip(compared["entries"], comparison["experiments"], strict=True)):
        is_best = _is_best(compared, experiment)
        distance = ("baseline", "") if index == baseline_column(comparison) else _distance(entry, decimals)
        aggregate = entry["aggregate"] or {}
        table.add_row(
            Text.assemble(experiment["name"], " ", (experiment["source"]["name"], "dim")),
            ("* " if is_best else "") + figure(entry["value"], f",.{decimals}f"),
            *(figure(aggregate.get(name), f",.{DECIMALS[metric['unit']]}f") for name in percentiles),
            *distance,
            *_cases(entry["cases"]),
            _basis(entry["aggregate"]),
            style="bold green" if is_best else None,
        )
    for column in table.columns[1:-1]:
        column.min_width = max(cell_len(str(text)) for text in (column.header, *column.cells))
    return table


def _percentiles(compared: Mapping[str, Any]) -> list[str]:
    """Return the percentiles that an experiment has of the metric, without the compared statistic itself."""
    aggregates = [entry["aggregate"] or {} for entry in compared["entries"]]
    return [
        name
        for name in _PERCENTILES
        if name != compared["statistic"].lower() and any(one.get(name) is not None for one in aggregates)
    ]


def _distance(entry: Mapping[str, Any], decimals: int) -> Sequence[str]:
    return figure(entry["delta"], f"+,.{decimals}f"), figure(entry["ratio"], ".3f")


def _cases(counts: Mapping[str, int] | None) -> list[str]:
    return [figure(None if counts is None else counts[name], "d") for name in _OUTCOMES]


def _basis(aggregate: Mapping[str, Any] | None) -> str:
    if aggregate is None:
        return "-"
    words = [aggregate["basis"].lower()]
    if aggregate["population"] != "SESSIONS":
        words.append(f"({aggregate['population'].lower().replace('_', ' ')})")
    return " ".join(words if aggregate["complete"] else [*words, "~"])


def _is_best(compared: Mapping[str, Any], experiment: Mapping[str, Any]) -> bool:
    return compared["best"] is not None and compared["best"]["id"] == experiment["id"]
