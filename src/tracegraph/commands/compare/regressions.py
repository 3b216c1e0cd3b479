"""The cases of a comparison that became worst: a part of its query, and a table for each metric and experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from tracegraph.commands.compare.tables import DECIMALS, UNITS, baseline_column, figure, new_table
from tracegraph.commands.texts import excerpt, printable_line
from tracegraph.domain.models import Metric, MetricKind

_KEY_LENGTH, _INPUT_LENGTH = 100, 60


@dataclass(frozen=True, slots=True)
class RegressionList:
    """The largest regressions of one experiment in one metric.

    `alias` names the list in the response: `regressions_M_E`, with the positions of the metric and the experiment
    in the request.
    """

    alias: str
    metric: Metric
    experiment_id: str

    def selection(self, count: int) -> str:
        """Return the field that selects the list; `variables` has the values."""
        return (
            f"    {self.alias}: cases(metric: ${self.alias}_metric, outcome: REGRESSED, first: {count},\n"
            f"        orderBy: {{field: DELTA, experimentId: ${self.alias}_id}}) {{\n"
            "      nodes { key input entries { value delta outcome } }\n"
            "    }\n"
        )

    @property
    def declaration(self) -> str:
        """The declaration of the variables."""
        return f", ${self.alias}_metric: MetricInput!, ${self.alias}_id: ID!"

    @property
    def variables(self) -> dict[str, Any]:
        """The values of the variables."""
        metric = {"kind": self.metric.kind.value, "evaluator": self.metric.evaluator}
        return {f"{self.alias}_metric": metric, f"{self.alias}_id": self.experiment_id}


def regression_lists(
    experiment_ids: Sequence[str], baseline_id: str | None, metrics: Sequence[Mapping[str, Any]]
) -> list[RegressionList]:
    """Return a list for each metric, by default the latency, and each experiment besides the baseline.

    Args:
        experiment_ids: The global IDs of the experiments.
        baseline_id: The global ID of the baseline, by default the first experiment.
        metrics: The metrics in the schema's form.
    """
    baseline = experiment_ids[0] if baseline_id is None else baseline_id
    compared = [one for one in dict.fromkeys(experiment_ids) if one != baseline]
    requested = [Metric(MetricKind(one["kind"]), one.get("evaluator")) for one in metrics]
    return [
        RegressionList(f"regressions_{number}_{list(experiment_ids).index(experiment)}", metric, experiment)
        for number, metric in enumerate(requested or [Metric(MetricKind.LATENCY)])
        for experiment in compared
    ]


def as_tables(
    comparison: Mapping[str, Any], experiment_ids: Sequence[str], lists: Sequence[RegressionList]
) -> list[Table | Text]:
    """Return a table for each list that the response has.

    Args:
        comparison: The comparison of the response.
        experiment_ids: The requested experiments. Those without a column are in `missingIds`.
        lists: The requested lists.
    """
    known = [experiment for experiment in experiment_ids if experiment not in comparison["missingIds"]]
    baseline = known[baseline_column(comparison)]
    return [
        _table(comparison, known.index(one.experiment_id), one)
        for one in lists
        if one.experiment_id in known and one.experiment_id != baseline and comparison[one.alias] is not None
    ]


def _table(comparison: Mapping[str, Any], column: int, listed: RegressionList) -> Table | Text:
    experiment, metric = comparison["experiments"][column], listed.metric
    title = f"{metric.name}: largest regressions of {experiment['name']} {experiment['source']['name']}"
    cases = comparison[listed.alias]["nodes"]  # with three experiments, another one may have regressed
    rows = [case for case in cases if case["entries"][column]["outcome"] == "REGRESSED"]
    if not rows:
        return Text(f"{title}: none")
    table = new_table(title)
    unit, form = UNITS[metric.unit.value], f",.{DECIMALS[metric.unit.value]}f"
    baseline = baseline_column(comparison)
    table.add_column("case", overflow="fold", min_width=16)
    for heading in (f"baseline {unit}", unit, f"Δ {unit}"):
        table.add_column(heading, justify="right", no_wrap=True)
    inputs = [_input(case) for case in rows]
    if any(inputs):
        table.add_column("input", overflow="fold", min_width=16)
    for case, text in zip(rows, inputs, strict=True):
        entry = case["entries"][column]
        table.add_row(
            Text(excerpt(case["key"], _KEY_LENGTH)),
            figure(case["entries"][baseline]["value"], form),
            figure(entry["value"], form),
            figure(entry["delta"], f"+{form}"),
            *([Text(text)] if any(inputs) else []),
        )
    return table


def _input(case: Mapping[str, Any]) -> str:
    """Return the beginning of the input, nothing where the key is the same text."""
    text = case["input"] or ""
    return "" if printable_line(text) == printable_line(case["key"]) else excerpt(text, _INPUT_LENGTH)
