"""The measured cases: queries, and the gateway's settings for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tools.bench.vendors import AGENTS, LANGSMITH_EXPERIMENTS
from tracegraph.graphql.relay.ids import experiment_id

LIGHT = """{
  experiments(first: 20, filter: {sources: ["nemo"]}) {
    nodes { id name agentName datasetName createdAt sessionCount }
  }
}"""
"""20 objects of 6 fields, one call."""

HEAVY = """{
  experiments(first: 50, filter: {sources: ["nemo"]}) {
    edges {
      cursor
      node {
        id name createdAt
        aggregates { metric { kind } mean p90 count }
        sessions(first: 25, orderBy: {field: STARTED_AT, direction: ASC}) {
          edges {
            cursor
            node {
              id vendorId traceId status startedAt endedAt latencyMs costUsd messageCount agentName
              tokens { input output }
            }
          }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
"""50 experiments with 25 sessions each of 12 scalars, their aggregates, edges and cursors: 51 calls."""


def _chats(agent: str) -> str:
    """Return the field of one agent's sessions."""
    listed = f'sessions(first: 25, filter: {{experimentIds: ["{experiment_id("meibel", agent)}"]}})'
    return (
        f"{agent}: {listed} {{ totalCount nodes {{ vendorId status startedAt endedAt agentName messageCount }} }}"
    )


CALLS_24 = f"""{{
  nemo: experiments(first: 20, filter: {{sources: ["nemo"]}}) {{
    nodes {{
      id name agentName agentVersion datasetName createdAt sessionCount
      aggregate(metric: {{kind: COST}}) {{ mean p90 }}
      sessions(first: 25, orderBy: {{field: STARTED_AT, direction: ASC}}) {{
        totalCount
        nodes {{ vendorId traceId status startedAt endedAt latencyMs tokens {{ input output }} costUsd }}
      }}
    }}
  }}
  langsmith: experiments(first: {LANGSMITH_EXPERIMENTS}, filter: {{sources: ["langsmith"]}}) {{
    nodes {{
      id name createdAt endedAt sessionCount errorRate
      latency: aggregate(metric: {{kind: LATENCY}}) {{ median p99 }}
      tokens: aggregate(metric: {{kind: TOTAL_TOKENS}}) {{ sum }}
    }}
  }}
  {" ".join(_chats(f"a{number}") for number in range(1, AGENTS + 1))}
}}"""
"""570 rows: 20 NeMo experiments with 25 sessions each, 20 LangSmith projects, 2 Meibel agents: 24 calls."""


def rows(count: int) -> str:
    """Return a query for ten experiments with that many sessions each: 11 calls."""
    nodes = "nodes { vendorId traceId status startedAt endedAt latencyMs tokens { input output } costUsd }"
    return f"""{{
  experiments(first: 10, filter: {{sources: ["nemo"]}}) {{ nodes {{ id sessions(first: {count}) {{ {nodes} }} }} }}
}}"""


NO_CACHE = '[cache]\nurl = "off"\nshare_in_flight = false\n'
"""Every query makes all of its calls."""
NO_CACHE_BUT_SHARED = '[cache]\nurl = "off"\n'
"""Equal queries in flight at the same time make their calls once."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement. `tables` are the gateway's settings; empty for the defaults.

    `served_by`: the gateway, or stock strawberry that responds from memory. `own_keys`: every request sends its
    own vendor keys, so that nothing can be shared.
    """

    name: str
    query: str
    tables: str = ""
    delay_ms: int = 0
    workers: int = 1
    own_keys: bool = False
    served_by: Literal["gateway", "strawberry"] = "gateway"


CASES = (
    Case("light, from the cache", LIGHT),
    Case("heavy, from the cache", HEAVY),
    Case("heavy, stock strawberry from memory", HEAVY, served_by="strawberry"),
    Case("24 calls, no cache, no sharing", CALLS_24, NO_CACHE),
    Case("24 calls, no cache, no sharing, 2 workers", CALLS_24, NO_CACHE, workers=2),
    Case("24 calls, vendors take 50 ms", CALLS_24, NO_CACHE, delay_ms=50),
    Case("24 calls, vendors take 50 ms, 2 workers", CALLS_24, NO_CACHE, delay_ms=50, workers=2),
    Case("24 calls, vendors take 50 ms, equal queries shared", CALLS_24, NO_CACHE_BUT_SHARED, delay_ms=50),
    Case("24 calls, vendors take 150 ms", CALLS_24, NO_CACHE, delay_ms=150),
    Case("24 calls, vendors take 150 ms, 2 workers", CALLS_24, NO_CACHE, delay_ms=150, workers=2),
    Case("24 calls, from the cache", CALLS_24),
    Case("24 calls, callers' own keys", CALLS_24, own_keys=True),
    Case("10 lists of 10 rows, no cache, no sharing", rows(10), NO_CACHE),
    Case("10 lists of 100 rows, no cache, no sharing", rows(100), NO_CACHE),
)
