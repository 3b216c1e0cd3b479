"""A run as v2 serves it: lower-case fields, upper-case enumerations, costs as numbers.

A world holds v1's rows. A run that is no model call has the usage of its whole tree there, as v1 served it, even
when the world does not hold the children. So v2 serves that usage with `include_subtree_usage` only.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse, zulu

_USAGE = (
    *("total_tokens", "prompt_tokens", "completion_tokens", "total_cost", "prompt_cost", "completion_cost"),
    *("prompt_token_details", "completion_token_details", "prompt_cost_details", "completion_cost_details"),
    "first_token_time",
)


_PLAIN = (
    *("id", "name", "error", "extra", "events", "inputs", "outputs", "manifest", "trace_id", "dotted_order"),
    *("reference_example_id", "price_model_id", "tags", "app_path", "attachments", "thread_evaluation_time"),
    *("last_queued_at", "share_url", "ls_user_id"),
)


_THREAD_KEYS = ("session_id", "thread_id", "conversation_id")
"""The metadata that makes a run part of a thread (documentation)."""


_MODEL_CALLS = frozenset({"llm", "embedding"})


_PREVIEW = 200
"""The vendor cuts previews at an unknown length."""


_FEEDBACK: Row = {
    "n": 0,
    "avg": None,
    "min": None,
    "max": None,
    "stdev": None,
    "errors": 0,
    "values": {},
    "comments": [],
    "sources": ["api"],
    "contains_thread_feedback": False,
}


@dataclass(frozen=True, slots=True)
class RunView:
    """One run of a project, with what its fields depend on."""

    run: Row
    project_id: str
    dataset_id: str | None
    """The dataset of the project, when it is an experiment."""
    siblings: Mapping[str, Row]
    """All runs of the project, by id."""
    subtree_usage: bool

    def served(self, selects: Sequence[str] | None, *, omit_nulls: bool) -> Row:
        """Return the selected fields, by default the id."""
        row = {name.lower(): _READERS[name.lower()](self) for name in selects or ["ID"]}
        return {name: value for name, value in row.items() if value is not None} if omit_nulls else row


def rfc3339(value: Any) -> Any:
    """Return a time in UTC with a `Z`. Anything that is no time is returned unchanged."""
    try:
        return zulu(parse(value))
    except (TypeError, ValueError):
        return value


def number(value: Any) -> Any:
    """Return a cost as a number. Anything that is no number is returned unchanged."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def sortable(figure: Any) -> float | None:
    """Return a figure to sort by; a stated value that is no number sorts as a missing one."""
    return float(figure) if isinstance(figure, int | float) and math.isfinite(figure) else None


def upper(value: Any) -> Any:
    """Return an enumeration's value in upper case."""
    return value.upper() if isinstance(value, str) else value


def _plain(name: str) -> Callable[[RunView], Any]:
    return lambda view: view.run.get(name)


def _usage(name: str) -> Callable[[RunView], Any]:
    """Return the reader of a figure, which is null for a run without usage of its own."""

    def read(view: RunView) -> Any:
        value = view.run.get(name)
        if value is None or not (view.subtree_usage or view.run.get("run_type") in _MODEL_CALLS):
            return None
        if name.endswith("_details"):
            return value if not isinstance(value, dict) or "raw" in value else {"raw": value}
        if name.endswith("_cost"):
            return number(value)
        return rfc3339(value) if name.endswith("_time") else value

    return read


def _time(name: str) -> Callable[[RunView], Any]:
    return lambda view: rfc3339(view.run.get(name))


def _latency(view: RunView) -> Any:
    if "latency_seconds" in view.run:
        return view.run["latency_seconds"]
    if view.run.get("end_time") is None:
        return None
    return (parse(view.run["end_time"]) - parse(view.run["start_time"])).total_seconds()


def _metadata(view: RunView) -> Any:
    extra = view.run.get("extra")
    return extra.get("metadata") if isinstance(extra, dict) else None


def _thread(view: RunView) -> Any:
    metadata = _metadata(view)
    found = [metadata[key] for key in _THREAD_KEYS if key in metadata] if isinstance(metadata, dict) else []
    return view.run.get("thread_id", found[0] if found else None)


def _preview(name: str) -> Callable[[RunView], Any]:
    """Return the reader of a preview: the only text of an object, else its JSON, cut."""

    def read(view: RunView) -> Any:
        value = view.run.get(name)
        if f"{name}_preview" in view.run:
            return view.run[f"{name}_preview"]
        if isinstance(value, dict) and len(value) == 1:
            value = next(iter(value.values()))
        if value is None or value == {}:
            return None
        return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:_PREVIEW]

    return read


def _parents(view: RunView) -> list[str]:
    """Return the ids of the ancestors that the world holds, from the root down."""
    ids: list[str] = []
    parent = view.run.get("parent_run_id")
    while parent is not None and parent not in ids:
        ids.insert(0, parent)
        row = view.siblings.get(parent)
        parent = None if row is None else row.get("parent_run_id")
    return ids


def _dataset(view: RunView) -> Any:
    linked = view.run.get("reference_example_id") is not None
    return view.run.get("reference_dataset_id", view.dataset_id if linked else None)


def feedback_stats(view: RunView) -> Any:
    """Return the feedback of a run with every key that v2 has."""
    stats = view.run.get("feedback_stats")
    return {key: _complete(one) for key, one in stats.items()} if isinstance(stats, dict) else stats


def _complete(stats: Any) -> Any:
    if not isinstance(stats, dict):
        return stats
    single = {"min": stats.get("avg"), "max": stats.get("avg")} if stats.get("n") == 1 else {}
    return {**_FEEDBACK, **single, **stats}


_READERS: Mapping[str, Callable[[RunView], Any]] = {
    **{name: _plain(name) for name in _PLAIN},
    **{name: _usage(name) for name in _USAGE},
    "run_type": lambda view: upper(view.run.get("run_type")),
    "status": lambda view: upper(view.run.get("status")),
    "start_time": _time("start_time"),
    "end_time": _time("end_time"),
    "latency_seconds": _latency,
    "error_preview": _preview("error"),
    "inputs_preview": _preview("inputs"),
    "outputs_preview": _preview("outputs"),
    "metadata": _metadata,
    "parent_run_ids": _parents,
    "project_id": lambda view: view.project_id,
    "thread_id": _thread,
    "is_root": lambda view: view.run.get("parent_run_id") is None,
    "reference_dataset_id": _dataset,
    "is_in_dataset": lambda view: view.run.get("reference_example_id") is not None,
    "feedback_stats": feedback_stats,
}


SELECTS = tuple(name.upper() for name in _READERS)
"""The names that `selects` takes."""
