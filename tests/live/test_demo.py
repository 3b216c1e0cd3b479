"""`tracegraph demo --real`: five vendors, two of them real, and a comparison of a run of each."""

import json
import re
import signal
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

import httpx
import pytest

from tests.live.service import LIVE
from tests.processes import Process, run, started
from tracegraph.real_servers.content import EVALUATED_CASES, MLFLOW_PROFILES, PHOENIX_PROFILES, sample_content
from tracegraph.real_servers.servers import MLFLOW, PHOENIX

pytestmark = pytest.mark.live

RUN, EXPERIMENT = "prompt-v4", "prompt-v5"
SOURCES = "{ sources { vendor apiVersion health { status } } }"
COMPARISON = """query($ids: [ID!]!) {
  comparison(experimentIds: $ids, joinOn: INPUT, metrics: [{kind: SCORE, evaluator: "correctness"}]) {
    metrics { entries { experiment { source { vendor } } value } }
    cases(metric: {kind: SCORE, evaluator: "correctness"}, first: 100) {
      nodes { input entries { experiment { source { vendor } } value } }
    }
    sources { status }
  }
}"""


@pytest.fixture(scope="module")
def demo() -> Iterator[Process]:
    for server in (MLFLOW, PHOENIX):
        server.environment.install_in(LIVE)
    with started("demo", "--real", "--environments", str(LIVE), "--port", "0") as process:
        process.wait_for("Ctrl-C", within_s=600)
        yield process


def asked(demo: Process, query: str, **variables: Any) -> Any:
    body = {"query": query, "variables": variables}
    answer = httpx.post(demo.url(), json=body, timeout=60, trust_env=False).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def command(demo: Process) -> list[str]:
    """The arguments of the comparison that the demo prints."""
    (found,) = re.findall(r"tracegraph (compare .*)", demo.out)
    return str(found).split()


def ingested(profiles: Any, name: str) -> Mapping[str, float]:
    """The correctness that was ingested for an evaluation, by question."""
    (evaluation,) = [one for one in json.loads(sample_content(profiles))["evaluations"] if one["name"] == name]
    scores = {run["case"]["question"]: run["scores"].get("correctness") for run in evaluation["runs"]}
    return {question: score for question, score in scores.items() if score is not None}


def test_five_vendors_are_up(demo: Process) -> None:
    found = asked(demo, SOURCES)["sources"]
    assert [one["vendor"] for one in found] == ["nemo", "langsmith", "meibel", "mlflow", "phoenix"]
    assert {one["health"]["status"] for one in found} == {"UP"}


def test_a_run_of_mlflow_and_an_experiment_of_phoenix_are_paired_by_their_questions(demo: Process) -> None:
    ids = [one for one in command(demo) if re.fullmatch(r"[\w=]{30,}", one)]
    comparison = asked(demo, COMPARISON, ids=ids)["comparison"]
    assert {one["status"] for one in comparison["sources"]} == {"OK"}
    expected = {"mlflow": ingested(MLFLOW_PROFILES, RUN), "phoenix": ingested(PHOENIX_PROFILES, EXPERIMENT)}
    assert len(comparison["cases"]["nodes"]) == EVALUATED_CASES
    for node in comparison["cases"]["nodes"]:
        for entry in node["entries"]:
            scores = expected[entry["experiment"]["source"]["vendor"]]
            assert entry["value"] == pytest.approx(scores.get(node["input"]))
    (metric,) = comparison["metrics"]
    for entry in metric["entries"]:
        scores = expected[entry["experiment"]["source"]["vendor"]]
        assert entry["value"] == pytest.approx(fmean(scores.values()))


def test_the_printed_command_compares_them(demo: Process) -> None:
    code, out, err = run(*command(demo))
    assert (code, err) == (0, "")
    assert RUN in out
    assert EXPERIMENT in out


def test_ctrl_c_ends_the_demo_and_its_servers(demo: Process) -> None:
    """This test is the last of the module. The servers hold pipes of nobody, so their ports tell."""
    urls = re.findall(r"(http://127\.0\.0\.1:\d+) {2}real", demo.out)
    assert len(urls) == 2
    demo.send(signal.SIGINT)
    assert demo.end() == 130
    for url in urls:
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)
