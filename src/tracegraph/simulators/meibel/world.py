"""The content and options of a simulated Meibel: plain rows, which may change at any time.

A row is a JSON object. A key that it states is served as stated, even where the vendor computes it, such as a
count of runs. So a test can set any figure without creating a thousand sessions.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tracegraph.simulators.core.ids import _moment, stable_uuid
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import EPOCH, zulu


@dataclass
class MeibelWorld:
    """One Meibel project: agents, sessions by agent id, messages by session id, and scoring jobs."""

    agents: list[Row] = field(default_factory=list)
    sessions: dict[str, list[Row]] = field(default_factory=dict)
    messages: dict[str, list[Row]] = field(default_factory=dict)
    logs: dict[str, list[Row]] = field(default_factory=dict)
    """The messages and tool calls of a session, by its id. Without them, they are the messages."""
    jobs: list[Row] = field(default_factory=list)
    api_key: str = "mb_simulated"
    default_limit: int = 10
    """The number of rows without a `limit`."""
    max_rows: int | None = None
    """The most rows of one response, whatever `limit` is; `total` still counts all rows."""
    echo_paging: bool = True
    """Send `offset` and `limit` in the sessions list, as SDK 2.0.7 expects and the contract does not."""
    created_at_in_summary: bool = False
    """Send `created_at` in the agents list, where the vendor has it in the detail only.

    See docs/vendors/meibel.md#agents.
    """
    shuffle_ties: bool = False
    """Order rows of one sort value differently in every call."""
    nulls_first: bool = False
    """Agents without `created_at` come first, in both directions."""

    def add(self, agent: Row, sessions: list[Row] | None = None) -> None:
        """Add an agent and its sessions."""
        self.agents.append(agent)
        self.sessions[agent["id"]] = list(sessions or [])


def meibel_agent(agent_id: str, /, *, created_at: datetime | str | None = EPOCH, **fields: Any) -> Row:
    """Create a Meibel agent; `fields` are keys of the agent's detail."""
    return {
        "id": agent_id,
        "name": agent_id,
        "display_name": agent_id.replace("-", " ").title(),
        "catalog_urn": f"urn:meibel:agent:{agent_id}",
        "version": "1",
        "parent_version": None,
        "type": "published",
        "description": None,
        "llm_model": "gpt-4.1-mini",
        "fallback_models": [],
        "datasources": [],
        "instructions": "Answer briefly.",
        "tools": [],
        "artifacts": [],
        "confidence_configs": [],
        "temperature": 0.2,
        "max_tokens": None,
        "tags": [],
        "created_by": None,
        "created_at": zulu(created_at),
        "last_execution_status": None,
        "last_execution_time": None,
    } | fields


def meibel_session(
    session_id: str,
    /,
    *,
    start_time: datetime | str = EPOCH,
    duration_s: float | None = 30.0,
    status: str = "COMPLETED",
    **fields: Any,
) -> Row:
    """Create a Meibel session of `duration_s` seconds (None: it is running); `fields` as in the contract."""
    ended = None if duration_s is None else zulu(_moment(start_time) + timedelta(seconds=duration_s))
    return {
        "session_id": session_id,
        "status": status,
        "start_time": zulu(start_time),
        "end_time": ended,
        "messages_count": 2,
        "token_usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        "result": [],
    } | fields


def meibel_job(session_id: str, module: str, score: float | None, *, agent_name: str, **fields: Any) -> Row:
    """Create a scoring job of a session: judges score 0..10, statistics 0..1.

    See docs/vendors/meibel.md#scores.
    """
    context = {
        "customer_id": "customer-1",
        "project_id": "project-1",
        "agent_name": agent_name,
        "agent_version": "1",
        "agent_session_id": session_id,
        "agent_turn": 1,
    }
    return {
        "job_id": stable_uuid(f"job:{session_id}:{module}"),
        "agent_identity_context": context,
        "module": module,
        "status": "completed" if score is not None else "in_progress",
        "score": score,
        "explanation": None,
    } | fields
