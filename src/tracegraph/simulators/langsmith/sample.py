"""The sample data of LangSmith: seven experiments over two datasets, and five tracing projects."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from random import Random

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import naive, zulu
from tracegraph.simulators.langsmith.world import LangSmithWorld, langsmith_run, langsmith_session
from tracegraph.simulators.sample_cases import TODAY, Outcome, Profile, outcomes

_MINI, _LARGE = "gpt-4.1-mini", "gpt-4.1"


_PROJECTS = (
    Profile("prod-support-chat", 600, 30, seconds=1.9, errors=0.03, model=_MINI),
    Profile("prod-triage", 250, 14, seconds=0.8, errors=0.02, model=_MINI),
    Profile("staging-support-chat", 120, 4, seconds=2.5, errors=0.12, model=_LARGE),
    Profile("default", 3, 45, model=_MINI),
    Profile("playground", 0, 40, model=_MINI),
)


_EXPERIMENTS = (
    Profile("support-mini-8c1f20aa", 120, 33, seconds=1.7, quality=0.77, dollars_per_1k=0.0008, model=_MINI),
    Profile("support-large-77d0be13", 120, 24, seconds=3.9, quality=0.9, dollars_per_1k=0.008, model=_LARGE),
    Profile("support-large-fewshot-1b9e", 120, 12, seconds=4.4, quality=0.92, model=_LARGE),
    Profile("support-mini-v2-5d00e9c1", 120, 5, seconds=1.5, quality=0.83, model=_MINI),
    Profile("triage-router-3f6a", 40, 21, seconds=0.7, quality=0.86, model=_MINI),
    Profile("triage-router-v2-9e11", 40, 8, seconds=0.6, errors=0.25, quality=0.8, model=_MINI),
    Profile("triage-aborted-0c4d", 3, 7, errors=0.9, model=_MINI),
)


_BERLIN = timezone(timedelta(hours=2))


_STYLES: tuple[Callable[[datetime], str | None], ...] = (
    zulu,
    naive,
    lambda moment: moment.astimezone(_BERLIN).isoformat(),
)
"""The API mixes zones within one answer; here every session writes its own way.

See docs/vendors/langsmith.md#times.
"""


def sample_langsmith(random: Random) -> LangSmithWorld:
    """Fill a LangSmith workspace."""
    world = LangSmithWorld()
    for number, profile in enumerate((*_EXPERIMENTS, *_PROJECTS)):
        write = _STYLES[number % len(_STYLES)]
        judged = profile in _EXPERIMENTS
        runs: list[Row] = []
        for outcome in outcomes(random, profile):
            # Costs come as text or as numbers, by the version that took the run in
            # (docs/vendors/langsmith.md#figures).
            root = _root(profile, outcome, write, judged=judged, cost=str if number % 2 else float)
            runs += [root, _model_call(profile, outcome, root, write)]
        world.add(_experiment(profile) if judged else _project(profile), runs)
    return world


def _project(profile: Profile) -> Row:
    return langsmith_session(
        profile.name,
        start_time=TODAY - timedelta(days=profile.days_ago, hours=2),
        description=f"Traces of {profile.name}.",
        trace_tier="longlived" if profile.name.startswith("prod") else "shortlived",
        extra={"metadata": {"environment": profile.name.partition("-")[0]}},
    )


def _experiment(profile: Profile) -> Row:
    start = TODAY - timedelta(days=profile.days_ago, hours=2)
    progress = min(1.0, profile.sessions / 40)
    return langsmith_session(
        profile.name,
        start_time=naive(start),
        end_time=None if progress < 1 else zulu(start + timedelta(days=4)),
        reference_dataset_id=stable_uuid(f"dataset:{profile.name.partition('-')[0]}"),
        default_dataset_id=stable_uuid(f"dataset:{profile.name.partition('-')[0]}"),
        extra={
            "metadata": {
                "dataset_version": "2026-09-30T08:00:00+00:00",
                "models": [profile.model],
                "num_repetitions": 1,
                "git": {"branch": "main", "commit": stable_uuid(profile.name)[:7]},
            }
        },
        test_run_number=len(profile.name),
        experiment_progress={
            "expected_run_count": max(40, profile.sessions),
            "run_progress": progress,
            "evaluator_progress": {"correctness": progress},
        },
    )


def _root(
    profile: Profile,
    outcome: Outcome,
    write: Callable[[datetime], str | None],
    *,
    judged: bool,
    cost: Callable[[float], str | float],
) -> Row:
    """Make the run of one question, with the figures of everything below it."""
    known = outcome.prompt_tokens is not None and outcome.completion_tokens is not None
    end = None if outcome.seconds is None else outcome.start + timedelta(seconds=outcome.seconds)
    return langsmith_run(
        f"{profile.name}:{outcome.number}",
        start_time=outcome.start,
        latency_s=outcome.seconds,
        **_naming(outcome, "answer_question"),
    ) | {
        "start_time": write(outcome.start),
        "end_time": None if end is None else write(end),
        "status": "pending" if end is None else "error" if outcome.failed else "success",
        "error": "TimeoutError: the knowledge base did not answer" if outcome.failed else None,
        "inputs": {"question": outcome.case.question},
        "outputs": None if outcome.failed or end is None else {"answer": outcome.case.answer},
        "extra": {"metadata": {"thread_id": f"thread-{outcome.number // 4}", "ls_model_name": profile.model}},
        "reference_example_id": stable_uuid(f"example:{outcome.case.case_id}") if judged else None,
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "total_tokens": (outcome.prompt_tokens or 0) + (outcome.completion_tokens or 0) if known else None,
        "total_cost": None if outcome.dollars is None else cost(outcome.dollars),
        "prompt_cost": None if outcome.dollars is None else cost(round(outcome.dollars * 0.6, 6)),
        "completion_cost": None if outcome.dollars is None else cost(round(outcome.dollars * 0.4, 6)),
        "first_token_time": None if end is None else write(outcome.start + (end - outcome.start) / 5),
        "feedback_stats": _feedback(outcome.scores, outcome.number) if judged else {},
    }


def _model_call(profile: Profile, outcome: Outcome, root: Row, write: Callable[[datetime], str | None]) -> Row:
    """Make the child run below a root: what a reader who forgets is_root would count twice."""
    name = f"{profile.name}:{outcome.number}:llm"
    start = outcome.start + timedelta(milliseconds=15)
    child = langsmith_run(name, start_time=start, parent=root, **_naming(outcome, "ChatOpenAI"))
    same = ("end_time", "status", "error", "prompt_tokens", "completion_tokens", "total_tokens", "total_cost")
    return {**child, **{key: root[key] for key in same}, "start_time": write(start)}


def _naming(outcome: Outcome, name: str) -> Row:
    return {"name": name, "tags": ["long"] if (outcome.completion_tokens or 0) > 500 else []}


def _feedback(scores: Mapping[str, float], number: int) -> Row:
    """Write scores as feedback, and beside them a label, which has no average."""
    judged: Row = {key: {"n": 1, "avg": score, "values": {}} for key, score in scores.items()}
    label = ("friendly", "neutral", "curt")[number % 3]
    return {**judged, "tone": {"n": 1, "avg": None, "values": {label: 1}}} if scores else {}
