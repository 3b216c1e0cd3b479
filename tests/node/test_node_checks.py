"""What is checked by tools written for Node: Relay's rules for the schema, GraphQL over HTTP for the endpoint."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.processes import started

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = shutil.which("node")


def _major_version() -> int:
    version = subprocess.run([str(NODE), "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.removeprefix("v").partition(".")[0])


def _why_not() -> str | None:
    if NODE is None:
        return "Node is not installed"
    if _major_version() < 20:
        return "Node is older than 20"
    if not (HERE / "node_modules").is_dir():
        return "the packages are not installed: `make test` runs `npm ci` in tests/node"
    return None


pytestmark = pytest.mark.skipif(_why_not() is not None, reason=str(_why_not()))


def node(script: str, *arguments: str) -> Any:
    """Run a script of this folder and read the JSON that it prints."""
    done = subprocess.run(
        [str(NODE), script, *arguments], cwd=HERE, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_relays_four_rules_have_no_complaint_about_the_schema() -> None:
    assert node("relay-rules.mjs", str(ROOT / "schema.graphql")) == {"complaints": [], "suppressed": 0}


def test_the_rules_do_complain_about_a_schema_that_breaks_them(tmp_path: Path) -> None:
    """Were they not in force, the test before this one would say nothing."""
    broken = tmp_path / "schema.graphql"
    text = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    broken.write_text(text.replace("pageInfo: PageInfo!", "pageInfo: PageInfo"), encoding="utf-8")
    rules = {one["ruleId"] for one in node("relay-rules.mjs", str(broken))["complaints"]}
    assert rules == {"@graphql-eslint/relay-connection-types"}


def test_the_endpoint_passes_every_audit_of_graphql_over_http() -> None:
    with started("demo", "--port", "0") as process:
        results = node("http-audits.mjs", process.url())
    assert len(results) == 61
    assert [one for one in results if one["status"] != "ok"] == []
