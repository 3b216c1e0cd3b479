"""The sample data of Meibel: ten agents with their sessions, messages and scoring jobs."""

from datetime import timedelta
from random import Random

from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import zulu
from tracegraph.simulators.meibel.world import MeibelWorld, meibel_agent, meibel_job, meibel_session
from tracegraph.simulators.sample_cases import TODAY, Outcome, Profile, outcomes

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
"""The status is a plain string: the last two are words that no document lists."""


def sample_meibel(random: Random) -> MeibelWorld:
    """Fill a Meibel project."""
    world = MeibelWorld()
    for profile in _PROFILES:
        sessions = []
        for outcome in outcomes(random, profile):
            session = _session(random, profile, outcome)
            sessions.append(session)
            world.messages[session["session_id"]] = _messages(outcome)
            if random.random() < 0.4:
                world.jobs += _jobs(session["session_id"], profile.name, outcome)
        world.add(_agent(profile, sessions), sessions)
    return world


def _agent(profile: Profile, sessions: list[Row]) -> Row:
    newest = sessions[-1] if sessions else None
    aged = TODAY - timedelta(days=profile.days_ago, hours=3)
    return meibel_agent(
        f"agent-{stable_uuid(profile.name)[:8]}",
        # An agent from before the vendor kept the date.
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


def _session(random: Random, profile: Profile, outcome: Outcome) -> Row:
    ending = "FAILED" if outcome.failed else random.choices(_ENDINGS, [92, 3, 2, 2, 1])[0]
    return meibel_session(
        stable_uuid(f"meibel:{profile.name}:{outcome.number}"),
        start_time=outcome.start,
        duration_s=outcome.seconds,
        status="RUNNING" if outcome.seconds is None else ending,
        messages_count=2,
        token_usage=_usage(outcome),
        result=[{"name": "answer.md", "file_type": "text/markdown"}] if profile.model == _OPUS else [],
    )


def _usage(outcome: Outcome) -> Row | None:
    """Meter a session: the keys are not documented and differ (docs/vendors/meibel.md#tokens)."""
    if outcome.prompt_tokens is None or outcome.completion_tokens is None:
        return None
    given, taken = outcome.prompt_tokens, outcome.completion_tokens
    if outcome.number % 9 == 0:
        return {"input_tokens": given, "output_tokens": taken}
    if outcome.number % 31 == 0:
        return {"usage": {"prompt_tokens": given, "completion_tokens": taken}}
    return {"prompt_tokens": given, "completion_tokens": taken, "total_tokens": given + taken}


def _messages(outcome: Outcome) -> list[Row]:
    asked: Row = {"role": "user", "message": outcome.case.question, "signal_id": None}
    asked["timestamp"] = zulu(outcome.start)
    if outcome.failed or outcome.seconds is None:
        return [asked]
    answered = zulu(outcome.start + timedelta(seconds=outcome.seconds))
    return [
        asked,
        {"role": "assistant", "message": outcome.case.answer, "signal_id": None, "timestamp": answered},
    ]


def _jobs(session_id: str, agent_name: str, outcome: Outcome) -> list[Row]:
    """Score a session: judges from 0 to 10 in whole numbers, statistics from 0 to 1.

    See docs/vendors/meibel.md#scores.
    """
    jobs = [
        meibel_job(session_id, name, round(score * 10), agent_name=agent_name)
        for name, score in outcome.scores.items()
        if name != "consistency"
    ]
    consistency = outcome.scores.get("consistency")
    return [*jobs, meibel_job(session_id, "observed_consistency", consistency, agent_name=agent_name)]
