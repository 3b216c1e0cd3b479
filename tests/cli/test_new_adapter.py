"""`tracegraph new-adapter` writes a package that passes the contract suite, for each kind of paging."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.examples import slow_but
from tracegraph import cli
from tracegraph.commands.new_adapter import PagingKind, write_adapter

ROOT = Path(__file__).parents[2]
ADAPTER_FILES = ("adapter.py", "client.py", "mapping.py", "filters.py")
EACH_KIND = pytest.mark.parametrize("paging", list(PagingKind), ids=lambda paging: paging.value)
ESSENCE = "next_hint or declared or example or usable_by_the_gateway"
"""The laws that are quick and fail for most errors in a template."""


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli._app, ["new-adapter", *arguments])
    return result.exit_code, " ".join(result.output.split())


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def contract_test(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    quick_start = [part for name in ("schemathesis", "langsmith_plugin", "anyio") for part in ("-p", f"no:{name}")]
    return python("-m", "pytest", "-q", "-p", "no:cacheprovider", *quick_start, *arguments, folder=folder)


# -- what it writes --------------------------------------------------------------------------------------


def test_the_command_writes_a_distribution_and_says_what_comes_next(tmp_path: Path) -> None:
    code, output = invoke("acme", "--paging", "cursor", "--folder", str(tmp_path / "new" / "acme"))
    assert code == 0
    assert "Its contract test passes as it stands" in output
    written = {path.relative_to(tmp_path / "new/acme").as_posix() for path in (tmp_path / "new").rglob("*.*")}
    package = {f"tracegraph_acme/{name}" for name in (*ADAPTER_FILES, "__init__.py", "wire.py", "py.typed")}
    assert written == {
        *package,
        "README.md",
        "pyproject.toml",
        "tests/acme_simulator.py",
        "tests/test_contract.py",
    }


@pytest.mark.parametrize(
    "paging",
    slow_but([PagingKind.CURSOR], PagingKind),
    ids=lambda paging: paging.value,
)
def test_the_package_passes_the_essential_laws_and_a_linter(paging: PagingKind, tmp_path: Path) -> None:
    folder = write_adapter("acme", paging, tmp_path / "acme")
    done = contract_test(folder, "-k", ESSENCE)
    assert done.returncode == 0, done.stdout[-3000:]
    settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    formatted = python("-m", "ruff", "format", "--check", *settings, ".", folder=folder)
    assert formatted.returncode == 0, formatted.stdout
    linted = python("-m", "ruff", "check", *settings, "tracegraph_acme", folder=folder)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.slow
@EACH_KIND
def test_the_package_passes_the_whole_contract_under_another_name(paging: PagingKind, tmp_path: Path) -> None:
    folder = write_adapter("log_store2", paging, tmp_path / "store")
    done = contract_test(folder)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Acme" not in "".join(path.read_text("utf-8") for path in folder.rglob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["example", "none", "vendor"])
def test_a_name_that_python_or_the_suite_uses_is_no_harm(name: str, tmp_path: Path) -> None:
    folder = write_adapter(name, PagingKind.CURSOR, tmp_path / "new")
    done = contract_test(folder, "-k", "example")
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_name_that_contains_the_templates_own_is_written_once(tmp_path: Path) -> None:
    folder = write_adapter("acme_two", PagingKind.CURSOR, tmp_path / "new")
    client = (folder / "tracegraph_acme_two" / "client.py").read_text("utf-8")
    assert '{"x-acme-two-key": api_key}' in client
    assert 'api_key = "env:ACME_TWO_API_KEY"' in (folder / "README.md").read_text("utf-8")


@pytest.mark.slow
@EACH_KIND
def test_the_package_has_types(paging: PagingKind, tmp_path: Path) -> None:
    folder = write_adapter("acme", paging, tmp_path / "acme")
    cache = str(tmp_path / "cache")
    done = python("-m", "mypy", "--strict", "--cache-dir", cache, "tracegraph_acme", "tests", folder=folder)
    assert done.returncode == 0, done.stdout


@EACH_KIND
def test_adapter_client_mapping_and_filters_leave_room_below_550_lines(paging: PagingKind, tmp_path: Path) -> None:
    folder = write_adapter("acme", paging, tmp_path / "acme")
    lines = [(folder / "tracegraph_acme" / name).read_text("utf-8").splitlines() for name in ADAPTER_FILES]
    assert sum(map(len, lines)) < 400


# -- what it refuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "Acme", "2acme", "ac-me", "a.b", "../acme", "class", "äcme", "acme store", "acme_", "ac__me"]
)
def test_a_name_that_is_no_identifier_is_refused(name: str, tmp_path: Path) -> None:
    code, output = invoke(name, "--paging", "cursor", "--folder", str(tmp_path / "new"))
    assert code == 2
    assert f"{name!r} cannot be the name of an adapter: use lower-case letters" in output
    assert list(tmp_path.iterdir()) == []


def test_a_name_whose_classes_pytest_would_collect_is_refused(tmp_path: Path) -> None:
    code, output = invoke("testbed", "--paging", "cursor", "--folder", str(tmp_path / "new"))
    assert code == 2
    assert "pytest collects" in output
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_installed_adapter_is_refused(tmp_path: Path) -> None:
    code, output = invoke("nemo", "--paging", "cursor", "--folder", str(tmp_path / "new"))
    assert (code, output) == (2, "An adapter named 'nemo' is installed already: choose another name.")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    code, output = invoke("acme", "--paging", "cursor", "--folder", str(tmp_path))
    assert code == 2
    assert output.endswith("exists already: choose another folder with --folder.")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, output = invoke("acme", "--paging", "cursor", "--folder", str(tmp_path / "file" / "new"))
    assert code == 2
    assert "cannot be created" in output


def test_an_unknown_paging_is_refused(tmp_path: Path) -> None:
    code, output = invoke("acme", "--paging", "pages", "--folder", str(tmp_path / "new"))
    assert code == 2
    for kind in PagingKind:
        assert kind.value in output
    assert list(tmp_path.iterdir()) == []
