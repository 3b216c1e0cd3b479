"""The sample data of LangSmith: seven experiments over two datasets, and five tracing projects."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from random import Random

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import naive, zulu
from tracegraph.simulators.langsmith.world import (
    LangSmithWorld,
    langsmith_dataset,
    langsmith_example,
    langsmith_run,
    langsmith_session,
)
from tracegraph.simulators.sample_cases import CASES, TODAY, Profile, SampleCase, SampleRun, sample_runs

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


_DATASETS = {"support": 120, "triage": 40}
"""The number of examples by dataset."""


_BERLIN = timezone(timedelta(hours=2))


_STYLES: tuple[Callable[[datetime], str | None], ...] = (
    zulu,
    naive,
    lambda moment: moment.astimezone(_BERLIN).isoformat(),
)
"""The API mixes zones within one response. Here each session has its own format.

See docs/vendors/langsmith.md#times.
"""


def sample_langsmith(random: Random) -> LangSmithWorld:
    """Create a LangSmith workspace."""
    world = LangSmithWorld()
    for number, profile in enumerate((*_EXPERIMENTS, *_PROJECTS)):
        write = _STYLES[number % len(_STYLES)]
        judged = profile in _EXPERIMENTS
        runs: list[Row] = []
        for run in sample_runs(random, profile):
            # Costs are strings or numbers, depending on the version that ingested the run
            # (docs/vendors/langsmith.md#figures).
            root = _root(profile, run, write, judged=judged, cost=str if number % 2 else float)
            runs += [root, _model_call(profile, run, root, write)]
        world.add(_experiment(profile) if judged else _project(profile), runs)
    for name, cases in _DATASETS.items():
        dataset = langsmith_dataset(name, created_at=TODAY - timedelta(days=60), description=f"Cases of {name}.")
        world.add_dataset(dataset, [_example(case) for case in CASES[:cases]])
    return world


def _example(case: SampleCase) -> Row:
    return langsmith_example(
        case.case_id,
        created_at=TODAY - timedelta(days=60),
        inputs={"question": case.question},
        outputs={"answer": case.answer},
    )


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
    run: SampleRun,
    write: Callable[[datetime], str | None],
    *,
    judged: bool,
    cost: Callable[[float], str | float],
) -> Row:
    """Create the root run of one question, with the figures of its child runs."""
    has_tokens = run.prompt_tokens is not None and run.completion_tokens is not None
    end = None if run.seconds is None else run.start + timedelta(seconds=run.seconds)
    return langsmith_run(
        f"{profile.name}:{run.number}",
        start_time=run.start,
        latency_s=run.seconds,
        **_naming(run, "answer_question"),
    ) | {
        "start_time": write(run.start),
        "end_time": None if end is None else write(end),
        "status": "pending" if end is None else "error" if run.failed else "success",
        "error": "TimeoutError: the knowledge base did not answer" if run.failed else None,
        "inputs": {"question": run.case.question},
        "outputs": None if run.failed or end is None else {"answer": run.case.answer},
        "extra": {"metadata": {"thread_id": f"thread-{run.number // 4}", "ls_model_name": profile.model}},
        "reference_example_id": stable_uuid(f"example:{run.case.case_id}") if judged else None,
        "prompt_tokens": run.prompt_tokens,
        "completion_tokens": run.completion_tokens,
        "prompt_token_details": _part("cache_read", run.prompt_tokens, 4),
        "completion_token_details": _part("reasoning", run.completion_tokens, 5),
        "total_tokens": (run.prompt_tokens or 0) + (run.completion_tokens or 0) if has_tokens else None,
        "total_cost": None if run.dollars is None else cost(run.dollars),
        "prompt_cost": None if run.dollars is None else cost(round(run.dollars * 0.6, 6)),
        "completion_cost": None if run.dollars is None else cost(round(run.dollars * 0.4, 6)),
        "first_token_time": None if end is None else write(run.start + (end - run.start) / 5),
        "feedback_stats": _feedback(run.scores, run.number) if judged else {},
    }


def _model_call(profile: Profile, run: SampleRun, root: Row, write: Callable[[datetime], str | None]) -> Row:
    """Create the child run of a root, which a reader without an is_root filter would count twice."""
    name = f"{profile.name}:{run.number}:llm"
    start = run.start + timedelta(milliseconds=15)
    child = langsmith_run(name, start_time=start, parent=root, **_naming(run, "ChatOpenAI"))
    same = ("end_time", "status", "error", "prompt_tokens", "completion_tokens", "total_tokens", "total_cost")
    details = ("prompt_token_details", "completion_token_details")
    return {**child, **{key: root[key] for key in (*same, *details)}, "start_time": write(start)}


def _part(kind: str, tokens: int | None, divisor: int) -> Row | None:
    """Return how many of a run's tokens are of a kind."""
    return None if tokens is None else {kind: tokens // divisor}


def _naming(run: SampleRun, name: str) -> Row:
    return {"name": name, "tags": ["long"] if (run.completion_tokens or 0) > 500 else []}


def _feedback(scores: Mapping[str, float], number: int) -> Row:
    """Return scores as feedback, and a label, which has no average."""
    judged: Row = {key: {"n": 1, "avg": score, "values": {}} for key, score in scores.items()}
    label = ("friendly", "neutral", "curt")[number % 3]
    return {**judged, "tone": {"n": 1, "avg": None, "values": {label: 1}}} if scores else {}
