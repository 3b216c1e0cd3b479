"""The sample content of the real servers: assistants over the test cases that the simulated vendors have, too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Any

from tracegraph.simulators.sample_cases import Profile, sample_runs

EVALUATED_CASES = 30
"""The cases of an evaluation: those of the first three questions for each product."""
_MODEL = "gpt-4o-mini"
"""Both servers know its price."""

MLFLOW_PROFILES = (
    Profile("support-helpdesk", 30, 12, model=_MODEL),
    Profile("prompt-v3", EVALUATED_CASES, 12, seconds=3.2, quality=0.68, model=_MODEL),
    Profile("prompt-v4", EVALUATED_CASES, 12, seconds=2.4, quality=0.78, model=_MODEL),
)
PHOENIX_PROFILES = (
    Profile("support-chat", 30, 12, model=_MODEL),
    Profile("prompt-v4-rerank", EVALUATED_CASES, 12, seconds=3.0, quality=0.84, model=_MODEL),
    Profile("prompt-v5", EVALUATED_CASES, 12, seconds=1.6, quality=0.88, model=_MODEL),
)


def sample_content(profiles: Sequence[Profile]) -> str:
    """Return what a script ingests, as JSON: the runs of a project, and those of evaluations.

    Args:
        profiles: That of the project, then those of the evaluations.
    """
    random = Random(profiles[0].name)  # noqa: S311 - sample data, the same in every process
    project, *evaluations = (
        {"name": one.name, "model": one.model, "runs": _runs(random, one)} for one in profiles
    )
    content = {"project": project, "evaluations": evaluations, "dataset": "support-cases"}
    return json.dumps(content, default=str)


def _runs(random: Random, profile: Profile) -> list[dict[str, Any]]:
    return [asdict(run) for run in sample_runs(random, profile)]
