"""LangSmith's datasets: their lists in v1 and v2, and the runs of experiments by example.

See docs/vendors/langsmith.md#deprecations. Inferred: the dataset with the newest experiment comes first.
A page of v2 has 20 datasets by default and at most 100. Examples come in the order of their creation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from tracegraph.simulators.core.responses import boolean, check_uuid, choice, integer, json_object
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.sorting import ordered
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.langsmith.cursors import Cursors, Place, is_after
from tracegraph.simulators.langsmith.filters import Predicate
from tracegraph.simulators.langsmith.problems import (
    Kind,
    Many,
    RefusedError,
    json_text,
    one_of,
    problem,
    query_flag,
    query_whole,
    run_filter,
    text,
    uuid_text,
    whole,
)
from tracegraph.simulators.langsmith.runs_v2 import SELECT_LIST, RunReader
from tracegraph.simulators.langsmith.world import LangSmithWorld

_SORTS = ("name", "created_at", "last_session_start_time", "example_count", "session_count", "modified_at")


DATASET_LIST: dict[str, Kind] = {
    "id": Many(uuid_text),
    "name": text,
    "name_contains": text,
    "data_type": Many(one_of("kv", "llm", "chat")),
    "exclude": Many(one_of("example_count")),
    "exclude_corrections_datasets": query_flag,
    "metadata": json_text,
    "tag_value_id": Many(uuid_text),
    "sort_by": one_of(*_SORTS),
    "sort_order": one_of("asc", "desc"),
    "page_size": query_whole(1, 100),
    "cursor": text,
}


def _mapping_of_filters(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise RefusedError("must be an object")
    return {uuid_text(key): Many(text)(filters) for key, filters in value.items()}


def _sort(value: Any) -> Row:
    if not isinstance(value, dict) or not isinstance(value.get("by"), str) or value.keys() - {"by", "order"}:
        raise RefusedError("must be an object of by and order")
    return {"by": value["by"], "order": one_of("ASC", "DESC")(value.get("order", "DESC"))}


EXPERIMENT_RUNS: dict[str, Kind] = {
    "experiment_ids": Many(uuid_text),
    "example_ids": Many(uuid_text, most=1000),
    "comparative_experiment_id": uuid_text,
    "filters": _mapping_of_filters,
    "selects": SELECT_LIST,
    "sort": _sort,
    "page_size": whole(1, 100),
    "cursor": text,
}


def list_v1(world: LangSmithWorld, query: QueryParams) -> list[Row]:
    """Return one page of v1's list, a bare array."""
    limit, offset = integer(query, "limit", 100, 1, 100), integer(query, "offset", 0, 0)
    fields: Row = {name: query[name] for name in ("name", "name_contains") if name in query}
    fields |= {name: query.getlist(name) for name in ("id", "data_type") if name in query}
    for one in fields.get("id", []):
        check_uuid(one, ["query", "id"])
    if "metadata" in query:
        fields["metadata"] = json_object(query["metadata"], ["query", "metadata"])
    sort = choice(query, "sort_by", _SORTS, "last_session_start_time")
    descending = boolean(query, "sort_by_desc", default=True) is not False
    rows = [row for _, row in _sorted(world, fields, sort, descending=descending)][offset : offset + limit]
    return [{name: value for name, value in row.items() if name != "baseline_experiment_id"} for row in rows]


def list_v2(world: LangSmithWorld, fields: Row, cursors: Cursors) -> Row:
    """Return one page of `GET /api/v2/datasets`."""
    size = fields.get("page_size", 20)
    descending = fields.get("sort_order", "desc") == "desc"
    placed = _sorted(world, fields, fields.get("sort_by", "last_session_start_time"), descending=descending)
    if "cursor" in fields:
        after, _ = cursors.read(fields["cursor"])
        placed = [pair for pair in placed if is_after(pair[0], after, descending=descending, nulls_first=False)]
    excluded = dict.fromkeys(fields.get("exclude", []))
    following = cursors.write(placed[size - 1][0], None) if len(placed) > size else None
    return {"items": [row | excluded for _, row in placed[:size]], "next_cursor": following}


def _sorted(world: LangSmithWorld, fields: Row, sort: str, *, descending: bool) -> list[tuple[Place, Row]]:
    tests = list(_tests(fields))
    rows = [_served(world, row) for row in world.datasets if all(test(row) for test in tests)]
    placed = {row["id"]: (_sort_value(row[sort]), (0, row["id"])) for row in rows}
    in_order = ordered(
        rows, lambda row: placed[row["id"]][0], lambda row: placed[row["id"]][1], descending=descending
    )
    return [(placed[row["id"]], row) for row in in_order]


def _sort_value(value: Any) -> Any:
    try:
        return parse(value).timestamp()
    except (TypeError, ValueError):
        return value


def _tests(fields: Row) -> Iterator[Predicate]:
    for name, column in (("id", "id"), ("data_type", "data_type")):
        if name in fields:
            yield _among(column, fields[name])
    if "name" in fields:
        yield _among("name", [fields["name"]])
    if "name_contains" in fields:
        yield lambda row: fields["name_contains"].lower() in row["name"].lower()
    if "metadata" in fields:
        yield lambda row: fields["metadata"].items() <= (row.get("metadata") or {}).items()


def _among(column: str, values: Sequence[str]) -> Predicate:
    return lambda row: row.get(column) in values


def _served(world: LangSmithWorld, dataset: Row) -> Row:
    """Return a dataset with its counts, as stated or as the world has them."""
    starts = [row["start_time"] for row in world.sessions if row.get("reference_dataset_id") == dataset["id"]]
    return {
        "tenant_id": world.tenant_id,
        "session_count": len(starts),
        "last_session_start_time": max((start for start in starts if start is not None), key=parse, default=None),
        "example_count": len(world.examples.get(dataset["id"], [])),
        "baseline_experiment_id": None,
        "externally_managed": False,
        "inputs_schema_definition": None,
        "outputs_schema_definition": None,
        "transformations": None,
        **dataset,
    }


class ExperimentRuns:
    """One query of `POST /api/v2/datasets/{id}/experiment-runs`: examples, each with its runs.

    Inferred: usage is that of the whole tree, as in v1's comparison. With filters, only examples with a
    matching run are listed. Sorted by feedback, examples without a score come last.
    """

    def __init__(self, world: LangSmithWorld, dataset_id: str, fields: Row) -> None:
        if not fields.get("experiment_ids"):
            problem(400, "experiment_ids is required")
        if "sort" in fields and len(fields["experiment_ids"]) != 1:
            problem(400, "sort takes one experiment")
        if dataset_id not in world.examples:
            problem(404, "dataset not found")
        self._world = world
        self._dataset_id = dataset_id
        self._fields = fields
        filters = fields.get("filters", {})
        self._filters = {key: [run_filter(one) for one in texts] for key, texts in filters.items()}

    def page(self, cursors: Cursors) -> Row:
        """Return one page. `page_size` counts examples."""
        size, start = self._fields.get("page_size", 20), 0
        if "cursor" in self._fields:
            (start, _), _ = cursors.read(self._fields["cursor"])
        runs = self._runs()
        examples = self._examples(runs)
        page = examples[start : start + size]
        more = len(examples) > start + size
        following = cursors.write((start + size, (0, "")), None) if more else None
        return {"items": [self._item(one, runs.get(one["id"], [])) for one in page], "next_cursor": following}

    def _runs(self) -> dict[str, list[tuple[Row, str]]]:
        """Return the root runs that match, with their experiments, by example."""
        found: dict[str, list[tuple[Row, str]]] = {}
        for experiment in self._fields["experiment_ids"]:
            for run in self._world.runs.get(experiment, []):
                example = run.get("reference_example_id")
                matches = all(test(run) for test in self._filters.get(experiment, []))
                if run.get("parent_run_id") is None and example is not None and matches:
                    found.setdefault(example, []).append((run, experiment))
        return found

    def _examples(self, runs: Mapping[str, Sequence[tuple[Row, str]]]) -> list[Row]:
        examples = self._world.examples[self._dataset_id]
        if "example_ids" in self._fields:
            examples = [one for one in examples if one["id"] in self._fields["example_ids"]]
        if self._filters:
            examples = [one for one in examples if one["id"] in runs]
        if "sort" not in self._fields:
            return examples
        key = self._fields["sort"]["by"].removeprefix("feedback.")
        return ordered(
            examples,
            _score_of(runs, key),
            lambda one: one["id"],
            descending=self._fields["sort"]["order"] == "DESC",
        )

    def _item(self, example: Row, runs: Sequence[tuple[Row, str]]) -> Row:
        reader = RunReader(self._world)
        selects = self._fields.get("selects")
        return {
            "modified_at": None,
            "source_run_id": None,
            "attachment_urls": None,
            **example,
            "dataset_id": self._dataset_id,
            "runs": [reader.served(run, project, selects, subtree_usage=True) for run, project in runs],
        }


def _score_of(runs: Mapping[str, Sequence[tuple[Row, str]]], key: str) -> Callable[[Row], Any]:
    def score(example: Row) -> Any:
        stats = [(run.get("feedback_stats") or {}).get(key, {}) for run, _ in runs.get(example["id"], [])]
        return next((one["avg"] for one in stats if one.get("avg") is not None), None)

    return score
