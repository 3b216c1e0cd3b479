"""The wheel and the source distribution, built as a release builds them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"tracegraph", "tracegraph_nemo", "tracegraph_langsmith", "tracegraph_meibel"}

LIST_VENDORS = """
from tracegraph.adapter.registry import installed_vendors, load
import adapters
print(sorted(name for name, entry in installed_vendors().items() if load(entry)), adapters.OWNER)
"""


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
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)  # noqa: S202 - our own wheel
    (packages / "adapters").mkdir()
    (packages / "adapters" / "__init__.py").write_text("OWNER = 'another project'\n", "utf-8")
    dependencies = Path(pytest.__file__).parents[1]
    (packages / "dependencies.pth").write_text(f"{dependencies}\n", "utf-8")
    return folder / "bin" / "python"


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
    assert done.stdout.strip() == "['langsmith', 'meibel', 'nemo'] another project", done.stderr


def test_the_wheel_holds_what_the_command_line_needs(installed: Path) -> None:
    done = run(installed, "-m", "tracegraph", "schema")
    assert done.stdout == (ROOT / "schema.graphql").read_text("utf-8"), done.stderr


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
