"""The objects that nemo-helix 0.8.1 held when the samples were recorded."""

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session

_GROUP = "experiment-group-Cegp2UqWbNvsWpBbZQdemG"


def recorded_world() -> NemoWorld:
    """Create one group of two evaluations, with three and two sessions."""
    world = NemoWorld(workspace="default", now=None)
    world.groups.append(
        {
            "id": _GROUP,
            "name": "capitals-exp",
            "description": "Which prompt is best",
            "metadata": {"team": "geo"},
            "baseline_evaluation_name": "run-a",
            "created_at": "2026-11-29T16:39:57.892075",
            "updated_at": "2026-11-29T16:39:58.270732",
        }
    )
    world.add(
        _evaluation("run-a", "UbT78dF5FcgCqSmnmBwr3k", "small", "57.942931", "57.942940"),
        [
            _session("run-a", 1, "14:40:07", "paris", 0.01, {"acc": 0.4}, explanations={"acc": "why"}),
            _session("run-a", 2, "14:40:17", "rome", 0.02, {"acc": 0.8}),
            _failed_session(),
        ],
    )
    world.add(
        _evaluation("run-b", "U1ccpS23RNRhiC7JXC9AzG", "large", "58.005975", "58.005986"),
        [
            _session("run-b", 1, "14:41:47", "paris", 0.05, {"acc": 0.9}),
            _session("run-b", 2, "14:41:57", "rome", 0.06, {"acc": 1.0}),
        ],
    )
    world.annotations.append(
        {
            "annotation_id": "ann-b7c45cfb1265457b8a7f2d1fedc2e5a4",
            "span_id": "run-a-t1-root",
            "session_id": "run-a-s1",
            "created_at": "2026-11-29T16:39:58.234000",
            "ingested_at": "2026-11-29T16:39:58.234000",
            "kind": "feedback",
            "value": "positive",
        }
    )
    return world


def _evaluation(name: str, row_id: str, model: str, created: str, updated: str) -> Row:
    return nemo_experiment(
        name,
        id=f"experiment-{row_id}",
        experiment_ids=[_GROUP],
        agent_name="helper",
        agent_version="1",
        dataset_name="capitals",
        dataset_version="3",
        metadata={"model": "small"},
        model_names=[model],
        status="completed",
        created_at=f"2026-11-29T16:39:{created}",
        updated_at=f"2026-11-29T16:39:{updated}",
    )


def _session(  # noqa: PLR0917
    evaluation: str, number: int, time: str, case: str, cost: float, scores: dict[str, float], **fields: object
) -> Row:
    row = nemo_session(
        f"{evaluation}-s{number}",
        started_at=f"2026-11-29T{time}",
        latency_ms=2000,
        test_case_id=case,
        trace_id=f"{evaluation}-t{number}",
        root_span_id=f"{evaluation}-t{number}-root",
        input="Capital of France?",
        output="Paris",
        cached_tokens=5,
        reasoning_tokens=3,
        cost_total_usd=cost,
        evaluator_scores=scores,
        attributes={"custom.x": "y"},
    )
    return row | fields


def _failed_session() -> Row:
    return _session(
        "run-a",
        3,
        "14:40:27",
        "paris",
        0.03,
        {},
        status="error",
        output=None,
        failed_evaluators=["acc"],
        explanations={"acc": "judge timed out"},
    )
