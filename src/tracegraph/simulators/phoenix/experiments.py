"""Datasets, experiments over them and their runs, as objects that graphql-core resolves."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.phoenix.connections import behind, of_list
from tracegraph.simulators.phoenix.figures import costs, latency_ms, stored_latency_ms
from tracegraph.simulators.phoenix.telemetry import Telemetry
from tracegraph.simulators.phoenix.world import PhoenixWorld, number_of


class Evaluations:
    """The experiments of a world at the time of one query."""

    def __init__(self, world: PhoenixWorld, telemetry: Telemetry) -> None:
        self._world = world
        self._telemetry = telemetry

    def dataset(self, row: Row) -> Row:
        """Return a dataset."""
        return row | {
            "__typename": "Dataset",
            "experimentCount": lambda _info: len(self._of(row["id"])),
            "experiments": lambda _info, **arguments: self._experiments(row["id"], **arguments),
        }

    def _of(self, dataset: str) -> list[Row]:
        held = [row for row in self._world.experiments if row["datasetId"] == dataset]
        return sorted(held, key=lambda row: number_of(row["id"]))

    def _experiments(
        self,
        dataset: str,
        *,
        first: int | None,
        after: str | None = None,
        filterCondition: str | None = None,  # noqa: N803 - the schema's name
        filterIds: Sequence[str] | None = None,  # noqa: N803
        sort: Row | None = None,
    ) -> Row:
        rows = self._of(dataset)
        if filterCondition:
            text = filterCondition.lower()
            rows = [row for row in rows if text in f"{row['name']}\n{row['description'] or ''}".lower()]
        if filterIds:
            rows = [row for row in rows if row["id"] in filterIds]
        if sort is not None and sort["col"] == "createdAt":
            rows.sort(key=lambda row: parse(row["createdAt"]))
        if sort is None or sort["dir"] == "desc":
            rows.reverse()
        return of_list(rows, first, after, self.experiment)

    def experiment(self, row: Row) -> Row:
        """Return an experiment. Its averages are those of examples, which are averages of repetitions."""
        runs = self._world.runs[row["id"]]
        sequence = [one["id"] for one in self._of(row["datasetId"])].index(row["id"]) + 1
        dataset = next(one for one in self._world.datasets if one["id"] == row["datasetId"])
        return row | {
            "__typename": "Experiment",
            "sequenceNumber": sequence,
            "isBaseline": False,
            "dataset": lambda _info: self.dataset(dataset),
            "datasetVersion": {"__typename": "DatasetVersion", "id": row["datasetVersionId"]},
            "errorRate": lambda _info: _mean_of_examples(runs, lambda run: float(run["error"] is not None)),
            "averageRunLatencyMs": lambda _info: _mean_of_examples(runs, stored_latency_ms),
            "runCount": len(runs),
            "expectedRunCount": row.get("expectedRunCount", len(runs)),
            "costSummary": lambda _info: costs([span for run in runs for span in self._spans_of(run)]),
            "annotationSummaries": lambda _info: _summaries(runs),
            "runs": lambda _info, **arguments: self._runs(row["id"], **arguments),
        }

    def unknown_experiment(self, node_id: str) -> Row:
        """Return what an unknown experiment answers: no runs, and no value that must be there."""
        return {
            "__typename": "Experiment",
            "id": node_id,
            "projectName": None,
            "runs": lambda _info, **_arguments: of_list([], 1, None),
        }

    def _runs(self, experiment: str, *, first: int | None, after: str | None = None) -> Row:
        return behind(self._world.runs[experiment], first or 50, after, lambda run: self.run(experiment, run))

    def run(self, experiment: str, row: Row) -> Row:
        """Return a run."""
        example = self._world.examples.get(row["exampleId"], {"input": {}, "output": {}, "metadata": {}})
        annotations = sorted(row["annotations"], key=lambda one: str(one["name"]), reverse=True)
        return row | {
            "__typename": "ExperimentRun",
            "experimentId": experiment,
            "latencyMs": latency_ms(row),
            "example": {"__typename": "DatasetExample", "id": row["exampleId"], "revision": example},
            "costSummary": lambda _info: costs(self._spans_of(row)),
            "trace": lambda _info: self._telemetry.trace(row["traceId"]),
            "annotations": lambda _info, first=50: of_list(annotations, first, None),
        }

    def unknown_run(self, node_id: str) -> Row:
        """Return what an unknown run answers: an experiment without a number, and no trace."""
        return {
            "__typename": "ExperimentRun",
            "id": node_id,
            "experimentId": _NO_EXPERIMENT,
            "trace": None,
        }

    def _spans_of(self, run: Row) -> list[Row]:
        return self._telemetry.spans_of_trace(run["traceId"])


_NO_EXPERIMENT = "RXhwZXJpbWVudDpOb25l"
"""The global id of `Experiment:None`."""


def _mean_of_examples(runs: Sequence[Row], value: Any) -> float | None:
    by_example: dict[str, list[float]] = {}
    for run in runs:
        held = value(run)
        if held is not None:
            by_example.setdefault(run["exampleId"], []).append(held)
    return fmean(map(fmean, by_example.values())) if by_example else None


def _summaries(runs: Sequence[Row]) -> list[Row]:
    names = sorted({one["name"] for run in runs for one in run["annotations"]})
    return [_summary(name, runs) for name in names]


def _summary(name: str, runs: Sequence[Row]) -> Row:
    verdicts = [one for run in runs for one in run["annotations"] if one["name"] == name]
    scores = [one["score"] for one in verdicts if one["score"] is not None]
    labels = [one["label"] for one in verdicts if one["label"] is not None]

    def score(run: Row) -> float | None:
        return next((one["score"] for one in run["annotations"] if one["name"] == name), None)

    return {
        "annotationName": name,
        "meanScore": _mean_of_examples(runs, score),
        "minScore": min(scores, default=None),
        "maxScore": max(scores, default=None),
        "count": len(verdicts),
        "scoreCount": len(scores),
        "labelCount": len(labels),
        "errorCount": sum(one["error"] is not None for one in verdicts),
        "labelFractions": [
            {"label": label, "fraction": labels.count(label) / len(labels)} for label in sorted(set(labels))
        ],
    }
