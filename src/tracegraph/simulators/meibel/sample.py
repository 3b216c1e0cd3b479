"""The sample data of Meibel: ten agents with their sessions, messages and scoring jobs."""

from datetime import timedelta
from random import Random

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.sample_cases import TODAY, Profile, SampleRun, sample_runs

_OPUS = "claude-opus-4-1"


_PROFILES = (
    Profile("support-concierge", 600, 31, seconds=48, errors=0.04, model="gpt-4.1-mini"),
    Profile("returns-clerk", 250, 22, seconds=75, errors=0.06, model="gpt-4.1-mini"),
    Profile("invoice-auditor", 120, 18, seconds=130, errors=0.1, quality=0.86, model=_OPUS),
    Profile("warranty-advisor", 40, 15, seconds=60, model=_OPUS),
    Profile("shipping-estimator", 40, 9, seconds=20, errors=0.0, model="gpt-4.1-nano"),
    Profile("manual-finder", 40, 6, seconds=33, quality=0.91, model="gpt-4.1-nano"),
    Profile("refund-approver", 3, 3, seconds=400, errors=0.0, model=_OPUS),
    Profile("escalation-desk", 3, 2, seconds=900, errors=0.6, model=_OPUS),
    Profile("translator-draft", 0, 5, model="gpt-4.1-mini"),
    Profile("legacy-faq", 0, 60, model="gpt-3.5-turbo"),
)


_ENDINGS = ("COMPLETED", "CANCELED", "TERMINATED", "PAUSED_FOR_REVIEW", "timed_out")
"""The status is a plain string: no document lists the last two words."""


def sample_meibel(random: Random) -> MeibelWorld:
    """Create a Meibel project."""
    world = MeibelWorld()
    for profile in _PROFILES:
        sessions = []
        for run in sample_runs(random, profile):
            session = _session(random, profile, run)
            sessions.append(session)
            world.messages[session["session_id"]] = _messages(run)
            world.logs[session["session_id"]] = _log(run)
            if random.random() < 0.4:
                world.jobs += _jobs(session["session_id"], profile.name, run)
        world.add(_agent(profile, sessions), sessions)
    return world


def _agent(profile: Profile, sessions: list[Row]) -> Row:
    newest = sessions[-1] if sessions else None
    aged = TODAY - timedelta(days=profile.days_ago, hours=3)
    return meibel_agent(
        f"agent-{stable_uuid(profile.name)[:8]}",
        # An agent that is older than the vendor's created_at.
        created_at=None if profile.name == "legacy-faq" else aged,
        name=profile.name,
        display_name=profile.name.replace("-", " ").title(),
        version="3" if profile.sessions > 100 else "1",
        type="draft" if profile.name.endswith("draft") else "published",
        description=None if profile.sessions == 0 else f"Answers as the {profile.name.replace('-', ' ')}.",
        llm_model=profile.model,
        fallback_models=["gpt-4.1-nano"] if profile.model == _OPUS else [],
        tools=[{"name": "search_manuals", "type": "rag_search"}],
        datasources=["manuals"],
        tags=["support", profile.name.partition("-")[0]],
        created_by="ada@support.example",
        last_execution_status=None if newest is None else newest["status"],
        last_execution_time=None if newest is None else newest["start_time"],
    )


def _session(random: Random, profile: Profile, run: SampleRun) -> Row:
    ending = "FAILED" if run.failed else random.choices(_ENDINGS, [92, 3, 2, 2, 1])[0]
    return meibel_session(
        stable_uuid(f"meibel:{profile.name}:{run.number}"),
        start_time=run.start,
        duration_s=run.seconds,
        status="RUNNING" if run.seconds is None else ending,
        messages_count=2,
        token_usage=_usage(run),
        result=[{"name": "answer.md", "file_type": "text/markdown"}] if profile.model == _OPUS else [],
    )


def _usage(run: SampleRun) -> Row | None:
    """Return the token usage: the keys are undocumented and differ (docs/vendors/meibel.md#tokens)."""
    if run.prompt_tokens is None or run.completion_tokens is None:
        return None
    prompt, completion = run.prompt_tokens, run.completion_tokens
    if run.number % 9 == 0:
        return {"input_tokens": prompt, "output_tokens": completion}
    if run.number % 31 == 0:
        return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _messages(run: SampleRun) -> list[Row]:
    question: Row = {"role": "user", "message": run.case.question, "signal_id": None}
    question["timestamp"] = zulu(run.start)
    if run.failed or run.seconds is None:
        return [question]
    answered_at = zulu(run.start + timedelta(seconds=run.seconds))
    return [
        question,
        {"role": "assistant", "message": run.case.answer, "signal_id": None, "timestamp": answered_at},
    ]


def _log(run: SampleRun) -> list[Row]:
    """Return the messages, and the call of the tool between them."""
    question, *answers = [{"type": f"{message.pop('role')}_message", **message} for message in _messages(run)]
    searched = {
        "type": "tool_call",
        "tool_id": f"call-{run.number}",
        "tool_name": "search_manuals",
        "arguments": {"query": run.case.question},
        "result": run.case.answer if answers else None,
        "timestamp": zulu(run.start + timedelta(milliseconds=400)),
    }
    return [question, searched, *answers]


def _jobs(session_id: str, agent_name: str, run: SampleRun) -> list[Row]:
    """Create scoring jobs: judges score 0 to 10 in whole numbers, statistics 0 to 1.

    See docs/vendors/meibel.md#scores.
    """
    jobs = [
        meibel_job(session_id, name, round(score * 10), agent_name=agent_name)
        for name, score in run.scores.items()
        if name != "consistency"
    ]
    consistency = run.scores.get("consistency")
    return [*jobs, meibel_job(session_id, "observed_consistency", consistency, agent_name=agent_name)]
