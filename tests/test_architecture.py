"""Architecture rules that no other tool checks."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADAPTERS = ROOT / "adapters"
MODULES = sorted([*(ROOT / "src").rglob("*.py"), *ADAPTERS.rglob("*.py")])
MAX_MODULE_LINES = 600
MAX_FUNCTION_LINES = 60


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_imports_only_point_down() -> None:
    """The contracts are in pyproject.toml under [tool.importlinter]."""
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_every_adapters_folder_is_an_entry_point_and_the_other_way_round() -> None:
    folders = {path.parent.name for path in ADAPTERS.glob("*/__init__.py")}
    installed = {entry.name: entry.value for entry in entry_points(group="tracegraph.adapters")}
    remedy = "name it in pyproject.toml, then install again: pip install --no-deps -e ."
    assert installed == {folder.removeprefix("tracegraph_"): f"{folder}:open_adapter" for folder in folders}, (
        remedy
    )


def test_every_adapter_has_a_readme() -> None:
    assert [
        path.name for path in ADAPTERS.iterdir() if _is_adapter(path) and not (path / "README.md").exists()
    ] == []


def test_every_adapter_has_the_same_modules() -> None:
    modules = {"adapter.py", "client.py", "wire.py", "mapping.py"}
    missing = {
        path.name: modules - {file.name for file in path.iterdir()}
        for path in ADAPTERS.iterdir()
        if _is_adapter(path)
    }
    assert {vendor: lacking for vendor, lacking in missing.items() if lacking} == {}


def _is_adapter(path: Path) -> bool:
    return (path / "__init__.py").exists()


def test_every_module_is_short() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: length for path, length in lengths.items() if length > MAX_MODULE_LINES} == {}


def test_every_function_is_short() -> None:
    assert [
        f"{name(path)}: {node.name} has {length} lines"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ] == []


def test_the_core_checks_capabilities_and_never_the_name_of_a_vendor() -> None:
    """A difference between vendors is a value in Capabilities. Only the demo uses the names of vendors."""
    core = [path for path in MODULES if path.is_relative_to(ROOT / "src") and "simulators" not in path.parts]
    violations = [
        f"{name(path)}: {choice}" for path in core for choice in _choices_by_vendor(path.read_text("utf-8"))
    ]
    assert violations == []


def _choices_by_vendor(text: str) -> Iterator[str]:
    """Yield comparisons and matches of a name `vendor`, except for the filter of a client."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare) and any(map(_is_vendor, [node.left, *node.comparators])):
            choice = ast.unparse(node)
        elif isinstance(node, ast.Match) and _is_vendor(node.subject):
            choice = f"match {ast.unparse(node.subject)}"
        else:
            continue
        if choice != "adapter.vendor in vendors":
            yield choice


def _is_vendor(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "vendor") or (
        isinstance(node, ast.Name) and node.id == "vendor"
    )


@pytest.mark.parametrize(
    "text",
    [
        "if source.vendor == 'nemo': ...",
        "x = 1 if 'meibel' != vendor else 2",
        "match one.vendor:\n    case _: ...",
    ],
)
def test_a_choice_by_vendor_would_be_found(text: str) -> None:
    assert len(list(_choices_by_vendor(text))) == 1


# -- files under version control ----------------------------------------------------------------------------


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout, or git is not installed")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / line for line in done.stdout.split("\0") if line]
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        try:
            yield name(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a font or a picture


def test_no_file_names_a_path_of_the_development_machine() -> None:
    places = {str(ROOT), str(Path.home())} - {"/", "/root"}
    homes = re.compile(r"(?<![\w.])/(?:home|Users)/[a-z][\w-]*/|(?<![\w.])/ro" + r"ot/(?!\.)")
    found = [
        path for path, text in texts() if any(place in text for place in places) or homes.search(text) is not None
    ]
    assert found == []


def test_no_file_names_a_package_index() -> None:
    """The packages come from the index of the installing machine."""
    public = [
        "pypi." + "org/simple",
        "files.python" + "hosted.org",
        "registry.npm" + "js.org",
        "registry.yarn" + "pkg",
    ]
    words = [*public, *_own_indexes()]
    assert [(path, word) for path, text in texts() for word in words if word in text] == []


def _own_indexes() -> set[str]:
    """Return the hosts of this machine's package indexes from its environment."""
    urls = [
        value
        for variable, value in os.environ.items()
        if re.search(r"(INDEX_URL|REGISTRY|PROXY)$", variable.upper())
    ]
    hosts = {match[1] for url in urls if (match := re.match(r"https?://(?:[^/@]*@)?([^/:]+)", url))}
    return {host for host in hosts if "." in host and not re.fullmatch(r"[\d.]+", host)}


def test_lock_files_pin_every_package_by_hash() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        text = lock.read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9][\w.\[\]-]*==\S+", text, re.MULTILINE)
        assert pinned
        assert len(re.findall(r"^[a-z0-9][\w.\[\]-]*==[^\n]*\\\n\s+--hash=sha256:", text, re.MULTILINE)) == len(
            pinned
        )


def test_the_code_has_no_unfinished_work_marks() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b|raise NotImplementedError")
    assert [name(path) for path in MODULES if marks.search(path.read_text(encoding="utf-8"))] == []
