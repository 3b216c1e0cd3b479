"""The sample data of NeMo: fourteen experiments of the workspace `research`."""

from datetime import timedelta
from random import Random

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import naive
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment, nemo_session
from tracegraph.simulators.sample_cases import TODAY, Profile, SampleRun, sample_runs

WORKSPACE = "research"


_SUPER = "nvidia/nemotron-super-49b-v1.5"


_PROFILES = (
    Profile("support-baseline", 250, 48, seconds=3.1, quality=0.71),
    Profile("support-nano+rag", 250, 34, seconds=2.4, quality=0.78),
    Profile("support-super@v2", 600, 20, seconds=5.6, quality=0.88, dollars_per_1k=0.006, model=_SUPER),
    Profile("support-prompt-v3", 120, 13, quality=0.81),
    Profile("triage-smoke", 3, 9, seconds=0.9, errors=0.0),
    Profile("triage-nightly@2026-11-18", 40, 2, seconds=1.1, errors=0.1),
    Profile("rag-chunking-512", 250, 27, quality=0.76),
    Profile("rag-chunking-1024", 250, 26.5, seconds=2.6, quality=0.79),
    Profile("rag-reranker+bm25", 120, 16, seconds=3.3, quality=0.84),
    Profile("guardrails-off", 40, 11, seconds=1.6, errors=0.0, quality=0.74),
    Profile("guardrails-on", 40, 11, seconds=2.2, errors=0.2, quality=0.82),
    Profile("long-context_probe", 120, 6, seconds=14.0, errors=0.15, dollars_per_1k=0.009, model=_SUPER),
    Profile("cost-cap.2", 40, 4, quality=0.69, dollars_per_1k=0.0005),
    Profile("empty-import", 0, 7),
)


_GROUP = "experiment-group-"


_MORE_GROUPS = {"guardrails-on": [f"{_GROUP}support"]}
"""The groups that an experiment is in besides that of its topic (0.3.0 and later)."""


_PINNED = "support-baseline"


_EVALUATORS = {
    "correctness": "answer.correctness",
    "faithfulness": "faithfulness/v1",
    "consistency": "self-consistency",
}


def sample_nemo(random: Random) -> NemoWorld:
    """Create a NeMo workspace."""
    world = NemoWorld(workspace=WORKSPACE, now=TODAY)
    for profile in _PROFILES:
        sessions = [_session(random, profile, run) for run in sample_runs(random, profile)]
        world.add(_experiment(profile), sessions)
        world.annotations += [_feedback(session) for session in sessions[::60]]
    world.groups.append(_baseline_group())
    return world


def _experiment(profile: Profile) -> Row:
    topic = profile.name.partition("-")[0]
    # NeMo writes microseconds and no zone.
    created = TODAY - timedelta(days=profile.days_ago, hours=1, microseconds=len(profile.name) * 7919)
    return nemo_experiment(
        profile.name,
        created_at=created,
        id=f"experiment-{stable_uuid(profile.name)[:8]}",
        experiment_group_id=f"{_GROUP}{topic}",
        agent_name=f"{topic}-assistant",
        agent_version="2.1.0" if profile.model == _SUPER else "1.4.2",
        dataset_name="support-cases",
        dataset_version="2026-09",
        description=None if profile.sessions == 3 else f"The {topic} assistant on the support cases.",
        metadata={"branch": profile.name, "temperature": 0.2},
        model_names=[profile.model] if profile.sessions else [],
        experiment_ids=[f"{_GROUP}{topic}", *_MORE_GROUPS.get(profile.name, [])],
        status="completed" if profile.sessions else None,
        pinned_at=naive(created + timedelta(days=1)) if profile.name == _PINNED else None,
        source_link=f"https://git.example/support/{stable_uuid(profile.name)[:7]}",
    )


def _session(random: Random, profile: Profile, run: SampleRun) -> Row:
    session_id = f"{profile.name}-{run.number:04d}"
    # A running session has the status success, too (docs/vendors/nemo.md#sessions).
    ended = random.choices(["success", "cancelled", "unknown"], [97, 2, 1])[0]
    return nemo_session(
        session_id,
        started_at=run.start,
        latency_ms=None if run.seconds is None else round(run.seconds * 1000),
        status="error" if run.failed else ended if run.seconds is not None else "success",
        test_case_id=run.case.case_id,
        trace_id=stable_uuid(f"trace:{session_id}").replace("-", ""),
        root_span_id=stable_uuid(f"span:{session_id}").replace("-", "")[:16],
        input=run.case.question,
        output=None if run.failed or run.seconds is None else run.case.answer,
        input_tokens=run.prompt_tokens,
        output_tokens=run.completion_tokens,
        cached_tokens=None if run.prompt_tokens is None else run.prompt_tokens // 4,
        cost_total_usd=run.dollars,
        evaluator_scores={_EVALUATORS[name]: score for name, score in run.scores.items()},
        failed_evaluators=_failed_evaluators(run),
    )


def _failed_evaluators(run: SampleRun) -> list[str]:
    """Return the evaluators that failed: in a third of the sessions, those that gave no score."""
    missing = [label for name, label in _EVALUATORS.items() if name not in run.scores]
    return missing if run.scores and run.number % 3 == 0 else []


def _feedback(session: Row) -> Row:
    moment = session["ended_at"] or session["started_at"]
    return {
        "annotation_id": f"ann-{stable_uuid('annotation:' + session['session_id']).replace('-', '')}",
        "span_id": session["root_span_id"],
        "session_id": session["session_id"],
        "created_at": moment,
        "ingested_at": moment,
        "kind": "feedback",
        "value": "negative" if session["status"] == "error" else "positive",
    }


def _baseline_group() -> Row:
    created = naive(TODAY - timedelta(days=50))
    return {
        "id": f"{_GROUP}support",
        "name": "support",
        "description": "The support assistant, against its baseline.",
        "baseline_evaluation_name": "support-baseline",
        "created_at": created,
        "updated_at": created,
    }
