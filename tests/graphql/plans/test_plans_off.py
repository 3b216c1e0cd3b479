"""With `[server] compiled_plans = false` graphql-core executes every operation, and no compiler is imported."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.conftest import OpenGateway
from tests.gateway import Vendors
from tests.processes import environment
from tests.worlds import hours
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session

SOURCE = Path(__file__).parents[3] / "src"
COMPILER = "tracegraph.graphql.compiler"
ENTRIES = {COMPILER, *(f"{COMPILER}.{name}" for name in ("executor", "field_access", "resolver_info"))}
"""The modules of the compiler that other packages import."""

QUERY = """
query Q($all: Boolean!) {
  experiments { nodes { id name sessionCount sessions(first: 2) { edges { cursor node { id latencyMs } } } } }
  sources @include(if: $all) { name vendor }
  node(id: "no ID") { id }
}
"""

RUN = """
import asyncio
import sys

import tracegraph.app
from tracegraph.federation.lists import ScanBudget
from tracegraph.graphql.context import PageLimits, RequestContext
from tracegraph.graphql.loaders import Loaders
from tracegraph.graphql.schema import build_schema

context = RequestContext([], Loaders([]), ScanBudget(), PageLimits())
schema = build_schema(compiled_plans=False)
result = asyncio.run(schema.execute("{ __typename sources { name } }", {}, None, context))
assert result.data == {"__typename": "Query", "sources": []}, result
print(*sorted(name for name in sys.modules if name.startswith("tracegraph.graphql.compiler")))
"""


async def test_responses_are_equal_with_plans_and_without(open_gateway: OpenGateway, vendors: Vendors) -> None:
    runs = [langsmith_run(f"r{number}", start_time=hours(number)) for number in range(3)]
    vendors.langsmith.world.add(langsmith_session("p"), runs)
    on, off = [await open_gateway(server={"compiled_plans": is_on}) for is_on in (True, False)]
    for selects_all in (True, False):
        with_plans, without = [await gateway.ask(QUERY, all=selects_all) for gateway in (on, off)]
        assert with_plans.content == without.content
        assert without.codes == ["INVALID_ID"]


def test_without_plans_no_module_that_compiles_is_imported() -> None:
    """So a version of the libraries whose internals moved does not stop the gateway."""
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) <= ENTRIES


def test_a_test_run_without_plans_opens_its_gateways_without_plans() -> None:
    """Otherwise `make test-plans-off` would prove nothing."""
    code = "from tests.gateway import settings_of; print(settings_of().server.compiled_plans)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(TRACEGRAPH_SERVER__COMPILED_PLANS="false"),
        cwd=SOURCE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "False\n", done.stderr


def test_other_packages_import_only_the_entries_of_the_compiler() -> None:
    imported = {
        f"{path.relative_to(SOURCE)}: {node.module}"
        for path in SOURCE.rglob("*.py")
        if path.parent.name != "compiler"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(COMPILER)
        if node.module not in ENTRIES
    }
    assert imported == set()
