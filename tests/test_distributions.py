"""The wheel and the source distribution, built as a release builds them."""

from __future__ import annotations

import base64
import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tracegraph.commands.new_adapter import PagingKind, package_files, write_adapter
from tracegraph.simulators.core.servers import serving

ROOT = Path(__file__).parents[1]
VENDORS = ["langsmith", "meibel", "mlflow", "nemo", "phoenix"]
PACKAGES = {"tracegraph", *(f"tracegraph_{vendor}" for vendor in VENDORS)}

LIST_VENDORS = """
from tracegraph.adapter.registry import installed_vendors, load
import adapters
print(sorted(name for name, entry in installed_vendors().items() if load(entry)), adapters.OWNER)
"""


OWN_SOURCE = """
[sources.acme]
vendor = "acme"
base_url = "{url}"
api_key = "file:{folder}/key"
"""
COMPARED = [base64.b64encode(f"Experiment:acme:project-{number}".encode()).decode() for number in (0, 1)]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (found,) = distributions.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, its dependencies, and another project's `adapters`."""
    packages, python = new_environment(tmp_path_factory.mktemp("environment"), wheel)
    (packages / "adapters").mkdir()
    (packages / "adapters" / "__init__.py").write_text("OWNER = 'another project'\n", "utf-8")
    return python


@pytest.fixture(scope="module")
def new_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an adapter in a distribution of its own."""
    return write_adapter("acme", PagingKind.CURSOR, tmp_path_factory.mktemp("own") / "tracegraph-acme")


@pytest.fixture(scope="module")
def installed_beside(wheel: Path, new_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the gateway's wheel and the adapter's own."""
    built = tmp_path_factory.mktemp("own-dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    done = subprocess.run(command, cwd=new_adapter, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (own,) = built.glob("*.whl")
    _, python = new_environment(tmp_path_factory.mktemp("environment"), wheel, own)
    return python


def new_environment(folder: Path, *wheels: Path) -> tuple[Path, Path]:
    """Create an environment with these wheels and borrowed dependencies; return its packages and its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    for path in wheels:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(packages)  # noqa: S202 - our own wheel
    dependencies = Path(pytest.__file__).parents[1]
    (packages / "dependencies.pth").write_text(f"{dependencies}\n", "utf-8")
    return packages, folder / "bin" / "python"


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TRACEGRAPH_", "PYTHON"))}
    return subprocess.run(
        [python, *arguments], cwd=python.parent, env=env, capture_output=True, text=True, check=False
    )


def test_the_wheel_installs_only_packages_of_its_own_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


def test_the_wheel_works_beside_another_projects_package_named_adapters(installed: Path) -> None:
    done = run(installed, "-c", LIST_VENDORS)
    assert done.stdout.strip() == "['langsmith', 'meibel', 'mlflow', 'nemo', 'phoenix'] another project", (
        done.stderr
    )


def test_the_wheel_holds_what_the_command_line_needs(installed: Path) -> None:
    done = run(installed, "-m", "tracegraph", "schema")
    assert done.stdout == (ROOT / "schema.graphql").read_text("utf-8"), done.stderr


def test_the_wheel_holds_the_templates_of_new_adapter(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed, "-m", "tracegraph", "new-adapter", "acme", "--paging", "range", "--folder", f"{tmp_path}/a"
    )
    assert done.returncode == 0, done.stderr
    texts = package_files("acme", PagingKind.RANGE)
    assert {path: (tmp_path / "a" / path).read_text("utf-8") for path in texts} == texts


@pytest.mark.slow
def test_an_adapter_in_a_distribution_of_its_own_works_by_its_entry_point(
    installed_beside: Path, new_adapter: Path, tmp_path: Path
) -> None:
    """`check` calls its source, and `compare` reads its sessions through the gateway."""
    simulator = runpy.run_path(str(new_adapter / "tests" / "acme_simulator.py"))
    with serving([simulator["create_app"]()]) as (url,):
        config = tmp_path / "tracegraph.toml"
        config.write_text(OWN_SOURCE.format(url=url, folder=tmp_path), "utf-8")
        (tmp_path / "key").write_text("acme_simulated", "utf-8")
        checked = run(installed_beside, "-m", "tracegraph", "check", "--config", str(config), "--json")
        assert checked.returncode == 0, checked.stderr
        (source,) = json.loads(checked.stdout)["sources"]
        assert (source["name"], source["vendor"], source["reachable"]) == ("acme", "acme", True)
        figures = ["--metric", "latency", "--basis", "computed", "--format", "json", "--config", str(config)]
        compared = run(installed_beside, "-m", "tracegraph", "compare", *COMPARED, *figures)
        assert compared.returncode == 0, compared.stderr
        assert "1500" in compared.stdout


def test_the_source_distribution_holds_every_tracked_file(distributions: Path) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout, or git is not installed")
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    assert tracked - held == set()


@pytest.mark.slow
def test_the_source_distributions_own_tests_pass_in_it(distributions: Path, tmp_path: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "src"), str(folder / "adapters")])}
    tests = [
        "tests/test_architecture.py",
        "tests/documents",
        "tests/federation",
        "tests/contract",
        "tests/upstream",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *tests],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
