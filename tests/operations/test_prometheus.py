"""The alerts, the dashboard and the runbook name exactly what the code has, and promtool accepts them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import OpenGateway
from tests.documents.test_observability_page import PAGE
from tests.gateway import Vendors
from tests.worlds import fill
from tracegraph.errors import SourceErrorCode
from tracegraph.metrics.definitions import FAMILIES, MetricType

ROOT = Path(__file__).parents[2]
ALERTS_FILE = ROOT / "deploy" / "prometheus" / "alerts.yaml"
ALERTS = yaml.safe_load(ALERTS_FILE.read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
NAME = re.compile(r"\b(?:tracegraph|process)_[a-z_]+")

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: install Debian's package prometheus"
)


def series(families: Any = FAMILIES) -> dict[str, tuple[str, ...]]:
    """Every name of a series with its labels."""
    names = {}
    for family in families:
        suffixes = ("_bucket", "_sum", "_count") if family.metric_type is MetricType.HISTOGRAM else ("",)
        for suffix in suffixes:
            names[family.name + suffix] = (*family.labels, *(["le"] if suffix == "_bucket" else []))
    return names


def run(*arguments: str, text: str | None = None) -> str:
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("query", [*QUERIES, *(alert["expr"] for alert in ALERTS)])
def test_every_query_uses_metrics_and_labels_of_the_code(query: str) -> None:
    names = NAME.findall(query)
    assert set(names) <= series().keys()
    allowed = {label for name in names for label in series()[name]} | {"job", "instance"}
    matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    grouped = {
        label.strip()
        for labels in re.findall(r"(?:by|on|ignoring) \(([^)]*)\)", query)
        for label in labels.split(",")
    }
    assert matched | grouped <= allowed


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for query in QUERIES for name in NAME.findall(query)}
    families = {family.name for family in FAMILIES}
    assert {
        re.sub("_(?:bucket|sum|count)$", "", name) if name not in families else name for name in shown
    } == families


def test_every_alert_has_a_section_of_the_runbook_and_every_section_an_alert() -> None:
    sections = re.findall(r"^### (Tracegraph\w+)$", RUNBOOK, re.MULTILINE)
    assert sections == [alert["alert"] for alert in ALERTS]
    for alert in ALERTS:
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


def test_every_log_event_has_a_row_of_the_runbook() -> None:
    pattern = re.compile(r"^\| `([a-z_]+(?:\.[a-z_]+)*)` \| ", re.MULTILINE)
    log = PAGE[PAGE.index("## Logs") : PAGE.index("## Metrics")]
    assert set(pattern.findall(RUNBOOK)) == set(pattern.findall(log))


def test_the_example_of_a_scrape_configuration_has_the_job_of_the_alerts() -> None:
    example = yaml.safe_load(PAGE.partition("### Prometheus")[2].partition("```yaml")[2].partition("```")[0])
    (job,) = {job for alert in ALERTS for job in re.findall(r'job="(\w+)"', alert["expr"])}
    assert [one["job_name"] for one in example["scrape_configs"]] == [job]


def test_every_code_of_a_failed_call_has_a_row_of_the_runbook() -> None:
    """An open circuit has an alert, and an event of its own."""
    section = RUNBOOK.partition("### TracegraphSourceFailing")[2].partition("\n### ")[0]
    rows = set(re.findall(r"^\| ([A-Z_]{2,})", section, re.MULTILINE))
    assert rows == {code.value for code in SourceErrorCode if code is not SourceErrorCode.CIRCUIT_OPEN}


@promtool
def test_promtool_accepts_the_example_of_a_scrape_configuration(tmp_path: Path) -> None:
    example = PAGE.partition("### Prometheus")[2].partition("```yaml")[2].partition("```")[0]
    (tmp_path / "prometheus.yml").write_text(example, encoding="utf-8")
    run("check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))


@promtool
def test_promtool_accepts_the_alerts_and_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    run("check", "rules", str(ALERTS_FILE))
    rules = [
        {
            "record": f"panel:{number}",
            "expr": query.replace("$__rate_interval", "5m").replace("$job", "tracegraph"),
        }
        for number, query in enumerate(QUERIES)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    run("check", "rules", str(file))


@promtool
async def test_promtool_finds_no_fault_in_the_metrics(vendors: Vendors, open_gateway: OpenGateway) -> None:
    fill(vendors)
    gateway = await open_gateway(cache={"url": "redis://127.0.0.1:1/0"})
    await gateway.ask("{ experiments { nodes { name } } }")
    await gateway.post(b"[]")
    assert run("check", "metrics", text=(await gateway.http.get("/metrics")).text) == ""


AT = 'job="tracegraph", instance="a"'
CALLS = f'source="s", kind="k", {AT}'
FIRING: dict[str, dict[str, str]] = {
    "TracegraphDown": {f"up{{{AT}}}": "0x60"},
    "TracegraphErrors": {f'tracegraph_graphql_requests_total{{outcome="LATE", {AT}}}': "0+60x60"},
    "TracegraphSlow": {
        f'tracegraph_graphql_request_duration_seconds_bucket{{le="{le}", {AT}}}': f"0+{count}x60"
        for le, count in (("5.0", 0), ("10.0", 60), ("+Inf", 60))
    },
    "TracegraphFragmentsFailing": {
        f'tracegraph_graphql_deferred_fragments_total{{outcome="{outcome}", {AT}}}': f"0+{count}x60"
        for outcome, count in (("DELIVERED", 90), ("FAILED", 10))
    },
    "TracegraphSourceFailing": {
        f'tracegraph_upstream_requests_total{{outcome="{outcome}", {CALLS}}}': f"0+{count}x60"
        for outcome, count in (("OK", 60), ("TIMEOUT", 30))
    },
    "TracegraphCredentialRejected": {
        f'tracegraph_upstream_requests_total{{outcome="{outcome}", {CALLS}}}': f"0+{count}x60"
        for outcome, count in (("OK", 600), ("UNAUTHORIZED", 1))
    },
    "TracegraphCircuitOpen": {f'tracegraph_circuits{{state="OPEN", {CALLS}}}': "1x60"},
    "TracegraphRateExhausted": {f'tracegraph_upstream_not_sent_total{{reason="RATE_LIMITED", {CALLS}}}': "0+5x60"},
    "TracegraphRedisDown": {f"tracegraph_redis_up{{{AT}}}": "0x60"},
    "TracegraphLoopBlocked": {f"tracegraph_event_loop_lag_seconds{{{AT}}}": "0.8x60"},
    "TracegraphRefusals": {f'tracegraph_requests_refused_total{{status="401", code="C", {AT}}}': "0+1200x60"},
    "TracegraphDescriptors": {f"process_open_fds{{{AT}}}": "900x60", f"process_max_fds{{{AT}}}": "1024x60"},
}
"""For each alert, series that a fault makes. The condition of no other alert holds for them."""


@promtool
def test_the_condition_of_each_alert_holds_for_its_fault_and_for_no_other(tmp_path: Path) -> None:
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": name, "values": values} for name, values in FIRING[alert["alert"]].items()
            ],
            "promql_expr_test": [
                {
                    "expr": f"count({other['expr']})",
                    "eval_time": "45m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if other is alert else [],
                }
                for other in ALERTS
            ],
        }
        for alert in ALERTS
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS_FILE)], "tests": tests}), encoding="utf-8")
    run("test", "rules", str(file))
