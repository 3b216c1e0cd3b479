"""LangSmith's GET /api/v1/feedback: the feedback of runs, with comments and labels."""

from collections.abc import Iterator
from typing import Any

from starlette.datastructures import QueryParams

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.responses import check_uuid, integer
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.langsmith.world import LangSmithWorld

_KEYS = (
    *("id", "run_id", "trace_id", "session_id", "key", "score", "value", "comment", "correction"),
    *("feedback_source", "created_at", "modified_at", "comparative_experiment_id", "feedback_group_id", "extra"),
)


def list_feedback(world: LangSmithWorld, query: QueryParams) -> list[Row]:
    """Return one page of feedback as a bare array. Without `run` it is the workspace's."""
    limit, offset = integer(query, "limit", 100, 1, 100), integer(query, "offset", 0, 0)
    runs = frozenset(check_uuid(run, ["query", "run"]) for run in query.getlist("run"))
    rows = [row for row in _all_rows(world, runs) if _matches(row, query)]
    return rows[offset : offset + limit]


def _matches(row: Row, query: QueryParams) -> bool:
    keys, sources = query.getlist("key"), query.getlist("source")
    source = (row["feedback_source"] or {}).get("type")
    return (not keys or row["key"] in keys) and (not sources or source in sources)


def _all_rows(world: LangSmithWorld, runs: frozenset[str]) -> Iterator[Row]:
    for session_id, of_session in world.runs.items():
        for run in of_session:
            if not runs or run["id"] in runs:
                for row in world.feedback.get(run["id"]) or _derived(run):
                    yield {**dict.fromkeys(_KEYS), **_place(run, session_id), **row}


def _place(run: Row, session_id: str) -> Row:
    when = run.get("end_time") or run["start_time"]
    return {
        "run_id": run["id"],
        "trace_id": run["trace_id"],
        "session_id": session_id,
        "feedback_source": {"type": "api", "metadata": {}},
        "created_at": when,
        "modified_at": when,
    }


def _derived(run: Row) -> Iterator[Row]:
    """Yield feedback that has a run's figures: a score for every number, and every label as often as it counts."""
    for key, stats in (run.get("feedback_stats") or {}).items():
        labels: list[Any] = [label for label, count in (stats.get("values") or {}).items() for _ in range(count)]
        comments = stats.get("comments") or []
        for number in range(stats["n"]):
            yield {
                "id": stable_uuid(f"feedback:{run['id']}:{key}:{number}"),
                "key": key,
                "score": stats.get("avg"),
                "value": labels[number] if number < len(labels) else None,
                "comment": comments[number] if number < len(comments) else None,
            }
