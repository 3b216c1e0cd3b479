"""An invalid value in a row of an adapter costs only itself and no neighbour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from tests.federation.misbehaving import MisbehavingSource, experiment
from tracegraph.adapter.checked import CheckedAdapter
from tracegraph.adapter.paging import Page, SessionPageRequest
from tracegraph.domain.models import Session, SessionStatus, TokenUsage
from tracegraph.domain.sort_values import EPOCH
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.schema import build_schema
from tracegraph.http.json import to_json

GOOD = Session("v", "e", "1", SessionStatus.SUCCESS, EPOCH, latency_ms=5.0, input="q")


@dataclass
class OneSession(MisbehavingSource):
    """One experiment with one session, some of whose values are replaced."""

    of_experiment: Mapping[str, Any] = field(default_factory=dict)
    of_session: Mapping[str, Any] = field(default_factory=dict)

    async def list_experiments(self, *_: Any) -> Page[Any]:
        return Page([replace(experiment("e", 1, self.name), **self.of_experiment)], 0, None)

    async def list_sessions(self, asks: Sequence[SessionPageRequest]) -> Any:
        return [Page([replace(GOOD, source=self.name, **self.of_session)], 0, None) for _ in asks]


async def answer(query: str, **values: Any) -> Any:
    """The response of one query to a source with these values beside a good one; strict JSON without errors."""
    sources = [CheckedAdapter(OneSession([], **values)), CheckedAdapter(OneSession([], name="good"))]
    context = RequestContext(sources, Loaders(sources), ScanBudget(), PageLimits(3, 10))
    result = await build_schema().execute(query, {}, None, context)
    assert result.errors is None
    return orjson.loads(to_json(result.data or {}))


@pytest.mark.parametrize(
    ("name", "selection", "value"),
    [
        ("description", "description", ["x"]),
        ("agent_name", "agentName", b"x"),
        ("session_count", "sessionCount", "many"),
        ("error_rate", "errorRate", float("nan")),
        ("ended_at", "endedAt", None),
        ("url", "url", "javascript:alert(1)"),
        ("url", "url", 7),
    ],
)
async def test_a_value_of_an_experiment_that_its_type_cannot_hold_is_null_without_an_error(
    name: str, selection: str, value: Any
) -> None:
    query = f"{{ experiments {{ nodes {{ source {{ name }} value: {selection} }} }} }}"
    found = await answer(query, of_experiment={name: value})
    rows = {row["source"]["name"]: row["value"] for row in found["experiments"]["nodes"]}
    assert rows.keys() == {"v", "good"}
    assert rows["v"] is None


@pytest.mark.parametrize(
    ("name", "selection", "value"),
    [
        ("latency_ms", "latencyMs", "fast"),
        ("cost_usd", "costUsd", [1.0]),
        ("message_count", "messageCount", "two"),
        ("input", "input", {"q": 1}),
        ("url", "url", "data:text/html,x"),
    ],
)
async def test_a_value_of_a_session_that_its_type_cannot_hold_is_null_without_an_error(
    name: str, selection: str, value: Any
) -> None:
    query = f"{{ experiments {{ nodes {{ sessions {{ nodes {{ source {{ name }} value: {selection} }} }} }} }} }}"
    with capture_logs() as logs:
        found = await answer(query, of_session={name: value})
    rows = {
        row["source"]["name"]: row["value"]
        for one in found["experiments"]["nodes"]
        for row in one["sessions"]["nodes"]
    }
    assert rows.keys() == {"v", "good"}
    assert rows["v"] is None
    logged = [(log["field"], log["type"]) for log in logs if log["event"] == "graphql.unusable_value"]
    assert name == "url" or logged == [(f"Session.{selection}", type(value).__name__)]


async def test_metadata_that_is_not_json_is_null() -> None:
    odd = {1: object(), "a": float("nan"), "b": "\ud800", "c": {2, 3}, "d": {"e": 1}}
    found = await answer("{ experiments { nodes { metadata } } }", of_experiment={"metadata": odd})
    metadata = [row["metadata"] for row in found["experiments"]["nodes"]]
    assert {"1": None, "a": None, "b": "?", "c": None, "d": {"e": 1}} in metadata


async def test_scores_that_are_not_numbers_are_omitted() -> None:
    scores = {"a": 0.5, "b": "high", "c": float("inf"), 4: 1.0, "d": True, "e": None}
    query = "{ experiments { nodes { sessions { nodes { scores { evaluator value } } } } } }"
    found = await answer(query, of_session={"scores_by_evaluator": scores})
    rows = [row["scores"] for one in found["experiments"]["nodes"] for row in one["sessions"]["nodes"]]
    assert [{"evaluator": "a", "value": 0.5}] in rows


@pytest.mark.parametrize(
    "odd",
    [
        {"latency_ms": "fast"},
        {"latency_ms": 10**400},
        {"cost_usd": "1.0"},
        {"tokens": TokenUsage(1, "x", None, None)},  # type: ignore[arg-type]
        {"input": {"q": 1}},
    ],
    ids=repr,
)
async def test_figures_are_computed_without_values_that_are_not_numbers(odd: Mapping[str, Any]) -> None:
    query = """{ experiments { nodes { source { name }
        aggregate(metric: {kind: LATENCY}, basis: COMPUTED) { count mean } } } }"""
    found = await answer(query, of_session=odd)
    rows = {row["source"]["name"]: row["aggregate"] for row in found["experiments"]["nodes"]}
    assert rows["good"] == {"count": 1, "mean": 5.0}
    assert rows["v"] == ({"count": 0, "mean": None} if "latency_ms" in odd else {"count": 1, "mean": 5.0})
