"""The examples of docs/clients.md: each client library runs its example against the demo."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType, build_schema, get_named_type

from tests.cli.configurations import written
from tests.cli.test_serve import served
from tests.node.test_node_checks import HERE, NODE, ROOT, node
from tests.node.test_node_checks import pytestmark as needs_node
from tests.processes import Process, environment, started
from tracegraph.simulators.vendors import DemoVendors, demo_vendors

CLIENTS = HERE / "clients"
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
SCHEMA = ROOT / "schema.graphql"
PAGING = {"first", "after", "last", "before"}
REGION = re.compile(r"^(?://|#) docs: (\S+)\n(.*?)^(?://|#) docs end$", re.MULTILINE | re.DOTALL)

slow = pytest.mark.slow


CONFIGURATION = """
[limits]
scan_pages = 2

[sources.nemo]
vendor = "nemo"
base_url = "{nemo_url}"
workspace = "{nemo_workspace}"

[sources.langsmith]
vendor = "langsmith"
base_url = "{langsmith_url}"
api_key = "env:SMITH_KEY"
limits = {{ rates = {{ "runs/query" = "off", "*" = "off" }} }}

[sources.meibel]
vendor = "meibel"
base_url = "{meibel_url}"
api_key = "env:MEIBEL_KEY"
"""
NOBODY_LISTENS = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def vendors() -> Iterator[DemoVendors]:
    """The simulated vendors of the demo, with its data."""
    with demo_vendors() as running:
        yield running


@contextlib.contextmanager
def serving(
    vendors: DemoVendors, folder: Path, documents: Path | None = None, **variables: str
) -> Iterator[tuple[str, str]]:
    """The URLs of two gateways that read few vendor pages for a page; the second one cannot reach NeMo.

    `variables` are further variables of the environment.
    """
    if documents is not None:
        trusted = {"TRACEGRAPH_DOCUMENTS__TRUSTED": str(documents), "TRACEGRAPH_DOCUMENTS__ONLY_TRUSTED": "true"}
        variables |= trusted
    with (
        gateway(vendors, folder, **variables) as good,
        gateway(vendors, folder, nemo_url=NOBODY_LISTENS, **variables) as failing,
    ):
        yield served(good), served(failing)


@contextlib.contextmanager
def gateway(
    vendors: DemoVendors, folder: Path, nemo_url: str | None = None, **variables: str
) -> Iterator[Process]:
    """A gateway over the vendors that starts; NeMo is at another address if one is given."""
    fields = asdict(vendors) | ({} if nemo_url is None else {"nemo_url": nemo_url})
    name = "gateway.toml" if nemo_url is None else "failing.toml"
    config = written(folder, CONFIGURATION.format_map(fields), name)
    env = environment(
        SMITH_KEY=vendors.langsmith_api_key,
        MEIBEL_KEY=vendors.meibel_api_key,
        TRACEGRAPH_SERVER__DRAIN_S="0",
        **variables,
    )
    with started("serve", "--config", str(config), "--port", "0", env=env) as process:
        yield process


@pytest.fixture(scope="module")
def gateways(vendors: DemoVendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serving(vendors, tmp_path_factory.mktemp("gateways")) as urls:
        yield urls


def project(name: str, folder: Path) -> Path:
    """A copy of an example that is a project of its own, with the schema and the packages."""
    copy = folder / name
    shutil.copytree(CLIENTS / name, copy)
    shutil.copy(SCHEMA, copy)
    (copy / "node_modules").symlink_to(HERE / "node_modules")
    return copy


def run(command: Sequence[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str, cwd: Path, *arguments: str) -> None:
    """Run the command of a package."""
    run([str(NODE), f"node_modules/.bin/{name}", *arguments], cwd)


def rows(page: dict[str, Any]) -> list[dict[str, Any]]:
    return page["nodes"] if "nodes" in page else [edge["node"] for edge in page["edges"]]


def assert_lists(seen: dict[str, Any]) -> None:
    """Pages without repeated rows; empty pages that continue to an end; a page that lacks one source."""
    ids = [row["id"] for page in seen["pages"] for row in rows(page)]
    assert len(seen["pages"]) == 2
    assert len(set(ids)) == len(ids) == 40
    assert [len(rows(page)) for page in seen["emptyPages"]] == [0] * len(seen["emptyPages"])
    more = [page["pageInfo"]["hasNextPage"] for page in seen["emptyPages"]]
    assert len(more) > 2
    assert more == [True] * (len(more) - 1) + [False]
    assert all(page["isComplete"] for page in seen["pages"])
    assert seen["incomplete"]["isComplete"] is False
    failed = [one for one in seen["incomplete"]["sources"] if one["status"] == "FAILED"]
    assert [(one["source"]["name"], one["error"]["code"], one["error"]["retryable"]) for one in failed] == [
        ("nemo", "UNAVAILABLE", True)
    ]
    assert rows(seen["incomplete"])


def assert_partial(seen: dict[str, Any]) -> None:
    """Null at the place of the wrong ID, and everything else."""
    found, missing = seen["data"]["nodes"]
    assert found["id"]
    assert missing is None
    assert seen["data"]["gateway"]["version"]


def assert_error_beside_data(seen: dict[str, Any]) -> None:
    assert_partial(seen)
    assert seen["codes"] == [["nodes.1", "INVALID_ID"]]


@slow
@needs_node
def test_urql_with_graphcache(gateways: tuple[str, str]) -> None:
    seen = node("clients/urql.mjs", *gateways, str(SCHEMA))
    assert_lists(seen)
    assert_error_beside_data(seen["nodes"])


@slow
@needs_node
def test_apollo_client_merges_the_pages_of_one_list(gateways: tuple[str, str]) -> None:
    seen = node("clients/apollo.mjs", *gateways)
    assert_lists(seen)
    assert_error_beside_data(seen["nodes"])
    assert rows(seen["merged"]) == [row for page in seen["pages"] for row in rows(page)]
    assert seen["isComplete"] is False


@slow
@needs_node
def test_code_that_graphql_codegen_types_passes_the_strict_compiler_and_runs_as_trusted_documents(
    vendors: DemoVendors, tmp_path: Path
) -> None:
    folder = project("codegen", tmp_path)
    tool("graphql-codegen", folder, "--config", "codegen.mjs")
    tool("tsc", folder, "--noEmit", "--strict", "--project", ".")
    tool("tsc", folder, "--project", ".")
    with serving(vendors, tmp_path, folder / "src" / "generated" / "persisted-documents.json") as urls:
        assert_lists(json.loads(run([str(NODE), "main.mjs", *urls], folder)))


@slow
@needs_node
def test_relay_merges_the_pages_of_one_connection_and_names_trusted_documents(
    vendors: DemoVendors, tmp_path: Path
) -> None:
    folder = project("relay", tmp_path)
    (folder / "src" / "__generated__").mkdir()
    (folder / "persisted.json").write_text("{}", encoding="utf-8")
    tool("relay-compiler", folder, "relay.config.json")
    with serving(vendors, tmp_path, folder / "persisted.json") as urls:
        seen = json.loads(run([str(NODE), "main.mjs", *urls], folder))
    assert_lists(seen)
    assert_partial(seen["nodes"])
    assert rows(seen["merged"]) == [row for page in seen["pages"] for row in rows(page)]
    assert seen["isComplete"] is False


@slow
def test_python_gql(gateways: tuple[str, str]) -> None:
    seen = json.loads(run([sys.executable, "gql_client.py", *gateways], CLIENTS))
    assert_lists(seen)
    assert_error_beside_data(seen["nodes"])


@contextlib.contextmanager
def fault(url: str, **described: Any) -> Iterator[None]:
    """A simulated vendor that plays a fault within the block."""
    httpx.post(f"{url}/__faults", json=described, trust_env=False).raise_for_status()
    try:
        yield
    finally:
        httpx.delete(f"{url}/__faults", trust_env=False).raise_for_status()


DEFERRED = [
    pytest.param("clients/apollo-defer.mjs", [], id="Apollo Client"),
    pytest.param("clients/apollo-defer.mjs", ["ids"], id="Apollo Client with its newer handler", marks=slow),
    pytest.param("clients/urql-defer.mjs", [], id="urql", marks=slow),
]


@needs_node
@pytest.mark.parametrize(("script", "arguments"), DEFERRED)
def test_the_rows_of_a_slow_vendor_come_last(
    vendors: DemoVendors, tmp_path: Path, script: str, arguments: list[str]
) -> None:
    """NeMo takes three seconds. The client shows the rows of the others before, and its own when they come."""
    patient = {"TRACEGRAPH_LIMITS__DEADLINE_S": "60", "TRACEGRAPH_SOURCES__NEMO__TIMEOUT_S": "50"}
    with gateway(vendors, tmp_path, TRACEGRAPH_CACHE__TTL_S="60", **patient) as process:
        url = served(process)
        httpx.post(
            url, json={"query": "{ sources { health { status } } }"}, trust_env=False
        )  # finds NeMo's release
        with fault(vendors.nemo_url, kind="delay", seconds=3, times=None):
            shown = node(script, url, *arguments)["shown"]
        cached = node(script, url, *arguments)["shown"]
    assert shown[0] == {"rows": {}, "isLast": False, "codes": []}
    waiting, last = shown[1:-1], shown[-1]
    assert waiting
    assert waiting[-1]["rows"].keys() == {"langsmith", "meibel"}
    assert [one["isLast"] for one in shown] == [False] * (len(shown) - 1) + [True]
    assert {name: len(rows) for name, rows in last["rows"].items()} == {"langsmith": 5, "meibel": 5, "nemo": 5}
    assert cached == [last], "a cached response is the only part"


@slow
@needs_node
@pytest.mark.parametrize(("script", "arguments"), DEFERRED)
def test_the_fragment_of_a_failed_vendor_is_null_with_its_error(
    gateways: tuple[str, str], script: str, arguments: list[str]
) -> None:
    last = node(script, gateways[1], *arguments)["shown"][-1]
    assert last["isLast"]
    assert last["rows"]["nemo"] is None
    assert len(last["rows"]["meibel"]) == 5
    assert last["codes"] == [["nemo", "ALL_SOURCES_FAILED"]]


def regions() -> dict[str, str]:
    """The marked parts of the examples, by name."""
    files = [path for path in CLIENTS.rglob("*") if path.suffix in {".mjs", ".js", ".ts", ".py"}]
    found = [match for path in files for match in REGION.findall(path.read_text(encoding="utf-8"))]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_the_page_shows_the_examples_as_they_run() -> None:
    shown = re.findall(r"^```(?:js|ts|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    config = (CLIENTS / "relay" / "relay.config.json").read_text(encoding="utf-8")
    assert sorted(shown) == sorted(text.strip() + "\n" for text in regions().values())
    assert f"```json\n{config}```" in PAGE


def test_the_page_names_the_key_arguments_of_every_list() -> None:
    named = {
        field: set(re.findall(r"`(\w+)`", arguments))
        for field, arguments in re.findall(r"^\| `(\w+\.\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    }
    schema = build_schema(SCHEMA.read_text(encoding="utf-8"))
    lists = {
        f"{kind.name}.{name}": set(field.args) - PAGING
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for name, field in kind.fields.items()
        if get_named_type(field.type).name.endswith("Connection")
    }
    assert named == lists


def test_the_examples_possible_types_are_those_of_the_schema() -> None:
    schema = build_schema(SCHEMA.read_text(encoding="utf-8"))
    possible = sorted(kind.name for kind in schema.get_implementations(schema.type_map["Node"]).objects)  # type: ignore[arg-type]
    assert f"possibleTypes: {{ Node: [{', '.join(map(repr, possible))}] }}" in regions()["apollo-client"]
