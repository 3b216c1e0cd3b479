"""The sample data: realistic, reproducible, and with every gap that an adapter must cope with."""

import re
from datetime import timedelta

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.data import SampleWorlds, sample_worlds
from tracegraph.simulators.sample_cases import TODAY


def all_rows(rows: dict[str, list[Row]]) -> list[Row]:
    """Return the rows of all owners."""
    return [row for owned in rows.values() for row in owned]


def test_the_sample_data_is_the_same_in_every_process(worlds: SampleWorlds) -> None:
    assert sample_worlds() == worlds


def test_three_dozen_experiments_and_thousands_of_sessions_are_spread_over_the_vendors(
    worlds: SampleWorlds,
) -> None:
    assert len(worlds.nemo.experiments) == 14
    assert len(worlds.langsmith.sessions) == 12
    assert len(worlds.meibel.agents) == 10
    for owned in (worlds.nemo.sessions, worlds.langsmith.runs, worlds.meibel.sessions):
        assert len(all_rows(owned)) > 1000
        assert {0, 600} <= {len(rows) // (2 if owned is worlds.langsmith.runs else 1) for rows in owned.values()}


def test_every_session_lies_in_the_weeks_before_today(worlds: SampleWorlds) -> None:
    starts = [row["started_at"] for row in all_rows(worlds.nemo.sessions)]
    starts += [row["start_time"] for row in all_rows(worlds.langsmith.runs) + all_rows(worlds.meibel.sessions)]
    moments = [parse(start) for start in starts]
    assert TODAY - timedelta(weeks=9) < min(moments)
    assert max(moments) < TODAY


def test_ids_are_unique(worlds: SampleWorlds) -> None:
    for owned, key in (
        (worlds.nemo.sessions, "session_id"),
        (worlds.langsmith.runs, "id"),
        (worlds.meibel.sessions, "session_id"),
    ):
        ids = [row[key] for row in all_rows(owned)]
        assert len(ids) == len(set(ids))


def test_nemo_names_are_allowed_and_some_need_escaping(worlds: SampleWorlds) -> None:
    allowed = re.compile(r"^[a-z](?!.*--)[a-z0-9\-@.+_]{1,62}(?<!-)$")  # docs/vendors/nemo.md#access
    names = [row["name"] for row in worlds.nemo.experiments]
    assert all(allowed.match(name) for name in names)
    assert {"+", "@", ".", "_"} <= set("".join(names))


def test_nemo_sessions_have_gaps(worlds: SampleWorlds) -> None:
    sessions = all_rows(worlds.nemo.sessions)
    for key in ("cost_total_usd", "input_tokens", "latency_ms"):
        assert {row[key] is None for row in sessions} == {True, False}
    assert {row["status"] for row in sessions} == {"success", "error", "cancelled", "unknown"}
    evaluators = {name for row in sessions for name in row["evaluator_scores"]}
    assert evaluators == {"answer.correctness", "faithfulness/v1", "self-consistency"}
    assert any(row["evaluator_scores"] == {} for row in sessions)
    assert any(0 < len(row["evaluator_scores"]) < 3 for row in sessions)


def test_langsmith_runs_have_every_notation_of_times_and_costs(worlds: SampleWorlds) -> None:
    runs = all_rows(worlds.langsmith.runs)
    assert {_zone(run["start_time"]) for run in runs} == {"Z", "+02:00", ""}
    assert {type(run["total_cost"]) for run in runs} == {str, float, type(None)}
    assert {run["status"] for run in runs} == {"success", "error", "pending"}
    assert any(run["parent_run_id"] for run in runs)
    assert any(stats["avg"] is None for run in runs for stats in run["feedback_stats"].values())


def test_langsmith_has_projects_and_experiments_of_two_datasets(worlds: SampleWorlds) -> None:
    datasets = [row["reference_dataset_id"] for row in worlds.langsmith.sessions]
    assert datasets.count(None) == 5
    assert len(set(datasets) - {None}) == 2
    progresses = [row["experiment_progress"] for row in worlds.langsmith.sessions if "experiment_progress" in row]
    assert {progress["run_progress"] < 1 for progress in progresses} == {True, False}


def test_meibel_has_undocumented_statuses_and_keys(worlds: SampleWorlds) -> None:
    sessions = all_rows(worlds.meibel.sessions)
    documented = {"RUNNING", "COMPLETED", "FAILED", "CANCELED", "TERMINATED"}
    assert {row["status"] for row in sessions} > documented
    usages = {None if row["token_usage"] is None else frozenset(row["token_usage"]) for row in sessions}
    assert len(usages) == 4
    assert {row["created_at"] is None for row in worlds.meibel.agents} == {True, False}
    assert {job["score"] is None for job in worlds.meibel.jobs} == {True, False}
    assert max(job["score"] or 0 for job in worlds.meibel.jobs) == 10


def test_every_vendor_has_the_same_questions(worlds: SampleWorlds) -> None:
    nemo = {row["input"] for row in all_rows(worlds.nemo.sessions)}
    langsmith = {run["inputs"].get("question") for run in all_rows(worlds.langsmith.runs)}
    meibel = {messages[0]["message"] for messages in worlds.meibel.messages.values()}
    assert len(nemo & langsmith & meibel) == 120


def _zone(time: str) -> str:
    return re.sub(r".*T[\d:.]+", "", time)
